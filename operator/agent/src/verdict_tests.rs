//! Real texts of real runtimes, and what each of them means.

use super::*;
use crate::bundle::tests::{bundle, spec};

const DIGEST: &str = "sha256:1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c5b6a7988";

/// What is put before what happened: by containerd 1.6 to 2.0, and by 2.1 and later.
fn texts(what: &str) -> [String; 2] {
    let reference = format!("images.registry.svc:5000/roadstead-canary@{DIGEST}");
    let pull = format!("failed to pull and unpack image \"{reference}\": ");
    [
        format!("{pull}failed to resolve reference \"{reference}\": {what}"),
        format!("{pull}failed to resolve image: {what}"),
    ]
}

fn verdict(what: &str) -> Verdict {
    let bundle = bundle("images.registry.svc:5000", "10.96.12.34:5000");
    // The tables below are easier to read with a short one.
    let what = &what.replace("sha256:SHORT", DIGEST);
    let [old, new] = texts(what).map(|text| judge(&bundle, &reference(&bundle, DIGEST), &text));
    assert_eq!(old, new);
    old
}

const HEAD: &str = "failed to do request: Head \"https://10.96.12.34:5000/v2/roadstead-canary/manifests/sha256:SHORT?ns=images.registry.svc%3A5000\": ";

#[test]
fn what_only_a_reached_and_verified_registry_says_is_the_proof() {
    for what in [
        // containerd 1.6
        "pulling from host 10.96.12.34:5000 failed with status code [manifests sha256:SHORT]: 401 Unauthorized",
        // containerd 1.7 and later
        "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials",
        // a bearer challenge
        "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
        // a token service that is the registry itself
        "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
        "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://10.96.12.34:5000/token?scope=repository%3Aroadstead-canary%3Apull&service=x: 401 Unauthorized",
        // anonymous pulls are allowed
        "images.registry.svc:5000/roadstead-canary@sha256:SHORT: not found",
    ] {
        assert_eq!(verdict(what), Verdict::Proved, "{what}");
    }
}

#[test]
fn everything_else_is_a_reason() {
    use ProblemReason::*;
    let head = |what: &str| format!("{HEAD}{what}");
    for (what, expected) in [
        (head("x509: certificate signed by unknown authority"), CertificateRejected),
        (head("tls: failed to verify certificate: x509: certificate signed by unknown authority"), CertificateRejected),
        (head("tls: failed to verify certificate: x509: cannot validate certificate for 10.96.12.34 because it doesn't contain any IP SANs"), CertificateRejected),
        (head("x509: certificate has expired or is not yet valid: current time 2026-11-23T16:00:00Z is after 2026-11-22T00:00:00Z"), CertificateRejected),
        (head("tls: first record does not look like a TLS handshake"), NotTls),
        (head("http: server gave HTTP response to HTTPS client"), NotTls),
        (head("dial tcp 10.96.12.34:5000: connect: connection refused"), ConnectionFailed),
        (head("dial tcp 10.96.12.34:5000: connect: no route to host"), ConnectionFailed),
        (head("dial tcp 10.96.12.34:5000: i/o timeout"), ConnectionFailed),
        (head("EOF"), ConnectionFailed),
        ("no answer within 12 s".to_owned(), ConnectionFailed),
        (head("proxyconnect tcp: dial tcp 10.0.0.9:3128: connect: connection refused"), ProxyAnswered),
        (head("Forbidden"), ProxyAnswered),
        ("pulling from host 10.96.12.34:5000 failed with status code [manifests sha256:SHORT]: 403 Forbidden".to_owned(), ProxyAnswered),
        ("pulling from host 10.96.12.34:5000 failed with status code [manifests sha256:SHORT]: 503 Service Unavailable".to_owned(), ConnectionFailed),
        ("unexpected status from HEAD request to https://10.96.12.34:5000/v2/roadstead-canary/manifests/sha256:SHORT?ns=images.registry.svc%3A5000: 403 Forbidden".to_owned(), ProxyAnswered),
        ("unexpected status from HEAD request to https://10.96.12.34:5000/v2/roadstead-canary/manifests/sha256:SHORT?ns=images.registry.svc%3A5000: 503 Service Unavailable".to_owned(), ConnectionFailed),
        ("failed to authorize: failed to fetch anonymous token: Get \"https://auth.example.com/token\": x509: certificate signed by unknown authority".to_owned(), CertificateRejected),
        ("unable to read CA cert \"/etc/containerd/certs.d/images.registry.svc:5000/ca.crt\": no such file or directory".to_owned(), Unproved),
        // A server that has what nothing has.
        (format!("failed to copy: failed to send write: unexpected commit digest sha256:0a, expected {DIGEST}: failed precondition"), Unproved),
        ("failed commit on ref \"manifest-sha256:SHORT\": unexpected commit size 3, expected 9: failed precondition".to_owned(), Unproved),
        ("rejecting 4294967296 byte manifest images.registry.svc:5000/roadstead-canary@sha256:SHORT: not found".to_owned(), Unproved),
        ("something that no one has seen".to_owned(), Unproved),
    ] {
        match verdict(&what) {
            Verdict::NotProved { reason, .. } => assert_eq!(reason, expected, "{what}"),
            Verdict::Proved => panic!("taken for a proof: {what}"),
        }
    }
}

