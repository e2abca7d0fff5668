//! Entry point for fuzzing: the records of a connection, from a client that cuts, garbles, floods and stops.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use jiff::{SignedDuration, Timestamp};
use roadstead_pki::authority::Authority;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::provider::with_suites_of_ring;
use super::stream::TlsStream;

/// More than a connection may keep, whatever comes: what is sealed at once, what is held, and what was received with it.
const KEPT_AT_MOST: usize = 256 << 10;

/// The first byte says who the client is; the others are what it sends, or what it and the server do in turn.
pub(crate) fn stream(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    match kind % 3 {
        0 => stranger(bytes, usize::from(kind / 3) + 1),
        1 => Talk::begin(&SIDES[0]).go_on(bytes),
        _ => Talk::begin(&SIDES[1]).go_on(bytes),
    }
}

/// Sends these bytes in pieces, and hangs up.
fn stranger(bytes: &[u8], piece: usize) {
    let wire = Wire::default();
    wire.0.borrow_mut().piece = piece;
    wire.0.borrow_mut().coming.extend_from_slice(bytes);
    wire.0.borrow_mut().is_closed = true;
    let accepting = pin!(TlsStream::accept(wire, Arc::clone(&SIDES[0].server)));
    match accepting.poll(&mut nobody()) {
        Poll::Ready(outcome) => assert!(outcome.is_err(), "nobody shook hands"),
        Poll::Pending => panic!("it waits for what cannot come"),
    }
}

/// Both ends' settings, for one version of the protocol.
struct Sides {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

static SIDES: LazyLock<[Sides; 2]> = LazyLock::new(|| {
    let day = SignedDuration::from_hours(24);
    let authority = Authority::create("Fuzzing", day, Timestamp::now()).expect("a CA");
    [&TLS13, &TLS12].map(|version| Sides::new(&authority, version))
});

impl Sides {
    fn new(authority: &Authority, version: &'static SupportedProtocolVersion) -> Self {
        let day = SignedDuration::from_hours(24);
        let certificate = authority.issue_server(&["127.0.0.1".to_owned()], day, Timestamp::now());
        let certificate = certificate.expect("a certificate");
        let chain = certificate
            .chain()
            .iter()
            .map(|link| link.der().clone())
            .collect();
        let provider = Arc::new(with_suites_of_ring());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(chain, certificate.key().clone_key())
            .expect("a key");
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate().der().clone()).expect("a root");
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Sides {
            server: Arc::new(server),
            client: Arc::new(client),
        }
    }
}

/// A connection, and what either side has said so far.
struct Talk {
    wire: Wire,
    server: TlsStream<Wire>,
    client: ClientConnection,
    /// Sealed by the client, and not on the wire yet.
    leaving: Vec<u8>,
    said: Vec<u8>,
    heard: Vec<u8>,
    answered: Vec<u8>,
    answers: Vec<u8>,
    is_over: bool,
}

impl Talk {
    fn begin(sides: &Sides) -> Self {
        let wire = Wire::default();
        wire.0.borrow_mut().room = usize::MAX;
        let name = "127.0.0.1".try_into().expect("a name");
        let mut client = ClientConnection::new(Arc::clone(&sides.client), name).expect("a client");
        client.set_buffer_limit(None);
        let mut accepting = pin!(TlsStream::accept(wire.clone(), Arc::clone(&sides.server)));
        let server = loop {
            client.write_tls(&mut wire.0.borrow_mut().coming).expect("memory");
            if let Poll::Ready(server) = accepting.as_mut().poll(&mut nobody()) {
                break server.expect("they understand each other");
            }
            client
                .read_tls(&mut wire.0.borrow_mut().take_gone().as_slice())
                .expect("memory");
            client.process_new_packets().expect("they understand each other");
        };
        let nothing = Vec::new;
        let (leaving, said, heard, answered, answers) =
            (nothing(), nothing(), nothing(), nothing(), nothing());
        Talk {
            wire,
            server,
            client,
            leaving,
            said,
            heard,
            answered,
            answers,
            is_over: false,
        }
    }

    /// Pairs of what is done, and how much of it.
    fn go_on(mut self, bytes: &[u8]) {
        for step in bytes.chunks_exact(2) {
            self.step(step[0] % 12, usize::from(step[1]));
            assert!(
                self.server.kept() <= KEPT_AT_MOST,
                "{} bytes are kept",
                self.server.kept()
            );
        }
        self.end();
    }

