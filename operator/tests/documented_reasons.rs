//! Every reason that a condition may have stands in docs/troubleshooting.md, with what it means and what to do.

use std::collections::BTreeSet;
use std::path::Path;

/// Words of Kubernetes and others that look like reasons and are none of ours.
const OTHERS: &[&str] = &[
    "AlwaysAllow",
    "AuthReady",
    "CertificateValid",
    "ClusterIP",
    "ContainerCreating",
    "DaemonSet",
    "IfNotPresent",
    "LoadBalancer",
    "NodePort",
    "NodesTrusted",
    "NotFound",
    "OOMKilled",
    "OnRootMismatch",
    "PodInitializing",
    "PodScheduled",
    "ReplicaFailure",
    "ReplicaSet",
    "RollingUpdate",
    "RuntimeDefault",
    "ScheduleAnyway",
    "StorageReady",
    "TrustBundleSpec",
    "WaitForFirstConsumer",
];
/// Reasons of one word, which look like anything.
const OF_ONE_WORD: &[&str] = &[
    "Bound",
    "Ephemeral",
    "Expired",
    "Issuing",
    "Paused",
    "Pending",
    "Progressing",
    "Serving",
    "Uninstalled",
    "Valid",
    "Weak",
];

#[test]
fn each_has_its_place_in_troubleshooting() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = root.join("../docs/troubleshooting.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let mut reasons: BTreeSet<String> = OF_ONE_WORD.iter().map(|word| (*word).to_owned()).collect();
    for folder in ["src", "../pki/src/problem.rs"] {
        collect(&root.join(folder), &mut reasons);
    }
    assert!(reasons.len() > 45, "the reasons are found: {reasons:#?}");
    let told = told(&page);
    let missing: Vec<_> = reasons
        .iter()
        .filter(|reason| !OTHERS.contains(&reason.as_str()) && !told.contains(reason.as_str()))
        .collect();
    assert_eq!(
        missing,
        Vec::<&String>::new(),
        "docs/troubleshooting.md has no heading for these"
    );
}

/// The reasons of the headings, and those that call for nothing.
fn told(page: &str) -> BTreeSet<&str> {
    let well = page
        .lines()
        .find(|line| line.starts_with("All is well"))
        .expect("it says what is well");
    let well = well.split('`').skip(1).step_by(2);
    let headings = page.lines().filter_map(|line| line.strip_prefix("#### "));
    // The page tells of this Event where it tells of the condition beside it.
    let events = ["AuthorityCreated"]
        .into_iter()
        .filter(|event| page.contains(event));
    headings
        .flat_map(|heading| heading.split(", "))
        .chain(well)
        .chain(events)
        .collect()
}

fn collect(path: &Path, reasons: &mut BTreeSet<String>) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.contains("test") {
        return;
    }
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("the folder is there") {
            collect(&entry.expect("it can be read").path(), reasons);
        }
        return;
    }
    if !name.ends_with(".rs") || name == "examples.rs" {
        return;
    }
    let text = std::fs::read_to_string(path).expect("it can be read");
    // Tests stand at the end of a file.
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    for literal in text.split('"') {
        let humps = literal.chars().filter(char::is_ascii_uppercase).count();
        let is_word = literal.chars().all(|character| character.is_ascii_alphabetic());
        let begins_one = literal.starts_with(|first: char| first.is_ascii_uppercase());
        if is_word && begins_one && humps > 1 && literal.len() > humps {
            reasons.insert(literal.to_owned());
        }
    }
}
