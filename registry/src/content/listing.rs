//! Long lists, read from the store batch by batch.

use futures::stream::{self, Stream, StreamExt};

use super::error::Error;
use crate::storage::{Entry, Key, Storage};

/// Names read from the store at a time, at least.
const BATCH: usize = 256;
/// The next ones are on their way while one is looked through, mostly.
const AT_ONCE: usize = 4;

/// All that is in a folder. Whatever page of it cannot be read, there is no list.
pub(super) async fn all(storage: &dyn Storage, folder: &Key) -> Result<Vec<Entry>, Error> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map(|entry: &Entry| entry.name.clone());
        let page = storage.list(folder, after.as_deref(), usize::MAX).await?;
        let is_last = !page.more || page.entries.is_empty();
        all.extend(page.entries);
        if is_last {
            return Ok(all);
        }
    }
}

/// The names in a folder after `after`, and whether there may be more: those that a page of `n` may need, and the one
/// behind it.
pub(super) async fn names(
    storage: &dyn Storage,
    folder: &Key,
    after: Option<&str>,
    n: Option<usize>,
) -> Result<(Vec<String>, bool), Error> {
    let limit = n.map_or(usize::MAX, |n| n.saturating_add(1).max(BATCH));
    let page = storage.list(folder, after, limit).await?;
    let names = page.entries.into_iter().map(|entry| entry.name);
    Ok((names.collect(), page.more))
}

/// What becomes of these, in their order.
pub(super) fn in_batches<T: Clone, F: Future>(
    items: &[T],
    read: impl FnMut(Vec<T>) -> F,
) -> impl Stream<Item = F::Output> {
    // Owned, for a future over borrowed items is `Send` for one lifetime only, and cannot be spawned.
    let batches: Vec<Vec<T>> = items.chunks(BATCH).map(<[T]>::to_vec).collect();
    stream::iter(batches).map(read).buffered(AT_ONCE)
}
