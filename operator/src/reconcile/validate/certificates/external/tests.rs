//! When a certificate of the people's takes effect.

use super::*;
use crate::nodes::{HostContent, Tally};
use crate::reconcile::examples::{Cluster, EVERYTHING, NOW, own_certificate, secret};
use crate::reconcile::validate::{Validated, validate};

const NAME: &str = "registry.example.com";

/// Nodes that trust nothing new, and nodes that trust everything.
fn behind(_: &[HostContent]) -> Option<Tally> {
    Some(Tally {
        desired: 2,
        behind: vec!["node1".into(), "node2".into()],
        ..Tally::default()
    })
}

fn ready(_: &[HostContent]) -> Option<Tally> {
    Some(Tally::default())
}

type Nodes = fn(&[HostContent]) -> Option<Tally>;

fn cluster(source: &[String; 3]) -> Cluster {
    let [chain, key, root] = source;
    Cluster::prepared(EVERYTHING)
        .with_tls(&[("tls.crt", chain), ("tls.key", key), ("ca.crt", root)])
        .with_users("")
}

/// The cluster after a certificate took effect and another one was put into the Secret.
fn after(source: &[String; 3], next: &[String; 3]) -> Cluster {
    let [chain, key, root] = next;
    cluster(source)
        .built()
        .with_tls(&[("tls.crt", chain), ("tls.key", key), ("ca.crt", root)])
}

fn validated(cluster: &Cluster, nodes: Nodes) -> Validated {
    validate(&mut cluster.observed.clone(), &cluster.settings, &nodes).expect("nothing stands in the way")
}

fn told(validated: &Validated) -> Vec<(&'static str, ConditionStatus)> {
    let certificate = |finding: &&Finding| finding.condition == ConditionType::CertificateValid;
    let findings = validated.findings.iter().filter(certificate);
    findings.map(|finding| (finding.reason, finding.status)).collect()
}

fn serves(validated: &Validated, source: &[String; 3]) -> bool {
    match &validated.certificates.external {
        External::Serve(serving) => serving.certificate.chain_pem() == source[0],
        External::Keep | External::Remove => false,
    }
}

fn carries(validated: &Validated, source: &[String; 3]) -> bool {
    let bundle = validated
        .certificates
        .ca
        .as_ref()
        .map_or("", |ca| ca.all.as_str());
    bundle.contains(&source[2])
}

fn own(names: &[&str]) -> [String; 3] {
    own_certificate(names, NOW)
}

#[test]
fn a_ca_that_nodes_do_not_know_yet_is_brought_to_them_first() {
    let (first, second) = (own(&[NAME]), own(&[NAME]));
    let cluster = after(&first, &second);
    let waiting = validated(&cluster, behind);
    assert!(matches!(waiting.certificates.external, External::Keep));
    assert!(carries(&waiting, &first) && carries(&waiting, &second));
    assert_eq!(told(&waiting), [("WaitingForNodes", ConditionStatus::True)]);
    assert!(
        waiting.findings[0].message.contains("node1, node2"),
        "{:?}",
        waiting.findings
    );

    let served = validated(&cluster, ready);
    assert!(serves(&served, &second));
    assert!(
        carries(&served, &first),
        "pods that are slower still show the one before"
    );
    assert!(told(&served).is_empty());
}

#[test]
fn the_ca_before_goes_after_a_while() {
    let (first, second) = (own(&[NAME]), own(&[NAME]));
    let mut cluster = after(&first, &second).built();
    assert!(carries(&validated(&cluster, ready), &first));
    cluster.observed.now = NOW + OVERLAP + SignedDuration::from_secs(1);
    let later = validated(&cluster, behind);
    assert!(!carries(&later, &first) && serves(&later, &second));
}

