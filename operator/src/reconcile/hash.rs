//! Names for content.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// SHA-256 over the JSON of a value, as hexadecimal digits.
pub(crate) fn hash<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_vec(value).expect("what is hashed here is plain JSON");
    base16ct::lower::encode_string(&Sha256::digest(json))
}

/// Enough of it to tell contents of one object apart.
pub(crate) fn short_hash<T: Serialize>(value: &T) -> String {
    hash(value)[..16].to_owned()
}
