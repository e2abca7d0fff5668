//! Listeners and connections: who may talk, for how long, and how it ends.

mod activity;
mod admin;
mod admission;
mod connection;
mod gathered;
mod listen;
mod places;
mod readiness;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::Either;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use self::activity::Expired;
pub use self::admin::{Admin, serve_admin};
use self::admission::Excess;
pub use self::admission::{Admission, ConnectionLimits};
pub use self::listen::{Listener, bind};
pub use self::readiness::{Health, Readiness};
use super::app::App;
use super::caller::Caller;
use crate::log::Sparingly;
use crate::metrics::Metrics;
use crate::tls;

/// What the port is called in metrics.
const PORT: &str = "api";
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long to wait when the system has no more connections to give.
const PAUSE: Duration = Duration::from_millis(100);

/// The API on one port.
pub struct Server {
    pub app: App,
    pub metrics: Arc<Metrics>,
    /// Absent: plain HTTP/1.1.
    pub tls: Option<Arc<tls::Live>>,
    pub admission: Arc<Admission>,
}

impl Server {
    /// Serves until `stop` says so, then takes nothing new and lets what runs come to its end, for `drain` at most.
    pub async fn run(self, listener: Listener, stop: watch::Receiver<bool>, drain: Duration) {
        let server = Arc::new(self);
        let connections = TaskTracker::new();
        let lines = Sparingly::default();
        let mut stopping = pin!(connection::begins(stop.clone()));
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => match server.admission.admit(peer.map(|peer| peer.ip())) {
                        Ok(admitted) => {
                            let talk = Arc::clone(&server).talk(stream, peer, connection::begins(stop.clone()));
                            connections.spawn(async move {
                                talk.await;
                                drop(admitted);
                            });
                        }
                        Err(excess) => server.turn_away(excess, peer, &lines),
                    },
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                () = &mut stopping => break,
            }
        }
        drop(listener);
        connections.close();
        let all = async {
            connections.wait().await;
            server.app.carried_through().await;
        };
        if tokio::time::timeout(drain, all).await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                "the time to end is over; what still runs is cut off"
            );
        }
    }

    fn turn_away(&self, excess: Excess, peer: Option<SocketAddr>, lines: &Sparingly) {
        self.metrics.turned_away(PORT, excess.reason());
        if let Some(left_out) = lines.may_write() {
            let reason = match excess {
                Excess::InAll => "too many connections are open: http.limits.connections",
                Excess::FromAddress => {
                    "too many connections are open from this address: http.limits.peraddress"
                }
            };
            let peer = peer.map(|peer| tracing::field::display(peer.ip().to_canonical()));
            tracing::warn!(peer, left_out, reason, "a connection was refused");
        }
    }

    async fn talk(
        self: Arc<Self>,
        stream: TcpStream,
        peer: Option<SocketAddr>,
        draining: impl Future<Output = ()> + Send + 'static,
    ) {
        // Small answers must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let _counted = self.metrics.connection();
        let peer = peer.map(|peer| SocketAddr::new(peer.ip().to_canonical(), peer.port()));
        let mut caller = Caller {
            address: peer,
            certificate: None,
            void: None,
            secure: self.tls.is_some(),
        };
        let serving = match &self.tls {
            None => Either::Left(self.serve(stream, connection::Kind::Http1, caller, draining)),
            Some(tls) => {
                let client_cas = tls.client_cas();
                // Boxed: what a handshake needs is freed after it.
                match Box::pin(tls::accept(stream, tls.config(), HANDSHAKE)).await {
                    Ok(stream) => {
                        let kind = connection::Kind::negotiated(stream.alpn_protocol());
                        let end = match tls::client(&stream) {
                            None => Either::Left(draining),
                            Some(shown) => {
                                caller.certificate = shown.user().map(Into::into);
                                let is_void = Arc::new(AtomicBool::new(false));
                                caller.void = Some(Arc::clone(&is_void));
                                let until_void = client_cas.until_void(shown.not_after());
                                Either::Right(Box::pin(async move {
                                    tokio::select! {
                                        () = draining => {}
                                        // A client of HTTP/2 may go on asking, as if it had not been told of the end.
                                        () = until_void => is_void.store(true, Ordering::Relaxed),
                                    }
                                }))
                            }
                        };
                        Either::Right(self.serve(stream, kind, caller, end))
                    }
                    Err(error) => {
                        self.metrics.handshake_failed(error.reason());
                        tls.tell_refused(peer.map(|peer| peer.ip()), &error);
                        return;
                    }
                }
            }
        };
        if let Some(expired) = serving.await {
            self.metrics.cut_off(PORT, expired.reason());
        }
    }

    fn serve<S, E>(
        &self,
        stream: S,
        kind: connection::Kind,
        caller: Caller,
        end: E,
    ) -> impl Future<Output = Option<Expired>> + Send + use<S, E>
    where
        E: Future<Output = ()> + Send,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let app = self.app.clone();
        let caller = Arc::new(caller);
        let answer = move |request| {
            let (app, caller) = (app.clone(), Arc::clone(&caller));
            async move { app.respond(request, &caller).await }
        };
        connection::serve(stream, kind, answer, end)
    }
}
