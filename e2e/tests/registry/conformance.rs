//! The distribution-spec's own conformance suite, with everything on, over verified TLS, with a password.

use std::path::Path;
use std::process::Command;

use roadstead_e2e::{Authority, Bucket, Finished, Server, Software, part, stock_config};

const USER: &str = "conformance";
const PASSWORD: &str = "conforms";

/// What the suite leaves out, and why. Nothing else may be skipped.
const SKIPPED: [(&str, &str); 0] = [];

/// Whether manifests may come before what they refer to: a setting of ours, a kind of data of the suite's.
#[derive(Clone, Copy)]
enum Missing {
    Allow,
    Reject,
}

/// What the suite says of its run.
struct Report {
    tests: usize,
    failures: usize,
    errors: usize,
    /// Names of the tests that were skipped or switched off.
    skipped: Vec<String>,
    /// Names and outputs of those that failed.
    failed: Vec<String>,
}

#[test]
fn the_registry_conforms_with_everything_on() {
    check(Missing::Allow, None, 1032);
}

#[test]
fn the_registry_conforms_on_a_bucket() {
    check(Missing::Allow, Some(&Bucket::start()), 1032);
}

#[test]
fn the_registry_conforms_when_it_refuses_manifests_whose_parts_are_missing() {
    check(Missing::Reject, None, 986);
}

fn check(missing: Missing, bucket: Option<&Bucket>, at_least: usize) {
    let report = run(missing, bucket);
    println!(
        "conformance: {} tests, {} failures, {} errors, {} skipped",
        report.tests,
        report.failures,
        report.errors,
        report.skipped.len()
    );
    assert_eq!(
        (report.failures, report.errors),
        (0, 0),
        "{}",
        report.failed.join("\n")
    );
    let unexpected: Vec<&String> = report
        .skipped
        .iter()
        .filter(|name| SKIPPED.iter().all(|(known, _)| known != name))
        .collect();
    assert!(unexpected.is_empty(), "skipped: {unexpected:#?}");
    // A suite that was switched off by mistake fails nothing either.
    assert!(report.tests >= at_least, "only {} tests ran", report.tests);
}

fn run(missing: Missing, bucket: Option<&Bucket>) -> Report {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let authority = Authority::create();
    let server = Server::start(&config(folder.path(), bucket, &authority, missing));
    let (sparse, results) = (matches!(missing, Missing::Allow), folder.path().join("results"));
    let mut suite = Command::new(part("conformance").join("conformance"));
    suite
        .current_dir(folder.path())
        .env("SSL_CERT_FILE", authority.root_path())
        .env("OCI_VERSION", "dev")
        .env("OCI_REGISTRY", server.host())
        .env("OCI_TLS", "enabled")
        .env("OCI_USERNAME", USER)
        .env("OCI_PASSWORD", PASSWORD)
        .env("OCI_DATA_SPARSE", sparse.to_string())
        .env("OCI_RESULTS_DIR", &results);
    for switch in [
        "OCI_API_BLOBS_DIGEST_HEADER",
        "OCI_API_MANIFESTS_DIGEST_HEADER",
        "OCI_API_BLOBS_UPLOAD_CANCEL",
        "OCI_API_MANIFESTS_TAG_PARAM",
    ] {
        suite.env(switch, "true");
    }
    // Its status says only that something failed; what did is in the report.
    let printed = Finished::run(&mut suite, "").printed();
    let report = std::fs::read_to_string(results.join("junit.xml"))
        .unwrap_or_else(|error| panic!("the suite left no report: {error}\n{printed}"));
    read(&report)
}

/// In the bucket, or in the folder.
fn config(folder: &Path, bucket: Option<&Bucket>, authority: &Authority, missing: Missing) -> String {
    let pair = authority.issue("localhost");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("the temporary folder can be written");
        path.display().to_string()
    };
    let certificate = write("server.crt", &pair.certificate);
    let key = write("server.key", &pair.key);
    let line = roadstead_pki::htpasswd::hash_line(USER, PASSWORD, 5).expect("bcrypt takes them");
    let users = write("htpasswd", &line);
    let missing = match missing {
        Missing::Allow => "allow",
        Missing::Reject => "reject",
    };
    let stock = match bucket {
        Some(bucket) => bucket.config(Software::Roadstead, "/conformance") + "http:\n",
        None => stock_config(&folder.join("data")),
    };
    let stock = stock.replace(
        "http:\n",
        &format!("http:\n  tls: {{certificate: {certificate}, key: {key}}}\n"),
    );
    format!(
        "{stock}auth: {{htpasswd: {{realm: Conformance, path: {users}}}}}\n\
         validation: {{manifests: {{missing: {missing}}}}}\n"
    )
}

fn read(report: &str) -> Report {
    let document = roxmltree::Document::parse(report).expect("a JUnit report is XML");
    let root = document.root_element();
    // Counts of nothing are left out.
    let count = |name: &str| {
        root.attribute(name)
            .map_or(0, |count| count.parse().expect("a count is a number"))
    };
    let cases: Vec<_> = root
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .collect();
    let with_status = |wanted: &[&str]| {
        let wanted: Vec<Option<&str>> = wanted.iter().copied().map(Some).collect();
        cases
            .iter()
            .filter(|case| wanted.contains(&case.attribute("status")))
            .map(|case| {
                let said = case
                    .children()
                    .filter_map(|child| child.text())
                    .collect::<String>();
                (case.attribute("name").unwrap_or_default().to_owned(), said)
            })
            .collect::<Vec<_>>()
    };
    Report {
        tests: count("tests"),
        failures: count("failures"),
        errors: count("errors"),
        skipped: with_status(&["skipped"])
            .into_iter()
            .map(|(name, _)| name)
            .collect(),
        failed: with_status(&["failure", "error"])
            .into_iter()
            .map(|(name, said)| format!("{name}: {said}"))
            .collect(),
    }
}
