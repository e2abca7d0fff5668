//! What tells one state of a file or folder from the next.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use rustix::fs::Stat;

/// A file may change once more within this time without its version telling: the kernel's clock for files ticks every
/// few milliseconds,
const SETTLED: Duration = Duration::from_millis(100);
/// or every second, where the filesystem keeps no more of it: ext4 with small inodes.
const SETTLED_TO_SECONDS: Duration = Duration::from_secs(2);

/// A file or folder of which this is the same holds the same, if it was settled when that was read. Whoever writes into
/// a file, or adds a name to a folder or takes one, changes it and cannot set it back: nobody chooses the time of the
/// change. A writer that stalls between telling that time and making the change is told by the size: registry:2 empties a
/// file before it writes, and this program replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Version {
    pub(super) device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds since 1970.
    changed: (i64, i64),
}

impl Version {
    pub(super) fn is_settled(&self) -> bool {
        let settled = match self.changed.1 {
            0 => SETTLED_TO_SECONDS,
            _ => SETTLED,
        };
        SystemTime::now()
            .duration_since(self.changed())
            .is_ok_and(|age| age > settled)
    }

    #[cfg(test)]
    pub(super) fn numbered(inode: u64) -> Self {
        Version {
            device: 1,
            inode,
            size: 0,
            changed: (0, 0),
        }
    }

    /// When anything about it changed last. Before 1970 nothing was changed that anybody relies on.
    pub(super) fn changed(&self) -> SystemTime {
        let seconds = Duration::from_secs(self.changed.0.try_into().unwrap_or_default());
        let nanoseconds = Duration::from_nanos(self.changed.1.try_into().unwrap_or_default());
        SystemTime::UNIX_EPOCH + seconds + nanoseconds
    }
}

impl From<&Metadata> for Version {
    fn from(metadata: &Metadata) -> Self {
        Version {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl From<&Stat> for Version {
    fn from(stat: &Stat) -> Self {
        Version {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size.cast_unsigned(),
            changed: (stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(ago: Duration) -> Version {
        let changed = SystemTime::now() - ago;
        let changed = changed.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Version {
            changed: (
                changed.as_secs().cast_signed(),
                i64::from(changed.subsec_nanos().max(1)),
            ),
            ..Version::numbered(1)
        }
    }

    #[test]
    fn a_file_is_settled_when_its_next_change_will_have_another_time() {
        assert!(!changed(Duration::ZERO).is_settled());
        assert!(changed(2 * SETTLED).is_settled());
        let to_seconds = |ago| {
            let version = changed(ago);
            Version {
                changed: (version.changed.0, 0),
                ..version
            }
        };
        assert!(!to_seconds(2 * SETTLED).is_settled());
        assert!(to_seconds(2 * SETTLED_TO_SECONDS).is_settled());
    }
}
