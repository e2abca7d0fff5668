//! The store in a bucket of S3, or of what speaks like it, with registry:2's layout.
//!
//! ```text
//! settings.rs                what a configuration says
//! client.rs ─ answers.rs     connections, deadlines; what answers tell of time, bucket and cost
//! bucket.rs ─ keys.rs, errors.rs    requests by key; missing, busy and failed are told apart
//! objects.rs ─ reading.rs, listing.rs, deleting.rs
//! uploads.rs ─ record.rs     what lies in the bucket of an upload
//!            ─ session.rs    what waits in memory between two requests of one
//! writer.rs ─ sealed.rs ─ multipart.rs, copying.rs, body.rs, budget.rs    bytes → parts → an object
//! purge.rs                   what nobody goes on with
//! ```
//! No request relies on another but through what was read after it was written; nothing relies on conditional writes.

mod answers;
mod body;
mod bucket;
mod budget;
mod client;
mod copying;
mod deleting;
mod errors;
#[cfg(test)]
mod faults;
mod keys;
mod listing;
mod multipart;
mod objects;
mod purge;
mod reading;
mod record;
mod sealed;
mod session;
pub mod settings;
#[cfg(test)]
mod tests;
mod uploads;
mod writer;

use std::io;
use std::sync::Arc;

use bucket::Bucket;
use settings::Settings;
use uploads::Shared;

/// A store in a bucket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct S3Storage {
    bucket: Arc<Bucket>,
    uploads: Arc<Shared>,
}

impl S3Storage {
    /// Nothing is asked of the bucket yet: one that does not answer now may later.
    pub async fn open(settings: Settings) -> io::Result<Self> {
        let bucket = Arc::new(Bucket::open(settings).await?);
        let uploads = Arc::new(Shared::new(Arc::clone(&bucket)));
        Ok(Self { bucket, uploads })
    }
}
