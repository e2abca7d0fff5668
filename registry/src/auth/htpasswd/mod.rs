//! Names and passwords (`Authorization: Basic …`) against a file of users with bcrypt hashes.

mod bcrypt;
#[cfg(test)]
mod tests;
mod users;

use std::sync::Arc;

use futures::FutureExt as _;

use self::bcrypt::{Bcrypt, Known};
use self::users::Users;
pub use self::users::UsersError;
use super::Htpasswd;
use super::access::Identity;
use super::authenticator::{Answer, Answering, Authenticator, Challenge, Files, Presented, Refusal, at_once};
use super::basic;
use super::verifier::{Verdict, Verifier};
use crate::watch::Watcher;

/// Verifies passwords with the users that hold now.
pub(super) struct Passwords {
    realm: String,
    users: Arc<Users>,
    verifier: Arc<Verifier<Bcrypt>>,
}

impl Passwords {
    pub(super) fn load(settings: &Htpasswd) -> Result<(Self, Watcher), UsersError> {
        let (users, watcher) = Users::load(&settings.path)?;
        let users = Arc::new(users);
        let passwords = Passwords {
            realm: settings.realm.clone(),
            verifier: bcrypt::verifier(Arc::clone(&users)),
            users,
        };
        Ok((passwords, watcher))
    }
}

impl Authenticator for Passwords {
    fn authenticate<'a>(&'a self, presented: Presented<'a>) -> Answering<'a> {
        let Some(encoded) = presented.credentials("Basic") else {
            return at_once(Answer::NotMine);
        };
        let Some(credentials) = basic::decode(encoded) else {
            return at_once(Answer::Refused(Refusal::Unreadable));
        };
        if let Some(verdict) = self.verifier.known(&credentials) {
            return at_once(answer(verdict));
        }
        async move { answer(self.verifier.verify(credentials, presented.peer).await) }
            .boxed()
            .right_future()
    }

    fn challenge(&self) -> Option<Challenge<'_>> {
        Some(Challenge::Basic { realm: &self.realm })
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(&*self.users)
    }
}

fn answer(verdict: Verdict<Known>) -> Answer {
    match verdict {
        Verdict::Right(known) => Answer::Is(Identity::User(known.user.clone())),
        Verdict::Wrong => Answer::Refused(Refusal::WrongCredentials),
        Verdict::Busy => Answer::Refused(Refusal::Busy),
    }
}

/// The lines of the file that let nobody in.
pub(super) fn look_at(settings: &Htpasswd) -> Result<Vec<String>, UsersError> {
    let (_, problems) = users::read(&settings.path)?;
    let path = settings.path.display();
    let named = |problem| format!("auth.htpasswd.path: {path}: {problem}; this line lets nobody in");
    Ok(problems.into_iter().map(named).collect())
}
