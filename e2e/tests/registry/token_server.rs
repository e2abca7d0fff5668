//! A token server that clients can ask, and a registry that has users of its own beside it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use roadstead_e2e::Pair;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::docker_current::{Store, start};
use crate::site::{Site, make_layer};
use crate::tokens::{TokenServer, granting};

/// Where it stands, beside the registry.
pub(crate) const PORT: u16 = 5001;
/// Whom it knows.
const USER: &str = "bot:robot";

/// Gives tokens for `team/app` to the one whom it knows.
pub(crate) fn serve(server: TokenServer, listener: TcpListener, pair: &Pair) {
    let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has what these need")
        .with_no_client_auth()
        .with_single_cert(chain.expect("it is PEM"), key.expect("it is PEM"))
        .expect("the key is the certificate's");
    let (server, config) = (Arc::new(server), Arc::new(config));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (server, config) = (Arc::clone(&server), Arc::clone(&config));
            // A client that hangs up is its own affair.
            std::thread::spawn(move || answer(&server, stream, config));
        }
    });
}

fn answer(server: &TokenServer, stream: TcpStream, config: Arc<ServerConfig>) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let known = format!("authorization: Basic {}", BASE64_STANDARD.encode(USER));
    let (mut line, mut is_known, mut length) = (String::new(), false, 0);
    while stream.read_line(&mut line)? > 2 {
        let header = line.trim();
        is_known |= header.eq_ignore_ascii_case(&known);
        if let Some(("content-length", value)) = header.to_ascii_lowercase().split_once(": ") {
            length = value.parse().unwrap_or(0);
        }
        line.clear();
    }
    // containerd tries OAuth first, by POST. Bytes that nobody reads would reset the connection.
    std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink())?;
    let (status, body) = if is_known {
        let token = server.token(&granting("repository", "team/app", &["pull", "push"]));
        (
            "200 OK",
            json!({"token": token, "access_token": token, "expires_in": 300}),
        )
    } else {
        (
            "401 Unauthorized",
            json!({"details": "the token server knows nobody of this name"}),
        )
    };
    let body = body.to_string();
    let stream = stream.get_mut();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// docker's login is other code than its push with containerd's store, which is containerd's own.
#[test]
fn every_client_finds_the_token_server_where_there_are_users_beside_it() {
    let site = Site::with_token_server();
    start(&site, Store::Containerd);
    site.run(&format!(
        r#"export SSL_CERT_FILE=$PWD/ca.crt
        for folder in docker containers; do mkdir -p /etc/$folder/certs.d/$HOST; cp ca.crt /etc/$folder/certs.d/$HOST/; done
        mkdir -p /etc/docker/certs.d/${{HOST%:*}}:{PORT} /etc/containers/certs.d/${{HOST%:*}}:{PORT}
        cp ca.crt /etc/docker/certs.d/${{HOST%:*}}:{PORT}/; cp ca.crt /etc/containers/certs.d/${{HOST%:*}}:{PORT}/
        echo robot > token
        docker login -u bot --password-stdin $HOST < token
        {}; docker import layer.tar $HOST/team/app:1; docker push $HOST/team/app:1
        docker rmi $HOST/team/app:1; docker pull $HOST/team/app:1
        podman login -u bot --password-stdin $HOST < token; podman pull -q $HOST/team/app:1
        skopeo inspect docker://$HOST/team/app:1
        crane pull $HOST/team/app:1 crane.tar
        oras login -u bot --password-stdin $HOST < token; oras copy --to-oci-layout $HOST/team/app:1 oras:1
        regctl registry set --skip-check --cacert "$(cat ca.crt)" $HOST
        regctl registry login -u bot --pass-stdin $HOST < token; regctl image copy $HOST/team/app:1 ocidir://regctl:1
        helm registry login -u bot --password-stdin $HOST < token
        curl --fail --cacert ca.crt --user "ann:$(cat password)" https://$HOST/v2/team/app/tags/list"#,
        make_layer(100_000)
    ))
    .ok();
    let printed = site
        .run("docker login -u ann --password-stdin $HOST < password")
        .fails();
    assert!(printed.contains("knows nobody of this name"), "{printed}");
}
