//! Tells when mounted files changed, by looking at them once a second.
//!
//! Kubernetes swaps a symlink above the file, certbot another, people copy over: looking at what the path leads to
//! sees all of them, on every filesystem, which inotify does not.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How often mounted files are looked at.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
/// After how many looks files that could not be used are tried again: a disk that failed for a moment, a certificate
/// whose time comes. Nothing about the file tells of these.
const RETRY: u32 = 30;

/// What tells one version of some files from another. A missing file is a version too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint(Vec<Option<[i64; 7]>>);

impl Fingerprint {
    pub(crate) fn of<'a>(paths: impl Iterator<Item = &'a Path>) -> Self {
        Fingerprint(paths.map(of_file).collect())
    }
}

fn of_file(path: &Path) -> Option<[i64; 7]> {
    let metadata = std::fs::metadata(path).ok()?;
    Some([
        metadata.dev().cast_signed(),
        metadata.ino().cast_signed(),
        metadata.size().cast_signed(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        // Copying over a file can keep its size and even its modification time.
        metadata.ctime(),
        metadata.ctime_nsec(),
    ])
}

/// Notices a change only when it stayed the same for one look: whoever copies a certificate and then its key is
/// given the time to do both.
#[derive(Debug)]
pub(crate) struct Watcher {
    loaded: Fingerprint,
    seen: Fingerprint,
    /// Looks until files that could not be used are tried again.
    retry: Option<u32>,
}

/// Why files are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Changed,
    /// They are as they were when they could not be used; nobody needs to be told that again.
    Retry,
}

impl Watcher {
    /// `loaded` was taken before the files were read: what changes while they are read is a change.
    pub(crate) fn new(loaded: Fingerprint) -> Self {
        Watcher {
            seen: loaded.clone(),
            loaded,
            retry: None,
        }
    }

    /// What was read last could not be used, or could.
    pub(crate) fn failed(&mut self, failed: bool) {
        self.retry = failed.then_some(RETRY);
    }

    /// Whether the files are to be read again.
    pub(crate) fn look(&mut self, now: Fingerprint) -> Option<Reason> {
        let settled = now == self.seen;
        self.seen = now;
        let changed = settled && self.seen != self.loaded;
        if changed {
            self.loaded = self.seen.clone();
            return Some(Reason::Changed);
        }
        let left = self.retry.as_mut()?;
        *left -= 1;
        if *left > 0 {
            return None;
        }
        self.retry = Some(RETRY);
        Some(Reason::Retry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &Path) -> Fingerprint {
        Fingerprint::of(std::iter::once(path))
    }

    #[test]
    fn a_change_is_reported_once_and_only_when_it_settled() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tls.crt");
        let mut watcher = Watcher::new(of(&file));
        assert_eq!(watcher.look(of(&file)), None, "nothing there, as before");
        std::fs::write(&file, "one").unwrap();
        assert_eq!(watcher.look(of(&file)), None, "it may still be being written");
        std::fs::write(&file, "longer").unwrap();
        assert_eq!(watcher.look(of(&file)), None, "and it was");
        assert_eq!(watcher.look(of(&file)), Some(Reason::Changed));
        assert_eq!(watcher.look(of(&file)), None, "reported already");
    }

    #[test]
    fn what_could_not_be_used_is_tried_again_now_and_then() {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new(of(folder.path()));
        let mut retries = |looks| {
            let now = || of(folder.path());
            (0..looks)
                .filter(|_| watcher.look(now()) == Some(Reason::Retry))
                .count()
        };
        assert_eq!(retries(100), 0, "nothing failed");
        watcher.failed(true);
        let mut retries = |looks| {
            (0..looks)
                .filter(|_| watcher.look(of(folder.path())).is_some())
                .count()
        };
        assert_eq!(retries(10 * RETRY), 10);
        watcher.failed(false);
        let mut retries = |looks| {
            (0..looks)
                .filter(|_| watcher.look(of(folder.path())).is_some())
                .count()
        };
        assert_eq!(retries(100), 0);
    }

    #[test]
    fn a_swapped_symlink_above_the_file_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["v1", "v2"] {
            std::fs::create_dir(folder.path().join(version)).unwrap();
            std::fs::write(folder.path().join(version).join("tls.crt"), version).unwrap();
        }
        let data = folder.path().join("..data");
        std::os::unix::fs::symlink("v1", &data).unwrap();
        let file = data.join("tls.crt");
        let before = of(&file);
        std::os::unix::fs::symlink("v2", folder.path().join("new")).unwrap();
        std::fs::rename(folder.path().join("new"), &data).unwrap();
        assert_ne!(of(&file), before);
    }
}
