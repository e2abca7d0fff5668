//! Writing a file piece by piece.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;

use super::super::{Answer, Error, Key, Writer};
use super::off_thread;
use super::tree::Tree;

pub(super) fn begin(tree: &Tree, key: &Key) -> io::Result<Box<dyn Writer>> {
    let path = tree.path(key);
    let file = Arc::new(tree.create_new(&path)?);
    Ok(Box::new(FileWriter {
        key: key.clone(),
        file,
        unfinished: Some(Unfinished(path)),
    }))
}

#[derive(Debug)]
struct FileWriter {
    key: Key,
    file: Arc<File>,
    unfinished: Option<Unfinished>,
}

impl Writer for FileWriter {
    fn write(&mut self, bytes: Bytes) -> Answer<'_, ()> {
        let file = Arc::clone(&self.file);
        let write = off_thread(move || (&*file).write_all(&bytes));
        async move {
            write
                .await
                .map_err(|source| Error::new("write", &self.key, source))
        }
        .boxed()
    }

    fn finish(mut self: Box<Self>) -> Answer<'static, ()> {
        let file = Arc::clone(&self.file);
        async move {
            let flushed = off_thread(move || file.sync_data()).await;
            flushed.map_err(|source| Error::new("flush", &self.key, source))?;
            if let Some(unfinished) = self.unfinished.take() {
                unfinished.keep();
            }
            Ok(())
        }
        .boxed()
    }
}

/// A file that nobody will ever ask for, unless it is finished.
#[derive(Debug)]
struct Unfinished(PathBuf);

impl Unfinished {
    fn keep(mut self) {
        self.0 = PathBuf::new();
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.0.as_os_str().is_empty() {
            return;
        }
        let path = std::mem::take(&mut self.0);
        // What cannot be removed now is purged with its upload, or by age.
        let remove = move || drop(fs::remove_file(path));
        // Freeing the blocks of a large file takes time, which is not the caller's.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}
