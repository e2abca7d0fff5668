//! Writing a file piece by piece.
//!
//! Large pieces go past the page cache. A layer is hashed while it passes and need not be read again, and for every
//! byte of it the kernel would find, clear and later free memory: that costs more than hashing does. What lies in
//! memory for pulls is then what pulls have asked for. `registry/PERFORMANCE.md` says what that buys, and what the first
//! pull pays for it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Once};

use bytes::Bytes;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tracing::warn;

use super::super::{Buffer, Key};
use super::threads::DiskThreads;
use super::tree::Tree;
use super::{DirectIo, absent_as_none};

/// A file that is written from its beginning to its end. Dropped before that, it is removed.
#[derive(Debug)]
pub(super) struct FileWriter {
    file: Arc<File>,
    direct: Direct,
    warns_if_refused: bool,
    unfinished: Unfinished,
}

impl FileWriter {
    /// The key is one that nobody else knows; its folder is there. Blocking.
    pub(super) fn begin(tree: &Tree, key: &Key, threads: Arc<DiskThreads>) -> io::Result<Self> {
        let path = tree.path(key);
        let file = Arc::new(tree.create_new(&path)?);
        Ok(FileWriter {
            file,
            direct: Direct::at_first(tree.direct_io),
            warns_if_refused: tree.direct_io == DirectIo::On,
            unfinished: Unfinished {
                key: key.clone(),
                path,
                threads,
            },
        })
    }

    pub(super) async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        let (file, direct) = (Arc::clone(&self.file), self.direct);
        let written = self.unfinished.threads.run(move || write(&file, direct, &bytes));
        self.direct = written.await?;
        if self.warns_if_refused && self.direct == Direct::Refused {
            warn_once();
        }
        Ok(())
    }

    /// The end: the bytes are durable, the name is not yet. Blocking.
    pub(super) fn finish(self) -> io::Result<Unfinished> {
        self.file.sync_data()?;
        Ok(self.unfinished)
    }
}

/// Whether a file is written past the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direct {
    Off,
    On,
    /// This filesystem cannot, or is not to.
    Refused,
}

impl Direct {
    fn at_first(setting: DirectIo) -> Self {
        match setting {
            DirectIo::Auto | DirectIo::On => Direct::Off,
            DirectIo::Off => Direct::Refused,
        }
    }
}

fn warn_once() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        warn!(
            "storage.filesystem.directio is on, but this filesystem cannot write past the page cache: layers go through it; \
             to expect that, write auto"
        );
    });
}

/// Writes the piece at the end of the file, and says in which way the file is open then.
fn write(file: &File, direct: Direct, bytes: &[u8]) -> io::Result<Direct> {
    let fits = bytes.len() >= Buffer::ALIGNED_FROM
        && bytes.len().is_multiple_of(Buffer::ALIGNMENT)
        && bytes.as_ptr().addr().is_multiple_of(Buffer::ALIGNMENT);
    let direct = match direct {
        Direct::Refused => Direct::Refused,
        Direct::Off if fits => switch_on(file),
        // The end of a blob, mostly.
        Direct::On if !fits => switch_off(file)?,
        same => same,
    };
    let mut file = file;
    if direct != Direct::On {
        file.write_all(bytes)?;
        return Ok(direct);
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        match file.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A disk with larger blocks, or one that says only now that it cannot.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                ) =>
            {
                switch_off(file)?;
                file.write_all(rest)?;
                return Ok(Direct::Refused);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Direct::On)
}

fn switch_on(file: &File) -> Direct {
    let switched = fcntl_getfl(file).and_then(|flags| fcntl_setfl(file, flags | OFlags::DIRECT));
    match switched {
        Ok(()) => Direct::On,
        Err(_) => Direct::Refused,
    }
}

fn switch_off(file: &File) -> io::Result<Direct> {
    fcntl_setfl(file, fcntl_getfl(file)? - OFlags::DIRECT)?;
    Ok(Direct::Off)
}

/// A file that nobody will ever ask for, unless it is kept. Removed when dropped.
#[derive(Debug)]
pub(super) struct Unfinished {
    key: Key,
    path: PathBuf,
    threads: Arc<DiskThreads>,
}

impl Unfinished {
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn keep(mut self) {
        self.path = PathBuf::new();
    }

    /// At once. Blocking.
    pub(super) fn remove(mut self) -> io::Result<()> {
        absent_as_none(fs::remove_file(std::mem::take(&mut self.path))).map(|_| ())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        let path = std::mem::take(&mut self.path);
        // What cannot be removed now is purged with its upload, or by age.
        // Freeing the blocks of a large file takes time, which is not the caller's.
        self.threads.run_alone(move || drop(fs::remove_file(path)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Buffers;

    async fn written(direct_io: DirectIo) -> (Direct, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::open(folder.path().to_owned(), direct_io).unwrap();
        let mut writer = FileWriter::begin(&tree, &"layer".parse().unwrap(), DiskThreads::new()).unwrap();
        let mut buffer = Buffers::new(4 << 20).transfer().buffer_for(1 << 20);
        buffer.fill_from(&mut vec![7; 1 << 20].into());
        writer.write(buffer.freeze()).await.unwrap();
        (writer.direct, fs::read(folder.path().join("layer")).unwrap())
    }

    #[tokio::test]
    async fn large_pieces_go_past_the_page_cache_unless_that_is_switched_off() {
        for direct_io in [DirectIo::Auto, DirectIo::On, DirectIo::Off] {
            let (direct, bytes) = written(direct_io).await;
            assert!(bytes == vec![7; 1 << 20], "{direct_io:?}");
            // Where the tests' folders lie, it may be refused too.
            assert_ne!(direct, Direct::Off, "{direct_io:?}");
            assert!(direct_io != DirectIo::Off || direct == Direct::Refused);
        }
    }
}
