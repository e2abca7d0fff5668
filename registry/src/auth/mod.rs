//! Who is asking, and what they may do.
//!
//! ```text
//! Authorization ─┬► basic ─► verifier ─┬► Identity ─► what a token grants, access rules ─► may or may not
//!                │             ▲       │
//!                │      users (htpasswd file, reloaded)
//!                ├► token ─────────────┤
//!                │      keys (reloaded)│
//! certificate ───┴─────────────────────┘
//! ```
//! It knows no routes, no status numbers and no metrics. Certificates were verified by `tls`; here they are names.

pub mod access;
mod basic;
mod pattern;
mod settings;
pub(crate) mod token;
mod users;
mod verifier;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use roadstead_oci::RepositoryName;

use self::access::{Action, Identity, Rules};
pub use self::settings::{Htpasswd, Login, TokenAuth};
pub use self::token::TokenKeysError;
use self::token::Tokens;
use self::users::Users;
pub use self::users::UsersError;
use self::verifier::{Verdict, Verifier};
use crate::watch::{self, Watcher};

/// Tells who is asking and what they may do.
pub struct Auth {
    door: Option<Door>,
    certificates_log_in: bool,
    rules: Option<Rules>,
}

/// What stands before everything when there are users.
enum Door {
    Passwords(Passwords),
    Tokens(Arc<Tokens>),
}

struct Passwords {
    realm: String,
    users: Arc<Users>,
    verifier: Arc<Verifier>,
}

/// How somebody can log in.
#[derive(Clone, Copy, Debug)]
pub enum Scheme<'a> {
    Basic { realm: &'a str },
    Bearer(&'a TokenAuth),
}

/// What somebody showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Presented<'a> {
    /// The value of `Authorization`.
    pub authorization: Option<&'a [u8]>,
    /// Whom the verified certificate of the connection names.
    pub certificate: Option<&'a str>,
    /// The certificate is not good any more.
    pub is_void: bool,
    /// From where.
    pub peer: Option<IpAddr>,
}

