//! The contract of a way to log in.

use std::net::IpAddr;

use futures::future::{BoxFuture, Either, Ready, ready};

use super::TokenAuth;
use super::access::Identity;
use crate::watch::{Fingerprint, Reason};

/// One way to log in. They are asked in order, and the first that does not say [`Answer::NotMine`] decides.
///
/// Whether credentials are its own an authenticator tells by their form alone, before it verifies anything: the scheme of the
/// header, or how a secret begins. From then on its word is final. So the order decides nothing but which of two
/// claims is heard, and nobody gets in by one authenticator whom another has refused.
pub(crate) trait Authenticator: Send + Sync {
    /// Who somebody is who shows this.
    fn authenticate<'a>(&'a self, presented: Presented<'a>) -> Answering<'a>;

    /// What a client without credentials is told to send. `None`: nothing that stands in a header.
    fn challenge(&self) -> Option<Challenge<'_>> {
        None
    }

    /// The files that it goes by.
    fn files(&self) -> Option<&dyn Files> {
        None
    }
}

/// What an authenticator says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Is(Identity),
    /// Nothing that it knows how to verify: the next one is asked.
    NotMine,
    /// They are its own, and nobody is let in by them. That it is busy is a refusal too.
    Refused(Refusal),
}

/// An answer that is there, or that has to be waited for: what is known already costs no memory.
pub(crate) type Answering<'a> = Either<Ready<Answer>, BoxFuture<'a, Answer>>;

pub(super) fn at_once<'a>(answer: Answer) -> Answering<'a> {
    Either::Left(ready(answer))
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

impl<'a> Presented<'a> {
    /// What the header says after this scheme; `None`: it is of another, or there is no such header.
    pub(super) fn credentials(&self, scheme: &str) -> Option<&'a str> {
        let header = std::str::from_utf8(self.authorization?).ok()?;
        let (sent, credentials) = header.split_once(' ')?;
        sent.eq_ignore_ascii_case(scheme).then(|| credentials.trim())
    }
}

/// How somebody can log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge<'a> {
    Basic { realm: &'a str },
    Bearer(&'a TokenAuth),
}

impl Challenge<'_> {
    /// Of the header.
    pub(super) fn scheme(&self) -> &'static str {
        match self {
            Challenge::Basic { .. } => "Basic",
            Challenge::Bearer(_) => "Bearer",
        }
    }
}

/// Why somebody was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing was sent: the usual first request of every client.
    NoCredentials,
    /// A scheme that nobody claims, or damaged.
    Unreadable,
    WrongCredentials,
    /// Forged, expired, of another issuer, for another service.
    InvalidToken,
    /// It has expired, or its CA is not trusted any more.
    VoidCertificate,
    /// A good token that does not grant this.
    InsufficientScope,
    /// Too many credentials are waiting to be verified.
    Busy,
}

/// Files that say who may log in, read again when they change.
pub(crate) trait Files: Send + Sync {
    /// As metrics name them.
    fn name(&self) -> &'static str;

    fn fingerprint(&self) -> Fingerprint;

    /// Whether they could be used. Broken ones never replace good ones.
    fn reload(&self, reason: Reason) -> bool;

    /// How often changed ones could not be used.
    fn failures(&self) -> u64;

    /// How many lines let nobody in; `None` where there are no lines.
    fn unusable_lines(&self) -> Option<usize> {
        None
    }
}
