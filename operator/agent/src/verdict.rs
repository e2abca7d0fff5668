//! What a runtime's answer to the canary means. Pure.
//!
//! The canary asks for an image by a digest that nothing has, without credentials. A registry that says "who are you?" or
//! "there is no such image" was reached by its name, over TLS that the runtime verified: that is the proof. The
//! runtimes have no codes for what went wrong, so their texts decide; they are kept as a table of real ones.

use roadstead_api::trust::ProblemReason;

use crate::bundle::Bundle;
use crate::cri::RUNTIME_SILENT;

/// What one canary showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Proved,
    NotProved { reason: ProblemReason, message: String },
}

/// The reference that a canary asks for. Not a tag: a server can make up what a tag stands for, and all nodes would
/// unpack it.
pub fn reference(bundle: &Bundle, digest: &str) -> String {
    format!("{}/roadstead-canary@{digest}", bundle.host())
}

/// A verdict that the runtime's answer had no part in.
pub fn unproved(bundle: &Bundle, why: &str) -> Verdict {
    Verdict::NotProved {
        reason: ProblemReason::Unproved,
        message: format!("{}: {why}", advice(ProblemReason::Unproved, bundle)),
    }
}

/// Judges the error text that the runtime gave for `reference`.
pub fn judge(bundle: &Bundle, reference: &str, error: &str) -> Verdict {
    let Some(reason) = reason(&without_names(bundle, reference, error)) else {
        return Verdict::Proved;
    };
    let reason = if bypasses(bundle, error) {
        ProblemReason::ConfigNotRead
    } else {
        reason
    };
    let tail = tail(reference, error);
    let advice = advice(reason, bundle);
    Verdict::NotProved {
        reason,
        message: format!("{advice}: {tail}"),
    }
}

/// `None`: proved.
fn reason(error: &str) -> Option<ProblemReason> {
    let rule = RULES
        .iter()
        .find(|(texts, _)| texts.iter().any(|text| error.contains(text)));
    match rule {
        Some((_, reason)) => *reason,
        None if error.trim_end().ends_with(": not found") => None,
        None => Some(ProblemReason::Unproved),
    }
}

/// The text less what the Registry's maker chose: a Registry that is called like a fault must not be judged by that.
fn without_names(bundle: &Bundle, reference: &str, error: &str) -> String {
    let host = bundle.host().as_str();
    let name = host.split(':').next().unwrap_or(host);
    error.replace(reference, "REFERENCE").replace(name, "HOST")
}

/// The first that matches decides: whatever went wrong on the way goes before what the registry said.
const RULES: [(&[&str], Option<ProblemReason>); 10] = [
    // Of what nothing has, the server said that it has it; `rejecting … byte manifest …` ends in `not found`.
    (
        &["rejecting ", "unexpected commit ", "failed precondition"],
        Some(ProblemReason::Unproved),
    ),
    // It was the runtime that could not be asked.
    (&[RUNTIME_SILENT], Some(ProblemReason::Unproved)),
    (
        &[
            "x509: ",
            "tls: failed to verify certificate",
            "tls: bad certificate",
        ],
        Some(ProblemReason::CertificateRejected),
    ),
    (
        &[
            "server gave HTTP response to HTTPS client",
            "first record does not look like a TLS handshake",
        ],
        Some(ProblemReason::NotTls),
    ),
    (
        &[
            "proxyconnect",
            "Proxy Authentication Required",
            "403 Forbidden",
            ": Forbidden",
        ],
        Some(ProblemReason::ProxyAnswered),
    ),
    (
        &[
            "no such host",
            "Temporary failure in name resolution",
            "server misbehaving",
            "dial tcp: lookup ",
        ],
        Some(ProblemReason::NameNotResolved),
    ),
    // Read, and broken: the next pass over the files mends it.
    (
        &[
            "unable to read CA cert",
            "unable to load CA",
            "failed to load hosts",
            "invalid `host` tree",
        ],
        Some(ProblemReason::Unproved),
    ),
    (
        &[
            "connection refused",
            "connection reset",
            "no route to host",
            "network is unreachable",
            "i/o timeout",
            "TLS handshake timeout",
            "context deadline exceeded",
            "no answer within",
            ": EOF",
            "unexpected EOF",
            "502 Bad Gateway",
            "503 Service Unavailable",
            "504 Gateway Timeout",
            "500 Internal Server Error",
        ],
        Some(ProblemReason::ConnectionFailed),
    ),
    (&["429 Too Many Requests"], Some(ProblemReason::Unproved)),
    (
        &[
            "401 Unauthorized",
            "no basic auth credentials",
            "authorization failed",
        ],
        None,
    ),
];

/// Whether the runtime went to the host by its own name although our file sends it elsewhere.
fn bypasses(bundle: &Bundle, error: &str) -> bool {
    if !bundle.is_redirected() {
        return false;
    }
    let name = bundle.host().as_str().split(':').next().unwrap_or_default();
    let by_name =
        error.contains(&format!("lookup {name}")) || error.contains(&format!("\"https://{}/", bundle.host()));
    by_name && !error.contains(&format!("\"https://{}/", bundle.dials()))
}

/// The part of the text that says what happened: runtimes put the reference before it, twice or thrice.
fn tail(reference: &str, error: &str) -> String {
    let tail = error
        .rsplit_once(&format!("\"{reference}\": "))
        .map_or(error, |(_, tail)| tail);
    let tail = tail.strip_prefix("failed to resolve image: ").unwrap_or(tail);
    let digest = reference.rsplit_once(':').map_or("", |(_, digest)| digest);
    let tail = tail.replace(digest, "…");
    match tail.char_indices().nth(600) {
        Some((end, _)) => format!("{}…", &tail[..end]),
        None => tail,
    }
}

fn advice(reason: ProblemReason, bundle: &Bundle) -> String {
    let (host, dials) = (bundle.host(), bundle.dials());
    match reason {
        ProblemReason::CertificateRejected => {
            format!("the runtime does not accept the certificate that {dials} shows for {host}")
        }
        ProblemReason::NotTls => format!("{dials} answers plain HTTP, not TLS"),
        ProblemReason::ProxyAnswered => {
            format!(
                "something on the way to {dials} refused, a proxy perhaps: add it to the runtime's NO_PROXY"
            )
        }
        ProblemReason::NameNotResolved => format!(
            "this node cannot resolve {dials}: add it to the DNS that the nodes ask, or take it out of the chart's nodeTrust.allowedHostnames"
        ),
        ProblemReason::ConfigNotRead => format!(
            "the runtime does not read our hosts.toml for {host}: set config_path to this one folder in its configuration and restart it"
        ),
        ProblemReason::ConnectionFailed => format!("{dials} could not be reached; it is tried again"),
        _ => format!("no pull from {host} has shown yet that it works"),
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
