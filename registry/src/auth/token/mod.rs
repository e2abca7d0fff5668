//! Bearer tokens (JWT) of a token server, as registry:2's `auth.token` has them.
//!
//! ```text
//! rootcertbundle, jwks ─► keys (reloaded)
//!                            │
//! Authorization ─► which key signed it ─► signature, time, issuer, audience ─► claims ─► grants
//! ```
//! What a token does not grant is not allowed; that `access.rules` can take away more is not known here.

mod chain;
mod claims;
mod keys;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::ThumbprintHash;
use jsonwebtoken::{AlgorithmFamily, DecodingKey, Header, Validation, decode, decode_header};

use self::claims::Claims;
pub use self::claims::Grants;
use self::keys::Keys;
pub use self::keys::TokenKeysError;
use crate::auth::TokenAuth;
use crate::auth::access::Identity;
use crate::auth::authenticator::{
    Answer, Answering, Authenticator, Challenge, Files, Presented, Refusal, at_once,
};
use crate::watch::{Fingerprint, Reason, Watcher};

/// How far clocks may be apart: distribution's own.
const LEEWAY: Duration = Duration::from_secs(60);

/// Who holds a token, and what it grants.
#[derive(Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Absent: the token server let somebody in without a name.
    pub subject: Option<String>,
    pub grants: Grants,
}

/// Why a token is not taken. For the log; a client learns only that it is not.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidToken {
    #[error(transparent)]
    Token(#[from] jsonwebtoken::errors::Error),
    #[error("the header has none of x5c, jwk and kid, so the key that signed it cannot be told")]
    NoKeyNamed,
    #[error(
        "the key \"{0}\" is in neither auth.token.rootcertbundle nor auth.token.jwks; add it if the token server is right"
    )]
    UnknownKey(String),
    #[error("the certificate in x5c: {0}")]
    Chain(#[from] chain::ChainError),
    #[error("the header has critical extensions, none of which is known")]
    Critical,
}

/// Verifies tokens with the keys that hold now.
pub(super) struct Tokens {
    settings: TokenAuth,
    /// What a token must be, by the family of the key that signed it.
    validations: Vec<(AlgorithmFamily, Validation)>,
    keys: ArcSwap<Keys>,
    failures: AtomicU64,
}

impl Tokens {
    pub(super) fn load(settings: &TokenAuth) -> Result<(Self, Watcher), TokenKeysError> {
        let watcher = Watcher::new(fingerprint(settings));
        let keys = ArcSwap::from_pointee(Keys::load(settings)?);
        let tokens = Tokens {
            validations: validations(settings),
            settings: settings.clone(),
            keys,
            failures: AtomicU64::new(0),
        };
        Ok((tokens, watcher))
    }

    pub(super) fn verify(&self, token: &str) -> Result<Bearer, InvalidToken> {
        let header = decode_header(token)?;
        if header.crit.is_some() {
            return Err(InvalidToken::Critical);
        }
        let key = self.signing_key(&header)?;
        let mut validations = self.validations.iter();
        let (_, validation) = validations
            .find(|(family, _)| *family == key.family())
            .ok_or_else(|| jsonwebtoken::errors::Error::from(ErrorKind::InvalidAlgorithm))?;
        let claims = decode::<Claims>(token, &key, validation)?.claims;
        Ok(claims.into())
    }

    /// The key that the header names, in the order in which distribution looks: a certificate chain, a whole key, an
    /// id. Whatever the header brings along is only a name; the key itself is one that the files vouch for.
    fn signing_key(&self, header: &Header) -> Result<Arc<DecodingKey>, InvalidToken> {
        let keys = self.keys.load();
        if let Some(chain) = header.x5c.as_ref().filter(|chain| !chain.is_empty()) {
            return Ok(Arc::new(chain::leaf_key(chain, keys.roots())?));
        }
        if let Some(jwk) = &header.jwk {
            if let Some(chain) = jwk.common.x509_chain.as_ref().filter(|chain| !chain.is_empty()) {
                return Ok(Arc::new(chain::leaf_key(chain, keys.roots())?));
            }
            let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).unwrap_or_default();
            let named = [jwk.common.key_id.as_deref(), Some(thumbprint.as_str())];
            let found = named.into_iter().flatten().find_map(|id| keys.by_id(id));
            return found.ok_or(InvalidToken::UnknownKey(thumbprint));
        }
        let id = header.kid.as_deref().filter(|id| !id.is_empty());
        let id = id.ok_or(InvalidToken::NoKeyNamed)?;
        keys.by_id(id)
            .ok_or_else(|| InvalidToken::UnknownKey(id.to_owned()))
    }
}

impl Authenticator for Tokens {
    fn authenticate<'a>(&'a self, presented: Presented<'a>) -> Answering<'a> {
        let Some(token) = presented.credentials("Bearer") else {
            return at_once(Answer::NotMine);
        };
        at_once(match self.verify(token) {
            Ok(bearer) => Answer::Is(Identity::Bearer(Arc::new(bearer))),
            Err(error) => {
                tracing::info!(%error, "a token was not taken");
                Answer::Refused(Refusal::InvalidToken)
            }
        })
    }

    fn challenge(&self) -> Option<Challenge<'_>> {
        Some(Challenge::Bearer(&self.settings))
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }
}

impl Files for Tokens {
    fn name(&self) -> &'static str {
        "token_keys"
    }

    fn fingerprint(&self) -> Fingerprint {
        fingerprint(&self.settings)
    }

    fn reload(&self, reason: Reason) -> bool {
        match Keys::load(&self.settings) {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "the keys of the token server were read again");
                self.keys.store(Arc::new(keys));
                true
            }
            Err(error) => {
                if reason == Reason::Changed {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "the keys of the token server stay as they were");
                }
                false
            }
        }
    }

    fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

fn fingerprint(settings: &TokenAuth) -> Fingerprint {
    let files = [&settings.root_cert_bundle, &settings.jwks];
    Fingerprint::of(files.into_iter().flatten().map(AsRef::as_ref))
}

/// Who issued it, for whom, and until when: none of these may be missing.
fn validations(settings: &TokenAuth) -> Vec<(AlgorithmFamily, Validation)> {
    let mut validation = Validation {
        leeway: LEEWAY.as_secs(),
        validate_nbf: true,
        ..Validation::default()
    };
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&[&settings.service]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    let families = [AlgorithmFamily::Rsa, AlgorithmFamily::Ec, AlgorithmFamily::Ed];
    let of_family = families.into_iter().map(|family| {
        let algorithms = settings.algorithms.iter().copied();
        let algorithms = algorithms.filter(|algorithm| family.algorithms().contains(algorithm));
        let validation = Validation {
            algorithms: algorithms.collect(),
            ..validation.clone()
        };
        (family, validation)
    });
    of_family.collect()
}
