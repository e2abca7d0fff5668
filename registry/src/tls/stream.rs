//! A TLS connection as a stream, made for large layers and for thousands of idle clients.
//!
//! The protocol is rustls', through its interface without buffers: here records are brought to it and carried away.
//! Its usual interface takes from the socket what fits in one record, and keeps what it has sealed for a client that
//! does not read. Here much is received at once, and sealed at once, into memory that is lent for the call. With the
//! connection stays only what has to wait for the next one: a part of a record that came, a piece that the client does
//! not take; and what was received together with more than was asked for.
//!
//! `registry/PERFORMANCE.md` says what it buys beside plain tokio-rustls.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncryptError, UnbufferedStatus, WriteTraffic};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::queue::Queue;
use super::received::Received;
use super::records::{broken, encode, not_allowed, record_length, take_content, unexpected};

/// What is kept of records that rustls is not done with: pieces of a handshake message, which it joins.
const HELD_AT_MOST: usize = 64 << 10;
/// What is sealed at once. So much may wait in memory for a client that does not read.
const PIECE: usize = 64 << 10;
/// What records take besides their content: under 30 bytes each, and now and then one of the protocol's own.
const OVERHEAD: usize = 4 << 10;
/// Parts of an answer that are smaller go into one record together, and so into one packet.
const GATHERED: usize = 16 << 10;

thread_local! {
    // Each is borrowed within one call only.
    static SEALING: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE + OVERHEAD]);
    static GATHERING: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The server's side of a connection.
