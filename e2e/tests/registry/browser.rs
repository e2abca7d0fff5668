//! A page of another origin in a real browser: it lists, reads and deletes with a password, as registry pages do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;

use roadstead_e2e::{Finished, Server, libraries, part, stock_config};

/// What the page does; the registry and the digest to delete are put in.
const PAGE: &str = r#"<!doctype html><title>registry</title><pre id=out></pre><script>
const say = text => { out.textContent += text + '\n' };
const ask = (path, method = 'GET') => fetch('http://REGISTRY/v2/' + path, {
  method, headers: { Authorization: 'Basic ' + btoa('ann:secret'), Accept: 'MANIFEST' } });
(async () => {
  try {
    say('catalog ' + (await (await ask('_catalog')).json()).repositories);
    say('tags ' + (await (await ask('demo%2Fapp/tags/list')).json()).tags);
    const head = await ask('demo/app/manifests/one', 'HEAD');
    const digest = head.headers.get('Docker-Content-Digest');
    say('layers ' + (await (await ask('demo/app/manifests/one')).json()).layers.length);
    say('refused ' + (await fetch('http://REGISTRY/v2/')).status);
    say('deleted ' + (await ask('demo/app/manifests/' + digest, 'DELETE')).status);
    say('gone ' + (await ask('demo/app/manifests/one')).status);
  } catch (error) { say('error ' + error) }
})();
</script>"#;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

#[test]
fn a_page_of_another_origin_lists_reads_and_deletes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    let origin = format!("http://{}", listener.local_addr().expect("it listens"));
    let server = Server::start(&config(folder.path(), &origin));
    push(&server);
    let page = PAGE
        .replace("REGISTRY", &format!("127.0.0.1:{}", server.port()))
        .replace("MANIFEST", MANIFEST);
    std::thread::spawn(move || serve(&listener, &page));
    let shown = browse(&origin);
    for line in [
        "catalog demo/app",
        "tags one",
        "layers 1",
        "refused 401",
        "deleted 202",
        "gone 404",
    ] {
        assert!(shown.contains(line), "no {line:?} in: {shown}\n{}", server.log());
    }
}

fn config(folder: &std::path::Path, origin: &str) -> String {
    let users = folder.join("htpasswd");
    let line = roadstead_pki::htpasswd::hash_line("ann", "secret", 5).expect("bcrypt takes them");
    std::fs::write(&users, line).expect("the temporary folder can be written");
    let headers = format!(
        "headers:\n    Access-Control-Allow-Origin: ['{origin}']\n    \
         Access-Control-Allow-Methods: [HEAD, GET, OPTIONS, DELETE]\n    \
         Access-Control-Allow-Headers: [Authorization, Accept]\n    \
         Access-Control-Expose-Headers: [Docker-Content-Digest]\n    "
    );
    let stock = stock_config(&folder.join("data"))
        .replace("headers: {X-Content-Type-Options: [nosniff]}", headers.trim_end());
    format!(
        "{stock}auth: {{htpasswd: {{realm: Page, path: {}}}}}\n",
        users.display()
    )
}

/// An image, over the API as a person would.
fn push(server: &Server) {
    let script = format!(
        r#"set -e
cd $(mktemp -d)
host=127.0.0.1:{port}
for content in '{{}}' layer; do
	printf %s "$content" >blob
	digest=sha256:$(sha256sum <blob | cut -d' ' -f1)
	curl -sSf -u ann:secret --data-binary @blob -H 'Content-Type: application/octet-stream' "http://$host/v2/demo/app/blobs/uploads/?digest=$digest"
	echo $digest >>digests
done
config=$(head -1 digests) layer=$(tail -1 digests)
printf '{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,"digest":"%s"}},"layers":[{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":5,"digest":"%s"}}]}}' $config $layer >manifest
curl -sSf -u ann:secret -T manifest -H 'Content-Type: {MANIFEST}' http://$host/v2/demo/app/manifests/one
"#,
        port = server.port()
    );
    Finished::run(Command::new("bash").args(["-c", &script]), "").ok();
}

fn serve(listener: &TcpListener, page: &str) {
    for mut stream in listener.incoming().flatten() {
        let mut lines = BufReader::new(&stream).lines();
        while lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
        {}
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
            page.len()
        );
    }
}

/// What the page has become when all that it asked for has come.
fn browse(url: &str) -> String {
    let browser = part("browser").join("usr/lib");
    let profile = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new("timeout");
    command
        .arg("120")
        .arg(browser.join("chromium/chromium-headless-shell"))
        // Root has no other way; the page is the test's own.
        .args(["--no-sandbox", "--disable-gpu", "--no-proxy-server"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=30000", "--dump-dom", url])
        .env(
            "LD_LIBRARY_PATH",
            format!("{0}:{0}/pulseaudio", libraries("browser")),
        );
    Finished::run(&mut command, "").ok()
}
