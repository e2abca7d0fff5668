//! What is on its way to an object in memory.

use std::time::SystemTime;

use bytes::Bytes;
use futures::{FutureExt, future};

use super::super::{
    Answer, Buffer, Error, Kept, Key, Pieces, Resumed, Saved, Sealed, Transfer, Uploads, Writer,
};
use super::MemoryStorage;

#[derive(Debug)]
pub(super) struct Upload {
    begun: SystemTime,
    note: Option<String>,
    bytes: Vec<u8>,
    saved: Option<Saved>,
}

/// What is there of an upload for those who look through the store.
const RECORD: &str = "startedat";

impl MemoryStorage {
    fn writer(&self, at: Option<Key>, received: u64) -> Box<dyn Writer> {
        Box::new(MemoryWriter {
            storage: self.clone(),
            transfer: self.buffers.transfer(),
            at,
            received,
            bytes: Vec::new(),
        })
    }

    fn end(&self, at: &Key) {
        let mut kept = self.kept();
        kept.uploads.remove(at);
        for key in kept.below(at) {
            kept.objects.remove(&key);
        }
    }
}

impl Uploads for MemoryStorage {
    fn begin<'a>(&'a self, at: &'a Key, note: Option<&'a str>) -> Answer<'a, ()> {
        self.answer(move |kept| {
            let upload = Upload {
                begun: SystemTime::now(),
                note: note.map(str::to_owned),
                bytes: Vec::new(),
                saved: None,
            };
            kept.uploads.insert(at.clone(), upload);
            kept.write(&at.join(RECORD).unwrap(), Bytes::new());
            Ok(())
        })
    }

    fn load<'a>(&'a self, at: &'a Key) -> Answer<'a, Option<Resumed>> {
        self.answer(move |kept| {
            Ok(kept.uploads.get(at).map(|upload| {
                let received = upload.bytes.len() as u64;
                Resumed {
                    received,
                    saved: upload.saved.clone(),
                    note: upload.note.clone(),
                    writer: self.writer(Some(at.clone()), received),
                }
            }))
        })
    }

    fn direct(&self, _to: &Key) -> Box<dyn Writer> {
        self.writer(None, 0)
    }

    fn abandon<'a>(&'a self, at: &'a Key) -> Answer<'a, ()> {
        future::lazy(move |_| {
            self.end(at);
            Ok(())
        })
        .boxed()
    }

    fn purge<'a>(&'a self, folder: &'a Key, before: SystemTime) -> Answer<'a, usize> {
        future::lazy(move |_| {
            let is_old = |(at, upload): &(&Key, &Upload)| {
                at.parent().as_ref() == Some(folder) && upload.begun < before
            };
            let uploads = &self.kept().uploads;
            let old: Vec<Key> = uploads.iter().filter(is_old).map(|(at, _)| at.clone()).collect();
            Ok(old)
        })
        .map(|old: Result<Vec<Key>, Error>| {
            let old = old?;
            old.iter().for_each(|at| self.end(at));
            Ok(old.len())
        })
        .boxed()
    }

    fn purge_remains(&self, _before: SystemTime) -> Answer<'_, usize> {
        // What is not kept goes with its writer.
        future::ready(Ok(0)).boxed()
    }
}

#[derive(Debug)]
struct MemoryWriter {
    storage: MemoryStorage,
    transfer: Transfer,
    at: Option<Key>,
    received: u64,
    bytes: Vec<u8>,
}

impl Writer for MemoryWriter {
    fn piece(&mut self) -> Answer<'_, Buffer> {
        future::ready(Ok(self.transfer.buffer_for(64 << 10))).boxed()
    }

    fn put(&mut self, bytes: Bytes) -> Answer<'_, ()> {
        self.bytes.extend_from_slice(&bytes);
        future::ready(Ok(())).boxed()
    }

    fn keep(self: Box<Self>, saved: Saved) -> Answer<'static, Kept> {
        future::lazy(move |_| {
            let (Some(at), false) = (&self.at, self.bytes.is_empty()) else {
                return Ok(Kept::Counts {
                    received: self.received,
                });
            };
            let mut kept = self.storage.kept();
            let upload = kept
                .uploads
                .get_mut(at)
                .ok_or_else(|| Error::Missing(at.clone()))?;
            if upload.bytes.len() as u64 != self.received {
                return Ok(Kept::Overtaken {
                    received: upload.bytes.len() as u64,
                });
            }
            upload.bytes.extend_from_slice(&self.bytes);
            upload.saved = Some(saved);
            Ok(Kept::Counts {
                received: upload.bytes.len() as u64,
            })
        })
        .boxed()
    }

    fn seal(self: Box<Self>) -> Answer<'static, Box<dyn Sealed>> {
        future::lazy(move |_| {
            let mut bytes = Vec::new();
            if let Some(at) = &self.at {
                let kept = self.storage.kept();
                let upload = kept.uploads.get(at).ok_or_else(|| Error::Missing(at.clone()))?;
                bytes.extend_from_slice(&upload.bytes[..self.received as usize]);
            }
            bytes.extend_from_slice(&self.bytes);
            let sealed: Box<dyn Sealed> = Box::new(SealedBytes {
                storage: self.storage.clone(),
                at: self.at.clone(),
                bytes: bytes.into(),
            });
            Ok(sealed)
        })
        .boxed()
    }
}

#[derive(Debug)]
struct SealedBytes {
    storage: MemoryStorage,
    at: Option<Key>,
    bytes: Bytes,
}

impl Sealed for SealedBytes {
    fn read(&self) -> Pieces {
        super::pieces(self.bytes.clone())
    }

    fn publish<'a>(&'a self, to: &'a Key) -> Answer<'a, ()> {
        self.storage.answer(move |kept| {
            kept.write(to, self.bytes.clone());
            Ok(())
        })
    }

    fn forget(self: Box<Self>) -> Answer<'static, ()> {
        future::lazy(move |_| {
            if let Some(at) = &self.at {
                self.storage.end(at);
            }
            Ok(())
        })
        .boxed()
    }
}
