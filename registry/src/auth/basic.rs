//! The header `Authorization: Basic …` (RFC 7617).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A name and a password that somebody sent. Not `Debug`: a password must not get into a log.
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

/// `None`: the header is of another scheme, or damaged.
pub(super) fn parse(header: &[u8]) -> Option<Credentials> {
    let header = std::str::from_utf8(header).ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
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

    fn parsed(header: &str) -> Option<(String, String)> {
        parse(header.as_bytes()).map(|credentials| (credentials.user, credentials.password))
    }

    #[test]
    fn a_password_may_hold_colons() {
        let expected = Some(("Aladdin".to_owned(), "open:sesame".to_owned()));
        assert_eq!(parsed("Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ=="), expected);
        assert_eq!(parsed("basic  QWxhZGRpbjpvcGVuOnNlc2FtZQ== "), expected);
    }

    #[test]
    fn what_is_not_basic_is_nothing() {
        for header in [
            "",
            "Basic",
            "Basic !",
            "Bearer QTpC",
            "Basic QQ==",
            "Basic /////w==",
        ] {
            assert_eq!(parsed(header), None, "{header}");
        }
        assert!(parse(b"Basic \xff").is_none());
    }
}
