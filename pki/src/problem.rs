//! What can be wrong with a certificate or a key, in words that say what to do about it.

use jiff::Timestamp;

/// A defect of a certificate, a chain or a key.
///
/// `Display` is a sentence for the person who has to mend it; [`Problem::reason`] is the same as one word,
/// for conditions and metrics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No certificate in the input.
    #[error("no certificate found: expected PEM that begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// The certificate's PEM or DER does not parse.
    #[error("the certificate cannot be read ({cause}): it must be PEM, leaf first, then its intermediates")]
    UnreadableCertificate {
        /// What the parser said.
        cause: String,
    },
    /// No private key in the input, or one that does not parse.
    #[error("the private key cannot be read ({cause}): it must be unencrypted PEM (PKCS#8, PKCS#1 or SEC1)")]
    UnreadableKey {
        /// What the parser said; never any part of the key.
        cause: String,
    },
    /// The key is not the leaf's.
    #[error(
        "the private key does not match the certificate of {subject}: use the key that it was requested with"
    )]
    KeyMismatch {
        /// Whose certificate.
        subject: String,
    },
    /// The certificate's time is over.
    #[error("the certificate of {subject} expired at {not_after}: renew it")]
    Expired {
        /// Whose certificate.
        subject: String,
        /// When it ended.
        not_after: Timestamp,
    },
    /// The certificate's time has not come.
    #[error("the certificate of {subject} is not valid before {not_before}: check this machine's clock")]
    NotYetValid {
        /// Whose certificate.
        subject: String,
        /// When it begins.
        not_before: Timestamp,
    },
    /// A certificate after the leaf whose time is over or has not come. Clients that know another way to a root never
    /// look at it: an expired cross-signature is the usual case.
    #[error(
        "the certificate of {subject}, which follows the server's own, is valid only from {not_before} to {not_after}: \
         replace it, or remove it where clients do not need it"
    )]
    ChainUntimely {
        /// Whose certificate.
        subject: String,
        /// When it begins.
        not_before: Timestamp,
        /// When it ends.
        not_after: Timestamp,
    },
    /// A certificate of X.509 version 1, which has no extensions: what `openssl x509 -req` makes when it is given none.
    #[error(
        "the certificate of {subject} is of X.509 version 1, which current clients and servers refuse: issue it again with \
         extensions (openssl x509 -req … -extfile FILE), subjectAltName among them"
    )]
    OldVersion {
        /// Whose certificate.
        subject: String,
    },
    /// An RSA key that is too short for this program to sign with.
    #[error(
        "the RSA key of the certificate of {subject} is too short ({bits} bits, 2048 is the least): make a new key, and issue \
         the certificate again for it"
    )]
    ShortKey {
        /// Whose certificate.
        subject: String,
        /// How long it is.
        bits: usize,
    },
    /// Text that begins with a mark of Windows' editors. Most programs then find nothing in it.
    #[error(
        "the file of the certificate of {subject}, or of its key, begins with a byte order mark or is in UTF-16, which other \
         programs do not read: save it as plain ASCII"
    )]
    ByteOrderMark {
        /// Whose certificate.
        subject: String,
    },
    /// Clients stopped reading the common name years ago (RFC 6125; Go since 1.15).
    #[error(
        "the certificate of {subject} has no subjectAltName: issue it again with one, clients ignore its common name"
    )]
    NoSubjectAltName {
        /// Whose certificate.
        subject: String,
    },
    /// The chain ends at an issuer that is neither in it nor a known root.
    #[error(
        "the chain ends at {issuer}, which is neither in it nor a known root: append that intermediate to the certificate file"
    )]
    MissingIntermediate {
        /// Who issued the chain's last certificate.
        issuer: String,
    },
    /// A certificate is followed by one that did not issue it.
    #[error(
        "the certificate of {subject} is not signed by the next in the file, {next}: order them leaf first, each followed by its issuer"
    )]
    BrokenChain {
        /// Whose certificate.
        subject: String,
        /// The one after it.
        next: String,
    },
    /// The extended key usage leaves TLS servers out.
    #[error(
        "the certificate of {subject} may not be used by a TLS server: issue it with extendedKeyUsage serverAuth"
    )]
    NotForServers {
        /// Whose certificate.
        subject: String,
    },
    /// An RSA key under 2048 bits, or a signature over SHA-1 or MD5: current clients refuse both.
    #[error("the certificate of {subject} is too weak for current clients ({what}): issue it again")]
    Weak {
        /// Whose certificate.
        subject: String,
        /// What is weak.
        what: String,
    },
    /// A certificate that was given as an authority is not one.
    #[error("the certificate of {subject} is not a certificate authority: give the CA's own certificate")]
    NotAnAuthority {
        /// Whose certificate.
        subject: String,
    },
}

impl Problem {
    /// The problem as one CamelCase word: a condition's reason, a metric's label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoCertificate => "NoCertificate",
            Self::UnreadableCertificate { .. } => "UnreadableCertificate",
            Self::UnreadableKey { .. } => "UnreadableKey",
            Self::KeyMismatch { .. } => "KeyMismatch",
            Self::Expired { .. } => "Expired",
            Self::NotYetValid { .. } => "NotYetValid",
            Self::ChainUntimely { .. } => "ChainUntimely",
            Self::OldVersion { .. } => "OldVersion",
            Self::ShortKey { .. } => "ShortKey",
            Self::ByteOrderMark { .. } => "ByteOrderMark",
            Self::NoSubjectAltName { .. } => "NoSubjectAltName",
            Self::MissingIntermediate { .. } => "MissingIntermediate",
            Self::BrokenChain { .. } => "BrokenChain",
            Self::NotForServers { .. } => "NotForServers",
            Self::Weak { .. } => "Weak",
            Self::NotAnAuthority { .. } => "NotAnAuthority",
        }
    }

    /// Whether no client that verifies could complete a handshake with it. The rest fails for some clients only, or
    /// may be mended at their end.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::NoCertificate
            | Self::UnreadableCertificate { .. }
            | Self::UnreadableKey { .. }
            | Self::KeyMismatch { .. }
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::NotForServers { .. }
            | Self::ShortKey { .. }
            | Self::NotAnAuthority { .. } => true,
            Self::ChainUntimely { .. }
            | Self::OldVersion { .. }
            | Self::ByteOrderMark { .. }
            | Self::NoSubjectAltName { .. }
            | Self::MissingIntermediate { .. }
            | Self::BrokenChain { .. }
            | Self::Weak { .. } => false,
        }
    }
}
