//! A large volume in registry:2's layout, written without a registry: pushing a million blobs would take hours.
//!
//! ```text
//! shape (how many of what) ──► layout (one image's files, as registry:2 writes them)
//! ```
//! That the files are those that registry:2 writes is tested beside docker-registry, in [`layout`].

mod layout;
mod shape;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;

pub(crate) use self::shape::{LargeTags, Referrers, Shape};

/// Writes it all, with a thread for each core.
pub(crate) fn write(root: &Path, shape: &Shape) -> anyhow::Result<()> {
    let volume = layout::Volume::create(root)?;
    let jobs = shape.jobs();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut writer = volume.writer()?;
        loop {
            let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return anyhow::Ok(());
            };
            for image in job.images() {
                writer
                    .put(&image)
                    .with_context(|| format!("in {}", image.repository))?;
            }
        }
    };
    let threads = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("a writer does not panic"))
    })
}
