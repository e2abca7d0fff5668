//! JSON objects whose known keys are written exactly so.
//!
//! Go's decoder takes `Layers` for `layers`, and the last of two. A registry:2 on the same store would then see
//! other content than this program, and its garbage collection would act on that. So a key that differs from a
//! known one only in case makes the whole object invalid; serde already refuses a known key that stands twice.
//!
//! Whoever pushes decides what else stands there. It is checked as JSON and never kept: in memory `[1,1,1]` takes many
//! times the bytes that it was sent in.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A type with the keys that it knows, and what an object of it is called.
pub(crate) trait Keys {
    const KEYS: &'static [&'static str];
    const EXPECTED: &'static str;
}

/// An object of this type, whose other keys are none of these in another case.
pub(crate) struct Strict<T>(pub(crate) T);

impl<'de, T: Deserialize<'de> + Keys> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object(PhantomData)).map(Strict)
    }
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Keys> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(T::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(Checked {
            object,
            known: T::KEYS,
        }))
    }
}

/// Checks each key before the type sees it, and each value that the type would pass over.
struct Checked<A> {
    object: A,
    known: &'static [&'static str],
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Checked<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(Key(key)) = self.object.next_key()? {
            if self.known.contains(&key.as_ref()) {
                return seed.deserialize(CowStrDeserializer::new(key)).map(Some);
            }
            refuse_case_variant(&key, self.known)?;
            let Skipped = self.object.next_value()?;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.object.next_value_seed(seed)
    }
}

fn refuse_case_variant<E: Error>(found: &str, known: &[&'static str]) -> Result<(), E> {
    let folded = fold(found);
    match known.iter().find(|expected| fold(expected).eq(folded.clone())) {
        Some(expected) => Err(E::custom(format_args!(
            "key {found:?} must be written {expected:?}"
        ))),
        None => Ok(()),
    }
}

/// Go folds by Unicode: the long s (U+017F) and the Kelvin sign (U+212A) are an `s` and a `k` too.
fn fold(key: &str) -> impl Iterator<Item = char> + Clone {
    key.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}

/// A key, as it stands in the text if it can.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Text).map(Key)
    }
}

/// A string that is checked and not kept.
pub(crate) struct Text;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Text;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_str<E>(self, _: &str) -> Result<Text, E> {
                Ok(Text)
            }
        }
        deserializer.deserialize_str(Any)
    }
}

/// Any value. Unlike serde's `IgnoredAny`, it reads it: what is no text or no number is refused here too.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Skipped;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_str<E>(self, _: &str) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Skipped, A::Error> {
                while let Some(Skipped) = list.next_element()? {}
                Ok(Skipped)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Skipped, A::Error> {
                while let Some((Text, Skipped)) = object.next_entry()? {}
                Ok(Skipped)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Image {
        layers: Option<u8>,
    }

    impl Keys for Image {
        const KEYS: &'static [&'static str] = &["config", "layers"];
        const EXPECTED: &'static str = "an image";
    }

    fn layers(text: &[u8]) -> Result<Option<u8>, String> {
        let image: Result<Strict<Image>, _> = serde_json::from_slice(text);
        image
            .map(|image| image.0.layers)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_spelling_that_go_would_follow_is_refused() {
        for found in ["Layers", "LAYERS", "layerS", "layer\u{17f}", "\\u004cayers"] {
            let refused = layers(format!("{{\"{found}\":1}}").as_bytes()).expect_err(found);
            assert!(refused.contains("must be written"), "{refused}");
        }
    }

    #[test]
    fn other_keys_are_let_through_and_known_ones_however_they_are_escaped() {
        let text = br#"{"com.example.layers":{"Layers":[1,{}]},"\u006cayers":7,"x":null,"x":-1.5}"#;
        assert_eq!(layers(text), Ok(Some(7)));
    }

    #[test]
    fn what_is_passed_over_is_json_all_the_same() {
        for text in [
            &b"{\"x\":\"\xff\"}"[..],
            br#"{"x":"\ud800"}"#,
            br#"{"x":{"\ud800":1}}"#,
            br#"{"x":1e999}"#,
            br#"{"x":[1,]}"#,
            br#"[7]"#,
            br#"{"layers":1,"layers":1}"#,
        ] {
            assert!(layers(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
        let deep = format!("{{\"x\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        assert!(layers(deep.as_bytes()).is_err());
    }
}
