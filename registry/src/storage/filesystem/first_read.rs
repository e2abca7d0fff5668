//! The first reading of a large file, past the page cache.
//!
//! What was pushed lies on the disk and not in memory. Most layers are pulled by one client, or by none, before
//! they are pulled by many: bringing each into memory costs the kernel more than sending it costs the server. So a file
//! comes into memory when it is read a second time, by whoever does so, also while the first is still reading.
//!
//! `registry/PERFORMANCE.md` says what that buys. The second pull costs what the first would without it.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use super::super::Buffer;
use super::DirectIo;
use crate::recent::Recent;

/// Files of all folders of this process, by device and inode, and whether there is a second reader. A file that has taken
/// over another's inode comes into memory at once, which harms nobody.
static READ_LATELY: LazyLock<Recent<(u64, u64), Arc<AtomicBool>>> = LazyLock::new(|| Recent::new(FILES));
const FILES: usize = 4096;

/// One reader's way to a file.
#[derive(Debug)]
pub(super) struct FirstRead {
    file: (u64, u64),
    /// Opened when the first piece is not in memory; none, if others have read the file, or it cannot be opened so.
    direct: OnceLock<Option<Direct>>,
}

#[derive(Debug)]
struct Direct {
    file: File,
    /// From then on the first reader takes what the second brings into memory.
    has_second: Arc<AtomicBool>,
}

impl FirstRead {
    pub(super) fn of(metadata: &Metadata, setting: DirectIo) -> Self {
        let direct = OnceLock::new();
        if setting == DirectIo::Off {
            let _ = direct.set(None);
        }
        FirstRead {
            file: (metadata.dev(), metadata.ino()),
            direct,
        }
    }

    /// Whether earlier pieces were read past the page cache: then the next one is hardly in it.
    pub(super) fn is_under_way(&self) -> bool {
        let direct = self.direct.get().and_then(Option::as_ref);
        direct.is_some_and(|direct| !direct.has_second.load(Ordering::Relaxed))
    }

    /// Reads past the page cache. `None`, if this is not the first reading, or that cannot be done.
    pub(super) fn read_at(&self, file: &File, buffer: &mut Buffer, offset: u64) -> Option<usize> {
        if buffer.capacity() < Buffer::ALIGNED_FROM || !offset.is_multiple_of(Buffer::ALIGNMENT as u64) {
            return None;
        }
        let direct = self.direct.get_or_init(|| self.begin(file)).as_ref()?;
        if direct.has_second.load(Ordering::Relaxed) {
            return None;
        }
        let read = direct.file.read_at(buffer.unfilled(), offset);
        if read.is_err() {
            // By a disk with larger blocks, or a share that says only now that it cannot; or for a cause that the usual way
            // tells. It is not asked again.
            direct.has_second.store(true, Ordering::Relaxed);
        }
        read.ok()
    }

    fn begin(&self, file: &File) -> Option<Direct> {
        if let Some(has_second) = READ_LATELY.get(&self.file) {
            has_second.store(true, Ordering::Relaxed);
            return None;
        }
        let has_second = Arc::default();
        READ_LATELY.insert(self.file, Arc::clone(&has_second), 1);
        let file = open_directly(file).ok()?;
        Some(Direct { file, has_second })
    }
}

/// The same file, whatever its name is by now.
fn open_directly(file: &File) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Buffers;

    fn read(first: &FirstRead, file: &File, offset: u64) -> Option<Vec<u8>> {
        let mut buffer = Buffers::new(4 << 20).transfer().buffer_for(256 << 10);
        let count = first.read_at(file, &mut buffer, offset)?;
        buffer.advance(count);
        Some(buffer.filled().to_vec())
    }

    #[test]
    fn the_first_reader_goes_past_the_page_cache_and_the_second_does_not() {
        let mut layer = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..=255).cycle().take((256 << 10) + 77).collect();
        io::Write::write_all(&mut layer, &bytes).unwrap();
        let file = layer.reopen().unwrap();
        let metadata = file.metadata().unwrap();
        let first = FirstRead::of(&metadata, DirectIo::Auto);
        let second = FirstRead::of(&metadata, DirectIo::Auto);
        // Where the tests' folders lie, it may be refused.
        if let Some(begun) = read(&first, &file, 0) {
            assert!(first.is_under_way());
            assert!(begun == bytes[..256 << 10]);
            assert!(read(&first, &file, 256 << 10).unwrap() == bytes[256 << 10..]);
            assert_eq!(read(&first, &file, 100), None, "a part that begins anywhere");
        }
        assert_eq!(read(&second, &file, 0), None, "it comes into memory");
        assert!(!first.is_under_way(), "and is read there from now on");
        assert_eq!(read(&first, &file, 0), None);
    }

    #[test]
    fn a_filesystem_that_refuses_only_when_it_is_read_is_read_as_usual_from_then_on() {
        let layer = tempfile::NamedTempFile::new().unwrap();
        let file = layer.reopen().unwrap();
        let first = FirstRead::of(&file.metadata().unwrap(), DirectIo::Auto);
        let refusing = OpenOptions::new().write(true).open(layer.path()).unwrap();
        let direct = Direct {
            file: refusing,
            has_second: Arc::default(),
        };
        first.direct.set(Some(direct)).unwrap();
        assert!(first.is_under_way());
        assert_eq!(read(&first, &file, 0), None);
        assert!(!first.is_under_way());
    }

    #[test]
    fn nobody_goes_past_the_page_cache_where_that_is_switched_off() {
        let layer = tempfile::NamedTempFile::new().unwrap();
        let file = layer.reopen().unwrap();
        let first = FirstRead::of(&file.metadata().unwrap(), DirectIo::Off);
        assert_eq!(read(&first, &file, 0), None);
        assert!(!first.is_under_way());
    }
}
