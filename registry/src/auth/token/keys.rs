//! The keys that may have signed a token: certificates of `rootcertbundle`, keys of `jwks`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{AlgorithmFamily, DecodingKey};
use roadstead_pki::certificate::{Certificate, PublicKey, parse_certificates};
use roadstead_pki::problem::Problem;
use sha2::{Digest as _, Sha256};

use crate::auth::TokenAuth;

/// Why the keys of the token server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenKeysError {
    #[error("{key}: cannot read {}: {source}", path.display())]
    Unreadable {
        key: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("auth.token.rootcertbundle: {}: {problem}", path.display())]
    Certificates { path: PathBuf, problem: Problem },
    #[error("auth.token.jwks: {} is not a JSON Web Key Set: {cause}", path.display())]
    Set { path: PathBuf, cause: String },
    #[error("auth.token.jwks: the key {name} in {} cannot be used: {what}", path.display())]
    Key {
        path: PathBuf,
        name: String,
        what: String,
    },
    #[error("auth.token: there is no key in its files; no token could be verified")]
    None,
}

/// One version of the keys.
pub(super) struct Keys {
    roots: Vec<Certificate>,
    by_id: HashMap<String, Arc<DecodingKey>>,
    count: usize,
}

impl Keys {
    pub(super) fn load(settings: &TokenAuth) -> Result<Self, TokenKeysError> {
        let mut keys = Keys {
            roots: Vec::new(),
            by_id: HashMap::new(),
            count: 0,
        };
        if let Some(path) = &settings.root_cert_bundle {
            keys.add_certificates(path)?;
        }
        if let Some(path) = &settings.jwks {
            keys.add_set(path)?;
        }
        if keys.count == 0 {
            return Err(TokenKeysError::None);
        }
        Ok(keys)
    }

    pub(super) fn roots(&self) -> &[Certificate] {
        &self.roots
    }

    pub(super) fn by_id(&self, id: &str) -> Option<Arc<DecodingKey>> {
        self.by_id.get(id).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    fn add_certificates(&mut self, path: &Path) -> Result<(), TokenKeysError> {
        let text = read("auth.token.rootcertbundle", path)?;
        self.roots = parse_certificates(&text).map_err(|problem| TokenKeysError::Certificates {
            path: path.to_owned(),
            problem,
        })?;
        for certificate in &self.roots {
            self.count += 1;
            // A CA with another kind of key can still stand above the certificate in a token's x5c.
            if let Some(key) = decoding_key(certificate) {
                let key = Arc::new(key);
                // registry:2 names keys by the one, registry:3 by the other.
                self.by_id.insert(libtrust_id(certificate), Arc::clone(&key));
                self.by_id.extend(thumbprint(&key).map(|id| (id, key)));
            }
        }
        Ok(())
    }

    fn add_set(&mut self, path: &Path) -> Result<(), TokenKeysError> {
        let text = read("auth.token.jwks", path)?;
        let set: JwkSet = serde_json::from_slice(&text).map_err(|error| TokenKeysError::Set {
            path: path.to_owned(),
            cause: error.to_string(),
        })?;
        for (index, jwk) in set.keys.iter().enumerate() {
            if jwk.common.public_key_use == Some(PublicKeyUse::Encryption) {
                continue;
            }
            let id = jwk.common.key_id.as_ref();
            let name = || id.map_or_else(|| index.to_string(), |id| format!("\"{id}\""));
            let key = usable(jwk).map_err(|what| TokenKeysError::Key {
                path: path.to_owned(),
                name: name(),
                what,
            })?;
            let key = Arc::new(key);
            self.count += 1;
            self.by_id.extend(id.map(|id| (id.clone(), Arc::clone(&key))));
            self.by_id.extend(thumbprint(&key).map(|id| (id, key)));
        }
        Ok(())
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TokenKeysError> {
    std::fs::read(path).map_err(|source| TokenKeysError::Unreadable {
        key,
        path: path.to_owned(),
        source,
    })
}

/// A secret that both sides share would let every registry that can verify a token also make one.
fn usable(jwk: &Jwk) -> Result<DecodingKey, String> {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) | AlgorithmParameters::OctetKeyPair(_) => {}
        AlgorithmParameters::EllipticCurve(key)
            if matches!(key.curve, EllipticCurve::P256 | EllipticCurve::P384) => {}
        AlgorithmParameters::OctetKey(_) => {
            return Err(
                "it is a shared secret; give the public half of a key pair (RSA, EC, Ed25519)".to_owned(),
            );
        }
        _ => return Err("its kind is not known; use RSA, EC with P-256 or P-384, or Ed25519".to_owned()),
    }
    DecodingKey::from_jwk(jwk).map_err(|error| error.to_string())
}

/// The key of a certificate, if it is of a kind that signs tokens.
pub(super) fn decoding_key(certificate: &Certificate) -> Option<DecodingKey> {
    Some(match certificate.public_key() {
        PublicKey::Rsa(key) => DecodingKey::from_rsa_der(&key),
        PublicKey::Ec(key) => DecodingKey::from_ec_der(&key),
        PublicKey::Ed25519(key) => DecodingKey::from_ed_der(&key),
        PublicKey::Other => return None,
    })
}

/// RFC 7638.
fn thumbprint(key: &DecodingKey) -> Option<String> {
    debug_assert_ne!(key.family(), AlgorithmFamily::Hmac);
    let jwk = Jwk::from_decoding_key(key, None).ok()?;
    jwk.thumbprint(ThumbprintHash::SHA256).ok()
}

/// How registry:2 names a key: the first 240 bits of its hash in base32, in groups of four
/// (`ABCD:EFGH:…`, docker/libtrust).
pub(super) fn libtrust_id(certificate: &Certificate) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let hash = Sha256::digest(certificate.public_key_der());
    let mut id = String::with_capacity(59);
    // Five bytes are eight letters.
    for (index, five) in hash[..30].chunks(5).enumerate() {
        let bits = five.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        for letter in 0..8 {
            if letter % 4 == 0 && (index, letter) != (0, 0) {
                id.push(':');
            }
            let value = bits >> (35 - 5 * letter) & 31;
            id.push(char::from(ALPHABET[usize::try_from(value).expect("five bits")]));
        }
    }
    id
}
