//! How people say who they are.

use std::path::PathBuf;

/// How people say who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    Htpasswd(Htpasswd),
    Token(TokenAuth),
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
