//! The arrows between the folders of `registry/src`, as ARCHITECTURE.md lists them and as the code has them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, iter};

type Arrows = BTreeSet<(String, String)>;

#[test]
fn the_arrows_that_are_listed_are_those_of_the_code() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(package.join("../ARCHITECTURE.md")).expect("the page is there");
    let (listed, found) = (listed(&page), found(&package.join("src")));
    let show = |arrows: Vec<&(String, String)>| {
        let lines = arrows.iter().map(|(from, to)| format!("{from} → {to}"));
        lines.collect::<Vec<_>>().join(", ")
    };
    let (new, gone) = (
        show(found.difference(&listed).collect()),
        show(listed.difference(&found).collect()),
    );
    assert!(new.is_empty(), "not listed in ARCHITECTURE.md: {new}");
    assert!(
        gone.is_empty(),
        "listed in ARCHITECTURE.md, not in the code: {gone}"
    );
    assert_eq!(circle(&found), None);
}

/// Lines of the form `from → to, to` below the line `registry/src`.
fn listed(page: &str) -> Arrows {
    let block = page
        .split("```\nregistry/src\n")
        .nth(1)
        .expect("the list is there");
    let lines = block.split("```").next().unwrap_or_default().lines();
    let arrows = lines.filter_map(|line| line.split_once('→'));
    let pairs = arrows.flat_map(|(from, to)| to.split(',').map(move |to| (from.trim(), to.trim())));
    pairs.map(|(from, to)| (from.to_owned(), to.to_owned())).collect()
}

fn found(src: &Path) -> Arrows {
    let mut arrows = Arrows::new();
    for file in sources(src) {
        let below = file.strip_prefix(src).expect("it lies there");
        let from = below.iter().next().expect("it has a name");
        let from = from.to_str().expect("a name").trim_end_matches(".rs").to_owned();
        // They hold nothing together: the program's root, and what opens everything to the fuzzers.
        if ["lib", "main", "fuzzing"].contains(&from.as_str()) || below.ends_with("fuzzing.rs") {
            continue;
        }
        let code = without_tests(&fs::read_to_string(&file).expect("it can be read"));
        let to = named_from_the_root(&code).into_iter().filter(|to| *to != from);
        arrows.extend(to.map(|to| (from.clone(), to)));
    }
    arrows
}

/// All files but those of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let paths = paths.filter(|path| !path.file_stem().is_some_and(is_of_tests));
    paths
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn is_of_tests(stem: &std::ffi::OsStr) -> bool {
    let stem = stem.to_str().expect("a name");
    stem.ends_with("tests") || stem == "contract"
}

/// The module of tests is the last thing in a file.
fn without_tests(code: &str) -> String {
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The first names of paths that begin with `crate::`, braces included.
fn named_from_the_root(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in code.split("crate::").skip(1) {
        let group = path.strip_prefix('{').and_then(|rest| rest.split('}').next());
        let paths = group.map_or_else(|| vec![path], |group| group.split(',').collect());
        let first = paths.iter().map(|path| {
            let path = path.trim();
            let end = path.find(|character: char| !character.is_alphanumeric() && character != '_');
            path[..end.unwrap_or(path.len())].to_owned()
        });
        names.extend(first.filter(|name| !name.is_empty()));
    }
    names
}

/// Names that one comes back from to the first.
fn circle(arrows: &Arrows) -> Option<Vec<String>> {
    let mut targets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in arrows {
        targets.entry(from).or_default().push(to);
    }
    let mut ways: Vec<Vec<&str>> = targets.keys().map(|from| vec![*from]).collect();
    while let Some(way) = ways.pop() {
        for to in targets.get(way.last()?).into_iter().flatten() {
            let longer: Vec<&str> = way.iter().copied().chain(iter::once(*to)).collect();
            if way.contains(to) {
                return Some(longer.iter().map(ToString::to_string).collect());
            }
            ways.push(longer);
        }
    }
    None
}
