//! Reading a file piece by piece.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{StreamExt, try_unfold};

use super::super::{Error, Key, Opened, Reading, Transfer, Wanted};
use super::FilesystemStorage;
use super::first_read::FirstRead;
use super::lookup::{read_now, stat_from};
use super::threads::DiskThreads;

/// Larger pieces cost more in the caches of the processor than they save in calls.
const PIECE: u64 = 256 << 10;

/// What is wanted of an open file.
pub(super) fn reading(
    storage: &FilesystemStorage,
    key: &Key,
    file: File,
    wanted: Wanted,
) -> io::Result<Opened> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let stat = stat_from(&metadata)?;
    let Some(range) = wanted.of(stat.size) else {
        return Ok(Opened::Unsatisfiable { size: stat.size });
    };
    let part = Part {
        key: key.clone(),
        file: Arc::new(file),
        first_read: Arc::new(FirstRead::of(&metadata, storage.tree.direct_io)),
        threads: Arc::clone(&storage.threads),
        transfer: storage.buffers.transfer(),
        offset: range.start,
        end: range.end,
    };
    let pieces = try_unfold(part, |mut part| async move {
        Ok(part.next().await?.map(|piece| (piece, part)))
    });
    Ok(Opened::Found(Reading {
        stat,
        range,
        pieces: pieces.boxed(),
    }))
}

struct Part {
    key: Key,
    file: Arc<File>,
    first_read: Arc<FirstRead>,
    threads: Arc<DiskThreads>,
    transfer: Transfer,
    offset: u64,
    end: u64,
}

impl Part {
    /// After two pieces the next comes when one has been dropped; after one of them, when there are many readers.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let left = self.end.saturating_sub(self.offset);
        if left == 0 {
            return Ok(None);
        }
        let mut buffer = self.transfer.next_buffer_for(left.min(PIECE)).await;
        let offset = self.offset;
        let in_memory = match self.first_read.is_under_way() {
            true => None,
            false => read_now(&*self.file, buffer.unfilled(), offset),
        };
        match in_memory {
            Some(read) if read > 0 => buffer.advance(read),
            _ => {
                let (file, first_read) = (Arc::clone(&self.file), Arc::clone(&self.first_read));
                let job = move || {
                    let read = match first_read.read_at(&file, &mut buffer, offset) {
                        Some(read) => read,
                        None => file.read_at(buffer.unfilled(), offset)?,
                    };
                    buffer.advance(read);
                    Ok(buffer)
                };
                let read = self.threads.run(job).await;
                buffer = read.map_err(|source| Error::new("read", &self.key, source))?;
            }
        }
        buffer.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        if buffer.is_empty() {
            // More was promised: it must end as broken, not as complete.
            return Err(Error::new("read", &self.key, io::ErrorKind::UnexpectedEof.into()));
        }
        self.offset += buffer.filled().len() as u64;
        Ok(Some(buffer.freeze()))
    }
}
