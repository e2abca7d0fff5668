//! What all servers have in common: certificate, user, a folder, ports.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use roadstead_pki::authority::Authority;
use roadstead_pki::htpasswd::hash_line;
use tempfile::TempDir;

use crate::client::{Protocol, Target, Tls};

const USER: &str = "bench";

/// Made once for a run.
#[derive(Debug)]
pub(crate) struct Setting {
    folder: TempDir,
    tls: Tls,
    password: String,
}

impl Setting {
    /// A fresh folder below `parent` with a certificate for the loopback address.
    pub(crate) fn create(parent: &Path) -> anyhow::Result<Self> {
        let parent = parent.canonicalize()?;
        let folder = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&parent)
            .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
        let (now, day) = (Timestamp::now(), SignedDuration::from_hours(24));
        let authority = Authority::create("benchmark CA", day, now)?;
        let certificate = authority.issue_server(&["127.0.0.1".to_owned()], day, now)?;
        fs::write(folder.path().join("server.crt"), certificate.chain_pem())?;
        fs::write(folder.path().join("server.key"), certificate.key_pem())?;
        Ok(Self {
            tls: Tls::verified(authority.certificate().der())?,
            password: roadstead_pki::password::generate(),
            folder,
        })
    }

    /// A new folder of a server.
    pub(crate) fn make_folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }

    /// The file of users, with the one user's password hashed at this cost.
    pub(crate) fn htpasswd(&self, cost: u32) -> anyhow::Result<PathBuf> {
        let path = self.folder.path().join(format!("htpasswd-{cost}"));
        if !path.exists() {
            fs::write(&path, hash_line(USER, &self.password, cost)? + "\n")?;
        }
        Ok(path)
    }

    /// A server at this address as the one user sees it.
    pub(crate) fn target(&self, address: SocketAddr) -> Target {
        let credentials = STANDARD.encode(format!("{USER}:{}", self.password));
        Target {
            address,
            authorization: format!("Basic {credentials}"),
            tls: self.tls.clone(),
            protocol: Protocol::Http1,
        }
    }
}

/// A loopback address that nobody listens on now.
pub(super) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
