//! `check-config`: what `serve` would make of a configuration. What `serve` forgives as a warning, a slip in a key,
//! is an error here, and so is what is wrong with the files that it names.

use std::fmt::Write as _;
use std::path::Path;

use super::files;
use crate::config;
use crate::tls::Found;

/// `offline`: the files are on another machine.
pub(super) fn run(path: &Path, offline: bool) -> anyhow::Result<()> {
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(problems) if offline => return Err(problems.into()),
        Err(problems) => return Err(files::with_files(&problems)),
    };
    let found = if offline {
        Found::default()
    } else {
        files::look_at(&loaded.config)
    };
    let (mistakes, notes): (Vec<_>, Vec<_>) =
        loaded.warnings.iter().partition(|warning| warning.is_mistake());
    let doors = super::doors::open(&loaded.config);
    let notes = notes.iter().map(ToString::to_string);
    let notes = notes
        .chain(doors.into_iter().map(str::to_owned))
        .chain(found.notes);
    let mut text = String::new();
    for sound in found.sound {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "found: {sound}");
    }
    for note in notes {
        let _ = writeln!(text, "note: {note}");
    }
    super::say(&text)?;
    let mistakes = mistakes.iter().map(ToString::to_string);
    let mistakes: Vec<_> = mistakes.chain(found.fatal).chain(found.wrong).collect();
    anyhow::ensure!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    super::say("the configuration is valid\n")
}
