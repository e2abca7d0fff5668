//! Proxies in front of the registry that take TLS away, with their defaults: nobody told them what to say of it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use roadstead_e2e::{Authority, Finished, Server, libraries, part, stock_config};

const NAME: &str = "registry.example.com";

/// A proxy; it ends when this is dropped.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn nginx(folder: &Path, port: u16, registry: u16) -> Command {
    let folder = folder.display();
    let config = format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\nhttp {{\n\
         access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n\
         fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
         server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/both.pem; ssl_certificate_key {folder}/both.pem;\n\
         location / {{ proxy_pass http://127.0.0.1:{registry}; }} }} }}\n"
    );
    std::fs::write(format!("{folder}/nginx.conf"), config).expect("the temporary folder can be written");
    let mut command = Command::new(part("bench").join("usr/sbin/nginx"));
    command.args([
        "-c",
        &format!("{folder}/nginx.conf"),
        "-e",
        &format!("{folder}/error.log"),
    ]);
    command
}

fn haproxy(folder: &Path, port: u16, registry: u16) -> Command {
    let folder = folder.display();
    let config = format!(
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n\
         frontend f\n  bind 127.0.0.1:{port} ssl crt {folder}/both.pem\n  default_backend b\n\
         backend b\n  server s 127.0.0.1:{registry}\n"
    );
    std::fs::write(format!("{folder}/haproxy.cfg"), config).expect("the temporary folder can be written");
    let mut command = Command::new(part("proxies").join("usr/sbin/haproxy"));
    command.args(["-db", "-f", &format!("{folder}/haproxy.cfg")]);
    command.env("LD_LIBRARY_PATH", libraries("proxies"));
    command
}

fn caddy(folder: &Path, port: u16, registry: u16) -> Command {
    let folder = folder.display();
    let config = format!(
        "{{\n  admin off\n  auto_https off\n}}\nhttps://{NAME}:{port} {{\n  bind 127.0.0.1\n  tls {folder}/both.pem {folder}/both.pem\n  \
         reverse_proxy 127.0.0.1:{registry}\n}}\n"
    );
    std::fs::write(format!("{folder}/Caddyfile"), config).expect("the temporary folder can be written");
    let mut command = Command::new(part("proxies").join("usr/bin/caddy"));
    command.args([
        "run",
        "--config",
        &format!("{folder}/Caddyfile"),
        "--adapter",
        "caddyfile",
    ]);
    // It keeps what it makes there.
    command
        .env("XDG_DATA_HOME", format!("{folder}"))
        .env("XDG_CONFIG_HOME", format!("{folder}"));
    command.stderr(Stdio::null());
    command
}

fn traefik(folder: &Path, port: u16, registry: u16) -> Command {
    let folder = folder.display();
    let config = format!(
        "tls: {{certificates: [{{certFile: {folder}/both.pem, keyFile: {folder}/both.pem}}]}}\nhttp:\n  \
         routers: {{all: {{rule: 'PathPrefix(`/`)', service: registry, tls: {{}}}}}}\n  \
         services: {{registry: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:{registry}'}}]}}}}}}\n"
    );
    std::fs::write(format!("{folder}/traefik.yml"), config).expect("the temporary folder can be written");
    let mut command = Command::new(part("traefik").join("traefik"));
    command.args([
        &format!("--entrypoints.all.address=127.0.0.1:{port}"),
        &format!("--providers.file.filename={folder}/traefik.yml"),
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
    ]);
    command.stdout(Stdio::null());
    command
}

/// Pushes an image with a layer of a gigabyte at once, lists its tag, and pulls it.
const LARGE: &str = r#"
set -euo pipefail
curl() { command curl -sS -f --cacert root.crt --resolve $NAME:$PORT:127.0.0.1 "$@"; }
url=https://$NAME:$PORT
until curl -o answer $url/v2/ 2>refusal; do sleep .1; done
digest() { echo sha256:$(sha256sum <"$1" | cut -d' ' -f1); }
resolved() { # FILE WITH HEADERS: as a client resolves Location
	location=$(tr -d '\r' <$1 | sed -n 's/^[Ll]ocation: //p')
	case $location in /*) echo $url$location ;; *) echo $location ;; esac
}
upload() { # FILE
	curl -D one -X POST $url/v2/app/blobs/uploads/
	curl -D two -X PATCH -H 'Content-Type: application/octet-stream' -T $1 "$(resolved one)"
	curl -X PUT "$(resolved two)&digest=$(digest $1)"
}
echo '{}' >config; head -c 1000000000 /dev/urandom >layer
upload config; upload layer
TYPE=application/vnd.docker.distribution.manifest.v2+json
cat >manifest <<-JSON
	{"schemaVersion": 2, "mediaType": "$TYPE",
	 "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 3, "digest": "$(digest config)"},
	 "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 1000000000, "digest": "$(digest layer)"}]}
JSON
curl -X PUT -H "Content-Type: $TYPE" --data-binary @manifest $url/v2/app/manifests/1
curl $url/v2/app/tags/list | grep '"tags":\["1"\]'
curl -H "Accept: $TYPE" $url/v2/app/manifests/1 | cmp - manifest
curl $url/v2/app/blobs/$(digest layer) | cmp - layer
"#;

/// Pushes a blob through the proxy in pieces, following each `Location` as a client resolves it, and reads it again.
const SCRIPT: &str = r#"
set -euo pipefail
curl() { command curl -sS --cacert root.crt --resolve $NAME:$PORT:127.0.0.1 "$@"; }
uploads=https://$NAME:$PORT/v2/team/app/blobs/uploads/
resolved() { # HEADERS: as RFC 3986 has it
	local location=$(tr -d '\r' <$1 | sed -n 's/^[Ll]ocation: //p')
	case $location in http*) echo "$location" ;; *) echo "https://$NAME:$PORT$location" ;; esac
}
for try in $(seq 100); do curl -o /dev/null $uploads 2>/dev/null && break; sleep 0.1; done
head -c 200000 /dev/urandom >blob
digest=sha256:$(sha256sum <blob | cut -d' ' -f1)
curl -f -D one -X POST $uploads
curl -f -D two -X PATCH -H 'Content-Type: application/octet-stream' --data-binary @blob "$(resolved one)"
curl -f -D three -X PUT "$(resolved two)&digest=$digest"
curl -f -o copy "$(resolved three)"
cmp blob copy
"#;

fn push_through(proxy: fn(&Path, u16, u16) -> Command) {
    run_through(proxy, SCRIPT);
}

fn run_through(proxy: fn(&Path, u16, u16) -> Command, what: &str) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(&stock_config(&data.path().join("data")));
    let authority = Authority::create();
    let pair = authority.issue(NAME);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("the temporary folder can be written");
    };
    write("both.pem", &format!("{}{}", pair.certificate, pair.key));
    write("root.crt", &authority.root());
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    let port = free.expect("loopback has free ports").port();
    let _proxy = Proxy(
        proxy(folder.path(), port, server.port())
            .stdin(Stdio::null())
            .spawn()
            .expect("set-up brought the proxy"),
    );
    let mut script = Command::new("timeout");
    script
        .args(["300", "bash", "-c", what])
        .current_dir(folder.path());
    script.env("NAME", NAME).env("PORT", port.to_string());
    Finished::run(&mut script, "").ok();
}

#[test]
fn pushes_go_through_nginx_with_its_defaults() {
    push_through(nginx);
}

#[test]
fn pushes_go_through_haproxy_with_its_defaults() {
    push_through(haproxy);
}

/// This one says that it is there.
#[test]
fn pushes_go_through_caddy_with_its_defaults() {
    push_through(caddy);
}

#[test]
#[ignore = "a part of make soak, whose set-up brings Traefik"]
fn large_images_go_through_traefik_with_its_defaults() {
    push_through(traefik);
    run_through(traefik, LARGE);
}

#[test]
#[ignore = "a part of make soak"]
fn large_images_go_through_caddy_with_its_defaults() {
    run_through(caddy, LARGE);
}
