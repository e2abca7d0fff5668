//! The sections `auth` and `access`: how to log in, and who may do what.

use jsonwebtoken::Algorithm;

use super::Check;
use crate::auth::access::{Rule, Rules};
use crate::auth::{Htpasswd, Login, TokenAuth};
use crate::config::raw;

/// Every way to sign that needs no shared secret. registry:3 takes these when none is named, and registry:2 those of
/// them that it knows.
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// Where registry:2 and registry:3 send clients when the token server is behind the same name.
const REDIRECT_PATH: &str = "/auth/token";

impl Check<'_> {
    pub(super) fn login(&mut self, raw: raw::Auth) -> Login {
        Login {
            htpasswd: raw.htpasswd.and_then(|htpasswd| self.htpasswd(htpasswd)),
            token: raw.token.and_then(|token| self.token(token)),
        }
    }

    fn htpasswd(&mut self, raw: raw::Htpasswd) -> Option<Htpasswd> {
        let Some(path) = raw.path.filter(|path| !path.is_empty()) else {
            self.problem(
                "auth.htpasswd.path",
                "missing: name the file of users, made with \"htpasswd -nB USER\"",
            );
            return None;
        };
        let realm = raw.realm.unwrap_or_else(|| "Registry".to_owned());
        self.header_text("auth.htpasswd.realm", &realm);
        Some(Htpasswd {
            path: path.into(),
            realm,
        })
    }

    fn token(&mut self, raw: raw::Token) -> Option<TokenAuth> {
        let redirect_path = raw.autoredirect.then(|| {
            raw.autoredirectpath
                .filter(|path| !path.is_empty())
                .unwrap_or_else(|| REDIRECT_PATH.to_owned())
        });
        if redirect_path
            .as_deref()
            .is_some_and(|path| !path.starts_with('/'))
        {
            self.problem("auth.token.autoredirectpath", "must begin with a slash");
        }
        let realm = match &redirect_path {
            Some(_) => raw.realm.unwrap_or_default(),
            None => self.token_text("realm", raw.realm, "the URL at which clients get their tokens")?,
        };
        let service = self.token_text(
            "service",
            raw.service,
            "the audience that tokens for this registry have",
        );
        let issuer = self.token_text("issuer", raw.issuer, "the iss claim of the token server");
        let path = |path: Option<String>| path.filter(|path| !path.is_empty()).map(Into::into);
        let (root_cert_bundle, jwks) = (path(raw.rootcertbundle), path(raw.jwks));
        if root_cert_bundle.is_none() && jwks.is_none() {
            self.problem(
                "auth.token",
                "nothing can verify a token; name the token server's certificates in rootcertbundle or its keys in jwks",
            );
        }
        let algorithms = self.algorithms(raw.signingalgorithms);
        Some(TokenAuth {
            realm,
            redirect_path,
            service: service?,
            issuer: issuer?,
            root_cert_bundle,
            jwks,
            algorithms,
        })
    }

    fn token_text(&mut self, name: &str, text: Option<String>, meaning: &str) -> Option<String> {
        let key = format!("auth.token.{name}");
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            self.problem(&key, format!("missing: it is {meaning}"));
            return None;
        };
        self.header_text(&key, &text);
        Some(text)
    }

    /// It becomes a part of a header.
    fn header_text(&mut self, key: &str, text: &str) {
        if text.chars().any(char::is_control) {
            self.problem(key, "control characters are not allowed");
        }
    }

    fn algorithms(&mut self, names: Vec<String>) -> Vec<Algorithm> {
        if names.is_empty() {
            return ALGORITHMS.iter().map(|(_, algorithm)| *algorithm).collect();
        }
        let mut algorithms = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let key = format!("auth.token.signingalgorithms.{index}");
            match ALGORITHMS.iter().find(|(known, _)| known == name) {
                Some((_, algorithm)) => algorithms.push(*algorithm),
                None if name.starts_with("HS") => self.problem(
                    &key,
                    format!("\"{name}\" needs a secret that every registry would share with the token server; use RS256 or ES256"),
                ),
                None => {
                    let known = ALGORITHMS.map(|(name, _)| name).join(", ");
                    self.problem(&key, format!("\"{name}\" is not one of {known}"));
                }
            }
        }
        algorithms
    }

    /// `somebody`: users can be told apart.
    pub(super) fn access(&mut self, raw: Option<raw::Access>, somebody: bool) -> Option<Rules> {
        let rules = raw?.rules;
        if rules.is_empty() {
            // Nobody writes the section to let everyone do everything.
            self.problem(
                "access.rules",
                "no rule is given; write one, or remove the section if everyone may do everything",
            );
        }
        if !somebody {
            self.problem(
                "access.rules",
                "nobody can be told from anybody else; give auth.htpasswd, auth.token or http.tls.clientcas too",
            );
        }
        let rules = rules.into_iter().enumerate().filter_map(|(index, rule)| {
            Rule::new(&rule.users, &rule.repositories, &rule.actions)
                .map_err(|what| self.problem(&format!("access.rules.{index}"), what))
                .ok()
        });
        Some(Rules::new(rules.collect()))
    }
}
