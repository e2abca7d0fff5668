//! A client as light as can be, so that what is measured is the server: HTTP/1.1 or HTTP/2 over TLS 1.3 on loopback.

mod pace;
mod payload;
mod protocol;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use rustls::pki_types::ServerName;
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use self::pace::Pace;
pub(crate) use self::payload::Payload;
pub(crate) use self::protocol::Protocol;
use self::protocol::Sender;
pub(crate) use self::tls::Tls;

/// A server and who asks it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The value of the header.
    pub(crate) authorization: String,
    pub(crate) tls: Tls,
    pub(crate) protocol: Protocol,
}

/// A connection that is kept open.
pub(crate) struct Connection {
    sender: Sender,
    host: String,
    authorization: Option<String>,
}

impl Target {
    /// The same server, asked by nobody in particular.
    pub(crate) fn anonymous(&self) -> Self {
        Self {
            authorization: String::new(),
            ..self.clone()
        }
    }

    /// The same server, with other habits of TLS.
    pub(crate) fn with(&self, tls: Tls) -> Self {
        Self { tls, ..self.clone() }
    }

    /// The same server, spoken to in this protocol.
    pub(crate) fn over(&self, protocol: Protocol) -> Self {
        Self {
            protocol,
            ..self.clone()
        }
    }

    /// Connects, from the next of many loopback addresses: one alone would run out of ports.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(next_source(), 0))?;
        let stream = socket
            .connect(self.address)
            .await
            .with_context(|| format!("cannot connect to {}", self.address))?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(self.address.ip());
        let stream = TlsConnector::from(self.tls.config(self.protocol))
            .connect(name, stream)
            .await
            .with_context(|| format!("no TLS with {}", self.address))?;
        Ok(Connection {
            sender: Sender::over(stream, self.protocol).await?,
            host: self.address.to_string(),
            authorization: Some(self.authorization.clone()).filter(|value| !value.is_empty()),
        })
    }
}

fn next_source() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % 250;
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2 + number as u8))
}

impl Connection {
    /// Sends a request and gives the answer, whose body is yet to be read.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        payload: Payload,
    ) -> anyhow::Result<Response<Incoming>> {
        let mut request = self.sender.request(&self.host, path)?.method(&method);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(payload)?;
        let answer = self.sender.send(request).await;
        answer.with_context(|| format!("{method} {path}"))
    }

    /// Sends a request, and insists on the status of the answer.
    pub(crate) async fn expect(
        &mut self,
        status: StatusCode,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        payload: Payload,
    ) -> anyhow::Result<Response<Incoming>> {
        let answer = self.send(method.clone(), path, headers, payload).await?;
        if answer.status() == status {
            return Ok(answer);
        }
        let got = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        anyhow::bail!(
            "{method} {path} was answered with {got}: {}",
            String::from_utf8_lossy(&body)
        )
    }

    /// GET of something small.
    pub(crate) async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Bytes> {
        let answer = self
            .expect(StatusCode::OK, Method::GET, path, headers, Payload::Empty)
            .await?;
        Ok(answer.into_body().collect().await?.to_bytes())
    }

    /// GET of something large: each piece is shown, none is kept. The whole has to be `size` bytes.
    pub(crate) async fn download(
        &mut self,
        path: &str,
        size: u64,
        piece: impl FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        self.receive(path, size, None, piece).await
    }

    /// The same, at this many bytes per second.
    pub(crate) async fn download_at(&mut self, path: &str, size: u64, pace: u64) -> anyhow::Result<()> {
        self.receive(path, size, Some(Pace::of(pace)), |_| ()).await
    }

    async fn receive(
        &mut self,
        path: &str,
        size: u64,
        mut pace: Option<Pace>,
        mut piece: impl FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        let answer = self
            .expect(StatusCode::OK, Method::GET, path, &[], Payload::Empty)
            .await?;
        let mut body = answer.into_body();
        let mut received = 0;
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame?.data_ref() {
                received += data.len() as u64;
                piece(data);
                if let Some(pace) = &mut pace {
                    pace.wait(data.len()).await;
                }
            }
        }
        ensure!(received == size, "{path}: {received} bytes instead of {size}");
        Ok(())
    }
}
