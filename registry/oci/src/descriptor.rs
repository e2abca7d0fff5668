//! Descriptors: how one piece of content names another.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::strict_json::{Keys, Strict, Text};
use crate::{Digest, media_type};

pub type Annotations = BTreeMap<String, String>;

/// A reference to content: what it is, its address and its size.
///
/// Carries what a registry acts on or shows in a referrers list; `platform` and `data` are checked when parsed
/// and then left to the manifest's own bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Strict<RawDescriptor>")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Annotations,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

impl Descriptor {
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            artifact_type: None,
            annotations: Annotations::new(),
            urls: Vec::new(),
        }
    }

    /// Whether clients fetch this content from elsewhere, so that a registry need not have it. An address alone excuses
    /// no other layer, and a foreign layer without one would be nowhere: as in registry:2.
    pub fn is_foreign(&self) -> bool {
        media_type::is_foreign_layer(&self.media_type) && !self.urls.is_empty()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    media_type: String,
    digest: Digest,
    size: i64,
    artifact_type: Option<String>,
    annotations: Option<Annotations>,
    urls: Option<Vec<String>>,
    #[serde(rename = "data")]
    _data: Option<Base64>,
    #[serde(rename = "platform")]
    _platform: Option<Strict<Platform>>,
}

impl Keys for RawDescriptor {
    const EXPECTED: &'static str = "a descriptor, which is a JSON object";
    const KEYS: &'static [&'static str] = &[
        "mediaType",
        "digest",
        "size",
        "artifactType",
        "annotations",
        "urls",
        "data",
        "platform",
    ];
}

#[derive(Debug, thiserror::Error)]
#[error("the size of {0} is negative: {1}")]
struct NegativeSize(Digest, i64);

impl TryFrom<Strict<RawDescriptor>> for Descriptor {
    type Error = NegativeSize;

    fn try_from(Strict(raw): Strict<RawDescriptor>) -> Result<Self, NegativeSize> {
        let RawDescriptor {
            media_type,
            digest,
            size,
            artifact_type,
            annotations,
            urls,
            _data,
            _platform,
        } = raw;
        let size = u64::try_from(size).map_err(|_| NegativeSize(digest, size))?;
        Ok(Self {
            media_type,
            digest,
            size,
            artifact_type,
            annotations: annotations.unwrap_or_default(),
            urls: urls.unwrap_or_default(),
        })
    }
}

/// Go decodes `data` from base64 and fails on anything else; the content itself is not needed here.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Base64;

impl TryFrom<String> for Base64 {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.trim_end_matches('=');
        let padding = text.len() - digits.len();
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        if text.len().is_multiple_of(4) && padding <= 2 && digits.bytes().all(is_digit) {
            Ok(Self)
        } else {
            Err("data is not base64")
        }
    }
}

#[derive(Deserialize)]
struct Platform {
    #[serde(rename = "architecture")]
    _architecture: Option<Text>,
    #[serde(rename = "os")]
    _os: Option<Text>,
    #[serde(rename = "os.version")]
    _os_version: Option<Text>,
    #[serde(rename = "os.features")]
    _os_features: Option<Vec<Text>>,
    #[serde(rename = "variant")]
    _variant: Option<Text>,
    #[serde(rename = "features")]
    _features: Option<Vec<Text>>,
}

impl Keys for Platform {
    const EXPECTED: &'static str = "a platform, which is a JSON object";
    const KEYS: &'static [&'static str] = &[
        "architecture",
        "os",
        "os.version",
        "os.features",
        "variant",
        "features",
    ];
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parse(mut more: serde_json::Value) -> Result<Descriptor, serde_json::Error> {
        let base = json!({"mediaType": "text/plain", "digest": DIGEST, "size": 3});
        for (key, value) in base.as_object().unwrap() {
            more.as_object_mut().unwrap().entry(key).or_insert(value.clone());
        }
        serde_json::from_value(more)
    }

    #[test]
    fn a_descriptor_keeps_what_a_registry_acts_on() {
        let descriptor = parse(json!({"annotations": {"a": "b"}, "urls": null, "x": [1]})).unwrap();
        assert_eq!(
            (descriptor.media_type.as_str(), descriptor.size),
            ("text/plain", 3)
        );
        assert_eq!(descriptor.annotations["a"], "b");
        let text = serde_json::to_string(&descriptor).unwrap();
        assert_eq!(serde_json::from_str::<Descriptor>(&text).unwrap(), descriptor);
    }

    #[test]
    fn odd_types_and_key_case_are_refused() {
        let bad = [
            json!({"size": -1}),
            json!({"size": "3"}),
            json!({"size": 3.0}),
            json!({"size": 9_223_372_036_854_775_808_u64}),
            json!({"digest": "sha256:00"}),
            json!({"mediaType": 7}),
            json!({"mediaType": null}),
            json!({"urls": "https://example.com"}),
            json!({"annotations": {"a": 1}}),
            json!({"annotations": []}),
            json!({"data": "not base64"}),
            json!({"platform": "linux/amd64"}),
            json!({"platform": {"os": 1}}),
            json!({"platform": {"OS": "linux"}}),
            json!({"Digest": DIGEST}),
        ];
        for more in bad {
            assert!(parse(more.clone()).is_err(), "{more}");
        }
    }

    #[test]
    fn foreign_layers_that_name_an_address_need_not_be_here() {
        let is_foreign = |more| parse(more).unwrap().is_foreign();
        let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
        let urls = ["https://example.com"];
        assert!(is_foreign(json!({"mediaType": foreign, "urls": urls})));
        for more in [json!({"mediaType": foreign}), json!({"urls": urls}), json!({})] {
            assert!(!is_foreign(more.clone()), "{more}");
        }
    }
}
