//! From Secrets to certificates: the one that a person names, and the operator's copy of it.

use super::{OVERLAP, PREVIOUS_CA, PREVIOUS_UNTIL, Previous, ROOM, Serving};
use crate::reconcile::observe::Source;
use crate::reconcile::validate::users::text;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use roadstead_api::trust::MAX_CA;
use roadstead_pki::certificate::{Certificate, bundle, parse_certificates};
use roadstead_pki::problem::Problem;
use roadstead_pki::server::ServerCertificate;

/// The most bytes of CAs in a source that are looked through for those that vouch.
const MOST_GIVEN: usize = 128 * 1024;
/// The same for the copy, where an operator before this one may have put all the CAs of a system.
const MOST_COPIED: usize = 256 * 1024;
/// The most signatures that are verified for it: CAs of one name and many keys would take long.
const MOST_VERIFIED: usize = 256;

/// A reason and a message.
type Refused = (&'static str, String);

/// What a person put into a Secret, if its parts belong together.
pub(super) fn read(source: &Source<Secret>, namespace: &str) -> Result<Serving, Refused> {
    let name = &source.name;
    if let Some(unusable) = &source.unusable {
        return Err((unusable.reason(), format!("spec.tls.secretRef.name {unusable}")));
    }
    let Some(secret) = &source.object else {
        return Err((
            "SecretNotFound",
            format!(
                "Secret {name} (spec.tls.secretRef) does not exist: kubectl -n {namespace} create secret tls {name} --cert=FILE --key=FILE"
            ),
        ));
    };
    let key = |key: &str| {
        text(secret, key).ok_or_else(|| {
            (
                "KeyMissing",
                format!(
                    "Secret {name} has no text under the key {key}: put the certificate under tls.crt and its key under \
                     tls.key: kubectl -n {namespace} create secret tls {name} --cert=FILE --key=FILE --dry-run=client -o yaml \
                     | kubectl replace -f -"
                ),
            )
        })
    };
    let refused = |problem: Problem| (problem.reason(), format!("Secret {name}: {problem}"));
    let (chain, private_key) = (key("tls.crt")?, key("tls.key")?);
    bounded(name, "tls.crt", &chain, MAX_CA)?;
    bounded(name, "tls.key", &private_key, MAX_CA)?;
    let certificate = ServerCertificate::parse(chain.as_bytes(), private_key.as_bytes()).map_err(refused)?;
    let mut ca = match text(secret, "ca.crt").filter(|pem| !pem.trim().is_empty()) {
        Some(pem) => {
            bounded(name, "ca.crt", &pem, MOST_GIVEN)?;
            authorities(&pem)
                .map_err(|problem| (problem.reason(), format!("Secret {name}, key ca.crt: {problem}")))?
        }
        None => Vec::new(),
    };
    // A root at the end of the chain is the CA that its owner means.
    let roots = certificate
        .chain()
        .iter()
        .filter(|one| one.is_ca() && one.is_issued_by(one));
    let roots: Vec<_> = roots.filter(|root| !ca.contains(root)).cloned().collect();
    ca.extend(roots);
    Ok(Serving {
        certificate,
        ca,
        previous: None,
    })
}

/// Leaves out the CAs that have nothing to do with the certificate; whose they are.
pub(super) fn without_unrelated(serving: Serving) -> (Serving, Vec<String>) {
    let vouching = vouching(&serving.certificate, &serving.ca);
    let unrelated = serving.ca.iter().filter(|one| !vouching.contains(one));
    let unrelated = unrelated.map(|one| one.subject().to_owned()).collect();
    let ca = vouching;
    (Serving { ca, ..serving }, unrelated)
}

fn bounded(secret: &str, key: &str, pem: &str, most: usize) -> Result<(), Refused> {
    if pem.len() <= most {
        return Ok(());
    }
    let message = format!(
        "Secret {secret}, key {key}: it has {} bytes, and {most} are the most that are taken: leave only what belongs to this \
         certificate",
        pem.len()
    );
    Err(("TooLarge", message))
}

fn authorities(pem: &str) -> Result<Vec<Certificate>, Problem> {
    let certificates = parse_certificates(pem.as_bytes())?;
    match certificates.iter().find(|certificate| !certificate.is_ca()) {
        Some(certificate) => Err(Problem::NotAnAuthority {
            subject: certificate.subject().to_owned(),
        }),
        None => Ok(certificates),
    }
}

/// The CAs that vouch for this certificate, directly or over others: nodes carry no others. Those that come after more
/// than nodes carry are not looked for.
fn vouching(certificate: &ServerCertificate, ca: &[Certificate]) -> Vec<Certificate> {
    let mut verified = 0;
    let mut issued = |child: &Certificate, one: &Certificate| {
        let may_be = child.issuer() == one.subject() && verified < MOST_VERIFIED;
        verified += usize::from(may_be);
        may_be && child.is_issued_by(one)
    };
    let mut vouching: Vec<Certificate> = Vec::new();
    let mut children = certificate.chain().to_vec();
    while !children.is_empty() && bundle(&vouching).len() <= MAX_CA {
        let known = vouching.len();
        for one in ca {
            if !vouching.contains(one) && children.iter().any(|child| issued(child, one)) {
                vouching.push(one.clone());
            }
        }
        children = vouching[known..].to_vec();
    }
    vouching
}

/// What the operator put into its copy, which lies where others can write it: what they may have put there is bounded
/// like a source. An operator before this one may have put more into it, and a certificate that is its own CA: what
/// vouches still counts, or nodes would lose it.
pub(super) fn copy(secret: &Secret, now: Timestamp) -> Option<Serving> {
    let certificates = |key: &str| {
        text(secret, key)
            .filter(|pem| pem.len() <= MOST_COPIED)
            .and_then(|pem| parse_certificates(pem.as_bytes()).ok())
            .unwrap_or_default()
    };
    let annotations = secret.metadata.annotations.as_ref();
    let until = annotations.and_then(|annotations| annotations.get(PREVIOUS_UNTIL));
    let until = until.and_then(|until| until.parse().ok());
    let pem = |key: &str| text(secret, key).filter(|pem| pem.len() <= MAX_CA);
    let certificate =
        ServerCertificate::parse(pem("tls.crt")?.as_bytes(), pem("tls.key")?.as_bytes()).ok()?;
    let fits = |all: &mut dyn Iterator<Item = &Certificate>| bundle(all).len() <= ROOM;
    let mut ca = vouching(&certificate, &certificates("ca.crt"));
    while !fits(&mut ca.iter()) {
        ca.pop();
    }
    let previous = until
        .filter(|until| *until <= now + OVERLAP)
        .map(|until| Previous {
            ca: certificates(PREVIOUS_CA),
            until,
        })
        .filter(|previous| previous.ca.iter().all(Certificate::is_ca))
        .filter(|previous| fits(&mut ca.iter().chain(&previous.ca)));
    Some(Serving {
        certificate,
        ca,
        previous,
    })
}
