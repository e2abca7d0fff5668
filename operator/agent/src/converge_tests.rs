//! Passes over a folder that stands for a node's root.

use std::os::unix::fs::symlink;

use roadstead_api::trust::ProblemReason;

use super::*;
use crate::bundle::tests::bundle;
use crate::testing::disk::{Failing, Kill};
use crate::testing::node::{FILES, HOST, ROOT, TestNode, one, reasons, want};

#[test]
fn a_bundle_comes_and_goes_and_the_node_is_as_before() {
    let node = TestNode::new();
    let before = node.tree();
    let report = node.pass(&one());
    assert_eq!(report.problems, []);
    assert_eq!(report.in_force.len(), 1);
    assert!(
        node.text(&format!("{FILES}/ca.crt"))
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    assert!(
        node.text(&format!("{FILES}/hosts.toml"))
            .contains("[host.\"https://10.96.0.1:5000\"]")
    );
    let report = node.pass(&want(&[]));
    assert_eq!(report.set, set_hash::<&str, &str>([]));
    assert_eq!(node.tree(), before);
}

#[test]
fn a_second_pass_changes_nothing() {
    let node = TestNode::new();
    node.pass(&one());
    let disk = Failing::after(&node, 0, Kill::Before);
    converge_with(&node.host, &disk, &one()).expect("a pass");
    assert!(!disk.struck.get(), "there was something left to write");
}

#[test]
fn the_set_names_all_that_is_wanted() {
    let node = TestNode::new();
    let wish = one();
    let bundle = wish.wanted.bundles.values().next().expect("a bundle");
    assert_eq!(node.pass(&wish).set, set_hash([(HOST, bundle.content())]));
}

#[test]
fn folders_that_were_there_stay() {
    let node = TestNode::new();
    node.put(
        "etc/containerd/certs.d/docker.io/hosts.toml",
        "server = \"https://mirror\"\n",
    );
    let before = node.tree();
    node.pass(&one());
    node.pass(&want(&[]));
    assert_eq!(node.tree(), before);
}

#[test]
fn a_folder_of_ours_that_others_use_stays_with_what_is_theirs() {
    let node = TestNode::new();
    node.pass(&one());
    node.put("etc/containerd/certs.d/docker.io/hosts.toml", "theirs");
    node.pass(&want(&[]));
    assert_eq!(node.text("etc/containerd/certs.d/docker.io/hosts.toml"), "theirs");
    assert!(!node.folder.path().join(FILES).exists());
    assert!(!node.folder.path().join("var/lib/roadstead").exists());
}

#[test]
fn links_lead_where_they_lead_on_the_host() {
    let node = TestNode::new();
    let etc = node.folder.path().join("etc/containerd");
    std::fs::remove_dir_all(&etc).expect("removed");
    std::fs::create_dir_all(node.folder.path().join("opt/containerd")).expect("a folder");
    symlink("/opt/containerd", &etc).expect("a link");
    let before = node.tree();
    let report = node.pass(&one());
    assert_eq!(report.problems, []);
    let hosts = node.text(&format!("opt/containerd/certs.d/{HOST}/hosts.toml"));
    assert!(
        hosts.contains(&format!("ca = \"{ROOT}/{HOST}/ca.crt\"")),
        "{hosts}"
    );
    node.pass(&want(&[]));
    assert_eq!(node.tree(), before);
}

#[test]
fn no_link_leads_out_of_the_root() {
    let outside = tempfile::tempdir().expect("a folder");
    let node = TestNode::new();
    let etc = node.folder.path().join("etc/containerd");
    std::fs::remove_dir_all(&etc).expect("removed");
    symlink(outside.path(), &etc).expect("a link");
    let report = node.pass(&one());
    assert_eq!(
        reasons(&report),
        [(ProblemReason::ForeignFile, "/etc/containerd")],
        "the link leads nowhere"
    );
    std::fs::remove_file(&etc).expect("removed");
    symlink("../../../../../../../..", &etc).expect("a link");
    assert_eq!(node.pass(&one()).problems, []);
    assert!(
        node.folder.path().join("certs.d").exists(),
        "above the root is the root"
    );
    assert_eq!(std::fs::read_dir(outside.path()).expect("a folder").count(), 0);
}

#[test]
fn what_was_there_before_us_is_reported_and_left() {
    let hosts = format!("{FILES}/hosts.toml");
    for (path, text, expected) in [
        (
            hosts.as_str(),
            "server = \"https://theirs\"\n",
            vec![(ProblemReason::ForeignFile, format!("/{hosts}"))],
        ),
        (
            &format!("{FILES}/ca.crt"),
            "theirs",
            vec![(ProblemReason::ForeignFile, format!("/{FILES}/ca.crt"))],
        ),
        (
            &format!("{FILES}/other.crt"),
            "theirs",
            vec![(ProblemReason::ForeignFile, format!("/{FILES}/other.crt"))],
        ),
        (
            FILES,
            "a file, not a folder",
            vec![(ProblemReason::ForeignFile, format!("/{FILES}"))],
        ),
        (
            "etc/containerd/certs.d/images.registry.svc_5000_/hosts.toml",
            "skip_verify = true",
            vec![
                (
                    ProblemReason::ForeignFile,
                    format!("{ROOT}/images.registry.svc_5000_"),
                ),
                (
                    ProblemReason::InsecureOverride,
                    format!("{ROOT}/images.registry.svc_5000_/hosts.toml"),
                ),
            ],
        ),
        (
            hosts.as_str(),
            "[host.\"https://x\"]\n  skip_verify = true\n",
            vec![
                (ProblemReason::ForeignFile, format!("/{hosts}")),
                (ProblemReason::InsecureOverride, format!("/{hosts}")),
            ],
        ),
    ] {
        let node = TestNode::new();
        node.put(path, text);
        let before = node.tree();
        let report = node.pass(&one());
        let expected: Vec<_> = expected
            .iter()
            .map(|(reason, path)| (*reason, path.as_str()))
            .collect();
        assert_eq!(reasons(&report), expected);
        assert!(report.in_force.is_empty());
        assert_eq!(node.tree(), before);
    }
}

#[test]
fn one_foreign_host_does_not_stop_the_others() {
    let node = TestNode::new();
    node.put(&format!("{FILES}/hosts.toml"), "theirs");
    let report = node.pass(&want(&[
        bundle(HOST, "10.96.0.1:5000"),
        bundle("b.c.svc:5000", "10.96.0.2:5000"),
    ]));
    assert_eq!(report.in_force[0].host().as_str(), "b.c.svc:5000");
    assert_eq!(node.text(&format!("{FILES}/hosts.toml")), "theirs");
    node.pass(&want(&[]));
    assert_eq!(node.text(&format!("{FILES}/hosts.toml")), "theirs");
}

#[test]
fn what_is_ours_is_repaired() {
    let node = TestNode::new();
    node.pass(&one());
    let whole = node.tree();
    node.put(&format!("{FILES}/ca.crt"), "another CA");
    std::fs::remove_file(node.folder.path().join(FILES).join("hosts.toml")).expect("removed");
    assert_eq!(node.pass(&one()).problems, []);
    assert_eq!(node.tree(), whole);
    std::fs::remove_dir_all(node.folder.path().join("etc/containerd/certs.d")).expect("removed");
    node.pass(&one());
    assert_eq!(node.tree(), whole);
    let ca = node.folder.path().join(FILES).join("ca.crt");
    std::fs::remove_file(&ca).expect("removed");
    symlink("/etc/containerd/config.toml", &ca).expect("a link");
    node.pass(&one());
    assert_eq!(node.tree(), whole);
}

#[test]
fn a_lost_record_does_not_make_our_files_foreign() {
    let node = TestNode::new();
    let before = node.tree();
    node.pass(&one());
    std::fs::remove_dir_all(node.folder.path().join("var/lib/roadstead")).expect("removed");
    assert_eq!(node.pass(&one()).problems, []);
    node.pass(&want(&[]));
    assert!(!node.folder.path().join(FILES).join("ca.crt").exists());
    // Whether the folders were ours is lost; they stay.
    assert!(before.keys().all(|path| node.tree().contains_key(path)));
}

#[test]
fn a_ca_that_was_there_before_us_is_not_ours_even_if_it_is_the_same() {
    let node = TestNode::new();
    node.put(&format!("{FILES}/ca.crt"), crate::bundle::tests::CA);
    let before = node.tree();
    let report = node.pass(&one());
    assert_eq!(
        reasons(&report),
        [(ProblemReason::ForeignFile, format!("/{FILES}/ca.crt").as_str())]
    );
    node.pass(&want(&[]));
    assert_eq!(node.tree(), before);
}

#[test]
fn a_record_that_cannot_be_read_stops_everything() {
    let node = TestNode::new();
    node.put("var/lib/roadstead/agent.json", "{");
    let before = node.tree();
    let error = converge(&node.host, &one()).expect_err("no pass").to_string();
    assert!(
        error.contains("nothing is changed until /var/lib/roadstead/agent.json is moved away"),
        "{error}"
    );
    assert_eq!(node.tree(), before);
}

#[test]
fn another_installation_touches_nothing() {
    let node = TestNode::new();
    node.pass(&one());
    let before = node.tree();
    let mut other = want(&[]);
    other.installation = "other/other".into();
    let report = node.pass(&other);
    assert_eq!(
        reasons(&report),
        [(
            ProblemReason::InstallationConflict,
            "/var/lib/roadstead/agent.json"
        )]
    );
    assert_eq!(report.problems[0].host, "");
    assert_eq!(node.tree(), before);
    // Once the first one is gone, the node is free.
    node.pass(&want(&[]));
    assert_eq!(node.pass(&other).problems, []);
}

#[test]
fn without_a_runtime_what_is_wanted_stays_and_what_is_not_goes() {
    let node = TestNode::new();
    let both = [
        bundle(HOST, "10.96.0.1:5000"),
        bundle("b.c.svc:5000", "10.96.0.2:5000"),
    ];
    node.pass(&want(&both));
    let mut blind = want(&both[..1]);
    blind.root = None;
    let report = node.pass(&blind);
    assert!(report.in_force.len() == 1 && report.problems.is_empty());
    assert!(node.folder.path().join(FILES).join("hosts.toml").exists());
    assert!(
        !node
            .folder
            .path()
            .join("etc/containerd/certs.d/b.c.svc:5000")
            .exists()
    );
}

#[test]
fn nothing_is_made_where_no_runtime_is_known() {
    let node = TestNode::new();
    let before = node.tree();
    let mut blind = one();
    blind.root = None;
    node.pass(&blind);
    assert_eq!(node.tree(), before);
}

#[test]
fn files_follow_the_runtime_to_another_folder() {
    let node = TestNode::new();
    let before = node.tree();
    node.pass(&one());
    let mut moved = one();
    moved.root = Some("/srv/certs.d".parse().expect("a path"));
    assert_eq!(node.pass(&moved).problems, []);
    assert!(
        node.text(&format!("srv/certs.d/{HOST}/hosts.toml"))
            .contains("/srv/certs.d/")
    );
    assert!(!node.folder.path().join("etc/containerd/certs.d").exists());
    node.pass(&want(&[]));
    assert_eq!(node.tree(), before);
}

#[test]
fn a_refused_bundle_leaves_what_is_there() {
    let node = TestNode::new();
    node.pass(&one());
    let whole = node.tree();
    let mut refused = want(&[]);
    refused.wanted.refused.push(crate::desired::RefusedBundle {
        namespace: "registry".into(),
        host: HOST.into(),
        content: "c".into(),
        why: "no certificate".into(),
    });
    assert_eq!(reasons(&node.pass(&refused)), [(ProblemReason::WriteFailed, "")]);
    assert_eq!(node.tree(), whole);
}

#[test]
fn a_proof_is_kept_for_the_next_agent_and_ends_with_the_content() {
    let node = TestNode::new();
    let mut wish = one();
    node.pass(&wish);
    let content = wish
        .wanted
        .bundles
        .values()
        .next()
        .expect("a bundle")
        .content()
        .to_owned();
    wish.proofs.insert(HOST.into(), (content, "start".into()));
    node.pass(&wish);
    assert_eq!(
        node.pass(&one()).manifest.hosts[HOST].proved_for.as_deref(),
        Some("start")
    );
    let changed = want(&[bundle(HOST, "10.96.0.9:5000")]);
    assert_eq!(node.pass(&changed).manifest.hosts[HOST].proved_for, None);
}

#[test]
fn only_one_pass_runs_at_a_time() {
    let node = TestNode::new();
    let lock = node.host.lock("a clean").expect("the lock");
    let error = converge(&node.host, &one()).expect_err("no pass");
    assert_eq!(
        error.to_string(),
        "a clean is at work on this node (it holds /run/roadstead/agent.lock)"
    );
    drop(lock);
    node.pass(&one());
}

#[test]
fn a_local_user_cannot_stop_a_pass() {
    let node = TestNode::new();
    // Whoever may open a folder may lock it, as everyone may /var/lib.
    let lib = std::fs::File::open(node.folder.path().join("var/lib")).expect("the folder");
    lib.try_lock().expect("a lock");
    assert_eq!(node.pass(&one()).problems, []);
}

#[test]
fn a_folder_that_others_can_write_to_is_refused_and_told() {
    use std::os::unix::fs::PermissionsExt;
    let node = TestNode::new();
    let certs = node.folder.path().join("etc/containerd/certs.d");
    std::fs::create_dir_all(&certs).expect("a folder");
    let mode = |mode| {
        std::fs::set_permissions(&certs, std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    mode(0o777);
    let report = node.pass(&one());
    assert_eq!(reasons(&report), [(ProblemReason::ForeignFile, ROOT)]);
    assert!(report.problems[0].message.contains("chmod go-w"));
    mode(0o755);
    assert_eq!(node.pass(&one()).problems, []);
}

#[test]
fn clean_removes_what_any_installation_wrote() {
    let node = TestNode::new();
    let before = node.tree();
    node.pass(&one());
    let cleaned = crate::clean::clean(&node.host).expect("cleaned");
    assert_eq!(cleaned.removed.len(), 2);
    assert_eq!(cleaned.problems, Vec::<String>::new());
    assert_eq!(node.tree(), before);
    assert_eq!(
        crate::clean::clean(&node.host).expect("cleaned").removed,
        Vec::<String>::new()
    );
}
