use super::*;
use kube::CustomResourceExt;

fn spec(host: &str, ca: &str, server: Option<&str>) -> TrustBundleSpec {
    TrustBundleSpec {
        installation: "roadstead-system/roadstead".into(),
        host: host.into(),
        ca: ca.into(),
        proof: Proof::Required,
        server: server.map(Into::into),
        registry: RegistryReference {
            namespace: "registry".into(),
            name: "images".into(),
            uid: "u".into(),
        },
    }
}

#[test]
fn every_part_that_reaches_the_node_changes_the_content_hash() {
    let base = spec("a:5000", "pem", Some("10.0.0.1:5000"));
    for other in [
        spec("b:5000", "pem", Some("10.0.0.1:5000")),
        spec("a:5000", "pem2", Some("10.0.0.1:5000")),
        spec("a:5000", "pem", Some("10.0.0.2:5000")),
        spec("a:5000", "pem", None),
        TrustBundleSpec {
            proof: Proof::NotExpected,
            ..base.clone()
        },
    ] {
        assert_ne!(base.content_hash(), other.content_hash(), "{other:?}");
    }
}

#[test]
fn who_asked_for_it_does_not_change_the_content_hash() {
    let base = spec("a:5000", "pem", None);
    let mut other = base.clone();
    other.registry.uid = "another".into();
    other.installation = "x/y".into();
    assert_eq!(base.content_hash(), other.content_hash());
}

#[test]
fn no_two_splits_of_the_same_text_have_the_same_hash() {
    assert_ne!(
        spec("a", "bc", None).content_hash(),
        spec("ab", "c", None).content_hash()
    );
    assert_ne!(set_hash([("a", "bc")]), set_hash([("ab", "c")]));
    assert_ne!(set_hash([("a", "b"), ("c", "d")]), set_hash([("a", "b")]));
}

#[test]
fn the_set_hash_does_not_depend_on_order_and_its_value_is_kept() {
    assert_eq!(
        set_hash([("b", "2"), ("a", "1")]),
        set_hash([("a", "1"), ("b", "2")])
    );
    // The empty set: what every node shows after the last bundle is gone.
    assert_eq!(
        set_hash::<&str, &str>([]),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn a_reason_of_a_newer_agent_does_not_hide_the_node() {
    let reason: ProblemReason = serde_json::from_str(r#""SomethingNew""#).expect("an unknown reason is read");
    assert_eq!(reason, ProblemReason::Unknown);
}

#[test]
fn every_reason_is_written_as_its_name() {
    let schema = serde_json::to_value(schemars::schema_for!(ProblemReason)).expect("a schema is JSON");
    let names = schema["enum"].as_array().expect("one flat list of values");
    assert!(!names.is_empty());
    for name in names {
        let reason: ProblemReason = serde_json::from_value(name.clone()).expect("a listed reason is read");
        assert_ne!(reason, ProblemReason::Unknown);
        assert_eq!(Some(reason.as_str()), name.as_str());
    }
}

#[test]
fn the_definitions_have_no_status_subresource() {
    for definition in [TrustBundle::crd(), NodeTrust::crd()] {
        assert!(
            definition
                .spec
                .versions
                .iter()
                .all(|version| version.subresources.is_none())
        );
    }
}
