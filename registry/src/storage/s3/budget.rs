//! Memory for the parts of uploads: one budget for all of them.
//!
//! An upload has its first bytes without asking, then a small share, and for the rest of a part a whole part's worth. Who
//! has that needs nothing else to send the part and give it back: so some upload always goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Most configurations, and no more than a disk's upload takes.
const FREE: usize = 64 << 10;
/// Many layers are smaller.
const SMALL: usize = 1 << 20;
/// A slow client needs some time to fill its part; longer than this no other should wait before it hears about it.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Budget {
    small: Arc<Semaphore>,
    parts: Arc<Semaphore>,
}

/// What an upload has of it. Clones are the same share.
#[derive(Clone, Debug, Default)]
pub(super) struct Reserved {
    small: Option<Arc<OwnedSemaphorePermit>>,
    part: Option<Arc<OwnedSemaphorePermit>>,
}

/// All of it was in use for too long.
#[derive(Debug, thiserror::Error)]
#[error("the memory for uploads is all in use")]
pub(super) struct Exhausted;

impl Budget {
    /// A quarter for small shares, the rest for whole parts; of those there are always two.
    pub(super) fn new(bytes: usize, part: usize) -> Self {
        Self {
            small: Arc::new(Semaphore::new((bytes / 4 / SMALL).max(1))),
            parts: Arc::new(Semaphore::new((bytes / 4 * 3 / part).max(2))),
        }
    }

    /// Waits until the part that is being filled may have so many bytes.
    pub(super) async fn reserve(&self, reserved: &mut Reserved, bytes: usize) -> Result<(), Exhausted> {
        if bytes <= FREE || reserved.part.is_some() {
            return Ok(());
        }
        if bytes <= SMALL {
            if reserved.small.is_none() {
                reserved.small = Some(permit(&self.small).await?);
            }
            return Ok(());
        }
        reserved.part = Some(permit(&self.parts).await?);
        reserved.small = None;
        Ok(())
    }
}

async fn permit(semaphore: &Arc<Semaphore>) -> Result<Arc<OwnedSemaphorePermit>, Exhausted> {
    match timeout(PATIENCE, Arc::clone(semaphore).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(Arc::new(permit)),
        _ => Err(Exhausted),
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn whoever_lets_go_lets_another_on() {
        let budget = Budget::new(8 << 20, 4 << 20);
        let mut shares = [Reserved::default(), Reserved::default(), Reserved::default()];
        for share in &mut shares[..2] {
            budget.reserve(share, FREE).await.unwrap();
            budget.reserve(share, SMALL).await.unwrap();
            budget.reserve(share, SMALL + 1).await.unwrap();
        }
        let [first, _second, third] = &mut shares;
        budget.reserve(third, SMALL).await.unwrap();
        assert!(budget.reserve(third, SMALL + 1).now_or_never().is_none());
        *first = Reserved::default();
        budget.reserve(third, 4 << 20).await.unwrap();
    }
}