#[test]
fn a_renewal_by_the_same_ca_waits_for_nobody() {
    let root = roadstead_pki::authority::Authority::create("a root", SignedDuration::from_hours(9999), NOW)
        .expect("a root is made");
    let issue = || {
        let leaf = root
            .issue_server(&[NAME.to_owned()], SignedDuration::from_hours(99), NOW)
            .expect("a leaf is issued");
        [
            leaf.chain_pem(),
            leaf.key_pem().to_owned(),
            root.certificate_pem().to_owned(),
        ]
    };
    let (first, second) = (issue(), issue());
    assert!(serves(&validated(&after(&first, &second), behind), &second));
}

#[test]
fn a_certificate_whose_name_is_not_on_nodes_waits_for_nobody() {
    let first = own(&[NAME]);
    let mut cluster = cluster(&first);
    cluster.settings.allowed_hostnames.clear();
    assert!(serves(&validated(&cluster, behind), &first));
    cluster.observed.registry.spec.node_trust.enabled = false;
    assert!(serves(&validated(&cluster, behind), &first));
}

#[test]
fn near_the_end_of_the_one_before_nobody_is_waited_for() {
    let (first, second) = (own(&[NAME]), own(&[NAME]));
    let mut cluster = after(&first, &second);
    cluster.observed.now = NOW + SignedDuration::from_hours(24 * 300);
    let forced = validated(&cluster, behind);
    assert!(serves(&forced, &second));
    assert_eq!(told(&forced), [("RotationForced", ConditionStatus::True)]);
}

#[test]
fn what_some_client_would_stumble_over_does_not_replace_what_runs() {
    let first = own(&[NAME]);
    let other_name = own(&["other.example.com"]);
    let other_root = [first[0].clone(), first[1].clone(), own(&[NAME])[2].clone()];
    let other_key = [first[0].clone(), own(&[NAME])[1].clone(), first[2].clone()];
    for (next, reason) in [
        (&other_name, "HostnameNotCovered"),
        (&other_root, "MissingIntermediate"),
        (&other_key, "KeyMismatch"),
    ] {
        let kept = validated(&after(&first, next), ready);
        assert!(matches!(kept.certificates.external, External::Keep), "{reason}");
        assert_eq!(told(&kept), [(reason, ConditionStatus::False)]);
        assert!(carries(&kept, &first), "{reason}");
    }
}

#[test]
fn an_expired_certificate_is_told_and_stays() {
    let first = own(&[NAME]);
    let mut cluster = cluster(&first).built();
    cluster.observed.now = NOW + SignedDuration::from_hours(24 * 366);
    let expired = validated(&cluster, ready);
    assert!(told(&expired).contains(&("Expired", ConditionStatus::False)));
    assert!(matches!(expired.certificates.external, External::Keep));
}

#[test]
fn an_incomplete_secret_names_what_is_missing() {
    let first = own(&[NAME]);
    let mut cluster = cluster(&first);
    cluster.observed.tls_source = Some(Source {
        unusable: None,
        name: "my-tls".into(),
        object: Some(secret(&[("tls.crt", &first[0])])),
    });
    let findings = validated(&cluster, ready).findings;
    assert_eq!(findings[0].reason, "KeyMissing");
    assert!(findings[0].message.contains("tls.key"), "{findings:?}");
}

#[test]
fn taking_the_certificate_away_takes_the_copy_away() {
    let mut cluster = cluster(&own(&[NAME])).built();
    cluster.observed.tls_source = None;
    let validated = validated(&cluster, ready);
    assert!(matches!(validated.certificates.external, External::Remove));
    assert!(
        validated.certificates.names.contains(&NAME.to_owned()),
        "the internal one covers the name then"
    );
}

#[test]
fn nodes_carry_only_cas_that_vouch_for_the_certificate() {
    let first = own(&[NAME]);
    let stranger = own(&[NAME]);
    let both = [
        first[0].clone(),
        first[1].clone(),
        first[2].clone() + &stranger[2],
    ];
    let cluster = cluster(&both);
    let validated = validated(&cluster, ready);
    assert!(serves(&validated, &first) && carries(&validated, &first));
    assert!(!carries(&validated, &stranger));
    assert_eq!(told(&validated), [("UnrelatedCA", ConditionStatus::True)]);
}

