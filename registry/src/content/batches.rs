//! Long lists, read from the store batch by batch.

use futures::stream::{self, Stream, StreamExt};

use super::error::Error;
use crate::storage::{Key, Storage};

/// Names read from the store at a time, at least.
const BATCH: usize = 256;
/// The next ones are on their way while one is looked through, mostly.
const AT_ONCE: usize = 4;

/// The names in a folder after `after`: those that a page of `n` may need, and the one behind it.
pub(super) async fn names(
    storage: &dyn Storage,
    folder: &Key,
    after: Option<&str>,
    n: Option<usize>,
) -> Result<Vec<String>, Error> {
    let limit = n.map_or(usize::MAX, |n| n.saturating_add(1).max(BATCH));
    let entries = storage.list(folder, after, limit).await?;
    Ok(entries.into_iter().map(|entry| entry.name).collect())
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
