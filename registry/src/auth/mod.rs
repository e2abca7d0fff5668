//! Who is asking, and what they may do.
//!
//! ```text
//!              ┌► certificate ──────────────────────┐
//! what is sent ┼► token       ─ keys (reloaded)     ├► Identity ─► what a token grants, access rules ─► may or may not
//!              └► htpasswd    ─ users (reloaded)    │
//!                    └► verifier (bcrypt, once) ────┘
//! ```
//! Each is an [`Authenticator`]; they are asked in this order. What is slow to verify goes through the [`verifier`].
//! It knows no routes, no status numbers and no metrics. Certificates were verified by `tls`; here they are names.

pub mod access;
mod authenticator;
mod basic;
mod certificate;
mod htpasswd;
mod pattern;
mod settings;
#[cfg(test)]
mod tests;
pub(crate) mod token;
mod verifier;
mod watching;

use std::sync::Arc;

use roadstead_oci::RepositoryName;

use self::access::{Action, Identity, Rules};
use self::authenticator::{Answer, Authenticator, Files};
pub use self::authenticator::{Challenge, Presented, Refusal};
use self::certificate::Certificate;
pub use self::htpasswd::UsersError;
pub use self::settings::{Htpasswd, Login, TokenAuth};
pub use self::token::TokenKeysError;
pub use self::watching::Watching;

/// Tells who is asking and what they may do.
pub struct Auth {
    /// In the order in which they are asked.
    authenticators: Vec<Arc<dyn Authenticator>>,
    /// Nobody is asked who they are.
    is_open: bool,
    rules: Option<Rules>,
}

/// Whether somebody may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    /// Another token could grant it.
    OutOfScope,
    /// By the rules, whatever is shown.
    Denied,
}

/// Why it cannot be told who is asking.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error(transparent)]
    TokenKeys(#[from] TokenKeysError),
}

impl Auth {
    /// `certificates_log_in`: a client's certificate is as good as a password or a token. Where there is no `login`
    /// it names the user in any case. `Watching` has to be run for changes of files to be seen.
    pub fn new(
        login: &Login,
        certificates_log_in: bool,
        rules: Option<Rules>,
    ) -> Result<(Self, Watching), AuthError> {
        let is_open = login.is_none();
        let mut authenticators: Vec<Arc<dyn Authenticator>> = Vec::new();
        let mut watched: Vec<(Arc<dyn Authenticator>, _)> = Vec::new();
        if certificates_log_in || is_open {
            authenticators.push(Arc::new(Certificate));
        }
        if let Some(settings) = &login.token {
            let (tokens, watcher) = token::Tokens::load(settings)?;
            watched.push((Arc::new(tokens), watcher));
        }
        if let Some(settings) = &login.htpasswd {
            let (passwords, watcher) = htpasswd::Passwords::load(settings)?;
            watched.push((Arc::new(passwords), watcher));
        }
        authenticators.extend(watched.iter().map(|(authenticator, _)| Arc::clone(authenticator)));
        let auth = Auth {
            authenticators,
            is_open,
            rules,
        };
        Ok((auth, Watching(watched)))
    }

    /// How somebody who sent this can log in; `None`: nobody is asked who they are.
    ///
    /// It is one challenge, also where there are several ways: of two, docker follows both, so that a token server which
    /// does not know a user of the htpasswd file keeps them out, and everyone else follows one alone, some the first and some
    /// Bearer (docs/clients.md has the table). Whoever chose a scheme is told of that one. Everyone else is sent
    /// to the token server, for a client that is told nothing of it can have no token, while a password can be sent unasked.
    pub fn challenge(&self, presented: &Presented<'_>) -> Option<Challenge<'_>> {
        let challenges = || {
            self.authenticators
                .iter()
                .filter_map(|authenticator| authenticator.challenge())
        };
        let chosen = challenges().find(|challenge| presented.credentials(challenge.scheme()).is_some());
        chosen.or_else(|| challenges().next())
    }

    pub async fn authenticate(&self, mut presented: Presented<'_>) -> Result<Identity, Refusal> {
        if presented.is_void {
            return Err(Refusal::VoidCertificate);
        }
        if self.is_open {
            // As with registry:2, where nobody asks for it, it says nothing.
            presented.authorization = None;
        }
        for authenticator in &self.authenticators {
            match authenticator.authenticate(presented).await {
                Answer::Is(identity) => return Ok(identity),
                Answer::Refused(refusal) => return Err(refusal),
                Answer::NotMine => {}
            }
        }
        match presented.authorization {
            None if self.is_open => Ok(Identity::Anonymous),
            None => Err(Refusal::NoCredentials),
            Some(_) => Err(Refusal::Unreadable),
        }
    }

    /// Whether somebody may do this there. Without rules whoever came in may do everything, as with registry:2;
    /// with a token, what it grants.
    pub fn authorize(&self, identity: &Identity, repository: &RepositoryName, action: Action) -> Decision {
        if let Identity::Bearer(bearer) = identity
            && !bearer.grants.allow(repository, action)
        {
            return Decision::OutOfScope;
        }
        match self.rules_allow(identity, repository, action) {
            true => Decision::Allowed,
            false => Decision::Denied,
        }
    }

    /// Whether somebody may ask which repositories there are.
    pub fn authorize_catalog(&self, identity: &Identity) -> Decision {
        match identity {
            Identity::Bearer(bearer) if !bearer.grants.allow_catalog() => Decision::OutOfScope,
            Identity::Bearer(_) | Identity::User(_) | Identity::Anonymous => Decision::Allowed,
        }
    }

    /// Whether somebody who may ask is told of this one: a token for the catalog names no repositories, and the
    /// rules still take theirs out.
    pub fn shows(&self, identity: &Identity, repository: &RepositoryName) -> bool {
        self.rules_allow(identity, repository, Action::Pull)
    }

    fn rules_allow(&self, identity: &Identity, repository: &RepositoryName, action: Action) -> bool {
        self.rules
            .as_ref()
            .is_none_or(|rules| rules.allow(identity, repository, action))
    }

    fn files(&self) -> impl Iterator<Item = &dyn Files> {
        self.authenticators
            .iter()
            .filter_map(|authenticator| authenticator.files())
    }

    /// How many lines of the file of users let nobody in; `None` where there is no such file.
    pub fn unusable_lines(&self) -> Option<usize> {
        self.files().find_map(Files::unusable_lines)
    }

    /// What changed files are of, and how often some could not be used.
    pub fn reload_failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.files().map(|files| (files.name(), files.failures()))
    }
}

/// What is wrong with the files that say who may log in, for who asks before they are used. What keeps the server from
/// starting is an error, what does not is in the list.
pub fn look_at(login: &Login) -> Result<Vec<String>, AuthError> {
    if let Some(settings) = &login.token {
        token::Tokens::load(settings)?;
    }
    let problems = login.htpasswd.as_ref().map(htpasswd::look_at).transpose()?;
    Ok(problems.unwrap_or_default())
}
