//! The rules of the Registry type, asked of the real API server: each by one object that breaks it.

use roadstead_e2e::Cluster;

/// What breaks, the object's name, its spec, and a part of the message that a person gets.
const BROKEN: &[(&str, &str, &str, &str)] = &[
    (
        "two kinds of storage",
        "images",
        "storage: {emptyDir: {}, persistentVolumeClaim: {size: 1Gi}}",
        "exactly one of",
    ),
    ("no storage", "images", "storage: {}", "exactly one of"),
    (
        "two sources of TLS",
        "images",
        "{storage: {emptyDir: {}}, tls: {secretRef: {name: a}, selfSigned: {}}}",
        "at most one of",
    ),
    (
        "replicas without a shared volume",
        "images",
        "{storage: {emptyDir: {}}, replicas: 2}",
        "belongs to one pod",
    ),
    (
        "replicas on a volume of one node",
        "images",
        "{storage: {persistentVolumeClaim: {size: 1Gi}}, replicas: 2}",
        "ReadWriteMany",
    ),
    (
        "a long name",
        "a-name-that-is-longer-than-forty-characters-is",
        "storage: {emptyDir: {}}",
        "40",
    ),
    ("a name with a dot", "a.b", "storage: {emptyDir: {}}", "DNS label"),
    (
        "an address as hostname",
        "images",
        "{storage: {emptyDir: {}}, hostname: 10.0.0.1}",
        "hostname",
    ),
    (
        "a claim and a size",
        "images",
        "storage: {persistentVolumeClaim: {claimName: a, size: 1Gi}}",
        "claimName",
    ),
    (
        "a port out of range",
        "images",
        "{storage: {emptyDir: {}}, service: {port: 70000}}",
        "65535",
    ),
    (
        "an unknown policy",
        "images",
        "{storage: {emptyDir: {}}, deletionPolicy: Burn}",
        "Retain",
    ),
    (
        "a field that does not exist",
        "images",
        "{storage: {emptyDir: {}}, colour: blue}",
        "colour",
    ),
];

#[test]
fn each_rule_is_told_in_words() {
    let cluster = Cluster::installed();
    for (what, name, spec, told) in BROKEN {
        let spec = if spec.starts_with('{') {
            (*spec).to_owned()
        } else {
            format!("{{{spec}}}")
        };
        let object = format!(
            "{{apiVersion: roadstead.dev/v1alpha1, kind: Registry, metadata: {{name: {name}, namespace: default}}, spec: {spec}}}"
        );
        let path = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(path.path(), object).expect("the file can be written");
        let file = path.path().to_str().expect("a path is text");
        let printed = cluster
            .kubectl(&["apply", "--dry-run=server", "--validate=strict", "-f", file])
            .fails();
        assert!(printed.contains(told), "{what}: expected {told:?} in: {printed}");
    }
}

#[test]
fn the_printed_columns_are_those_that_operators_look_for() {
    let cluster = Cluster::installed();
    let table = cluster.kubectl(&["-n", "registry", "get", "reg"]).ok();
    for column in ["URL", "READY", "NODES", "CERTIFICATE", "AGE"] {
        assert!(table.contains(column), "{table}");
    }
    assert!(table.contains("https://images.registry.svc:5000"), "{table}");
}
