//! From Secrets to certificates: the one that a person names, and the operator's copy of it.

use super::{PREVIOUS_CA, PREVIOUS_UNTIL, Previous, Serving};
use crate::reconcile::observe::Source;
use crate::reconcile::validate::users::text;
use k8s_openapi::api::core::v1::Secret;
use roadstead_pki::certificate::parse_certificates;
use roadstead_pki::problem::Problem;
use roadstead_pki::server::ServerCertificate;

/// A reason and a message.
type Refused = (&'static str, String);

/// What a person put into a Secret, if its parts belong together.
pub(super) fn read(source: &Source<Secret>, namespace: &str) -> Result<Serving, Refused> {
    let name = &source.name;
    if let Some(invalid) = &source.invalid {
        return Err(("InvalidName", format!("spec.tls.secretRef.name {invalid}")));
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
    let certificate = ServerCertificate::parse(chain.as_bytes(), private_key.as_bytes()).map_err(refused)?;
    let mut ca = match text(secret, "ca.crt").filter(|pem| !pem.trim().is_empty()) {
        Some(pem) => parse_certificates(pem.as_bytes())
            .map_err(|problem| (problem.reason(), format!("Secret {name}, key ca.crt: {problem}")))?,
        None => Vec::new(),
    };
    // A root at the end of the chain is the CA that its owner means.
    let roots = certificate.chain().iter().filter(|one| one.is_issued_by(one));
    ca.extend(
        roots
            .filter(|root| !ca.contains(root))
            .cloned()
            .collect::<Vec<_>>(),
    );
    Ok(Serving {
        certificate,
        ca,
        previous: None,
    })
}

/// What the operator put into its copy.
pub(super) fn copy(secret: &Secret) -> Option<Serving> {
    let certificates = |key: &str| {
        text(secret, key)
            .and_then(|pem| parse_certificates(pem.as_bytes()).ok())
            .unwrap_or_default()
    };
    let annotations = secret.metadata.annotations.as_ref();
    let until = annotations.and_then(|annotations| annotations.get(PREVIOUS_UNTIL));
    let previous = until.and_then(|until| until.parse().ok()).map(|until| Previous {
        ca: certificates(PREVIOUS_CA),
        until,
    });
    Some(Serving {
        certificate: ServerCertificate::parse(
            text(secret, "tls.crt")?.as_bytes(),
            text(secret, "tls.key")?.as_bytes(),
        )
        .ok()?,
        ca: certificates("ca.crt"),
        previous,
    })
}
