//! A socket that wakes its reader for much, as long as nobody waits for less.
//!
//! While one thread opens what a client sent, more arrives, and with each piece of it the kernel would wake another
//! thread that finds nothing to do: some ten times for each MiB, which is some percent of all that a push costs. So a socket that
//! brings much is asked to tell when much is there (`SO_RCVLOWAT`, socket(7)), until somebody waits for it.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop::poll_proceed;

use super::received::LARGE;

/// What a connection runs over.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Whoever waits to read is woken when so many bytes are there, or when the other side has ended.
    fn wake_at(&self, bytes: usize);

    /// Reads what is there now, whether or not that was told. [`io::ErrorKind::WouldBlock`] if nothing is.
    fn read_now(&self, target: &mut [u8]) -> io::Result<usize>;
}

impl Socket for TcpStream {
    fn wake_at(&self, bytes: usize) {
        let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
        let length = size_of_val(&bytes) as libc::socklen_t;
        // SAFETY: the descriptor is open as long as `self` is, and the kernel reads one number of the length given. Where
        // it refuses, it goes on to wake for every byte.
        #[allow(unsafe_code)]
        unsafe {
            libc::setsockopt(
                self.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVLOWAT,
                (&raw const bytes).cast(),
                length,
            )
        };
    }

    fn read_now(&self, target: &mut [u8]) -> io::Result<usize> {
        loop {
            match recv(self.as_fd(), &mut *target, RecvFlags::DONTWAIT) {
                Ok((count, _)) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A socket of which the reader may say that it is busy.
pub(super) struct Eased<S> {
    socket: S,
    is_eased: bool,
}

impl<S: Socket> Eased<S> {
    pub(super) fn new(socket: S) -> Self {
        Self {
            socket,
            is_eased: false,
        }
    }

    /// Much came, and the reader will not wait for more before it is done with that.
    pub(super) fn ease(&mut self) {
        if !self.is_eased {
            // The kernel makes room for twice as much, for as long as the connection lasts, as it would for a fast sender
            // anyway.
            self.socket.wake_at(LARGE);
            self.is_eased = true;
        }
    }
}

impl<S: Socket> AsyncRead for Eased<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_read(context, target);
        if outcome.is_ready() || !this.is_eased {
            return outcome;
        }
        // Nothing was told, which need not mean that nothing is there.
        let turn = ready!(poll_proceed(context));
        let mut read = this.socket.read_now(target.initialize_unfilled());
        if read.as_ref().is_err_and(is_nothing) {
            this.socket.wake_at(1);
            // What came before that woke nobody, what comes from now on does.
            read = this.socket.read_now(target.initialize_unfilled());
        }
        if read.as_ref().is_err_and(is_nothing) {
            this.is_eased = false;
            return Poll::Pending;
        }
        turn.made_progress();
        target.advance(read?);
        Poll::Ready(Ok(()))
    }
}

fn is_nothing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

impl<S: Socket> AsyncWrite for Eased<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        content: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, content)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
thread_local! {
    /// What a line within the program was told last, in this thread.
    pub(super) static WAKES_AT: std::cell::Cell<usize> = const { std::cell::Cell::new(1) };
}

/// It has nothing that it could hold back.
#[cfg(test)]
impl Socket for tokio::io::DuplexStream {
    fn wake_at(&self, bytes: usize) {
        WAKES_AT.set(bytes);
    }

    fn read_now(&self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::time::{sleep, timeout};

    use super::*;

    /// Long enough that what was sent has arrived, and that a reader waits.
    const A_MOMENT: Duration = Duration::from_millis(50);

    async fn connected() -> (Eased<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, server) = tokio::join!(
            TcpStream::connect(listener.local_addr().unwrap()),
            listener.accept()
        );
        let server = server.unwrap().0;
        // Else tokio assumes at first that there is something.
        assert!(is_nothing(&server.try_read(&mut [0]).unwrap_err()));
        (Eased::new(server), client.unwrap())
    }

    async fn read(socket: &mut Eased<TcpStream>, into: &mut [u8]) -> usize {
        let read = timeout(Duration::from_secs(10), socket.read(into));
        read.await.expect("nobody was woken").unwrap()
    }

    #[tokio::test]
    async fn what_is_little_is_read_at_once_whether_it_came_before_the_reader_waits_or_after() {
        let (mut server, mut client) = connected().await;
        let mut buffer = [0; 1000];
        for round in 0..3 {
            server.ease();
            client.write_all(b"before").await.unwrap();
            sleep(A_MOMENT).await;
            let count = server.read(&mut buffer).now_or_never();
            assert_eq!(count.map(Result::unwrap), Some(6), "round {round}");

            server.ease();
            let (count, sent) = tokio::join!(read(&mut server, &mut buffer), async {
                sleep(A_MOMENT).await;
                client.write_all(b"after").await
            });
            sent.unwrap();
            assert_eq!(count, 5, "round {round}");
        }
        server.ease();
        drop(client);
        assert_eq!(read(&mut server, &mut buffer).await, 0, "the end");
    }

    #[tokio::test]
    async fn all_of_it_is_read_in_pieces_before_the_reader_waits() {
        let (mut server, mut client) = connected().await;
        server.ease();
        client.write_all(&[7; 100_000]).await.unwrap();
        sleep(A_MOMENT).await;
        let mut buffer = [0; 999];
        let mut count = 0;
        while count < 100_000 {
            count += server.read(&mut buffer).now_or_never().unwrap().unwrap();
        }
        assert!(server.is_eased, "it never had to wait");
        assert!(server.read(&mut buffer).now_or_never().is_none());
        assert!(!server.is_eased);
    }

    #[tokio::test]
    async fn nobody_is_woken_for_little_while_the_reader_is_busy() {
        let (mut server, mut client) = connected().await;
        server.ease();
        client.write_all(b"little").await.unwrap();
        let told = timeout(A_MOMENT, server.socket.readable()).await;
        assert!(told.is_err(), "told of six bytes");
        let mut buffer = [0; 1000];
        assert_eq!(read(&mut server, &mut buffer).await, 6);
    }
}
