//! What a collection is about to delete, as it tells writers.
//!
//! A batch is written once, as text, and never changed:
//! ```text
//! roadstead batch 1
//! deadline 1795852800
//! blob sha256:…
//! layer team/app sha256:…
//! revision team/app sha256:…
//! tag team/app v1
//! end 4
//! ```
//! The deadline is in seconds since 1970 by the clock of the store: by then the collection has stopped. The last line has
//! the number of names, so that a torn batch is seen as such.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use roadstead_oci::{Digest, RepositoryName, Tag};

const FIRST_LINE: &str = "roadstead batch 1";
/// Of one batch.
pub(super) const MOST_NAMES: usize = 10_000;
/// From the writing of a batch to its deadline, whatever the grace.
pub(super) const LONGEST: Duration = Duration::from_secs(5 * 60);
/// More than `MOST_NAMES` of the longest take.
pub(super) const MOST_BYTES: usize = 8 << 20;

/// One thing that is to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Condemned {
    /// With it every link to it is named, unless that went before.
    Blob(Digest),
    Layer(RepositoryName, Digest),
    Revision(RepositoryName, Digest),
    Tag(RepositoryName, Tag),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) deadline: SystemTime,
    names: HashSet<Condemned>,
}

/// Torn, of a newer program, or not a batch at all: it may name everything.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Batch {
    pub(super) fn names_any(&self, relied_on: &[Condemned]) -> bool {
        relied_on.iter().any(|name| self.names.contains(name))
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(bytes).map_err(|_| Unreadable)?;
        // Without its newline the last line may be torn too.
        let mut lines = text.strip_suffix('\n').ok_or(Unreadable)?.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(Unreadable);
        }
        let seconds = lines.next().and_then(|line| line.strip_prefix("deadline "));
        let seconds = seconds
            .and_then(|seconds| seconds.parse().ok())
            .ok_or(Unreadable)?;
        let deadline = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let end = lines.next_back().and_then(|line| line.strip_prefix("end "));
        let count: usize = end.and_then(|count| count.parse().ok()).ok_or(Unreadable)?;
        let names = lines.map(Condemned::parse).collect::<Option<HashSet<_>>>();
        match (deadline, names) {
            (Some(deadline), Some(names)) if names.len() == count && count <= MOST_NAMES => {
                Ok(Batch { deadline, names })
            }
            _ => Err(Unreadable),
        }
    }
}

#[cfg_attr(not(test), expect(dead_code, reason = "a collection writes them"))]
impl Batch {
    /// At most [`MOST_NAMES`], with a deadline at most [`LONGEST`] from now. Whole seconds of it count.
    pub(super) fn new(deadline: SystemTime, names: impl IntoIterator<Item = Condemned>) -> Self {
        Batch {
            deadline,
            names: names.into_iter().collect(),
        }
    }

    pub(super) fn encode(&self) -> String {
        let since = self.deadline.duration_since(SystemTime::UNIX_EPOCH);
        let mut text = format!("{FIRST_LINE}\ndeadline {}\n", since.unwrap_or_default().as_secs());
        for name in &self.names {
            let _ = match name {
                Condemned::Blob(digest) => writeln!(text, "blob {digest}"),
                Condemned::Layer(repository, digest) => writeln!(text, "layer {repository} {digest}"),
                Condemned::Revision(repository, digest) => writeln!(text, "revision {repository} {digest}"),
                Condemned::Tag(repository, tag) => writeln!(text, "tag {repository} {tag}"),
            };
        }
        let _ = writeln!(text, "end {}", self.names.len());
        text
    }
}

impl Condemned {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        Some(match words[..] {
            ["blob", digest] => Condemned::Blob(digest.parse().ok()?),
            ["layer", name, digest] => Condemned::Layer(name.parse().ok()?, digest.parse().ok()?),
            ["revision", name, digest] => Condemned::Revision(name.parse().ok()?, digest.parse().ok()?),
            ["tag", name, tag] => Condemned::Tag(name.parse().ok()?, tag.parse().ok()?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_condemned() -> impl Strategy<Value = Condemned> {
        let digest = any::<[u8; 32]>().prop_map(Digest::sha256);
        let name =
            "[a-z0-9]{1,9}(/[a-z0-9]{1,9}){0,2}".prop_map(|name| name.parse::<RepositoryName>().unwrap());
        let tag = "[A-Za-z0-9_][A-Za-z0-9._-]{0,20}".prop_map(|tag| tag.parse::<Tag>().unwrap());
        (0..4, name, digest, tag).prop_map(|(kind, name, digest, tag)| match kind {
            0 => Condemned::Blob(digest),
            1 => Condemned::Layer(name, digest),
            2 => Condemned::Revision(name, digest),
            _ => Condemned::Tag(name, tag),
        })
    }

    fn any_batch() -> impl Strategy<Value = Batch> {
        let names = prop::collection::vec(any_condemned(), 0..20);
        (0..u64::from(u32::MAX), names).prop_map(|(seconds, names)| {
            Batch::new(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), names)
        })
    }

    proptest! {
        #[test]
        fn a_batch_is_read_as_it_was_written(batch in any_batch()) {
            prop_assert_eq!(Batch::parse(batch.encode().as_bytes()), Ok(batch));
        }

        #[test]
        fn a_torn_batch_is_never_taken_for_a_smaller_one(batch in any_batch(), at in any::<prop::sample::Index>()) {
            let text = batch.encode();
            prop_assert_eq!(Batch::parse(&text.as_bytes()[..at.index(text.len())]), Err(Unreadable));
        }

        #[test]
        fn a_batch_that_lost_a_line_is_never_taken_for_a_smaller_one(batch in any_batch(), at in any::<prop::sample::Index>()) {
            let text = batch.encode();
            let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
            lines.remove(at.index(lines.len()));
            prop_assert_eq!(Batch::parse(lines.concat().as_bytes()), Err(Unreadable));
        }
    }

    #[test]
    fn what_another_version_or_program_wrote_may_name_everything() {
        let known = Batch::new(SystemTime::UNIX_EPOCH, []).encode();
        for foreign in [
            "",
            "{}",
            "\n",
            "roadstead batch 2\ndeadline 0\nend 0\n",
            &format!("{known}more\n"),
        ] {
            assert_eq!(Batch::parse(foreign.as_bytes()), Err(Unreadable), "{foreign:?}");
        }
        assert_eq!(Batch::parse(b"\xff\xfe"), Err(Unreadable));
    }

    #[test]
    fn the_largest_batch_can_be_read() {
        let name: RepositoryName = "a".repeat(255).parse().unwrap();
        let names = (0..MOST_NAMES).map(|number| {
            let mut hash = [0; 64];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            Condemned::Revision(name.clone(), Digest::sha512(hash))
        });
        let batch = Batch::new(SystemTime::UNIX_EPOCH, names);
        let text = batch.encode();
        assert!(text.len() <= MOST_BYTES, "{}", text.len());
        assert_eq!(Batch::parse(text.as_bytes()), Ok(batch));
    }
}
