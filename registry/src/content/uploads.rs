//! Uploads: blobs on their way.

use std::fmt;
use std::str::FromStr;

/// The name of an upload: a UUID that cannot be guessed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(String);

/// The text is not the name of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an upload")]
pub struct NotAnUploadId;

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for UploadId {
    type Err = NotAnUploadId;

    fn from_str(text: &str) -> Result<Self, NotAnUploadId> {
        let is_place = |(at, byte): (usize, u8)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        };
        if text.len() == 36 && text.bytes().enumerate().all(is_place) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnUploadId)
        }
    }
}
