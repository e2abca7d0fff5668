//! A Registry at rest costs the API server nothing: the audit log shows no write by the operator.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};

use roadstead_e2e::{Cluster, wait_until};
use serde_json::Value;

/// Writes by Roadstead's accounts to Registries' objects since `from`, as `verb resource namespace/name`.
fn writes(cluster: &Cluster, from: u64) -> (Vec<String>, u64) {
    let mut log = File::open(cluster.state().join("log/audit.log")).expect("the cluster keeps an audit log");
    log.seek(SeekFrom::Start(from)).expect("a file can be sought in");
    let lines = BufReader::new(log)
        .lines()
        .map_while(Result::ok)
        .collect::<Vec<_>>();
    let read = lines.iter().map(|line| line.len() as u64 + 1).sum::<u64>();
    let events = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let writes = events
        .filter(|event| event["stage"] == "ResponseComplete")
        .filter_map(|event| {
            let user = event["user"]["username"].as_str()?;
            let verb = event["verb"].as_str()?;
            let object = &event["objectRef"];
            let text = |field: &str| object[field].as_str().unwrap_or_default();
            let ours = user.starts_with("system:serviceaccount:roadstead-system");
            // A Lease is renewed by design.
            let write =
                matches!(verb, "create" | "update" | "patch" | "delete") && text("resource") != "leases";
            // Other tests have Registries of that name in namespaces of theirs, which come and go meanwhile.
            let images = text("name").contains("images")
                && (text("namespace") == "registry" || text("name").contains(".registry."));
            (ours && write && images).then(|| {
                format!(
                    "{verb} {} {}/{}",
                    text("resource"),
                    text("namespace"),
                    text("name")
                )
            })
        });
    (writes.collect(), from + read)
}

#[test]
fn a_registry_at_rest_is_not_written() {
    let cluster = Cluster::installed();
    wait_until("ten seconds without a write", || {
        let (_, end) = writes(cluster, 0);
        std::thread::sleep(std::time::Duration::from_secs(10));
        let (written, _) = writes(cluster, end);
        if written.is_empty() {
            Ok(())
        } else {
            Err(written.join(", "))
        }
    });
    // A reconcile that is asked for changes nothing either: an annotation is no part of what is wanted.
    let (_, end) = writes(cluster, 0);
    cluster
        .kubectl(&[
            "-n",
            "registry",
            "annotate",
            "registry",
            "images",
            "example.com/touched=1",
            "--overwrite",
        ])
        .ok();
    cluster
        .kubectl(&[
            "-n",
            "registry",
            "label",
            "service",
            "images",
            "example.com/touched=1",
            "--overwrite",
        ])
        .ok();
    std::thread::sleep(std::time::Duration::from_secs(5));
    let (written, _) = writes(cluster, end);
    assert!(written.is_empty(), "{written:?}");
}
