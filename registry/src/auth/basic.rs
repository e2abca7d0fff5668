//! What the header `Authorization: Basic …` holds (RFC 7617).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A name and a password that somebody sent. Not `Debug`: a password must not get into a log.
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

/// What stands after the scheme; `None`: it is damaged.
pub(super) fn decode(encoded: &str) -> Option<Credentials> {
    let decoded = BASE64_STANDARD.decode(encoded).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credentials {
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoded: &str) -> Option<(String, String)> {
        decode(encoded).map(|credentials| (credentials.user, credentials.password))
    }

    #[test]
    fn a_password_may_hold_colons() {
        let expected = Some(("Aladdin".to_owned(), "open:sesame".to_owned()));
        assert_eq!(decoded("QWxhZGRpbjpvcGVuOnNlc2FtZQ=="), expected);
    }

    #[test]
    fn what_is_damaged_is_nothing() {
        for encoded in ["", "!", "QQ==", "/////w==", "QWxhZGRpbjpvcGVuOnNlc2FtZQ"] {
            assert_eq!(decoded(encoded), None, "{encoded}");
        }
    }
}
