//! Passwords by bcrypt, which is slow on purpose.

use std::sync::Arc;

use aws_lc_rs::hmac;

use super::users::Users;
use crate::auth::basic::Credentials;
use crate::auth::verifier::{Finding, Limits, Line, Verifier, Verify};
use crate::workers::{self, Workers};

/// Cores that bcrypt may have at most.
const CORES: usize = 32;

/// Verifies passwords by the users that hold now.
pub(super) struct Bcrypt {
    pub(super) users: Arc<Users>,
    workers: Workers,
}

/// A user, and the hash that a password is right for.
pub(super) struct Known {
    pub(super) user: String,
    hash: Box<str>,
}

/// All cores but one, and one of them alone for hashes that are dearer than usual.
pub(super) fn verifier(users: Arc<Users>) -> Arc<Verifier<Bcrypt>> {
    let cores = (workers::cores() - 1).clamp(1, CORES);
    let limits = Limits {
        at_once: cores,
        dear_at_once: 1,
    };
    let workers = Workers::new("password", limits.at_once + limits.dear_at_once);
    Verifier::new(Bcrypt { users, workers }, limits)
}

impl Verify for Bcrypt {
    type Secret = Credentials;
    type Proof = Known;

    fn digest(credentials: &Credentials, into: &mut hmac::Context) {
        // The length keeps ("ab", "c") from ("a", "bc").
        into.update(&(credentials.user.len() as u64).to_le_bytes());
        into.update(credentials.user.as_bytes());
        into.update(credentials.password.as_bytes());
    }

    /// All names that nobody has are one.
    fn line(&self, credentials: &Credentials) -> Line {
        let users = self.users.current();
        let is_known = users.htpasswd.hash(&credentials.user).is_some();
        Line {
            name: is_known.then(|| credentials.user.as_str().into()),
            is_dear: users.htpasswd.is_dear(&credentials.user),
        }
    }

    async fn verify(&self, credentials: Arc<Credentials>) -> Finding<Known> {
        let users = self.users.current();
        let verified = self.workers.spawn(move || {
            let Credentials { user, password } = &*credentials;
            let is_right = users.htpasswd.verify(user, password);
            users.htpasswd.hash(user).filter(|_| is_right).map(|hash| Known {
                user: user.clone(),
                hash: hash.into(),
            })
        });
        match verified.await {
            Ok(Some(known)) => Finding::Right(known),
            Ok(None) => Finding::Wrong,
            // It died.
            Err(_) => Finding::Unknown,
        }
    }

    fn holds(&self, known: &Known) -> bool {
        self.users.current().htpasswd.hash(&known.user) == Some(&*known.hash)
    }

    fn generation(&self) -> u64 {
        self.users.number()
    }
}
