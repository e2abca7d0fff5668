//! Which package of the workspace depends on which, by their short names.

use crate::Arrows;
use std::fs;
use std::path::Path;

const PREFIX: &str = "roadstead-";

/// The arrows of one kind of dependency: `dependencies` or `dev-dependencies`.
pub fn found(workspace: &Path, kind: &str) -> Arrows {
    let root = read(workspace);
    let members = root.lines().find_map(|line| line.strip_prefix("members = ["));
    let members = members.expect("the workspace lists its members on one line");
    let folders = members.split('"').skip(1).step_by(2);
    folders
        .flat_map(|folder| of_package(&read(&workspace.join(folder)), kind))
        .collect()
}

fn read(folder: &Path) -> String {
    fs::read_to_string(folder.join("Cargo.toml")).expect("a package has a Cargo.toml")
}

fn of_package(manifest: &str, kind: &str) -> Vec<(String, String)> {
    let sections = || {
        manifest
            .split("\n[")
            .map(|section| section.trim_start_matches('['))
    };
    let name = sections().find_map(|section| {
        let mut lines = section.strip_prefix("package]")?.lines();
        lines.find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
    });
    let name = short(name.expect("a package has a name"));
    let dependencies =
        sections().filter_map(|section| section.strip_prefix(&format!("{kind}]")).map(str::lines));
    let of_ours = dependencies.flatten().filter(|line| line.starts_with(PREFIX));
    of_ours
        .filter_map(|line| line.split([' ', '.', '=']).next())
        .map(|dependency| (name.to_owned(), short(dependency).to_owned()))
        .collect()
}

fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}
