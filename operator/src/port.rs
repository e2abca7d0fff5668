//! A port that anyone in the cluster can reach: the accepting loop has the limits, and the routes know nothing of them.
//!
//! A connection brings one request. A new one is always admitted: where its address has its share already, the oldest of
//! that address makes room, for a local user has the same address as the kubelet; and when all places are taken, the
//! oldest of whoever has the most.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// The longest head of a request, in bytes.
const HEAD: usize = 8 * 1024;
/// How long a head may take to come in.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a connection may last, with its answer.
const WHOLE_TIME: Duration = Duration::from_secs(10);
/// After a failure to accept, which is one of the machine's (no file descriptors left).
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections there may be at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) in_all: usize,
    pub(crate) per_address: usize,
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, routes: Router, limits: Limits) {
    let mut connections = Connections::new(limits);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => connections.admit(stream, peer.ip().to_canonical(), &routes),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(PAUSE).await;
            }
        }
    }
}

/// The open connections, the oldest first.
struct Connections {
    limits: Limits,
    open: Vec<Open>,
}

struct Open {
    address: IpAddr,
    task: AbortHandle,
}

impl Connections {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: Vec::with_capacity(limits.in_all),
        }
    }

    fn admit(&mut self, stream: TcpStream, address: IpAddr, routes: &Router) {
        self.open.retain(|open| !open.task.is_finished());
        if self.count(address) >= self.limits.per_address {
            self.close_oldest(address);
        } else if self.open.len() >= self.limits.in_all {
            self.make_room();
        }
        let task = tokio::spawn(answer(stream, routes.clone())).abort_handle();
        self.open.push(Open { address, task });
    }

    fn make_room(&mut self) {
        let counts: Vec<_> = self.open.iter().map(|open| self.count(open.address)).collect();
        let most = counts.iter().max();
        let oldest = counts.iter().position(|count| Some(count) == most);
        if let Some(index) = oldest {
            self.open.remove(index).task.abort();
        }
    }

    fn close_oldest(&mut self, address: IpAddr) {
        if let Some(index) = self.open.iter().position(|open| open.address == address) {
            self.open.remove(index).task.abort();
        }
    }

    fn count(&self, address: IpAddr) -> usize {
        self.open.iter().filter(|open| open.address == address).count()
    }
}

async fn answer(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    // A client that sends nonsense or goes away is no news.
    let _ = timeout(WHOLE_TIME, connection).await;
}

#[cfg(test)]
mod tests;
