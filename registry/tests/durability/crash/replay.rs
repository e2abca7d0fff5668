//! What a disk may hold after the power was cut: all that was flushed, and anything of the rest.

use std::collections::HashSet;

use fastrand::Rng;

use super::disk::{Change, Disk, Inode};

/// The unit that a disk writes whole.
const PAGE: usize = 4096;

/// How much of what was not flushed is kept, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) names: u8,
    pub(crate) pages: u8,
}

impl Kept {
    /// The ends, and what lies between: a disk that kept everything, nothing, all names without their bytes, the
    /// bytes without their names, or some of each.
    pub(crate) fn any(chance: &mut Rng) -> Self {
        let percents = [
            (100, 100),
            (0, 0),
            (100, 0),
            (0, 100),
            (50, 50),
            (90, 50),
            (50, 95),
            (10, 10),
        ];
        let (names, pages) = chance.choice(percents).unwrap_or_default();
        Kept { names, pages }
    }
}

/// The disk after these changes and a power cut. File contents and names are kept independently of one another; only
/// flushing a file keeps its bytes, only flushing a folder its names.
pub(crate) fn after_power_cut(log: &[Change], kept: Kept, chance: &mut Rng) -> Disk {
    let flushed = flushed(log);
    let mut disk = Disk::default();
    for (change, flushed) in log.iter().zip(flushed) {
        if flushed {
            disk.apply(change);
            continue;
        }
        match change {
            Change::Write { file, offset, bytes } => {
                write_some(&mut disk, *file, *offset, bytes, kept, chance)
            }
            Change::Resize { .. } if is_lucky(chance, kept.pages) => disk.apply(change),
            Change::Name { .. } | Change::Rename { .. } if is_lucky(chance, kept.names) => disk.apply(change),
            _ => {}
        }
    }
    disk
}

/// Which of the changes are certain to be kept.
fn flushed(log: &[Change]) -> Vec<bool> {
    let (mut files, mut folders): (HashSet<Inode>, HashSet<Inode>) = Default::default();
    let mut flushed: Vec<bool> = log
        .iter()
        .rev()
        .map(|change| match change {
            Change::FlushFile(file) => files.insert(*file),
            Change::FlushFolder(folder) => folders.insert(*folder),
            Change::Write { file, .. } | Change::Resize { file, .. } => files.contains(file),
            Change::Name { folder, .. } => folders.contains(folder),
            Change::Rename { from, to, .. } => folders.contains(&from.0) || folders.contains(&to.0),
        })
        .collect();
    flushed.reverse();
    flushed
}

/// A write that was not flushed may be kept in parts, and the file may have grown without its bytes.
fn write_some(disk: &mut Disk, file: Inode, offset: usize, bytes: &[u8], kept: Kept, chance: &mut Rng) {
    for (number, page) in bytes.chunks(PAGE).enumerate() {
        let offset = offset + number * PAGE;
        let bytes = match chance.u8(..100) {
            luck if luck < kept.pages => page.to_vec(),
            luck if luck % 3 == 0 => vec![0; page.len()],
            luck if luck % 3 == 1 => page[..page.len() / 2].to_vec(),
            _ => continue,
        };
        disk.apply(&Change::Write { file, offset, bytes });
    }
}

fn is_lucky(chance: &mut Rng, percent: u8) -> bool {
    chance.u8(..100) < percent
}

#[cfg(test)]
mod tests {
    use super::super::disk::{Link, ROOT};
    use super::*;

    const FILE: Link = Link {
        inode: 2,
        is_folder: false,
    };

    fn written() -> Vec<Change> {
        vec![
            Change::Write {
                file: FILE.inode,
                offset: 0,
                bytes: vec![7; 10_000],
            },
            Change::Name {
                folder: ROOT,
                name: "file".to_owned(),
                to: Some(FILE),
            },
        ]
    }

    fn nothing_kept(log: &[Change]) -> Disk {
        after_power_cut(log, Kept { names: 0, pages: 0 }, &mut Rng::with_seed(1))
    }

    #[test]
    fn what_is_flushed_is_kept_and_the_rest_may_be_lost() {
        let mut log = written();
        assert_eq!(nothing_kept(&log).entry(ROOT, "file"), None);
        log.push(Change::FlushFolder(ROOT));
        let disk = nothing_kept(&log);
        assert_eq!(disk.entry(ROOT, "file"), Some(FILE));
        assert_ne!(disk.files.get(&FILE.inode), Some(&vec![7; 10_000]));
        log.push(Change::FlushFile(FILE.inode));
        assert_eq!(nothing_kept(&log).files[&FILE.inode], vec![7; 10_000]);
    }

    #[test]
    fn what_comes_after_the_flush_is_not_kept_by_it() {
        let mut log = written();
        log.insert(0, Change::FlushFile(FILE.inode));
        log.insert(0, Change::FlushFolder(ROOT));
        assert_eq!(nothing_kept(&log).entry(ROOT, "file"), None);
    }
}
