use jiff::SignedDuration;

use super::*;
use crate::authority::Authority;

fn authority(name: &str) -> Certificate {
    Authority::create(name, SignedDuration::from_hours(1), Timestamp::now())
        .unwrap()
        .certificate()
        .clone()
}

fn certificate_for(names: &[&str]) -> Certificate {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let hour = SignedDuration::from_hours(1);
    let authority = Authority::create("CA", hour, Timestamp::now()).unwrap();
    authority
        .issue_server(&names, hour, Timestamp::now())
        .unwrap()
        .leaf()
        .clone()
}

#[test]
fn names_cover_what_clients_accept_and_nothing_more() {
    let certificate = certificate_for(&["registry.example.com", "*.apps.example.com", "10.0.0.7"]);
    for host in [
        "registry.example.com",
        "REGISTRY.example.com",
        "registry.example.com.",
        "a.apps.example.com",
        "10.0.0.7",
    ] {
        assert!(certificate.covers(host), "{host}");
    }
    for host in [
        "example.com",
        "apps.example.com",
        "a.b.apps.example.com",
        "10.0.0.8",
        "",
    ] {
        assert!(!certificate.covers(host), "{host}");
    }
}

#[test]
fn a_client_is_called_by_its_common_name_or_else_by_its_first_other_name() {
    let hour = SignedDuration::from_hours(1);
    let authority = Authority::create("People", hour, Timestamp::now()).unwrap();
    let client = authority.issue_client("alice", hour, Timestamp::now()).unwrap();
    assert_eq!(client.leaf().user().as_deref(), Some("alice"));
    let named = |alternatives: Vec<rcgen::SanType>| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names = alternatives;
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        Certificate::from_der(der).unwrap().user()
    };
    let address = rcgen::SanType::IpAddress([10, 0, 0, 1].into());
    let email = rcgen::SanType::Rfc822Name("bob@example.com".try_into().unwrap());
    let uri = rcgen::SanType::URI("spiffe://example.com/build".try_into().unwrap());
    assert_eq!(
        named(vec![address.clone(), email, uri.clone()]).as_deref(),
        Some("bob@example.com")
    );
    assert_eq!(named(vec![uri]).as_deref(), Some("spiffe://example.com/build"));
    assert_eq!(named(vec![address]), None, "an address names no user");
}

#[test]
fn a_bundle_is_the_same_whatever_the_order_and_holds_each_once() {
    let (a, b) = (authority("a"), authority("b"));
    let one = bundle([&a, &b, &a]);
    assert_eq!(one, bundle([&b, &a]));
    assert_eq!(parse_certificates(one.as_bytes()).unwrap(), [a, b]);
}

#[test]
fn keys_in_the_same_text_are_left_out() {
    let ca = Authority::create("CA", SignedDuration::from_hours(1), Timestamp::now()).unwrap();
    let text = format!("{}{}", ca.key_pem(), ca.certificate_pem());
    let certificates = parse_certificates(text.as_bytes()).unwrap();
    assert_eq!(bundle(&certificates), ca.certificate_pem());
}
