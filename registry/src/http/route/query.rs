//! The query of a URL.

use percent_encoding::percent_decode_str;

use super::{Paging, RouteError};

/// Parameters in the order in which they stand.
pub(super) struct Query<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Query<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        // A second question mark, too: scripts put `?digest=` behind a `Location` that has a query already.
        let pairs = text.split(['&', '?']).filter(|pair| !pair.is_empty());
        Query(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.all(name).next()
    }

    /// A plus sign is a plus sign: artifact types end in `+json`, nothing here holds a space, and who types such a
    /// URL by hand does not encode it.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = String> {
        let values = self.0.iter().filter(move |(key, _)| *key == name);
        values.map(|(_, value)| percent_decode_str(value).decode_utf8_lossy().into_owned())
    }

    pub(super) fn paging(&self) -> Result<Paging, RouteError> {
        let n = self.get("n").filter(|text| !text.is_empty());
        let n = n.map(|text| {
            text.parse()
                .map_err(|_| RouteError::Number(super::path::excerpt(&text)))
        });
        Ok(Paging {
            n: n.transpose()?,
            last: self.get("last").filter(|text| !text.is_empty()),
        })
    }
}
