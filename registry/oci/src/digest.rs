//! Content addresses: `sha256:<64 hex>` and `sha512:<128 hex>`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A hash function that a content address may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    Sha256,
    Sha512,
}

/// How long what stands before the hex is: both algorithms' names have six letters.
const PREFIX: usize = 7;

impl Algorithm {
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn prefix(self) -> &'static [u8; PREFIX] {
        match self {
            Self::Sha256 => b"sha256:",
            Self::Sha512 => b"sha512:",
        }
    }

    fn output_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| DigestError::UnknownAlgorithm(shorten(text)))
    }
}

/// The address of some content: the algorithm and the hash. Small and `Copy`, ordered as its text is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(Hash);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Hash {
    Sha256([u8; 32]),
    Sha512([u8; 64]),
}

/// Why a text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DigestError {
    #[error("a digest is written algorithm:hex, got {0:?}")]
    NoColon(String),
    #[error("digest algorithm {0:?} is not supported, use sha256 or sha512")]
    UnknownAlgorithm(String),
    #[error("a {algorithm} digest has {expected} hex digits, got {got}")]
    WrongLength {
        algorithm: Algorithm,
        expected: usize,
        got: usize,
    },
    #[error("a digest is written in hex digits 0-9 and a-f (lower case), got {0:?}")]
    NotHex(char),
}

impl Digest {
    pub fn sha256(hash: [u8; 32]) -> Self {
        Self(Hash::Sha256(hash))
    }

    pub fn sha512(hash: [u8; 64]) -> Self {
        Self(Hash::Sha512(hash))
    }

    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            Hash::Sha256(_) => Algorithm::Sha256,
            Hash::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// The raw hash: 32 or 64 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Hash::Sha256(hash) => hash,
            Hash::Sha512(hash) => hash,
        }
    }

    /// The hash in lower-case hex, without the algorithm.
    pub fn hex(&self) -> String {
        self.with_text(|text| text[PREFIX..].to_owned())
    }

    /// Joins an algorithm and hex digits, as they stand in a path of the store.
    pub fn from_parts(algorithm: Algorithm, hex: &str) -> Result<Self, DigestError> {
        let expected = algorithm.output_len() * 2;
        if hex.len() != expected {
            return Err(DigestError::WrongLength {
                algorithm,
                expected,
                got: hex.chars().count(),
            });
        }
        Ok(Self(match algorithm {
            Algorithm::Sha256 => Hash::Sha256(decode_hex(hex)?),
            Algorithm::Sha512 => Hash::Sha512(decode_hex(hex)?),
        }))
    }

    /// Hands the whole text over in one piece: it is written several times for each answer.
    fn with_text<T>(&self, job: impl FnOnce(&str) -> T) -> T {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let hash = self.as_bytes();
        let mut text = [0; PREFIX + 128];
        text[..PREFIX].copy_from_slice(self.algorithm().prefix());
        for (pair, byte) in text[PREFIX..].chunks_exact_mut(2).zip(hash) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        let text = &text[..PREFIX + hash.len() * 2];
        job(str::from_utf8(text).expect("hex digits are ASCII"))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| formatter.write_str(text))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = text
            .split_once(':')
            .ok_or_else(|| DigestError::NoColon(shorten(text)))?;
        Self::from_parts(algorithm.parse()?, hex)
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// What a hexadecimal digit stands for, by its character; [`NO_DIGIT`] for others.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};
const NO_DIGIT: u8 = 0xF0;

/// By a table: to branch on each digit of a random number is to guess wrong most of the time, and a page of tags has
/// hundreds of thousands of them.
fn decode_hex<const N: usize>(hex: &str) -> Result<[u8; N], DigestError> {
    let mut hash = [0; N];
    let mut all = 0;
    for (byte, pair) in hash.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
        *byte = (high << 4) | (low & 15);
        all |= high | low;
    }
    match all & NO_DIGIT {
        0 => Ok(hash),
        _ => Err(DigestError::NotHex(first_not_hex(hex))),
    }
}

fn first_not_hex(hex: &str) -> char {
    hex.chars()
        .find(|c| !matches!(c, '0'..='9' | 'a'..='f'))
        .unwrap_or('?')
}

/// Error messages quote what a client sent, but never a megabyte of it.
fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_keeps_its_text() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(digest.algorithm(), Algorithm::Sha256);
        assert_eq!(digest.as_bytes()[..2], [0xe3, 0xb0]);
    }

    #[test]
    fn what_is_not_a_digest_is_refused_with_the_reason() {
        let upper = EMPTY.to_uppercase().replace("SHA256", "sha256");
        let cases: [(&str, &str); 7] = [
            ("", "a digest is written algorithm:hex, got \"\""),
            ("e3b0", "a digest is written algorithm:hex, got \"e3b0\""),
            (
                "md5:00",
                "digest algorithm \"md5\" is not supported, use sha256 or sha512",
            ),
            (
                "SHA256:00",
                "digest algorithm \"SHA256\" is not supported, use sha256 or sha512",
            ),
            ("sha256:00", "a sha256 digest has 64 hex digits, got 2"),
            ("sha512:00", "a sha512 digest has 128 hex digits, got 2"),
            (
                &upper,
                "a digest is written in hex digits 0-9 and a-f (lower case), got 'E'",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(
                text.parse::<Digest>().unwrap_err().to_string(),
                message,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_wide_character_of_the_right_length_is_refused_without_a_panic() {
        let text = format!("sha256:{}é", "0".repeat(62));
        assert_eq!(text.parse::<Digest>(), Err(DigestError::NotHex('é')));
    }

    fn any_digest() -> impl Strategy<Value = Digest> {
        prop_oneof![
            any::<[u8; 32]>().prop_map(Digest::sha256),
            (any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(a, b)| {
                let mut hash = [0; 64];
                hash[..32].copy_from_slice(&a);
                hash[32..].copy_from_slice(&b);
                Digest::sha512(hash)
            }),
        ]
    }

    proptest! {
        #[test]
        fn parsing_what_is_displayed_gives_the_same_digest(digest in any_digest()) {
            prop_assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
        }

        #[test]
        fn digests_are_ordered_as_their_texts(a in any_digest(), b in any_digest()) {
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn whatever_parses_is_displayed_unchanged(text in "(sha256|sha512|md5):?[0-9a-fA-Gé]{0,130}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