#[test]
fn a_registry_that_is_named_like_a_fault_is_not_judged_by_its_name() {
    for name in ["proxyconnect", "x509", "timeout"] {
        let bundle = bundle(&format!("{name}.registry.svc:5000"), "10.96.12.34:5000");
        let reference = reference(&bundle, DIGEST);
        let error = format!(
            "failed to pull and unpack image \"{reference}\": failed to resolve reference \"{reference}\": pulling from host {name}.registry.svc:5000 failed with status code [manifests {DIGEST}]: 401 Unauthorized"
        );
        assert_eq!(judge(&bundle, &reference, &error), Verdict::Proved, "{name}");
    }
}

#[test]
fn a_runtime_that_looks_the_name_up_has_not_read_our_file() {
    let what = "failed to do request: Head \"https://images.registry.svc:5000/v2/roadstead-canary/manifests/sha256:SHORT\": dial tcp: lookup images.registry.svc on 10.0.0.2:53: no such host";
    assert!(matches!(
        verdict(what),
        Verdict::NotProved {
            reason: ProblemReason::ConfigNotRead,
            ..
        }
    ));
    // Where the node does resolve the name, its answer is someone else's.
    let what = "failed to do request: Head \"https://images.registry.svc:5000/v2/roadstead-canary/manifests/sha256:SHORT\": tls: failed to verify certificate: x509: certificate signed by unknown authority";
    assert!(matches!(
        verdict(what),
        Verdict::NotProved {
            reason: ProblemReason::ConfigNotRead,
            ..
        }
    ));
}

#[test]
fn a_host_that_is_dialled_by_name_may_be_unresolvable() {
    let bundle = Bundle::try_from(&spec("registry.example.com:5000", None)).expect("a bundle");
    let reference = reference(&bundle, DIGEST);
    let error = format!(
        "failed to resolve reference \"{reference}\": failed to do request: Head \"https://registry.example.com:5000/v2/\": dial tcp: lookup registry.example.com: no such host"
    );
    assert!(matches!(
        judge(&bundle, &reference, &error),
        Verdict::NotProved {
            reason: ProblemReason::NameNotResolved,
            ..
        }
    ));
}

#[test]
fn the_message_says_what_happened_once_and_is_the_same_for_every_canary() {
    let Verdict::NotProved { message, .. } =
        verdict(&format!("{HEAD}x509: certificate signed by unknown authority"))
    else {
        panic!("taken for a proof")
    };
    assert_eq!(
        message,
        "the runtime does not accept the certificate that 10.96.12.34:5000 shows for images.registry.svc:5000: failed to do request: Head \"https://10.96.12.34:5000/v2/roadstead-canary/manifests/sha256:…?ns=images.registry.svc%3A5000\": x509: certificate signed by unknown authority"
    );
}
