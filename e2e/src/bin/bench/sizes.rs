//! How much of everything a run does.

use clap::ValueEnum;

use crate::volume::{LargeTags, Referrers, Shape};

/// Two sizes: what is published, and what only shows that the benchmark works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Size {
    Small,
    Full,
}

/// The numbers behind a [`Size`].
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    pub(crate) rounds: usize,
    /// Bytes of the large blob.
    pub(crate) blob: u64,
    /// Clients that pull it at once.
    pub(crate) pullers: usize,
    /// Seconds of each timed stretch of many small requests.
    pub(crate) seconds: u64,
    /// Small images pushed.
    pub(crate) pushed_images: usize,
    /// Small images pulled.
    pub(crate) pulled_images: usize,
    /// The large volume.
    pub(crate) volume: Shape,
    /// Transfers that go on at once, and of how many bytes each.
    pub(crate) parallel_pulls: usize,
    pub(crate) parallel_pushes: usize,
    pub(crate) parallel_blob: u64,
    /// Connections that are open and idle.
    pub(crate) idle: usize,
}

impl Sizes {
    pub(crate) fn of(size: Size) -> Self {
        match size {
            Size::Full => Self {
                rounds: 5,
                blob: 1 << 30,
                pullers: 20,
                seconds: 6,
                pushed_images: 1000,
                pulled_images: 500,
                volume: Shape {
                    manifests: 100_000,
                    blobs_per_manifest: 9,
                    tags: LargeTags(20_000),
                    referrers: Referrers(5_000),
                    per_repository: 100,
                },
                parallel_pulls: 500,
                parallel_pushes: 100,
                parallel_blob: 256 << 20,
                idle: 10_000,
            },
            Size::Small => Self {
                rounds: 1,
                blob: 4 << 20,
                pullers: 3,
                seconds: 1,
                pushed_images: 8,
                pulled_images: 8,
                volume: Shape {
                    manifests: 100,
                    blobs_per_manifest: 3,
                    tags: LargeTags(30),
                    referrers: Referrers(20),
                    per_repository: 10,
                },
                parallel_pulls: 10,
                parallel_pushes: 5,
                parallel_blob: 4 << 20,
                idle: 100,
            },
        }
    }

    /// Rounds of the work that takes a minute each.
    pub(crate) fn long_rounds(&self) -> usize {
        self.rounds.min(3)
    }

    /// The large blob's size as people say it.
    pub(crate) fn blob_text(&self) -> String {
        bytes_text(self.blob)
    }
}

/// Bytes as people say them.
pub(crate) fn bytes_text(bytes: u64) -> String {
    match bytes {
        bytes if bytes.is_multiple_of(1 << 30) => format!("{} GiB", bytes >> 30),
        bytes if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes => format!("{} KiB", bytes >> 10),
    }
}
