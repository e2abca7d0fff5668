//! The lists of ARCHITECTURE.md: blocks whose first line says where the arrows are, and whose others are `from → to, to`.

use crate::Arrows;
use std::collections::BTreeMap;

/// The lists of a page, by their first line.
pub fn lists(page: &str) -> BTreeMap<String, Arrows> {
    let blocks = page.split("```").skip(1).step_by(2);
    let blocks = blocks.filter_map(|block| block.trim_start().split_once('\n'));
    blocks
        .filter(|(_, lines)| !lines.is_empty() && lines.lines().all(|line| line.contains(" → ")))
        .map(|(title, lines)| (title.to_owned(), arrows(lines)))
        .collect()
}

fn arrows(lines: &str) -> Arrows {
    let lines = lines.lines().filter_map(|line| line.split_once('→'));
    let pairs = lines.flat_map(|(from, to)| to.split(',').map(move |to| (from.trim(), to.trim())));
    pairs.map(|(from, to)| (from.to_owned(), to.to_owned())).collect()
}
