//! JSON objects whose known keys are written exactly so.
//!
//! Go's decoder takes `Layers` for `layers`, and the last of two. A registry:2 on the same store would then see
//! other content than this program, and its garbage collection would act on that. So a key that differs from a
//! known one only in case makes the whole object invalid; serde already refuses a known key that stands twice.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use thiserror::Error;

/// The keys of an object that its type does not know.
pub(crate) type UnknownKeys = BTreeMap<String, IgnoredAny>;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("key {found:?} differs from {expected:?} only in case")]
pub(crate) struct CaseVariant {
    found: String,
    expected: &'static str,
}

pub(crate) fn refuse_case_variants(unknown: &UnknownKeys, known: &[&'static str]) -> Result<(), CaseVariant> {
    for found in unknown.keys() {
        let folded = fold(found);
        if let Some(expected) = known.iter().find(|expected| fold(expected) == folded) {
            return Err(CaseVariant {
                found: found.clone(),
                expected,
            });
        }
    }
    Ok(())
}

/// Go folds by Unicode: the long s (U+017F) and the Kelvin sign (U+212A) are an `s` and a `k` too.
fn fold(key: &str) -> String {
    key.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_go_would_follow_is_refused() {
        for found in ["Layers", "LAYERS", "layerS", "layer\u{17f}"] {
            let unknown = UnknownKeys::from([(found.to_owned(), IgnoredAny)]);
            assert!(
                refuse_case_variants(&unknown, &["config", "layers"]).is_err(),
                "{found}"
            );
        }
    }

    #[test]
    fn other_keys_are_let_through() {
        let unknown = UnknownKeys::from([("com.example.layers".to_owned(), IgnoredAny)]);
        assert_eq!(refuse_case_variants(&unknown, &["config", "layers"]), Ok(()));
    }
}
