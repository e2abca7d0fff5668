//! A registry that has whatever it is asked for: what it sends must neither stay on a node nor count as a proof.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use roadstead_e2e::{Authority, Cluster, wait_until};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

const HOST: &str = "liar.tenant.svc:7443";
/// Where nodes find the cluster's own network.
const ADDRESS: &str = "10.89.0.1";
const FOLDER: &str = "ROADSTEAD_LIAR";

#[test]
fn what_a_hostile_registry_sends_stays_on_no_node_and_proves_nothing() {
    let cluster = Cluster::installed();
    let authority = Authority::create();
    let pair = authority.issue_for(
        "liar.tenant.svc",
        &format!("subjectAltName=DNS:liar.tenant.svc,IP:{ADDRESS}\nextendedKeyUsage=serverAuth\n"),
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in [("tls.crt", &pair.certificate), ("tls.key", &pair.key)] {
        fs::write(folder.path().join(name), text).expect("the temporary folder can be written");
    }
    let server = serve_beside(cluster, folder.path());
    let bundle = serde_json::json!({
        "apiVersion": "roadstead.dev/v1alpha1", "kind": "TrustBundle",
        "metadata": {"name": HOST.replace(':', "."), "namespace": "roadstead-system-nodes"},
        "spec": {
            "installation": "roadstead-system/roadstead", "host": HOST, "ca": authority.root(),
            "server": format!("{ADDRESS}:7443"),
            "registry": {"namespace": "tenant", "name": "liar", "uid": "none"},
        },
    });
    cluster.apply(&bundle.to_string()).ok();
    for node in cluster.nodes() {
        wait_until(&format!("{node} has asked"), || {
            let told = cluster
                .get("roadstead-system-nodes", "nodetrust", &node)
                .unwrap_or_default();
            let problems = told["spec"]["problems"].as_array().cloned().unwrap_or_default();
            let concerning = problems.iter().find(|problem| problem["host"] == HOST);
            match concerning {
                Some(problem)
                    if problem["message"]
                        .as_str()
                        .is_some_and(|text| text.contains("cannot exist")) =>
                {
                    Ok(())
                }
                other => Err(format!("{other:?}")),
            }
        });
    }
    let asked = fs::read_to_string(folder.path().join("requests")).expect("it was asked");
    assert!(
        asked
            .lines()
            .all(|line| line.contains("/roadstead-canary/") && line.contains("sha256:")),
        "{asked}"
    );
    cluster
        .kubectl(&[
            "-n",
            "roadstead-system-nodes",
            "delete",
            "trustbundle",
            &HOST.replace(':', "."),
        ])
        .ok();
    for node in cluster.nodes() {
        wait_until(&format!("nothing is left on {node}"), || {
            let script = "find /var/lib/containerd/io.containerd.content.v1.content/ingest -name data; \
                          ctr -n k8s.io images ls -q | grep liar || true; ls /etc/containerd/certs.d | grep liar || true";
            let left = cluster.on_node(&node, script).ok();
            if left.trim().is_empty() { Ok(()) } else { Err(left) }
        });
    }
    fs::write(folder.path().join("stop"), "").expect("the temporary folder can be written");
    server.join().expect("the thread only runs a program");
}

/// Runs [`serve`] in the cluster's network, which this process is not in.
fn serve_beside(cluster: &'static Cluster, folder: &Path) -> std::thread::JoinHandle<()> {
    let own = std::env::current_exe().expect("a test knows its program");
    let script = format!(
        "{FOLDER}={} timeout 120 {} --ignored --exact liar::serve >&2",
        folder.display(),
        own.display()
    );
    let ready = folder.join("requests");
    let server = std::thread::spawn(move || drop(cluster.run(&script)));
    wait_until("the server listens", || match ready.exists() {
        true => Ok(()),
        false => Err("no sign of it".to_owned()),
    });
    server
}

#[test]
#[ignore = "no test but the server, which the test above starts"]
fn serve() {
    let folder = std::env::var(FOLDER).expect("the test above says where");
    let folder = Path::new(&folder);
    let pem = |name: &str| fs::read(folder.join(name)).expect("the test wrote it");
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem("tls.crt")).collect();
    let key = PrivateKeyDer::from_pem_slice(&pem("tls.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(chain.expect("certificates"), key)
        .expect("a pair");
    let config = Arc::new(config);
    let listener = TcpListener::bind(format!("{ADDRESS}:7443")).expect("the port is free");
    listener.set_nonblocking(true).expect("a socket");
    let requests = folder.join("requests");
    fs::write(&requests, "").expect("the folder can be written");
    while !folder.join("stop").exists() {
        match listener.accept() {
            Ok((stream, _)) => {
                let (config, requests) = (config.clone(), requests.clone());
                std::thread::spawn(move || lie(stream, config, &requests));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Says of everything that it is here and large, and sends it without an end.
fn lie(stream: TcpStream, config: Arc<rustls::ServerConfig>, requests: &Path) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    let mut stream = rustls::StreamOwned::new(rustls::ServerConnection::new(config).ok()?, stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let line = head.lines().next()?;
    let mut log = fs::File::options().append(true).open(requests).ok()?;
    // One write a line: two nodes ask at once.
    log.write_all(format!("{line}\n").as_bytes()).ok()?;
    let digest = &line[line.find("sha256:")?..];
    let digest = digest.split([' ', '?']).next()?;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nDocker-Content-Digest: {digest}\r\n\
         Content-Length: 4000000\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    stream.flush().ok()?;
    let piece = [0; 16 * 1024];
    if !line.starts_with("GET ") {
        return Some(());
    }
    loop {
        stream.write_all(&piece).ok()?;
        // Enough to be seen, and not enough to fill the machine that tests this.
        std::thread::sleep(Duration::from_millis(5));
    }
}
