//! The program itself: what it was told to tell is told, though it was killed before.

// Helpers of tests are tests too, but the lint sees only what stands inside of #[test].
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A registry over plain HTTP on this machine.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(folder: &Path, hook: u16) -> Self {
        let config = folder.join("config.yml");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n\
             notifications: {{endpoints: [{{name: hook, url: 'http://127.0.0.1:{hook}/', backoff: 20ms}}]}}\n",
            folder.join("data").display()
        );
        std::fs::write(&config, text).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_roadstead-registry"))
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let line = lines
            .find(|line| line.contains("msg=serving"))
            .expect("it says where it listens");
        let (_, address) = line.split_once("address=127.0.0.1:").unwrap();
        let port = address.split(' ').next().unwrap().parse().unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Server { process, port }
    }

    /// Pushes a blob and gives the status of the answer.
    fn push(&self, bytes: &str, digest: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "POST /v2/app/blobs/uploads/?digest=sha256:{digest} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{bytes}",
            bytes.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap().to_owned()
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
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
    let digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    assert_eq!(
        server.push("x", digest),
        "HTTP/1.1 201 Created",
        "though nobody listens"
    );
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
        told.contains(digest) && told.contains("\"action\":\"push\""),
        "{told}"
    );
    drop(server);
}