pub struct TlsStream<S> {
    stream: S,
    tls: UnbufferedServerConnection,
    /// What came and has not been opened: what is held, then a part of a record, or more if [`Self::may_open`].
    sealed: Vec<u8>,
    /// The same, where it was received, if that was much at once and [`Self::may_open`].
    received: Option<Received>,
    /// How much at the front was opened, but is still needed: see [`HELD_AT_MOST`].
    held: usize,
    /// So much came last that more is likely to be there.
    brings_much: bool,
    /// Opening stopped because there was no room for more content.
    may_open: bool,
    /// Content for which there was no room.
    opened: Queue,
    /// Records on their way out.
    outgoing: Queue,
    /// The client has said that nothing more comes.
    has_ended: bool,
    has_said_goodbye: bool,
    /// What came was not right. Nothing more is opened or sealed; an alert may be on its way.
    is_broken: bool,
    /// Why, if content that came before is to be read first.
    reason: Option<io::Error>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Shakes hands.
    pub(super) async fn accept(stream: S, config: Arc<ServerConfig>) -> io::Result<Self> {
        let tls = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        let mut connection = TlsStream {
            stream,
            tls,
            sealed: Vec::new(),
            received: None,
            held: 0,
            brings_much: false,
            may_open: false,
            opened: Queue::default(),
            outgoing: Queue::default(),
            has_ended: false,
            has_said_goodbye: false,
            is_broken: false,
            reason: None,
        };
        poll_fn(|context| connection.poll_handshake(context)).await?;
        Ok(connection)
    }

    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.tls.alpn_protocol()
    }

    /// What the client showed. It was found good, or there would be no connection.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.tls.peer_certificates()
    }

    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_over = |this: &Self, _: &ReadBuf<'_>| !this.tls.is_handshaking() || this.has_ended;
        ready!(self.poll_receive(context, &mut ReadBuf::new(&mut []), is_over))?;
        if self.tls.is_handshaking() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        // What is left to be sent, tickets, goes out with whatever comes next: a client need not read them now.
        Poll::Ready(Ok(()))
    }

    /// Receives and opens records until that is `enough`. Content goes into `target`, as long as it has room.
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
        enough: impl Fn(&Self, &ReadBuf<'_>) -> bool,
    ) -> Poll<io::Result<()>> {
        self.reply(context)?;
        let mut received = match self.received.take() {
            Some(received) => received,
            None => Received::after(&self.sealed, self.brings_much),
        };
        let outcome = self.poll_receive_into(&mut received, context, target, enough);
        self.sealed = Vec::new();
        if self.has_ended || self.is_broken {
            // Nothing more is opened, whatever came.
            self.held = 0;
        } else if self.may_open && received.is_large() && !received.unopened().is_empty() {
            self.received = Some(received);
        } else {
            self.sealed = received.unopened().to_vec();
        }
        outcome
    }

    fn poll_receive_into(
        &mut self,
        received: &mut Received,
        context: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
        enough: impl Fn(&Self, &ReadBuf<'_>) -> bool,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.may_open {
                // RFC 8446 §6.1: an end without a goodbye is an error, since somebody else may have cut the connection.
                let more = received.poll_more(&mut self.stream, context, target.remaining());
                self.brings_much = ready!(more)? && !self.tls.is_handshaking();
            }
            let opened = self.open(received.unopened_mut(), target);
            self.is_broken = opened.is_err();
            // If it went wrong, this tells the client why.
            let replied = self.reply(context);
            received.consume(opened?);
            replied?;
            if enough(self, target) {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Opens the records one after the other, as long as there is room, and says how many bytes of them are done with.
    fn open(&mut self, records: &mut [u8], target: &mut ReadBuf<'_>) -> io::Result<usize> {
        let mut done = 0;
        loop {
            self.may_open = !self.opened.is_empty() || (target.remaining() == 0 && target.capacity() > 0);
            if self.may_open {
                return Ok(done);
            }
            // rustls is given one record at a time, behind what is held, so that it is known what it goes on holding.
            let held = done + self.held;
            let record = record_length(&records[held..]);
            let end = record.map_or(records.len(), |length| held + length);
            let before = target.filled().len();
            done += self
                .open_one(&mut records[done..end], target)
                .inspect_err(|_| target.set_filled(before))?;
            if self.has_ended {
                return Ok(done);
            }
            if record.is_none() {
                self.held = held - done;
                return Ok(done);
            }
            self.held = end - done;
            if self.held > HELD_AT_MOST {
                return Err(not_allowed("a handshake message comes in too many pieces"));
            }
        }
    }

    /// Opens the only record behind what is held. If it is not whole, nothing but its head is looked at.
    fn open_one(&mut self, record: &mut [u8], target: &mut ReadBuf<'_>) -> io::Result<usize> {
        let mut done = 0;
        loop {
            let UnbufferedStatus {
                mut discard, state, ..
            } = self.tls.process_tls_records(&mut record[done..]);
            let is_opened = match state {
                Ok(ConnectionState::ReadTraffic(traffic)) => {
                    discard += take_content(traffic, target, &mut self.opened)?;
                    // RFC 8446 §5.1: no piece of a handshake message is empty, or has anything but the next behind it.
                    if done + discard < record.len() {
                        return Err(not_allowed("content between the pieces of a handshake message"));
                    }
                    true
                }
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    encode(data, &mut self.outgoing)?;
                    false
                }
                // What was encoded is on its way, and nothing overtakes it.
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    false
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.has_ended = true;
                    true
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => true,
                Ok(state) => return Err(unexpected(&state)),
                Err(error) => {
                    self.queue_alert(&mut record[done + discard..]);
                    return Err(broken(error));
                }
            };
            done += discard;
            if is_opened {
                return Ok(done);
            }
        }
    }

    /// After an error: rustls has written an alert for the client.
    fn queue_alert(&mut self, records: &mut [u8]) {
        if let Ok(ConnectionState::EncodeTlsData(data)) = self.tls.process_tls_records(records).state {
            // If it cannot be told, the connection ends all the same.
            let _ = encode(data, &mut self.outgoing);
        }
    }

    /// Sends what waits, without waiting for it.
    fn reply(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.poll_send(context) {
            Poll::Ready(sent) => sent,
            Poll::Pending => Ok(()),
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, self.outgoing.front()))?;
            self.outgoing.consume(some(sent)?);
        }
        Poll::Ready(Ok(()))
    }

    /// Seals a piece, which was taken if this is ready; what of it the socket does not take waits.
    fn poll_seal(&mut self, context: &mut Context<'_>, content: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(context))?;
        let content = &content[..content.len().min(PIECE)];
        SEALING.with_borrow_mut(|memory| {
            let sealed = self.with_traffic(|traffic| traffic.encrypt(content, memory))?;
            let mut rest = &memory[..sealed];
            if self.outgoing.is_empty() {
                while !rest.is_empty()
                    && let Poll::Ready(sent) = Pin::new(&mut self.stream).poll_write(context, rest)
                {
                    rest = &rest[some(sent?)?..];
                }
            }
            self.outgoing.push(rest);
            Poll::Ready(Ok(content.len()))
        })
    }

    /// Does something that is possible once the connection takes content.
    fn with_traffic<T>(
        &mut self,
        job: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>) -> Result<T, EncryptError>,
    ) -> io::Result<T> {
        if self.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        loop {
            // Nothing that it has not seen: this is not the time to open records.
            let held = &mut self.sealed[..self.held];
            let UnbufferedStatus { state, .. } = self.tls.process_tls_records(held);
            match state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    return job(&mut traffic).map_err(io::Error::other);
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.outgoing)?,
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.has_ended = true,
                Ok(ConnectionState::Closed) => return Err(io::ErrorKind::BrokenPipe.into()),
                Ok(state) => return Err(unexpected(&state)),
                Err(error) => return Err(broken(error)),
            }
        }
    }

    fn say_goodbye(&mut self) -> io::Result<()> {
        let mut alert = [0; OVERHEAD];
        let length = self.with_traffic(|traffic| traffic.queue_close_notify(&mut alert))?;
        self.outgoing.push(&alert[..length]);
        Ok(())
    }
}