    fn step(&mut self, what: u8, much: usize) {
        match what {
            0 => self.say(much * 97),
            1 => self.deliver(much + 1),
            2 => self.deliver(usize::MAX),
            3 => drop(self.hear(much * much + 1)),
            4 => self.answer(much * 511),
            5 => drop(self.client.refresh_traffic_keys()),
            6 => self.garble(much),
            7 => self
                .leaving
                .extend([20 + much as u8 % 6, 3, 3, 0, 5, 1, 2, 3, 4, 5]),
            8 => self.client.send_close_notify(),
            9 => self.wire.0.borrow_mut().is_closed = true,
            10 => self.wire.0.borrow_mut().room = much * 100,
            _ => self.read_answers(),
        }
    }

    fn say(&mut self, count: usize) {
        let content: Vec<u8> = (0..count).map(|at| (self.said.len() + at) as u8).collect();
        // Unless it has said goodbye, or was told of an error.
        if io::Write::write_all(&mut self.client.writer(), &content).is_ok() {
            self.said.extend(content);
        }
    }

    fn deliver(&mut self, count: usize) {
        while self.client.wants_write() {
            self.client.write_tls(&mut self.leaving).expect("memory");
        }
        let count = count.min(self.leaving.len());
        self.wire
            .0
            .borrow_mut()
            .coming
            .extend(self.leaving.drain(..count));
    }

    /// Gives whether there was anything, or an end.
    fn hear(&mut self, count: usize) -> bool {
        let mut memory = vec![0; count];
        let mut target = ReadBuf::new(&mut memory);
        let outcome = Pin::new(&mut self.server).poll_read(&mut nobody(), &mut target);
        self.heard.extend_from_slice(target.filled());
        assert!(self.said.starts_with(&self.heard), "nobody said that");
        match outcome {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) => self.is_over |= target.filled().is_empty(),
            Poll::Ready(Err(_)) => self.is_over = true,
        }
        true
    }

    fn answer(&mut self, count: usize) {
        let content: Vec<u8> = (0..count).map(|at| (self.answered.len() + at) as u8).collect();
        if let Poll::Ready(Ok(taken)) = Pin::new(&mut self.server).poll_write(&mut nobody(), &content) {
            self.answered.extend_from_slice(&content[..taken]);
        }
    }

    /// Changes a byte that is on its way.
    fn garble(&mut self, at: usize) {
        self.deliver(0);
        let length = self.leaving.len();
        if let Some(byte) = self.leaving.get_mut(at % length.max(1)) {
            *byte ^= 1 << (at % 8);
        }
    }

    /// Nobody garbles what the server sends.
    fn read_answers(&mut self) {
        let gone = self.wire.0.borrow_mut().take_gone();
        let mut gone = gone.as_slice();
        while !gone.is_empty() && self.client.read_tls(&mut gone).is_ok_and(|count| count > 0) {
            let Ok(state) = self.client.process_new_packets() else {
                return;
            };
            let mut answers = vec![0; state.plaintext_bytes_to_read()];
            io::Read::read_exact(&mut self.client.reader(), &mut answers).expect("they are there");
            self.answers.extend(answers);
        }
        assert!(self.answered.starts_with(&self.answers), "nobody answered that");
    }

    /// All that was said is delivered, and then the line is cut: the server has to notice in so many steps.
    fn end(&mut self) {
        self.deliver(usize::MAX);
        self.wire.0.borrow_mut().is_closed = true;
        self.wire.0.borrow_mut().room = usize::MAX;
        let steps = 10 + self.said.len() / 1000;
        for _ in 0..steps {
            if self.is_over {
                break;
            }
            assert!(self.hear(16 << 10), "it waits for what cannot come");
        }
        assert!(self.is_over, "it reads without end");
        let _ = Pin::new(&mut self.server).poll_flush(&mut nobody());
        self.read_answers();
    }
}

fn nobody() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// A line in memory.
#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Line>>);

#[derive(Default)]
struct Line {
    coming: Vec<u8>,
    is_closed: bool,
    /// So much is received at once; 0: everything.
    piece: usize,
    gone: Vec<u8>,
    /// How much more it takes.
    room: usize,
}

impl Line {
    fn take_gone(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.gone)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut line = self.0.borrow_mut();
        if line.coming.is_empty() && !line.is_closed {
            return Poll::Pending;
        }
        let piece = if line.piece == 0 { usize::MAX } else { line.piece };
        let count = target.remaining().min(line.coming.len()).min(piece);
        target.put_slice(&line.coming[..count]);
        line.coming.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut line = self.0.borrow_mut();
        if line.room == 0 {
            return Poll::Pending;
        }
        let count = bytes.len().min(line.room);
        line.room -= count;
        line.gone.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
