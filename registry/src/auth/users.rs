//! The htpasswd file: read at the start, read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use roadstead_pki::htpasswd::Htpasswd;

use crate::watch::{Fingerprint, Reason, Watcher};

/// Why a file of users cannot be used. The text never holds any part of a hash.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// registry:2 makes a user here and logs the password. A secret in a log is a leak, and a path that is merely
    /// mistyped would turn into a registry that nobody can log in to: so the next step is named instead.
    #[error(
        "auth.htpasswd.path: the file of users {0} does not exist; make it with: htpasswd -nB alice >> {0}   (or: roadstead-registry htpasswd alice >> {0})"
    )]
    Missing(PathBuf),
    #[error("auth.htpasswd.path: cannot read the file of users {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("auth.htpasswd.path: the file of users {path} cannot be used: {lines}")]
    Lines { path: PathBuf, lines: String },
}

/// One version of the users.
pub(super) struct Version {
    pub(super) htpasswd: Htpasswd,
    /// Counts up: what was wrong by an older version may be right by this one.
    pub(super) number: u64,
}

/// The users that hold now.
pub(super) struct Users {
    path: PathBuf,
    current: ArcSwap<Version>,
    failures: AtomicU64,
}

impl Users {
    pub(super) fn load(path: &Path) -> Result<(Self, Watcher), UsersError> {
        let watcher = Watcher::new(Fingerprint::of(std::iter::once(path)));
        let htpasswd = read(path)?;
        if htpasswd.users().next().is_none() {
            tracing::warn!(path = %path.display(), "the file of users is empty: nobody can log in");
        }
        let current = ArcSwap::from_pointee(Version { htpasswd, number: 0 });
        Ok((
            Users {
                path: path.to_owned(),
                current,
                failures: AtomicU64::new(0),
            },
            watcher,
        ))
    }

    pub(super) fn current(&self) -> Arc<Version> {
        self.current.load_full()
    }

    pub(super) fn number(&self) -> u64 {
        self.current.load().number
    }

    /// How often a changed file could not be used.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Never ends. A broken file never replaces a good one.
    pub(super) async fn watch(&self, mut watcher: Watcher, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            if let Some(reason) = watcher.look(Fingerprint::of(std::iter::once(self.path.as_path()))) {
                watcher.failed(!self.reload(reason));
            }
        }
    }

    /// Whether it could be used.
    pub(super) fn reload(&self, reason: Reason) -> bool {
        match read(&self.path) {
            Ok(htpasswd) => {
                let users = htpasswd.users().count();
                let number = self.number() + 1;
                self.current.store(Arc::new(Version { htpasswd, number }));
                tracing::info!(path = %self.path.display(), users, "the file of users was read again");
                true
            }
            Err(error) => {
                if reason == Reason::Changed {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "the users stay as they were");
                }
                false
            }
        }
    }
}

fn read(path: &Path) -> Result<Htpasswd, UsersError> {
    let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => UsersError::Missing(path.to_owned()),
        _ => UsersError::Unreadable {
            path: path.to_owned(),
            source,
        },
    })?;
    Htpasswd::parse(&text).map_err(|problems| UsersError::Lines {
        path: path.to_owned(),
        lines: problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; "),
    })
}
