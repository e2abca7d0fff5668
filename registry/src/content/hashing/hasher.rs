//! Hashing content while it passes, with a state that can be saved and taken up by another process.

use roadstead_oci::{Algorithm, Digest};
use serde::{Deserialize, Serialize};
use sha2::digest::common::hazmat::{DeserializeStateError, SerializableState, SerializedState};
use sha2::{Digest as _, Sha256, Sha512};

use crate::storage::Saved;

/// A hash of what has passed so far.
#[derive(Clone)]
pub(in crate::content) enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    pub(in crate::content) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    pub(in crate::content) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    pub(in crate::content) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    pub(in crate::content) fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest::sha256(hasher.finalize().into()),
            Self::Sha512(hasher) => Digest::sha512(hasher.finalize().into()),
        }
    }

    pub(in crate::content) fn save(&self) -> HashState {
        match self {
            Self::Sha256(hasher) => HashState::Sha256(base16ct::lower::encode_string(&hasher.serialize())),
            Self::Sha512(hasher) => HashState::Sha512(base16ct::lower::encode_string(&hasher.serialize())),
        }
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Hasher({})", self.algorithm())
    }
}

/// A saved [`Hasher`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::content) enum HashState {
    Sha256(String),
    Sha512(String),
}

/// The state was written by nobody who knows how.
#[derive(Debug, thiserror::Error)]
#[error("not the state of a hash")]
pub(in crate::content) struct BadState;

impl HashState {
    /// As the store keeps it.
    pub(in crate::content) fn into_saved(self) -> Saved {
        serde_json::to_value(self).expect("texts are always JSON")
    }

    pub(in crate::content) fn resume(&self) -> Result<Hasher, BadState> {
        match self {
            Self::Sha256(hex) => Ok(Hasher::Sha256(resume(hex)?)),
            Self::Sha512(hex) => Ok(Hasher::Sha512(resume(hex)?)),
        }
    }
}

fn resume<H: SerializableState>(hex: &str) -> Result<H, BadState> {
    let bytes = base16ct::lower::decode_vec(hex).map_err(|_| BadState)?;
    let state = SerializedState::<H>::try_from(&bytes[..]).map_err(|_| BadState)?;
    H::deserialize(&state).map_err(|DeserializeStateError| BadState)
}

#[cfg(test)]
mod tests {
    use super::super::digest_of;
    use super::*;

    #[test]
    fn a_hash_goes_on_from_its_saved_state_wherever_it_was_cut() {
        let bytes: Vec<u8> = (0..1000_u32).map(|number| number.to_le_bytes()[0]).collect();
        for algorithm in Algorithm::ALL {
            let whole = digest_of(algorithm, &bytes);
            for cut in [0, 1, 63, 64, 65, 127, 128, 500, 1000] {
                let mut hasher = Hasher::new(algorithm);
                hasher.update(&bytes[..cut]);
                let mut hasher = hasher.save().resume().unwrap();
                hasher.update(&bytes[cut..]);
                assert_eq!(hasher.finish(), whole, "{algorithm} cut at {cut}");
            }
        }
    }

    #[test]
    fn known_answers() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest_of(Algorithm::Sha256, b"").to_string(), empty);
        assert!(
            digest_of(Algorithm::Sha512, b"abc")
                .to_string()
                .starts_with("sha512:ddaf35a193617abacc417349")
        );
    }

    #[test]
    fn a_damaged_state_is_refused() {
        for hex in ["", "00", "zz", "é"] {
            assert!(HashState::Sha256(hex.to_owned()).resume().is_err(), "{hex:?}");
        }
    }
}
