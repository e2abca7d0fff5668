//! A blob that can be read.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use roadstead_oci::Digest;

/// A blob that is there, held open: it can be read to its end even if it is deleted meanwhile.
#[derive(Debug)]
pub struct Blob {
    digest: Digest,
    size: u64,
}

impl Blob {
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of this range, which lies within `0..size`, in pieces of up to 256 KiB.
    pub fn read(self, range: Range<u64>) -> BlobStream {
        let _ = range;
        unimplemented!()
    }
}

/// The bytes of a blob.
#[derive(Debug)]
pub struct BlobStream;

impl Stream for BlobStream {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        unimplemented!()
    }
}
