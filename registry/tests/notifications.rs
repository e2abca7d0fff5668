//! The program itself: what it was told to tell is told, though it was killed before.

// Helpers of tests are tests too, but the lint sees only what stands inside of #[test].
#![allow(clippy::unwrap_used)]

mod program;

use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use program::Program;

/// Of the one layer here, "x".
const DIGEST: &str = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

/// A registry over plain HTTP on this machine.
struct Server(Program);

impl Server {
    fn start(folder: &Path, hook: u16) -> Self {
        let config = folder.join("config.yml");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n\
             notifications: {{endpoints: [{{name: hook, url: 'http://127.0.0.1:{hook}/', backoff: 20ms}}]}}\n",
            folder.join("data").display()
        );
        std::fs::write(&config, text).unwrap();
        Server(Program::start(&["serve"], &config))
    }

    /// Pushes the layer and gives the status of the answer.
    fn push(&self) -> u16 {
        let port = self.0.port;
        let url = format!("http://127.0.0.1:{port}/v2/app/blobs/uploads/?digest=sha256:{DIGEST}");
        ureq::post(url).send("x").unwrap().status().as_u16()
    }

    fn kill(mut self) {
        self.0.process.kill().unwrap();
        self.0.process.wait().unwrap();
    }
}

#[test]
fn an_acknowledged_push_is_told_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = Server::start(folder.path(), port);
    assert_eq!(server.push(), 201, "though nobody listens");
    server.kill();

    let hook = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let server = Server::start(folder.path(), port);
    let (mut stream, _) = hook.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut told = String::new();
    let mut buffer = [0; 4096];
    while !told.contains("\"source\"") {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "it hung up after {told:?}");
        told.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    assert!(
        told.contains(DIGEST) && told.contains("\"action\":\"push\""),
        "{told}"
    );
    drop(server);
}
