//! Secrets with certificates and keys.

use super::BuildError;
use crate::names::RegistryId;
use crate::reconcile::validate::{PREVIOUS_CA, PREVIOUS_UNTIL, Serving, Validated};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use roadstead_pki::authority::Authority;
use roadstead_pki::certificate::bundle;
use roadstead_pki::password;

/// Ten years: it is known to one registry's clients only, and each of its certificates lives for months.
const AUTHORITY_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 3650);

/// A new CA, in the operator's namespace.
pub(super) fn authority(validated: &Validated, now: Timestamp) -> Result<Secret, BuildError> {
    let key = &validated.keys.authority;
    let authority = Authority::create(&subject(&validated.id), AUTHORITY_LIFETIME, now)?;
    Ok(pair(
        validated.id.elsewhere(&key.namespace, &key.name),
        authority.certificate_pem(),
        authority.key_pem(),
    ))
}

/// Each generation has its own name: of two CAs of one name clients may try the wrong one.
fn subject(id: &RegistryId) -> String {
    const LONGEST: usize = 64;
    let generation = &password::generate()[..8];
    let room = LONGEST - "Roadstead CA  ".len() - generation.len();
    let name: String = id.to_string().chars().take(room).collect();
    format!("Roadstead CA {name} {generation}")
}

/// The certificate that nodes and pods rely on, with the CA that vouches for it.
pub(super) fn internal(
    validated: &Validated,
    authority: &Authority,
    now: Timestamp,
) -> Result<Secret, BuildError> {
    let certificates = &validated.certificates;
    let issued;
    let leaf = match &certificates.leaf {
        Some(leaf) => leaf,
        None => {
            issued = authority.issue_server(&certificates.names, certificates.leaf_lifetime, now)?;
            &issued
        }
    };
    let metadata = validated.id.owned(&validated.id.internal_tls());
    let mut secret = pair(metadata, &leaf.chain_pem(), leaf.key_pem());
    put(&mut secret, "ca.crt", authority.certificate_pem());
    Ok(secret)
}

/// The validated copy of the people's certificate.
pub(super) fn external(validated: &Validated, serving: &Serving) -> Secret {
    let mut metadata = validated.id.owned(&validated.id.external_tls());
    if let Some(previous) = &serving.previous {
        metadata.annotations = Some([(PREVIOUS_UNTIL.to_owned(), previous.until.to_string())].into());
    }
    let certificate = &serving.certificate;
    let mut secret = pair(metadata, &certificate.chain_pem(), certificate.key_pem());
    if !serving.ca.is_empty() {
        put(&mut secret, "ca.crt", &bundle(&serving.ca));
    }
    if let Some(previous) = &serving.previous {
        put(&mut secret, PREVIOUS_CA, &bundle(&previous.ca));
    }
    secret
}

fn pair(metadata: ObjectMeta, certificate: &str, key: &str) -> Secret {
    let mut secret = Secret {
        metadata,
        type_: Some("kubernetes.io/tls".to_owned()),
        ..Secret::default()
    };
    put(&mut secret, "tls.crt", certificate);
    put(&mut secret, "tls.key", key);
    secret
}

fn put(secret: &mut Secret, key: &str, text: &str) {
    secret
        .data
        .get_or_insert_default()
        .insert(key.to_owned(), ByteString(text.as_bytes().to_vec()));
}
