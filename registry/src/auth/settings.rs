//! How people say who they are.

use std::path::PathBuf;

/// How people say who they are, by one or more of these. With none of them nobody is asked, as with registry:2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    pub htpasswd: Option<Htpasswd>,
    pub token: Option<TokenAuth>,
}

impl Login {
    /// Nobody is asked who they are.
    pub fn is_none(&self) -> bool {
        *self == Login::default()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAuth {
    /// Where clients get tokens.
    pub realm: String,
    /// Present: they get them at this path of the name by which they know the registry.
    pub redirect_path: Option<String>,
    pub service: String,
    pub issuer: String,
    /// At least one of this and `jwks` is there.
    pub root_cert_bundle: Option<PathBuf>,
    pub jwks: Option<PathBuf>,
    /// Never empty, and none of them symmetric.
    pub algorithms: Vec<jsonwebtoken::Algorithm>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Htpasswd {
    pub path: PathBuf,
    pub realm: String,
}
