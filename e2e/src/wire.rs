//! A stretch of network between a client and a registry that a test can cut.
//!
//! It passes bytes on and knows nothing of what they mean, so that TLS stays between the two ends.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the registry: a push.
    Up,
    /// From the registry to the client: a pull.
    Down,
}

/// Forwards connections to a registry on this machine. It ends with the test's process.
#[derive(Debug, Clone)]
pub struct Wire {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Where connections lead; nowhere while the wire is down.
    port: Option<u16>,
    /// The next cut: the connection that carries this many more bytes that way loses both its ends.
    cut: Option<(Way, u64)>,
    /// Whether the wire stays down after the cut.
    for_good: bool,
    up: u64,
    down: u64,
}

impl Wire {
    /// Leads every connection that `listener` takes to a port of this machine's loopback.
    pub fn lay(listener: TcpListener, port: u16) -> Self {
        let wire = Self {
            state: Arc::new(Mutex::new(State {
                port: Some(port),
                cut: None,
                for_good: false,
                up: 0,
                down: 0,
            })),
        };
        let own = wire.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                own.join(client);
            }
        });
        wire
    }

    /// Leads new connections to another port: a registry that was started again.
    pub fn lead_to(&self, port: u16) {
        let mut state = self.lock();
        state.port = Some(port);
        state.cut = None;
    }

    /// Cuts the one connection over which the `bytes`th byte from now goes that way.
    pub fn cut_once_after(&self, way: Way, bytes: u64) {
        let mut state = self.lock();
        state.cut = Some((way, bytes));
        state.for_good = false;
    }

    /// The same, and takes no connection more until it is led to a port again.
    pub fn cut_for_good_after(&self, way: Way, bytes: u64) {
        let mut state = self.lock();
        state.cut = Some((way, bytes));
        state.for_good = true;
    }

    /// Whether the cut that was asked for has not come yet.
    pub fn is_whole(&self) -> bool {
        self.lock().cut.is_some()
    }

    /// How many bytes went that way since the start.
    pub fn carried(&self, way: Way) -> u64 {
        let state = self.lock();
        match way {
            Way::Up => state.up,
            Way::Down => state.down,
        }
    }

    fn join(&self, client: TcpStream) {
        let Some(port) = self.lock().port else { return };
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
            return;
        };
        for (way, from, to) in [(Way::Up, &client, &server), (Way::Down, &server, &client)] {
            let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else {
                return;
            };
            let own = self.clone();
            std::thread::spawn(move || own.carry(way, from, to));
        }
    }

    fn carry(&self, way: Way, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            if !self.may_pass(way, read as u64) {
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            if to.write_all(&buffer[..read]).is_err() {
                // What is not taken is answered by a reset, which takes from the other end what it has not read yet:
                // megabytes, if it is slow, and they would have to be carried again.
                let _ = std::io::copy(&mut from, &mut std::io::sink());
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
        let _ = from.shutdown(Shutdown::Read);
    }

    fn may_pass(&self, way: Way, bytes: u64) -> bool {
        let mut state = self.lock();
        match way {
            Way::Up => state.up += bytes,
            Way::Down => state.down += bytes,
        }
        match state.cut {
            Some((wanted, left)) if wanted == way && left <= bytes => {
                state.cut = None;
                if state.for_good {
                    state.port = None;
                }
                false
            }
            Some((wanted, left)) if wanted == way => {
                state.cut = Some((wanted, left - bytes));
                true
            }
            // Connections from before the cut are cut, too.
            _ => state.port.is_some(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no thread panics while it holds the lock")
    }
}
