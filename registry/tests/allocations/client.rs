//! A client that sends each request in one piece, over one connection to the server's socket.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

pub(crate) struct Client(BufReader<UnixStream>);

impl Client {
    /// Waits until the server listens.
    pub(crate) fn connect(socket: &Path) -> Self {
        for _ in 0..600 {
            if let Ok(stream) = UnixStream::connect(socket) {
                return Client(BufReader::new(stream));
            }
            sleep(Duration::from_millis(50));
        }
        panic!("the server does not listen at {}", socket.display())
    }

    /// Sends a request and gives the body of its answer.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        media_type: &str,
        body: &[u8],
        status: u16,
    ) -> Vec<u8> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: registry\r\nAccept: {media_type}\r\nContent-Type: {media_type}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.0.get_mut().write_all(&request).unwrap();
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the server hung up");
            if line == "\r\n" {
                break;
            }
            head.push(line.to_ascii_lowercase());
        }
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.trim().parse().unwrap());
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer);
        assert!(
            head[0].contains(&format!(" {status} ")),
            "{method} {path}: {head:?} {text}"
        );
        answer
    }
}
