//! `check-config`: what `serve` would make of a configuration. What `serve` forgives as a warning, a slip in a key,
//! is an error here.

use std::fmt::Write as _;
use std::path::Path;

use crate::config::{self, Warning};

pub(super) fn run(path: &Path) -> anyhow::Result<()> {
    let loaded = config::load(path)?;
    let (mistakes, notes): (Vec<_>, Vec<_>) =
        loaded.warnings.iter().partition(|warning| warning.is_mistake());
    let mut text = String::new();
    for note in notes {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "note: {note}");
    }
    for warning in super::doors::open(&loaded.config) {
        let _ = writeln!(text, "note: {warning}");
    }
    super::say(&text)?;
    anyhow::ensure!(mistakes.is_empty(), "{}", lines(&mistakes));
    super::say("the configuration is valid\n")
}

fn lines(mistakes: &[&Warning]) -> String {
    mistakes
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
