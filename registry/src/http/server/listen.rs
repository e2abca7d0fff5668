//! Sockets to listen on.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener};

use crate::address::{Address, Listen};

/// Where connections come from.
pub enum Listener {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        path: PathBuf,
        /// The socket's own file, if it can be told: the device and the inode.
        file: Option<(u64, u64)>,
    },
}

impl Listener {
    /// Listens, as the configuration says.
    pub async fn bind(listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::Tcp(address) => bind(address).await.map(Listener::Tcp),
            Listen::Unix(path) => bind_unix(path).map(|listener| Listener::Unix {
                listener,
                path: path.clone(),
                file: file_at(path),
            }),
        }
    }

    /// Absent for a socket in the filesystem.
    pub fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Some),
            Listener::Unix { .. } => Ok(None),
        }
    }

    /// A connection, and the address at its other end if it has one.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        match self {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, peer)| (stream, Some(peer))),
            Listener::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                // A stream is a stream: all that is done with one of TCP can be done with this descriptor, but for
                // options that do not matter here and are refused.
                let descriptor = OwnedFd::from(stream.into_std()?);
                Ok((TcpStream::from_std(descriptor.into())?, None))
            }
        }
    }
}

/// As Go does it: a socket that nobody listens on any more would be in the next server's way. Another server may have
/// taken the place meanwhile, and keeps it.
impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix { path, file, .. } = self
            && file.is_some()
            && *file == file_at(path)
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn file_at(path: &Path) -> Option<(u64, u64)> {
    let there = std::fs::symlink_metadata(path).ok()?;
    Some((there.dev(), there.ino()))
}

/// Takes the place of a socket that is there, as registry:2 does, but of nothing else.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let told = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {}: {error}", path.display()),
        )
    };
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path).map_err(told)?,
        Ok(_) => return Err(told(io::Error::other("the file is there and is not a socket"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(told(error)),
    }
    UnixListener::bind(path).map_err(told)
}

/// Listens; an address without a host means every address of the machine, of both kinds.
pub async fn bind(address: &Address) -> io::Result<TcpListener> {
    let port = address.port();
    let bound = if address.host().is_empty() {
        match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
            // The machine has no IPv6.
            Err(error)
                if error.kind() != io::ErrorKind::AddrInUse
                    && error.kind() != io::ErrorKind::PermissionDenied =>
            {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
            }
            bound => bound,
        }
    } else {
        TcpListener::bind((address.host(), port)).await
    };
    bound.map_err(|error| io::Error::new(error.kind(), explain(address, &error)))
}

fn explain(address: &Address, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there: stop it, or choose another port in http.addr (REGISTRY_HTTP_ADDR=:5001)"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 are the superuser's: choose another",
        _ => "",
    };
    format!("cannot listen on {address}: {error}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_removed_by_the_server_that_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.sock");
        let listen = Listen::Unix(path.clone());
        let old = Listener::bind(&listen).await.unwrap();
        let new = Listener::bind(&listen).await.unwrap();
        drop(old);
        assert!(path.exists(), "the new server has it now");
        drop(new);
        assert!(!path.exists());
    }
}
