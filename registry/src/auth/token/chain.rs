//! The certificate chain of a token's header (`x5c`, RFC 7515 §4.1.6): the leaf's key signed the token, if the chain
//! leads to a certificate of `rootcertbundle`.

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use roadstead_pki::certificate::Certificate;
use roadstead_pki::problem::Problem;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter,
    anchor_from_trusted_cert,
};

use super::keys;

/// Why a chain says nothing about a key.
#[derive(Debug, thiserror::Error)]
pub(in crate::auth) enum ChainError {
    #[error("it is not base64")]
    Encoding,
    #[error(transparent)]
    Certificate(#[from] Problem),
    #[error("its time is over or has not come")]
    Untimely,
    #[error("it does not lead to a certificate of auth.token.rootcertbundle ({0})")]
    Untrusted(#[from] webpki::Error),
    #[error("its key is of a kind that signs no tokens")]
    OtherKey,
}

pub(super) fn leaf_key(chain: &[String], roots: &[Certificate]) -> Result<DecodingKey, ChainError> {
    let chain = chain
        .iter()
        .map(|text| BASE64_STANDARD.decode(text).map(CertificateDer::from))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| ChainError::Encoding)?;
    let (first, intermediates) = chain.split_first().ok_or(ChainError::Encoding)?;
    let leaf = Certificate::from_der(first.clone())?;
    // Many token servers sign with the very key of the certificate in the bundle; a path of no steps is none for webpki.
    if roots.contains(&leaf) {
        let now = Timestamp::now();
        if now < leaf.not_before() || now > leaf.not_after() {
            return Err(ChainError::Untimely);
        }
    } else if let Some(problem) = leaf.unverifiable() {
        return Err(problem.into());
    } else {
        verify(first, intermediates, roots)?;
    }
    keys::decoding_key(&leaf).ok_or(ChainError::OtherKey)
}

fn verify(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &[Certificate],
) -> Result<(), ChainError> {
    let anchors = roots
        .iter()
        .filter_map(|root| anchor_from_trusted_cert(root.der()).ok())
        .collect::<Vec<_>>();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    EndEntityCert::try_from(leaf)?.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &anchors,
        intermediates,
        UnixTime::since_unix_epoch(now),
        AnyUse,
        None,
        None,
    )?;
    Ok(())
}

/// No extended key usage is there for tokens, so distribution takes any.
struct AnyUse;

impl ExtendedKeyUsageValidator for AnyUse {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}
