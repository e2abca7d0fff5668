//! The htpasswd file: read at the start, read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use roadstead_pki::htpasswd::{Htpasswd, LineProblem};

use crate::auth::authenticator::Files;
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
    #[error("auth.htpasswd.path: the file of users {path} has no usable line: {lines}")]
    Lines { path: PathBuf, lines: String },
}

/// How many unusable lines are named.
const NAMED: usize = 20;

/// One version of the users.
pub(super) struct Version {
    pub(super) htpasswd: Htpasswd,
    /// How many lines let nobody in.
    unusable: usize,
    /// Counts up: what was wrong by an older version may be right by this one.
    number: u64,
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
        let (htpasswd, problems) = read(path)?;
        if htpasswd.users().next().is_none() {
            tracing::warn!(path = %path.display(), "the file of users is empty: nobody can log in");
        }
        let current = ArcSwap::from_pointee(Version {
            htpasswd,
            unusable: tell(path, &problems),
            number: 0,
        });
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
}

impl Files for Users {
    fn name(&self) -> &'static str {
        "users"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(std::iter::once(self.path.as_path()))
    }

    fn reload(&self, reason: Reason) -> bool {
        match read(&self.path) {
            Ok((htpasswd, problems)) => {
                let users = htpasswd.users().count();
                self.current.store(Arc::new(Version {
                    htpasswd,
                    unusable: tell(&self.path, &problems),
                    number: self.number() + 1,
                }));
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

    fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn unusable_lines(&self) -> Option<usize> {
        Some(self.current.load().unusable)
    }
}

/// The users, and the lines that let nobody in.
pub(super) fn read(path: &Path) -> Result<(Htpasswd, Vec<LineProblem>), UsersError> {
    let bytes = std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => UsersError::Missing(path.to_owned()),
        _ => UsersError::Unreadable {
            path: path.to_owned(),
            source,
        },
    })?;
    let (htpasswd, problems) = Htpasswd::read(&String::from_utf8_lossy(&bytes));
    if htpasswd.users().next().is_none() && !problems.is_empty() {
        let lines: Vec<_> = problems.iter().take(NAMED).map(ToString::to_string).collect();
        return Err(UsersError::Lines {
            path: path.to_owned(),
            lines: lines.join("; "),
        });
    }
    Ok((htpasswd, problems))
}

/// Names the lines in the log, and gives how many they are.
fn tell(path: &Path, problems: &[LineProblem]) -> usize {
    let path = path.display();
    for problem in problems.iter().take(NAMED) {
        tracing::warn!(%path, "a line of the file of users lets nobody in: {problem}");
    }
    let more = problems.len().saturating_sub(NAMED);
    if more > 0 {
        tracing::warn!(%path, more, "more lines of the file of users let nobody in");
    }
    problems.len()
}

#[cfg(test)]
mod tests {
    use roadstead_pki::htpasswd::hash_line;

    use super::*;

    #[test]
    fn a_line_that_cannot_be_used_keeps_nobody_else_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        let alice = hash_line("alice", "wonderland", 4).unwrap();
        let latin_1 = b"\nj\xf6rg:$2y$05$\n".as_slice();
        let bytes = [
            alice.as_bytes(),
            latin_1,
            b"bob:$apr1$abcdefgh$0123456789012345678901\n",
        ]
        .concat();
        std::fs::write(&path, bytes).unwrap();
        let (users, _) = Users::load(&path).unwrap();
        assert!(users.current().htpasswd.verify("alice", "wonderland"));
        assert_eq!(users.unusable_lines(), Some(2));
    }

    #[test]
    fn a_file_without_any_usable_line_is_an_error_that_names_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        std::fs::write(
            &path,
            "bob:$apr1$abcdefgh$0123456789012345678901\ncid:{SHA}secret\n",
        )
        .unwrap();
        let error = Users::load(&path).err().unwrap().to_string();
        assert!(
            error.contains("line 1: ") && error.contains("line 2: "),
            "{error}"
        );
        assert!(
            error.contains("htpasswd -nB cid") && !error.contains("secret"),
            "{error}"
        );
    }
}
