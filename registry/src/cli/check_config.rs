//! `check-config`: what `serve` would make of a configuration. What `serve` forgives as a warning, a slip in a key,
//! is an error here, and so is what is wrong with the files that it names.

use std::fmt::Write as _;
use std::path::Path;

use crate::config;

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
    let mut mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    mistakes.extend(super::files::problems(&loaded.config));
    anyhow::ensure!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    super::say("the configuration is valid\n")
}
