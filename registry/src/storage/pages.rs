//! Where the bytes of a buffer lie.

use std::ops::{Deref, DerefMut};

use memmap2::{Advice, MmapMut};

/// Where large memories begin, at least.
pub(super) const ALIGNMENT: usize = 4096;
/// Memories of this size or more are large.
pub(super) const ALIGNED_FROM: usize = 128 << 10;
/// A page of the larger kind (x86-64, and aarch64 with small pages of 4 KiB). What fills one is asked for as one: the
/// disk is given one page then instead of 512, and the processor looks one up (`registry/PERFORMANCE.md`).
const HUGE: usize = 2 << 20;

/// So many bytes, zero at first.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pages: Pages,
    start: usize,
    size: usize,
}

#[derive(Debug)]
enum Pages {
    Usual(Box<[u8]>),
    Huge(MmapMut),
}

impl Memory {
    pub(super) fn new(size: usize) -> Self {
        if size >= HUGE
            && let Some(huge) = Self::huge(size)
        {
            return huge;
        }
        let alignment = if size >= ALIGNED_FROM { ALIGNMENT } else { 1 };
        let bytes = vec![0; size + alignment - 1].into_boxed_slice();
        Self {
            start: bytes.as_ptr().align_offset(alignment),
            pages: Pages::Usual(bytes),
            size,
        }
    }

    fn huge(size: usize) -> Option<Self> {
        // Somewhere in it lies an aligned start. What lies before and behind is never touched, and takes up addresses alone.
        let map = MmapMut::map_anon(size + HUGE).ok()?;
        let start = map.as_ptr().align_offset(HUGE);
        // Where the kernel has none, or is told to give none, the usual ones come.
        let _ = map.advise_range(Advice::HugePage, start, size);
        Some(Self {
            pages: Pages::Huge(map),
            start,
            size,
        })
    }
}

/// None at all.
impl Default for Pages {
    fn default() -> Self {
        Self::Usual(Box::default())
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let bytes: &[u8] = match &self.pages {
            Pages::Usual(bytes) => bytes,
            Pages::Huge(map) => map,
        };
        &bytes[self.start..][..self.size]
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        let bytes: &mut [u8] = match &mut self.pages {
            Pages::Usual(bytes) => bytes,
            Pages::Huge(map) => map,
        };
        &mut bytes[self.start..][..self.size]
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn all_of_it_is_there_and_what_is_large_is_aligned() {
        for size in [0, 16 << 10, ALIGNED_FROM, HUGE, 2 * HUGE] {
            let mut memory = Memory::new(size);
            assert_eq!(*memory, *vec![0; size]);
            memory.fill(7);
            assert_eq!(*memory, *vec![7; size]);
            let is_aligned = memory.as_ptr().addr().is_multiple_of(ALIGNMENT);
            let is_large = size >= ALIGNED_FROM;
            assert!(is_aligned || !is_large, "{size} bytes");
            let has_slack = !matches!(&memory.pages, Pages::Usual(bytes) if bytes.len() == size);
            assert!(is_large || !has_slack, "{size} bytes");
        }
    }

    #[test]
    fn the_kernel_is_asked_for_a_huge_page() {
        if !Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            return;
        }
        let memory = Memory::new(HUGE);
        assert!(memory.as_ptr().addr().is_multiple_of(HUGE));
        // proc_pid_smaps(5): a line for each mapping, beginning with its addresses, and one with its flags.
        let begins = format!("{:x}-", memory.as_ptr().addr());
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let (_, map) = maps
            .split_once(&format!("\n{begins}"))
            .expect("a mapping of its own");
        let flags = map.lines().find(|line| line.starts_with("VmFlags:")).unwrap();
        assert!(flags.contains(" hg"), "{flags}");
    }
}
