//! The handshake, with a time limit and a clear word for those who speak plain HTTP to a TLS port.

use std::sync::Arc;
use std::time::Duration;

use roadstead_pki::certificate::Certificate;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::refused::Refused;
use super::stream::TlsStream;

/// The first byte of every TLS connection: a handshake record.
const HANDSHAKE: u8 = 22;

/// Makes a TLS connection of a TCP connection.
pub async fn accept(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    limit: Duration,
) -> Result<TlsStream<TcpStream>, Refused> {
    tokio::time::timeout(limit, handshake(stream, config))
        .await
        .unwrap_or(Err(Refused::TooSlow))
}

/// The certificate that the client showed, if it showed one. It was found good, or there would be no connection.
pub fn client<S: AsyncRead + AsyncWrite + Unpin>(stream: &TlsStream<S>) -> Option<Certificate> {
    let leaf = stream.peer_certificates()?.first()?;
    Certificate::from_der(leaf.clone().into_owned()).ok()
}

async fn handshake(stream: TcpStream, config: Arc<ServerConfig>) -> Result<TlsStream<TcpStream>, Refused> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => return Err(Refused::Gone),
        _ if first[0] == HANDSHAKE => {}
        // Every method name of HTTP begins with a capital letter.
        _ if first[0].is_ascii_uppercase() => {
            explain(stream).await;
            return Err(Refused::PlainHttp);
        }
        _ => return Err(Refused::NotTls),
    }
    Ok(TlsStream::accept(stream, config).await?)
}

const EXPLANATION: &str = "this port speaks HTTPS: use https://, and let the client trust the server's CA\n";

/// A client that sees the connection close, or hang, learns nothing; this one it can show.
async fn explain(mut stream: TcpStream) {
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        EXPLANATION.len()
    );
    // Whatever goes wrong here, the connection ends all the same.
    let _ = stream.write_all(format!("{head}{EXPLANATION}").as_bytes()).await;
    let _ = stream.shutdown().await;
    // Closing with unread bytes would reset the connection, and the answer with it.
    let mut rest = [0; 4096];
    let mut read = 0;
    while read < 64 * 1024 {
        match stream.read(&mut rest).await {
            Ok(0) | Err(_) => break,
            Ok(bytes) => read += bytes,
        }
    }
}
