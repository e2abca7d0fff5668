//! Who is asking, and what they may do.
//!
//! ```text
//! Authorization ─► basic ─► verifier ─► Identity ─► access rules ─► may or may not
//!                             ▲
//!                  users (htpasswd file, reloaded)
//! ```
//! It knows no routes, no status numbers and no metrics.

pub mod access;
mod basic;
mod pattern;
mod users;
mod verifier;

use std::sync::Arc;
use std::time::Duration;

use roadstead_oci::RepositoryName;

use self::access::{Action, Identity, Rules};
use self::users::Users;
pub use self::users::UsersError;
use self::verifier::{Verdict, Verifier};
use crate::config;
use crate::watch::{self, Watcher};

/// Tells who is asking and what they may do.
pub struct Auth {
    door: Option<Door>,
    rules: Option<Rules>,
}

/// What stands before everything when there are users.
struct Door {
    realm: String,
    users: Arc<Users>,
    verifier: Arc<Verifier>,
}

/// Why somebody was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing was sent: the usual first request of every client.
    NoCredentials,
    /// Another scheme, or damaged.
    Unreadable,
    WrongCredentials,
    /// Too many passwords are waiting to be verified.
    Busy,
}

impl Auth {
    /// `Watching` has to be run for changes of the file of users to be seen.
    pub fn new(
        htpasswd: Option<&config::Htpasswd>,
        rules: Option<Rules>,
    ) -> Result<(Self, Watching), UsersError> {
        let Some(htpasswd) = htpasswd else {
            return Ok((Auth { door: None, rules }, Watching(None)));
        };
        let (users, watcher) = Users::load(&htpasswd.path)?;
        let users = Arc::new(users);
        let verifier = Verifier::new(Arc::clone(&users));
        let door = Door {
            realm: htpasswd.realm.clone(),
            users: Arc::clone(&users),
            verifier,
        };
        Ok((
            Auth {
                door: Some(door),
                rules,
            },
            Watching(Some((users, watcher))),
        ))
    }

    /// `None`: nobody is asked who they are.
    pub fn realm(&self) -> Option<&str> {
        self.door.as_ref().map(|door| door.realm.as_str())
    }

    /// `header` is the value of `Authorization`.
    pub async fn authenticate(&self, header: Option<&[u8]>) -> Result<Identity, Refusal> {
        let Some(door) = &self.door else {
            return Ok(Identity::Anonymous);
        };
        let header = header.ok_or(Refusal::NoCredentials)?;
        let credentials = basic::parse(header).ok_or(Refusal::Unreadable)?;
        let user = credentials.user.clone();
        match door.verifier.verify(credentials).await {
            Verdict::Right => Ok(Identity::User(user)),
            Verdict::Wrong => Err(Refusal::WrongCredentials),
            Verdict::Busy => Err(Refusal::Busy),
        }
    }

    /// Whether somebody may do this there. Without rules whoever came in may do everything, as with registry:2.
    pub fn authorize(&self, identity: &Identity, repository: &RepositoryName, action: Action) -> bool {
        self.rules
            .as_ref()
            .is_none_or(|rules| rules.allow(identity, repository, action))
    }

    /// How often a changed file of users could not be used.
    pub fn reload_failures(&self) -> u64 {
        self.door.as_ref().map_or(0, |door| door.users.failures())
    }
}

/// Looks at the file of users.
#[must_use = "changes of the file of users are seen only while this runs"]
pub struct Watching(Option<(Arc<Users>, Watcher)>);

impl Watching {
    /// Ends only when there is nothing to look at.
    pub async fn run(self) {
        self.run_every(watch::INTERVAL).await;
    }

    pub(crate) async fn run_every(self, interval: Duration) {
        if let Some((users, watcher)) = self.0 {
            users.watch(watcher, interval).await;
        }
    }
}
