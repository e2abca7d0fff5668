//! Nobody leans on what ARCHITECTURE.md does not list, and nobody in a circle.

use roadstead_arrows::{Arrows, circle, code::Code, packages, page};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The folders between whose parts arrows are listed: the sources of a package, and a folder in them.
const FOLDERS: [(&str, &str); 6] = [
    ("registry/src", ""),
    ("registry/src", "content"),
    ("registry/src", "storage"),
    ("operator/src", ""),
    ("operator/src", "reconcile"),
    ("operator/agent/src", ""),
];

#[test]
fn the_arrows_that_are_listed_are_those_of_the_code() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(workspace.join("ARCHITECTURE.md")).expect("the page is there");
    let (listed, found) = (page::lists(&page), found(&workspace));
    let none = Arrows::new();
    let mut faults = Vec::new();
    for title in listed.keys().filter(|title| !found.contains_key(*title)) {
        faults.push(format!(
            "ARCHITECTURE.md lists arrows of `{title}`, which nothing compares"
        ));
    }
    for (title, found) in &found {
        let listed = listed.get(title).unwrap_or(&none);
        for (from, to) in found.difference(listed) {
            faults.push(format!(
                "{title}: {from} → {to} is in the code and not in ARCHITECTURE.md"
            ));
        }
        for (from, to) in listed.difference(found) {
            faults.push(format!(
                "{title}: {from} → {to} is in ARCHITECTURE.md and not in the code"
            ));
        }
        if let Some(names) = circle::find(found) {
            faults.push(format!("{title}: a circle: {}", names.join(" → ")));
        }
    }
    assert!(
        faults.is_empty(),
        "{}\n\nAll of the code's arrows:\n{}",
        faults.join("\n"),
        show(&found)
    );
}

fn found(workspace: &Path) -> BTreeMap<String, Arrows> {
    let folders = FOLDERS.iter().map(|(sources, folder)| {
        let code = Code::read(&workspace.join(sources));
        let folder: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
        let title = [&[*sources], folder.as_slice()].concat().join("/");
        (title, code.arrows(&folder))
    });
    let mut found: BTreeMap<String, Arrows> = folders.collect();
    found.insert("packages".into(), packages::found(workspace, "dependencies"));
    found.insert(
        "packages, for their tests".into(),
        packages::found(workspace, "dev-dependencies"),
    );
    found
}

/// As ARCHITECTURE.md lists them.
fn show(lists: &BTreeMap<String, Arrows>) -> String {
    let mut text = String::new();
    for (title, arrows) in lists {
        let mut targets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, to) in arrows {
            targets.entry(from).or_default().push(to);
        }
        let width = targets.keys().map(|from| from.len()).max().unwrap_or_default();
        let lines = targets
            .iter()
            .map(|(from, to)| format!("{from:width$} → {}\n", to.join(", ")));
        text += &format!("```\n{title}\n{}```\n\n", lines.collect::<String>());
    }
    text
}
