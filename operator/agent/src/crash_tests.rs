//! Passes that are killed between any two changes, or find the disk full.

use roadstead_api::trust::ProblemReason;

use super::*;
use crate::bundle::tests::bundle;
use crate::testing::disk::{Failing, Full, Kill};
use crate::testing::node::{FILES, HOST, TestNode, one, reasons, want};

#[test]
fn a_kill_between_any_two_changes_leaves_nothing_that_the_next_pass_does_not_mend() {
    let old = want(&[
        bundle(HOST, "10.96.0.1:5000"),
        bundle("b.c.svc:5000", "10.96.0.2:5000"),
    ]);
    let new = want(&[bundle(HOST, "10.96.0.9:5000")]);
    let none = want(&[]);
    let mut kills = 0;
    // From one wish, killed on the way to the second, to the third.
    for [first, second, third] in [
        [&none, &old, &old],
        [&none, &old, &none],
        [&none, &old, &new],
        [&old, &new, &new],
        [&old, &new, &old],
        [&old, &none, &none],
        [&old, &none, &new],
    ] {
        let expected = {
            let node = TestNode::new();
            node.pass(third);
            node.tree()
        };
        for kill in [Kill::Before, Kill::Halfway, Kill::After] {
            for changes in 0.. {
                let node = TestNode::new();
                node.pass(first);
                let disk = Failing::after(&node, changes, kill);
                let _ = converge_with(&node.host, &disk, second);
                if !disk.struck.get() {
                    break;
                }
                kills += 1;
                let report = node.pass(third);
                assert_eq!(report.problems, [], "killed {kill:?} change {changes}");
                assert_eq!(node.tree(), expected, "killed {kill:?} change {changes}");
            }
        }
    }
    assert!(kills > 100, "only {kills} kills");
}

#[test]
fn a_file_that_someone_puts_where_we_meant_to_write_is_theirs() {
    for changes in 0..20 {
        let node = TestNode::new();
        let disk = Failing::after(&node, changes, Kill::Before);
        let _ = converge_with(&node.host, &disk, &one());
        let hosts = node.folder.path().join(FILES).join("hosts.toml");
        if hosts.exists() {
            return;
        }
        node.put(&format!("{FILES}/hosts.toml"), "theirs");
        assert!(
            reasons(&node.pass(&one()))
                .contains(&(ProblemReason::ForeignFile, &format!("/{FILES}/hosts.toml")))
        );
        node.pass(&want(&[]));
        assert_eq!(node.text(&format!("{FILES}/hosts.toml")), "theirs");
        assert!(!node.folder.path().join(FILES).join("ca.crt").exists());
    }
    panic!("the file was never written");
}

#[test]
fn a_full_disk_is_reported_keeps_what_is_in_force_and_is_tried_again() {
    let node = TestNode::new();
    node.pass(&one());
    let whole = node.tree();
    let more = want(&[
        bundle(HOST, "10.96.0.1:5000"),
        bundle("b.c.svc:5000", "10.96.0.2:5000"),
    ]);
    let report = converge_with(&node.host, &Full(&node.host), &more).expect("a pass");
    assert!(report.incomplete);
    assert_eq!(report.problems[0].host, "b.c.svc:5000");
    assert_eq!(report.problems[0].reason, ProblemReason::WriteFailed);
    assert_eq!(report.in_force.len(), 1);
    assert_eq!(node.tree(), whole);
    assert_eq!(node.pass(&more).problems, []);
    // Removing needs no space.
    let report = converge_with(&node.host, &Full(&node.host), &want(&[])).expect("a pass");
    assert_eq!(report.problems, []);
}