/// Why somebody was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing was sent: the usual first request of every client.
    NoCredentials,
    /// Another scheme, or damaged.
    Unreadable,
    WrongCredentials,
    /// Forged, expired, of another issuer, for another service.
    InvalidToken,
    /// It has expired, or its CA is not trusted any more.
    VoidCertificate,
    /// A good token that does not grant this.
    InsufficientScope,
    /// Too many passwords are waiting to be verified.
    Busy,
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
        login: Option<&Login>,
        certificates_log_in: bool,
        rules: Option<Rules>,
    ) -> Result<(Self, Watching), AuthError> {
        let (door, watched) = match login {
            None => (None, None),
            Some(Login::Htpasswd(htpasswd)) => {
                let (users, watcher) = Users::load(&htpasswd.path)?;
                let users = Arc::new(users);
                let door = Door::Passwords(Passwords {
                    realm: htpasswd.realm.clone(),
                    users: Arc::clone(&users),
                    verifier: Verifier::new(Arc::clone(&users)),
                });
                (Some(door), Some((Watched::Users(users), watcher)))
            }
            Some(Login::Token(settings)) => {
                let (tokens, watcher) = Tokens::load(settings)?;
                let tokens = Arc::new(tokens);
                let door = Door::Tokens(Arc::clone(&tokens));
                (Some(door), Some((Watched::Tokens(tokens), watcher)))
            }
        };
        let auth = Auth {
            door,
            certificates_log_in,
            rules,
        };
        Ok((auth, Watching(watched)))
    }

    /// `None`: nobody is asked who they are.
    pub fn scheme(&self) -> Option<Scheme<'_>> {
        Some(match self.door.as_ref()? {
            Door::Passwords(passwords) => Scheme::Basic {
                realm: &passwords.realm,
            },
            Door::Tokens(tokens) => Scheme::Bearer(tokens.settings()),
        })
    }

    pub async fn authenticate(&self, presented: Presented<'_>) -> Result<Identity, Refusal> {
        if presented.is_void {
            return Err(Refusal::VoidCertificate);
        }
        let by_certificate = presented.certificate.map(|user| Identity::User(user.to_owned()));
        match (&self.door, presented.authorization) {
            (None, _) => Ok(by_certificate.unwrap_or(Identity::Anonymous)),
            (Some(_), None) => by_certificate
                .filter(|_| self.certificates_log_in)
                .ok_or(Refusal::NoCredentials),
            // Whoever says who they are is taken at their word, and the word must be good.
            (Some(Door::Passwords(passwords)), Some(header)) => {
                passwords.authenticate(header, presented.peer).await
            }
            (Some(Door::Tokens(tokens)), Some(header)) => by_token(tokens, header),
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

    /// How many lines of the file of users let nobody in; `None` where there is no such file.
    pub fn unusable_lines(&self) -> Option<usize> {
        match self.door.as_ref()? {
            Door::Passwords(passwords) => Some(passwords.users.unusable_lines()),
            Door::Tokens(_) => None,
        }
    }

    /// What a changed file is of, and how often one could not be used.
    pub fn reload_failures(&self) -> Option<(&'static str, u64)> {
        Some(match self.door.as_ref()? {
            Door::Passwords(passwords) => ("users", passwords.users.failures()),
            Door::Tokens(tokens) => ("token_keys", tokens.failures()),
        })
    }
}

/// What is wrong with the files that say who may log in, for who asks before they are used. What keeps the server from
/// starting is an error, what does not is in the list.
pub fn look_at(login: &Login) -> Result<Vec<String>, AuthError> {
    match login {
        Login::Htpasswd(htpasswd) => {
            let (_, problems) = users::read(&htpasswd.path)?;
            let path = htpasswd.path.display();
            let named = |problem| format!("auth.htpasswd.path: {path}: {problem}; this line lets nobody in");
            Ok(problems.into_iter().map(named).collect())
        }
        Login::Token(settings) => {
            Tokens::load(settings)?;
            Ok(Vec::new())
        }
    }
}

impl Passwords {
    async fn authenticate(&self, header: &[u8], peer: Option<IpAddr>) -> Result<Identity, Refusal> {
        let credentials = basic::parse(header).ok_or(Refusal::Unreadable)?;
        let user = credentials.user.clone();
        match self.verifier.verify(credentials, peer).await {
            Verdict::Right => Ok(Identity::User(user)),
            Verdict::Wrong => Err(Refusal::WrongCredentials),
            Verdict::Busy => Err(Refusal::Busy),
        }
    }
}

fn by_token(tokens: &Tokens, header: &[u8]) -> Result<Identity, Refusal> {
    let header = std::str::from_utf8(header).map_err(|_| Refusal::Unreadable)?;
    let (scheme, token) = header.split_once(' ').ok_or(Refusal::Unreadable)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::Unreadable);
    }
    match tokens.verify(token.trim()) {
        Ok(bearer) => Ok(Identity::Bearer(Arc::new(bearer))),
        Err(error) => {
            tracing::info!(%error, "a token was not taken");
            Err(Refusal::InvalidToken)
        }
    }
}

enum Watched {
    Users(Arc<Users>),
    Tokens(Arc<Tokens>),
}

/// Looks at the files that say who may log in.
#[must_use = "changes of the users and keys are seen only while this runs"]
pub struct Watching(Option<(Watched, Watcher)>);

impl Watching {
    /// Ends only when there is nothing to look at.
    pub async fn run(self) {
        self.run_every(watch::INTERVAL).await;
    }

    pub(crate) async fn run_every(self, interval: Duration) {
        match self.0 {
            None => {}
            Some((Watched::Users(users), watcher)) => users.watch(watcher, interval).await,
            Some((Watched::Tokens(tokens), watcher)) => tokens.watch(watcher, interval).await,
        }
    }
}
