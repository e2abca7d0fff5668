//! Client certificates as a way to log in. That they are good was found by `tls`; here they are names.

use super::access::Identity;
use super::authenticator::{Answer, Answering, Authenticator, Presented, at_once};

/// Takes the name in a certificate for the user's, where no header says anything else: whoever says who they are is taken
/// at their word, and the word must be good. A password that is wrong is not made up for by a certificate.
pub(super) struct Certificate;

impl Authenticator for Certificate {
    fn authenticate<'a>(&'a self, presented: Presented<'a>) -> Answering<'a> {
        let user = presented
            .certificate
            .filter(|_| presented.authorization.is_none());
        at_once(user.map_or(Answer::NotMine, |user| {
            Answer::Is(Identity::User(user.to_owned()))
        }))
    }
}
