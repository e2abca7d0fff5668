//! The operator's own CA for one Registry, and the certificate that nodes and pods rely on.

use super::super::users::text;
use super::super::{Addresses, Finding};
use crate::names::REGISTRY_UID_LABEL;
use crate::reconcile::live::Key;
use crate::reconcile::observe::{Keys, Observed};
use jiff::fmt::friendly::SpanParser;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use roadstead_api::registry::ConditionType;
use roadstead_pki::authority::Authority;
use roadstead_pki::certificate::{Certificate, parse_certificates};
use roadstead_pki::server::ServerCertificate;
use std::collections::BTreeSet;

/// 90 days.
const DEFAULT_LIFETIME: SignedDuration = SignedDuration::from_hours(2160);
/// Certificates begin a little in the past; what is longer than asked for by more than this is renewed.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

/// A CA that the operator made has about 700 bytes.
const LARGEST_CA: usize = 2048;

/// The CA of a Registry.
pub enum AuthorityState {
    /// Still to be made.
    Missing,
    /// What stands there was made for an earlier Registry of this name, whose owner may still hold certificates by it:
    /// it has to go before a new one is made.
    Former,
    /// There, but unusable: nothing can be issued, and what is served goes on.
    Broken,
    Usable(Box<Authority>),
}

pub(super) struct Internal {
    pub(super) authority: AuthorityState,
    pub(super) leaf: Option<ServerCertificate>,
    pub(super) names: Vec<String>,
    pub(super) leaf_lifetime: SignedDuration,
    /// The CA certificates that vouch for what is served.
    pub(super) trusted: Vec<Certificate>,
    pub(super) next_change: Option<Timestamp>,
}

pub(super) fn internal(
    observed: &Observed,
    keys: &Keys,
    addresses: &Addresses,
    is_hostname_signed: bool,
    findings: &mut Vec<Finding>,
) -> Internal {
    let authority = authority(observed, &keys.authority, findings);
    let leaf_lifetime = lifetime(observed);
    let secret: Option<Secret> = observed.live.get(&keys.internal_tls);
    let served = secret.as_ref().and_then(pair);
    let names = names(observed, keys, addresses, is_hostname_signed, served.as_ref());
    let trusted = match &authority {
        AuthorityState::Usable(authority) => vec![authority.certificate().clone()],
        AuthorityState::Former => Vec::new(),
        AuthorityState::Missing | AuthorityState::Broken => secret
            .as_ref()
            .and_then(|secret| text(secret, "ca.crt"))
            // It lies where others can write it.
            .filter(|pem| pem.len() <= LARGEST_CA)
            .and_then(|pem| parse_certificates(pem.as_bytes()).ok())
            .unwrap_or_default(),
    };
    let leaf = served.filter(|leaf| match &authority {
        AuthorityState::Usable(authority) => {
            can_stay(leaf, authority.certificate(), &names, leaf_lifetime, observed.now)
        }
        AuthorityState::Missing | AuthorityState::Former => false,
        AuthorityState::Broken => true,
    });
    Internal {
        next_change: leaf.as_ref().map(renewal),
        authority,
        leaf,
        names,
        leaf_lifetime,
        trusted,
    }
}

fn authority(observed: &Observed, key: &Key, findings: &mut Vec<Finding>) -> AuthorityState {
    let Some(secret) = observed.live.get::<Secret>(key) else {
        return AuthorityState::Missing;
    };
    if is_of_former(&secret.metadata, &observed.registry.metadata) {
        return AuthorityState::Former;
    }
    let (certificate, private_key) = (text(&secret, "tls.crt"), text(&secret, "tls.key"));
    match Authority::parse(
        certificate.as_deref().unwrap_or_default(),
        private_key.as_deref().unwrap_or_default(),
    ) {
        Ok(authority) => AuthorityState::Usable(Box::new(authority)),
        Err(problem) => {
            findings.push(Finding::failure(
                ConditionType::CertificateValid,
                "AuthorityUnusable",
                format!("{key}, which holds the CA of this Registry, is unusable: {problem}; restore it, or delete it to have a new CA made"),
            ));
            AuthorityState::Broken
        }
    }
}

/// By the UID that it was made for; where it has none yet, a CA that is older than its Registry was made for another.
fn is_of_former(authority: &ObjectMeta, registry: &ObjectMeta) -> bool {
    let labels = authority.labels.as_ref();
    match labels.and_then(|labels| labels.get(REGISTRY_UID_LABEL)) {
        Some(uid) => Some(uid) != registry.uid.as_ref(),
        None => match (&authority.creation_timestamp, &registry.creation_timestamp) {
            (Some(made), Some(asked)) => made.0 < asked.0,
            _ => false,
        },
    }
}

