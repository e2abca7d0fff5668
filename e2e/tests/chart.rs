//! What the chart renders to: golden files, byte by byte, and values that its schema refuses. It needs helm alone, no
//! cluster.
//!
//! After a change of the chart, `make golden` writes the files anew; read the difference before it is committed.

use std::path::{Path, PathBuf};
use std::process::Command;

use roadstead_e2e::{Finished, part};

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("e2e stands in the repository").to_owned()
}

fn template(arguments: &[&str]) -> Finished {
    let mut command = Command::new(part("helm").join("helm"));
    command
        .args([
            "template",
            "roadstead",
            "--namespace",
            "roadstead-system",
            "--kube-version",
            "1.34.0",
        ])
        .arg(root().join("charts/roadstead"))
        .args(arguments);
    Finished::run(&mut command, "")
}

/// The resource definitions are compared with their types elsewhere.
fn without_definitions(rendered: &str) -> String {
    rendered
        .split("\n---\n")
        .filter(|document| !document.contains("\nkind: CustomResourceDefinition\n"))
        .collect::<Vec<_>>()
        .join("\n---\n")
}

fn is_golden(name: &str, arguments: &[&str]) {
    let rendered = without_definitions(&template(arguments).ok());
    let path = root().join("e2e/tests/chart").join(name);
    if std::env::var_os("ROADSTEAD_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, rendered).expect("the golden file can be written");
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let difference = rendered
        .lines()
        .zip(golden.lines().chain(std::iter::repeat("")))
        .enumerate()
        .find(|(_, (now, before))| now != before);
    assert!(
        rendered == golden,
        "{} is not what the chart renders; the first difference (line, now, before): {difference:?}. Run `make golden`, and \
         commit the result if it is as you want it",
        path.display()
    );
}

#[test]
fn the_defaults_render_as_they_did() {
    is_golden("defaults.golden.yaml", &[]);
}

#[test]
fn every_value_has_its_effect() {
    let everything = root().join("e2e/tests/chart/everything.yaml");
    is_golden(
        "everything.golden.yaml",
        &["-f", everything.to_str().expect("the checkout's path is text")],
    );
}

/// A value that is in none of the two golden files would be tested by nobody.
#[test]
fn everything_yaml_has_every_value_of_the_chart() {
    let keys = |path: &str| -> Vec<String> {
        let text = std::fs::read_to_string(root().join(path)).expect("the file is there");
        let top = |line: &&str| line.starts_with(|first: char| first.is_ascii_lowercase());
        let mut keys: Vec<String> = text
            .lines()
            .filter(top)
            .filter_map(|line| line.split_once(':').map(|(key, _)| key.to_owned()))
            .collect();
        keys.sort();
        keys
    };
    assert_eq!(
        keys("charts/roadstead/values.yaml"),
        keys("e2e/tests/chart/everything.yaml")
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let allowed = |hostname: &str| {
        format!("nodeTrust.allowedHostnames=[{{\"namespace\":\"team-a\",\"hostnames\":[\"{hostname}\"]}}]")
    };
    for refused in [
        allowed("docker.io"),
        allowed("registry-1.docker.io"),
        allowed("ghcr.io"),
        allowed("europe-docker.pkg.dev"),
        allowed("10.0.0.1"),
        allowed("registry"),
        allowed("Registry.example.com"),
        allowed("registry.example.com:5000"),
        allowed("*.example.com"),
        r#"image.prefix="registry.example.com/mirror/""#.to_owned(),
        r#"image.prefix="https://registry.example.com""#.to_owned(),
        r#"image.prefix="registry.example.com/mirror:1.0""#.to_owned(),
        r#"operator.image={"digest":"sha256:abc"}"#.to_owned(),
        r#"operator.logLevel="verbose""#.to_owned(),
        r#"agent.logLevel="INFO""#.to_owned(),
        r#"operator.podLabels={"app.kubernetes.io/name":"mine"}"#.to_owned(),
        r#"commonLabels={"roadstead.dev/registry":"images"}"#.to_owned(),
        r#"operator.metrics.serviceMonitor={"enabled":true}"#.to_owned(),
        r#"operator.replica=1"#.to_owned(),
        r#"operator.priorityClassName="High Priority""#.to_owned(),
        r#"agent.priorityClassName="a: b""#.to_owned(),
        r#"uninstall.timeoutSeconds=3600"#.to_owned(),
    ] {
        let said = template(&["--set-json", &refused]).fails();
        assert!(
            said.contains("don't meet the specifications of the schema"),
            "{refused}: {said}"
        );
    }
    for taken in [
        allowed("registry.example.com"),
        allowed("notdocker.io.example.com"),
        r#"image.prefix="registry:5000""#.to_owned(),
        r#"agent.priorityClassName="""#.to_owned(),
    ] {
        template(&["--set-json", &taken]).ok();
    }
}

/// Names that YAML would read as something else.
#[test]
fn names_of_digits_are_rendered_as_text() {
    let rendered = template(&[
        "--set-json",
        r#"image.pullSecrets=["123"]"#,
        "--set-json",
        r#"operator.priorityClassName="1e3""#,
        "--set-json",
        r#"clusterDomain="null""#,
    ])
    .ok();
    for line in [
        r#"- name: "123""#,
        r#"priorityClassName: "1e3""#,
        r#"clusterDomain: "null""#,
    ] {
        assert!(rendered.contains(line), "{line} is missing");
    }
}

/// The operator's own list of them refuses these as well, but only after the installation.
#[test]
fn the_schema_knows_the_public_registries_that_the_operator_knows() {
    let source = std::fs::read_to_string(root().join("operator/src/reconcile/validate/hostname.rs"))
        .expect("the list");
    let list = source
        .split_once("const PUBLIC: &[&str] = &[")
        .expect("it is there")
        .1;
    let list = list.split_once("];").expect("it ends").0;
    let known: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    let schema =
        std::fs::read_to_string(root().join("charts/roadstead/values.schema.json")).expect("the schema");
    let pattern = format!("(^|\\\\.)({})$", known.join("|").replace('.', "\\\\."));
    assert!(
        schema.contains(&pattern),
        "values.schema.json does not have {pattern}"
    );
}

#[test]
fn nothing_is_found_by_helm_lint() {
    let mut lint = Command::new(part("helm").join("helm"));
    lint.args(["lint", "--strict"])
        .arg(root().join("charts/roadstead"));
    Finished::run(&mut lint, "").ok();
}
