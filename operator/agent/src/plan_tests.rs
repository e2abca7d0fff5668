//! Small cases of what is wanted, what lies on the disk and what is ours → what is to be done.

use super::*;
use crate::bundle::tests::{CA, bundle, spec};
use crate::manifest::OwnedFile;

const FOLDER: &str = "/certs.d/a.b:1";

fn path(text: &str) -> HostPath {
    text.parse().expect("a path")
}

/// What is wanted and ours at the start of each case: nothing.
#[derive(Default)]
struct Case {
    wanted: Wanted,
    snapshot: Snapshot,
    manifest: Manifest,
}

impl Case {
    fn want(mut self, host: &str) -> Self {
        let bundle = match host.contains(':') {
            true => bundle(host, "10.0.0.1:1"),
            false => Bundle::try_from(&spec(host, None)).expect("a bundle"),
        };
        self.wanted.bundles.insert(bundle.host().clone(), bundle.into());
        self
    }

    fn folder(mut self, at: &str) -> Self {
        self.snapshot.seen.insert(path(at), Seen::Folder);
        self
    }

    fn file(mut self, at: &str, text: &[u8]) -> Self {
        let (at, seen) = (
            path(at),
            Seen::File {
                sha256: sha256(text),
                skips_verification: false,
            },
        );
        let folder = at.parent().expect("a folder");
        self.snapshot
            .names
            .entry(folder)
            .or_default()
            .push(at.name().to_owned());
        self.snapshot.seen.insert(at, seen);
        self
    }

    fn owned(mut self, at: &str, text: &[u8], intended: bool) -> Self {
        let file = OwnedFile {
            host: "a.b:1".into(),
            sha256: sha256(text),
            intended,
        };
        self.manifest.files.insert(path(at), file);
        self.manifest.installation = "i/i".into();
        self
    }

    /// The steps in words, writes before removals before folders.
    fn steps(&self) -> Vec<String> {
        let plan = plan(
            "i/i",
            Some(&path("/certs.d")),
            &self.wanted,
            &self.snapshot,
            &self.manifest,
        )
        .expect("a plan");
        let writes = plan
            .writes
            .iter()
            .flat_map(|write| &write.steps)
            .map(|step| match step {
                Step::MakeFolder(path) => format!("make {path}"),
                Step::RemoveLeftover(path) => format!("sweep {path}"),
                Step::Write { path, why, .. } => format!("write {path} ({why:?})"),
            });
        let removals = plan
            .removals
            .iter()
            .map(|removal| format!("remove {}", removal.path));
        let forgotten = plan.forget.iter().map(|path| format!("forget {path}"));
        let folders = plan.folders.iter().map(|path| format!("rmdir {path}"));
        let problems = plan
            .problems
            .iter()
            .map(|problem| format!("problem {}", problem.reason.as_str()));
        writes
            .chain(removals)
            .chain(forgotten)
            .chain(folders)
            .chain(problems)
            .collect()
    }
}

fn hosts_toml() -> Vec<u8> {
    let folders = layout::host_files("i/i", &path("/certs.d"), &bundle("a.b:1", "10.0.0.1:1"));
    folders[0].files[1].1.as_bytes().to_vec()
}

#[test]
fn a_new_host_gets_its_folders_then_the_ca_then_hosts_toml() {
    assert_eq!(
        Case::default().want("a.b:1").steps(),
        [
            "make /certs.d",
            "make /certs.d/a.b:1",
            "write /certs.d/a.b:1/ca.crt (New)",
            "write /certs.d/a.b:1/hosts.toml (New)"
        ]
    );
}

#[test]
fn a_host_without_a_port_gets_a_second_folder_and_loses_both() {
    let steps = Case::default().want("a.b").steps();
    assert_eq!(
        steps,
        [
            "make /certs.d",
            "make /certs.d/a.b",
            "write /certs.d/a.b/ca.crt (New)",
            "write /certs.d/a.b/hosts.toml (New)",
            "make /certs.d/a.b:443",
            "write /certs.d/a.b:443/ca.crt (New)",
            "write /certs.d/a.b:443/hosts.toml (New)"
        ]
    );
}

