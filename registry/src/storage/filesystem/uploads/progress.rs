//! What counts of an upload.
//!
//! Each request writes its bytes into a file of its own and then tries to make `state-<offset>`, which names that file
//! and what is known of the bytes so far. Of two requests that go on at the same offset one succeeds; the other is
//! told where to go on. So no byte counts that is not in the state, and no state is ever changed. An object that comes in
//! one request lies among the temporary files, and has no state.

use std::io;

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::super::super::{Kept, Key, Saved};
use super::super::absent_as_none;
use super::super::tree::Tree;
use super::super::writer::FileWriter;
use super::STARTED_AT;

/// registry:2 keeps the bytes of its own uploads here, and what it knows of them beside it, in a way that is its own.
const FOREIGN: [&str; 2] = ["data", "hashstates"];
const STATE_LIMIT: usize = 4 << 10;

/// One request that counts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    /// Where its bytes end, and the next begin.
    pub(super) end: u64,
    pub(super) segment: String,
    pub(super) hash: Saved,
}

/// How far an upload has come.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) at: Key,
    /// The offsets at which a request began that counts.
    pub(super) offsets: Vec<u64>,
    /// The file of the last of them.
    pub(super) segment: Option<String>,
    pub(super) received: u64,
}

/// With what was kept of its bytes, and its note.
pub(super) type Loaded = (Progress, Option<Saved>, Option<String>);

pub(super) fn load(tree: &Tree, at: &Key) -> io::Result<Option<Loaded>> {
    let names: Vec<String> = tree
        .list(at, None, usize::MAX)?
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    let is_foreign = |name: &String| FOREIGN.contains(&name.as_str());
    if !names.iter().any(|name| name == STARTED_AT) || names.iter().any(is_foreign) {
        return Ok(None);
    }
    let mut offsets: Vec<u64> = names.iter().filter_map(|name| offset_of_state(name)).collect();
    offsets.sort_unstable();
    let last = match offsets.last() {
        None => None,
        Some(offset) => match read_state(tree, at, *offset)? {
            None => return Ok(None),
            last => last,
        },
    };
    let received = last.as_ref().map_or(0, |last| last.end);
    let is_ours =
        |name: &String| name == STARTED_AT || name.starts_with("seg-") || name.starts_with("state-");
    let note = names.into_iter().find(|name| !is_ours(name));
    let (segment, saved) = last.map(|last| (last.segment, last.hash)).unzip();
    let progress = Progress {
        at: at.clone(),
        offsets,
        segment,
        received,
    };
    Ok(Some((progress, saved, note)))
}

/// Makes the segment's bytes count. If another request was first with bytes from the same offset, these are dropped.
/// An upload that has ended is not begun again by that.
pub(super) fn keep(tree: &Tree, progress: &Progress, file: FileWriter, state: &State) -> io::Result<Kept> {
    let segment = file.finish()?;
    let (begin, text) = (progress.received, serde_json::to_vec(state)?);
    let is_first = match tree.create_beside(&state_key(&progress.at, begin), &text.into()) {
        // The state may be there nevertheless, as on a share whose answer was lost.
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            segment.keep();
            return Err(error);
        }
        created => created?,
    };
    let counts = Kept::Counts { received: state.end };
    if is_first {
        segment.keep();
        return Ok(counts);
    }
    let winner = read_state(tree, &progress.at, begin)?;
    // A share may have been asked twice for one link.
    if winner
        .as_ref()
        .is_some_and(|winner| winner.segment == state.segment)
    {
        segment.keep();
        return Ok(counts);
    }
    segment.remove()?;
    Ok(Kept::Overtaken {
        received: winner.map_or(begin, |winner| winner.end),
    })
}

/// The files that hold all bytes, in order, each as long as its state says: those of which the hash was loaded.
pub(super) fn segments(tree: &Tree, progress: &Progress) -> io::Result<Vec<Key>> {
    let mut segments = Vec::with_capacity(progress.offsets.len() + 1);
    let (mut end, mut last) = (0, None);
    for offset in &progress.offsets {
        let state = read_state(tree, &progress.at, *offset)?;
        let segment = state.and_then(|state| {
            let key = progress.at.join(&state.segment).ok()?;
            last = Some(state.segment);
            Some((key, state.end))
        });
        let Some((segment, state_end)) = segment else {
            return Err(damaged(&progress.at));
        };
        let size = absent_as_none(tree.stat(&segment))?.map(|stat| stat.size);
        if *offset != end || size != state_end.checked_sub(*offset) {
            return Err(damaged(&progress.at));
        }
        end = state_end;
        segments.push(segment);
    }
    if end != progress.received || last != progress.segment {
        return Err(damaged(&progress.at));
    }
    Ok(segments)
}

/// What it says about itself is not what is there, after a power cut perhaps: the client begins anew.
fn damaged(at: &Key) -> io::Error {
    warn!(upload = %at, "upload is damaged and cannot go on");
    io::ErrorKind::NotFound.into()
}

fn read_state(tree: &Tree, at: &Key, offset: u64) -> io::Result<Option<State>> {
    let state = tree.read(&state_key(at, offset), STATE_LIMIT)?;
    Ok(state.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn state_key(at: &Key, offset: u64) -> Key {
    within(at, &format!("state-{offset}"))
}

fn offset_of_state(name: &str) -> Option<u64> {
    name.strip_prefix("state-")?.parse().ok()
}

pub(super) fn within(at: &Key, name: &str) -> Key {
    at.join(name)
        .expect("names in an upload's folder are letters, digits and dashes")
}
