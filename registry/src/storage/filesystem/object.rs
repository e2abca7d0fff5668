//! Reading a file in parts.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use futures::FutureExt;

use super::super::{Answer, Buffer, Error, Key, Object};
use super::lookup::read_now;
use super::off_thread;

#[derive(Debug)]
pub(super) struct FileObject {
    key: Key,
    file: Arc<File>,
    size: u64,
}

impl FileObject {
    pub(super) fn new(key: &Key, file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self {
            key: key.clone(),
            file: Arc::new(file),
            size: metadata.len(),
        })
    }
}

impl Object for FileObject {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, mut buffer: Buffer) -> Answer<'_, Buffer> {
        if let Some(read) = read_now(&*self.file, buffer.unfilled(), offset)
            && read > 0
        {
            buffer.advance(read);
            return std::future::ready(Ok(buffer)).boxed();
        }
        let file = Arc::clone(&self.file);
        let job = move || {
            let read = file.read_at(buffer.unfilled(), offset)?;
            buffer.advance(read);
            Ok(buffer)
        };
        async move {
            off_thread(job)
                .await
                .map_err(|source| Error::new("read", &self.key, source))
        }
        .boxed()
    }
}
