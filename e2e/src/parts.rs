//! The programs that set-up brought: other people's registries, clients and tests.

use std::path::PathBuf;

/// The one list of the parts and their versions.
const PARTS: &str = include_str!("../cluster/parts.txt");

/// The folder of a part.
pub fn part(name: &str) -> PathBuf {
    let version = PARTS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::split_whitespace)
        .find_map(|mut fields| (fields.next() == Some(name)).then(|| fields.nth(2)))
        .flatten()
        .unwrap_or_else(|| panic!("e2e/cluster/parts.txt has no part {name}"));
    let folder = cache().join(name).join(version);
    assert!(
        folder.is_dir(),
        "{} is not there: run make setup",
        folder.display()
    );
    folder
}

/// The folder of the libraries that a part made of Debian packages brings.
pub fn libraries(name: &str) -> String {
    let parent = part(name).join("usr/lib");
    let entries = std::fs::read_dir(&parent).unwrap_or_else(|error| panic!("{}: {error}", parent.display()));
    let paths = entries.flatten().map(|entry| entry.path().display().to_string());
    let mut paths = paths.filter(|path| path.ends_with("-linux-gnu"));
    paths.next().expect("Debian puts libraries there")
}

/// Where set-up puts the parts, as its script has it.
fn cache() -> PathBuf {
    let own = |variable: &str| {
        std::env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    own("XDG_CACHE_HOME")
        .or_else(|| own("HOME").map(|home| home.join(".cache")))
        .expect("HOME is set")
        .join("roadstead")
}