/// A socket that takes nothing will not take anything later either.
fn some(count: usize) -> io::Result<usize> {
    match count {
        0 => Err(io::ErrorKind::WriteZero.into()),
        count => Ok(count),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_broken {
            let reason = this.reason.take();
            return Poll::Ready(Err(reason.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())));
        }
        if target.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let waiting = this.opened.len().min(target.remaining());
        target.put_slice(&this.opened.front()[..waiting]);
        this.opened.consume(waiting);
        if waiting > 0 || this.has_ended {
            return Poll::Ready(Ok(()));
        }
        let before = target.filled().len();
        let has_content = |target: &ReadBuf<'_>| target.filled().len() > before;
        let outcome = this.poll_receive(context, target, |this, target| {
            has_content(target) || this.has_ended
        });
        match outcome {
            Poll::Ready(Err(error)) if has_content(target) => {
                this.reason = Some(error);
                Poll::Ready(Ok(()))
            }
            outcome => outcome,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        content: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_seal(context, content)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut parts = parts.iter().filter(|part| !part.is_empty());
        let Some(first) = parts.next() else {
            return Poll::Ready(Ok(0));
        };
        if first.len() >= GATHERED {
            return this.poll_seal(context, first);
        }
        GATHERING.with_borrow_mut(|memory| {
            memory.clear();
            memory.extend_from_slice(first);
            for part in parts {
                let fits = part.len().min(GATHERED - memory.len());
                memory.extend_from_slice(&part[..fits]);
            }
            this.poll_seal(context, memory)
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.has_said_goodbye {
            this.has_said_goodbye = true;
            // After an error there is nothing to say; the connection ends all the same.
            let _ = this.say_goodbye();
        }
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl<S> TlsStream<S> {
    /// What it keeps from one call to the next, lent memory aside.
    pub(super) fn kept(&self) -> usize {
        self.sealed.len() + self.opened.len() + self.outgoing.len()
    }
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod framing_tests;
#[cfg(test)]
#[path = "http2_tests.rs"]
mod http2_tests;
#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
