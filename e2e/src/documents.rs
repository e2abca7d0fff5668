//! The commands that the documents show, to be run as they stand there.

use crate::server::checkout;

/// The blocks of shell commands on a page from where it says `from` to where it says `to` next, or to its end.
pub fn commands(page: &str, from: &str, to: &str) -> String {
    let path = checkout().join(page);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()));
    let (_, section) = text
        .split_once(from)
        .unwrap_or_else(|| panic!("{page} does not say {from:?}"));
    let section = section.split(to).next().unwrap_or_default();
    let script: String = section
        .split("\n```sh\n")
        .skip(1)
        .filter_map(|block| block.split("\n```").next())
        .map(|block| format!("{block}\n"))
        .collect();
    assert!(!script.is_empty(), "{page} shows no commands after {from:?}");
    script
}