#[test]
fn a_folder_that_others_can_write_to_is_not_written_to() {
    let mut case = Case::default().want("a.b:1").folder("/certs.d");
    case.snapshot.seen.insert(path(FOLDER), Seen::Open);
    assert_eq!(case.steps(), ["problem ForeignFile"]);
}

#[test]
fn only_what_differs_is_written_and_the_log_can_say_why() {
    let ours = |hosts: &[u8], recorded: &[u8]| {
        let ca = format!("{FOLDER}/ca.crt");
        let hosts_path = format!("{FOLDER}/hosts.toml");
        Case::default()
            .want("a.b:1")
            .folder("/certs.d")
            .folder(FOLDER)
            .file(&ca, CA.as_bytes())
            .file(&hosts_path, hosts)
            .owned(&ca, CA.as_bytes(), false)
            .owned(&hosts_path, recorded, false)
            .steps()
    };
    let good = hosts_toml();
    assert_eq!(ours(&good, &good), [""; 0]);
    assert_eq!(
        ours(b"altered", &good),
        ["write /certs.d/a.b:1/hosts.toml (Repaired)"]
    );
    assert_eq!(
        ours(b"old", b"old"),
        ["write /certs.d/a.b:1/hosts.toml (Changed)"]
    );
}

#[test]
fn removal_goes_the_other_way_round() {
    let mut case = Case::default()
        .folder("/certs.d")
        .folder(FOLDER)
        .file("/certs.d/a.b:1/ca.crt", b"x")
        .file("/certs.d/a.b:1/hosts.toml", b"y")
        .owned("/certs.d/a.b:1/ca.crt", b"x", false)
        .owned("/certs.d/a.b:1/hosts.toml", b"altered since", false);
    case.manifest.folders = [path("/certs.d"), path(FOLDER)].into();
    assert_eq!(
        case.steps(),
        [
            "remove /certs.d/a.b:1/hosts.toml",
            "remove /certs.d/a.b:1/ca.crt",
            "rmdir /certs.d/a.b:1",
            "rmdir /certs.d"
        ]
    );
}

#[test]
fn what_is_gone_already_is_only_forgotten() {
    let case = Case::default().owned("/certs.d/a.b:1/ca.crt", b"x", false);
    assert_eq!(case.steps(), ["forget /certs.d/a.b:1/ca.crt"]);
}

#[test]
fn what_a_cut_off_write_left_is_swept() {
    let leftover = "/certs.d/a.b:1/.roadstead-0123456789abcdef.tmp";
    let case = Case::default()
        .want("a.b:1")
        .folder("/certs.d")
        .folder(FOLDER)
        .file(leftover, b"half");
    assert_eq!(case.steps()[0], format!("sweep {leftover}"));
    let case = Case::default()
        .file(leftover, b"half")
        .owned("/certs.d/a.b:1/ca.crt", b"x", true);
    assert!(case.steps().contains(&format!("remove {leftover}")));
}

#[test]
fn an_intent_is_ours_only_with_the_content_that_was_meant() {
    let case = |on_disk: &[u8]| {
        let at = "/certs.d/a.b:1/ca.crt";
        let mut case = Case::default()
            .folder("/certs.d")
            .folder(FOLDER)
            .file(at, on_disk)
            .owned(at, b"meant", true);
        case.manifest = settle(&case.manifest, &case.snapshot);
        case.steps()
    };
    assert_eq!(case(b"meant"), ["remove /certs.d/a.b:1/ca.crt"]);
    assert_eq!(case(b"theirs"), ["forget /certs.d/a.b:1/ca.crt"]);
}

#[test]
fn another_installations_node_is_one_problem_and_no_plan() {
    let case = Case::default().owned("/certs.d/a.b:1/ca.crt", b"x", false);
    let problem =
        plan("other/other", None, &case.wanted, &case.snapshot, &case.manifest).expect_err("a conflict");
    assert_eq!(problem.reason, ProblemReason::InstallationConflict);
}