#[test]
fn what_is_no_ca_and_what_is_too_much_is_refused() {
    let first = own(&[NAME]);
    let no_ca = [first[0].clone(), first[1].clone(), first[0].clone()];
    let much = [first[0].clone(), first[1].clone(), first[2].repeat(1000)];
    for (source, reason) in [(no_ca, "NotAnAuthority"), (much, "TooLarge")] {
        let validated = validated(&cluster(&source), ready);
        assert_eq!(told(&validated), [(reason, ConditionStatus::False)]);
        let ca = validated.certificates.ca.expect("there is the operator's own");
        assert!(ca.all.len() < 2048 && ca.external.is_none(), "{}", ca.all.len());
    }
}

#[test]
fn a_copy_that_somebody_wrote_into_makes_nobody_carry_more() {
    let (first, stranger) = (own(&[NAME]), own(&[NAME]));
    let mut cluster = cluster(&first).built();
    let key = cluster.keys.external_tls.clone();
    let mut copy = cluster.observed.live.value(&key).expect("it was built").clone();
    let text = |text: &str| serde_json::json!(k8s_openapi::ByteString(text.as_bytes().to_vec()));
    copy["data"]["ca.crt"] = text(&(first[2].clone() + &stranger[2]));
    copy["data"][PREVIOUS_CA] = text(&stranger[2]);
    copy["metadata"]["annotations"][PREVIOUS_UNTIL] = serde_json::json!("2099-01-01T00:00:00Z");
    cluster.put(&key, &copy);
    let validated = validated(&cluster, ready);
    assert!(carries(&validated, &first) && !carries(&validated, &stranger));
}

/// Puts these into the copy.
fn copied(cluster: &mut Cluster, parts: &[(&str, &str)]) {
    let key = cluster.keys.external_tls.clone();
    let mut copy = cluster.observed.live.value(&key).expect("it was built").clone();
    for (part, pem) in parts {
        copy["data"][part] = serde_json::json!(k8s_openapi::ByteString(pem.as_bytes().to_vec()));
    }
    cluster.put(&key, &copy);
}

#[test]
fn many_cas_of_which_one_vouches_are_taken_and_a_copy_that_has_them_keeps_it_on_nodes() {
    let first = own(&[NAME]);
    let strangers: String = (0..40).map(|_| own(&[NAME])[2].clone()).collect();
    let many = strangers + &first[2];
    assert!(many.len() > MAX_CA);
    let mut cluster = cluster(&first).built();
    copied(&mut cluster, &[("ca.crt", &many)]);
    let no_ca = [
        ("tls.crt", &*first[0]),
        ("tls.key", &*first[1]),
        ("ca.crt", &*first[0]),
    ];
    let cluster = cluster.with_tls(&no_ca);
    let kept = validated(&cluster, ready);
    assert_eq!(told(&kept), [("NotAnAuthority", ConditionStatus::False)]);
    assert!(carries(&kept, &first));

    let all = [
        ("tls.crt", &*first[0]),
        ("tls.key", &*first[1]),
        ("ca.crt", &*many),
    ];
    let served = validated(&cluster.with_tls(&all), behind);
    assert!(serves(&served, &first) && carries(&served, &first));
    assert_eq!(told(&served), [("UnrelatedCA", ConditionStatus::True)]);
}

#[test]
fn a_copy_of_a_certificate_that_is_its_own_ca_keeps_it_on_nodes() {
    // openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500
    // -subj /CN=registry.example.com -addext subjectAltName=DNS:registry.example.com
    // -addext basicConstraints=critical,CA:FALSE
    let chain = include_str!("fixtures/self-signed.crt");
    let key = include_str!("fixtures/self-signed.key");
    let parts = [("tls.crt", chain), ("tls.key", key), ("ca.crt", chain)];
    let mut cluster = cluster(&own(&[NAME])).built();
    copied(&mut cluster, &parts);
    let kept = validated(&cluster.with_tls(&parts), ready);
    assert_eq!(told(&kept), [("NotAnAuthority", ConditionStatus::False)]);
    assert!(carries(&kept, &[chain.into(), key.into(), chain.into()]));
}