/// Pods and nodes dial by these. The people's own name is covered here while they bring no certificate for it; where it
/// is already, it stays until one of theirs is served, for a Secret that is missing must not take the name away.
/// `is_signed`: whether this CA may vouch for that name at all.
fn names(
    observed: &Observed,
    keys: &Keys,
    addresses: &Addresses,
    is_signed: bool,
    served: Option<&ServerCertificate>,
) -> Vec<String> {
    let hosts = &observed.hosts;
    let external = hosts.external.as_ref().filter(|_| is_signed).filter(|host| {
        let is_covered = served.is_some_and(|served| served.leaf().covers(&host.name));
        observed.tls_source.is_none() || (is_covered && !observed.live.contains(&keys.external_tls))
    });
    hosts
        .derived()
        .into_iter()
        .chain(external)
        .map(|host| host.name.clone())
        .chain(addresses.current.iter().map(ToString::to_string))
        .collect()
}

fn lifetime(observed: &Observed) -> SignedDuration {
    let tls = observed.registry.spec.tls.as_ref();
    tls.and_then(|tls| tls.self_signed.as_ref()?.leaf_lifetime.as_deref())
        .and_then(|text| SpanParser::new().parse_duration(text).ok())
        .filter(SignedDuration::is_positive)
        .unwrap_or(DEFAULT_LIFETIME)
}

fn pair(secret: &Secret) -> Option<ServerCertificate> {
    let (chain, key) = (text(secret, "tls.crt")?, text(secret, "tls.key")?);
    ServerCertificate::parse(chain.as_bytes(), key.as_bytes()).ok()
}

fn can_stay(
    served: &ServerCertificate,
    authority: &Certificate,
    names: &[String],
    lifetime: SignedDuration,
    now: Timestamp,
) -> bool {
    let leaf = served.leaf();
    let covered: BTreeSet<_> = leaf.names().iter().collect();
    let wanted: BTreeSet<_> = names.iter().collect();
    let life = leaf.not_after().duration_since(leaf.not_before());
    covered == wanted
        && leaf.is_issued_by(authority)
        && served.findings(std::slice::from_ref(authority), now).is_empty()
        && life <= lifetime + TOLERANCE
        && now < renewal(served)
}

/// Two thirds of its life.
fn renewal(served: &ServerCertificate) -> Timestamp {
    let leaf = served.leaf();
    let life = leaf.not_after().duration_since(leaf.not_before());
    leaf.not_before() + life / 3 * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn authority(now: Timestamp) -> Authority {
        Authority::create("a CA", DAY * 3650, now).expect("a CA is made")
    }

    fn names() -> Vec<String> {
        vec!["images.registry.svc".into(), "10.96.0.7".into()]
    }

    fn stays(change: impl FnOnce(&mut Vec<String>, &mut SignedDuration, &mut Timestamp)) -> bool {
        let (mut names, mut lifetime, mut now) = (names(), DAY * 90, Timestamp::UNIX_EPOCH);
        let authority = authority(now);
        let leaf = authority
            .issue_server(&names, lifetime, now)
            .expect("a leaf is issued");
        change(&mut names, &mut lifetime, &mut now);
        can_stay(&leaf, authority.certificate(), &names, lifetime, now)
    }

    #[test]
    fn a_leaf_stays_until_two_thirds_of_its_life() {
        assert!(stays(|_, _, _| ()));
        assert!(stays(|_, _, now| *now += DAY * 59));
        assert!(!stays(|_, _, now| *now += DAY * 61));
    }

    #[test]
    fn the_order_of_names_is_no_reason_to_renew() {
        assert!(stays(|names, _, _| names.reverse()));
    }

    #[test]
    fn another_address_is_a_reason_to_renew() {
        assert!(!stays(|names, _, _| names[1] = "10.96.0.8".into()));
    }

    #[test]
    fn a_shorter_lifetime_is_a_reason_to_renew() {
        assert!(!stays(|_, lifetime, _| *lifetime = DAY));
    }

    #[test]
    fn a_leaf_of_another_ca_does_not_stay() {
        let now = Timestamp::UNIX_EPOCH;
        let leaf = authority(now)
            .issue_server(&names(), DAY, now)
            .expect("a leaf is issued");
        assert!(!can_stay(&leaf, authority(now).certificate(), &names(), DAY, now));
    }
}
