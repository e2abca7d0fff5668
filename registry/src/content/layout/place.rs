//! What can lie in a store, by its key and back.

use roadstead_oci::{Digest, RepositoryName, Tag};
use uuid::Uuid;

use super::super::upload_id::UploadId;
use crate::storage::Key;

/// Every object that this program or registry:2 puts into a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::content) enum Place {
    /// The bytes of a layer, config or manifest.
    Blob(Digest),
    Layer(RepositoryName, Digest),
    Revision(RepositoryName, Digest),
    /// Of a manifest of schema 1, from an old registry:2: of the revision, by that digest.
    Signature(RepositoryName, Digest, Digest),
    Tag(RepositoryName, Tag),
    /// The tag pointed at this manifest once.
    TagHistory(RepositoryName, Tag, Digest),
    Upload(RepositoryName, UploadId, UploadObject),
    /// On its way to its place.
    Temporary(Uuid),
    /// What a collection is about to delete.
    Batch(String),
    /// Somebody was told that the repository has this, and relies on it.
    Lease(RepositoryName, Digest),
    /// The tag does not count if it points at the manifest that this names.
    Tombstone(RepositoryName, Tag),
    /// The tag may point at the manifest.
    TagIndex(RepositoryName, Digest, Tag),
    /// Of a subject, who refers to it.
    Referrer(RepositoryName, Digest, Digest),
    /// Which manifests the list of referrers covers.
    Examined(RepositoryName),
    Probe,
    /// A file of the queues of events.
    Notification(String),
}

/// What lies in the folder of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::content) enum UploadObject {
    StartedAt,
    /// The client announced sha512.
    Sha512,
    /// The bytes of one request, from this offset on.
    Segment(u64, Uuid),
    /// Which segment counts from this offset on.
    State(u64),
    /// registry:2's bytes.
    Data,
    /// registry:2's hash of the first so many of them.
    HashState(String, u64),
}

impl Place {
    /// What lies there; `None` if neither this program nor registry:2 puts anything there.
    pub(in crate::content) fn of(key: &Key) -> Option<Self> {
        let names: Vec<&str> = key.as_str().split('/').collect();
        let place = parse(&names)?;
        // What is written in another way is not what anybody looks for.
        (place.key() == *key).then_some(place)
    }

    pub(in crate::content) fn key(&self) -> Key {
        match self {
            Place::Blob(digest) => super::blob_data(digest),
            Place::Layer(name, digest) => super::layer_link(name, digest),
            Place::Revision(name, digest) => super::revision_link(name, digest),
            Place::Signature(name, revision, digest) => super::signature_link(name, revision, digest),
            Place::Tag(name, tag) => super::tag_link(name, tag),
            Place::TagHistory(name, tag, digest) => super::tag_history_link(name, tag, digest),
            Place::Upload(name, id, object) => super::upload_object(name, id, &object.name()),
            Place::Temporary(id) => super::temporary(*id),
            Place::Batch(name) => super::batch(name),
            Place::Lease(name, digest) => super::lease(name, digest),
            Place::Tombstone(name, tag) => super::tombstone(name, tag),
            Place::TagIndex(name, digest, tag) => super::tag_index_entry(name, digest, tag),
            Place::Referrer(name, subject, digest) => super::referrer(name, subject, digest),
            Place::Examined(name) => super::examined(name),
            Place::Probe => super::probe(),
            Place::Notification(file) => super::notification(file),
        }
    }
}

impl UploadObject {
    /// Below the folder of its upload.
    pub(in crate::content) fn name(&self) -> String {
        match self {
            UploadObject::StartedAt => "startedat".to_owned(),
            UploadObject::Sha512 => "sha512".to_owned(),
            UploadObject::Segment(offset, attempt) => format!("seg-{offset}-{}", attempt.simple()),
            UploadObject::State(offset) => format!("state-{offset}"),
            UploadObject::Data => "data".to_owned(),
            UploadObject::HashState(algorithm, offset) => format!("hashstates/{algorithm}/{offset}"),
        }
    }

    fn parse(names: &[&str]) -> Option<Self> {
        Some(match names {
            ["startedat"] => UploadObject::StartedAt,
            ["sha512"] => UploadObject::Sha512,
            ["data"] => UploadObject::Data,
            ["hashstates", algorithm, offset] => {
                UploadObject::HashState((*algorithm).to_owned(), offset.parse().ok()?)
            }
            [name] => {
                let (kind, rest) = name.split_once('-')?;
                match kind {
                    "seg" => {
                        let (offset, attempt) = rest.split_once('-')?;
                        UploadObject::Segment(offset.parse().ok()?, attempt.parse().ok()?)
                    }
                    "state" => UploadObject::State(rest.parse().ok()?),
                    _ => return None,
                }
            }
            _ => return None,
        })
    }
}

fn parse(names: &[&str]) -> Option<Place> {
    Some(match names {
        ["docker", "registry", "v2", "blobs", algorithm, _, hex, "data"] => {
            Place::Blob(digest(algorithm, hex)?)
        }
        ["docker", "registry", "v2", "repositories", rest @ ..] => {
            let (name, rest) = repository(rest)?;
            in_repository(name, rest)?
        }
        ["roadstead", "tmp", id] => Place::Temporary(id.parse().ok()?),
        ["roadstead", "gc", name] => Place::Batch((*name).to_owned()),
        ["roadstead", "leases", rest @ ..] => match repository(rest)? {
            (name, ["_digests", algorithm, hex]) => Place::Lease(name, digest(algorithm, hex)?),
            _ => return None,
        },
        ["roadstead", "tombstones", rest @ ..] => match repository(rest)? {
            (name, ["_tags", tag]) => Place::Tombstone(name, tag.parse().ok()?),
            _ => return None,
        },
        ["roadstead", "tags", rest @ ..] => match repository(rest)? {
            (name, ["_digests", algorithm, hex, tag]) => {
                Place::TagIndex(name, digest(algorithm, hex)?, tag.parse().ok()?)
            }
            _ => return None,
        },
        ["roadstead", "referrers", rest @ ..] => match repository(rest)? {
            (name, ["_subjects", algorithm, hex, entry]) => {
                Place::Referrer(name, digest(algorithm, hex)?, super::referrer_of_entry(entry)?)
            }
            (name, ["_examined"]) => Place::Examined(name),
            _ => return None,
        },
        ["roadstead", "probe"] => Place::Probe,
        ["roadstead", "notifications", file @ ..] if !file.is_empty() => Place::Notification(file.join("/")),
        _ => return None,
    })
}

fn in_repository(name: RepositoryName, rest: &[&str]) -> Option<Place> {
    Some(match rest {
        ["_layers", algorithm, hex, "link"] => Place::Layer(name, digest(algorithm, hex)?),
        ["_manifests", "revisions", algorithm, hex, "link"] => Place::Revision(name, digest(algorithm, hex)?),
        [
            "_manifests",
            "revisions",
            algorithm,
            hex,
            "signatures",
            by,
            signature,
            "link",
        ] => Place::Signature(name, digest(algorithm, hex)?, digest(by, signature)?),
        ["_manifests", "tags", tag, "current", "link"] => Place::Tag(name, tag.parse().ok()?),
        ["_manifests", "tags", tag, "index", algorithm, hex, "link"] => {
            Place::TagHistory(name, tag.parse().ok()?, digest(algorithm, hex)?)
        }
        ["_uploads", id, object @ ..] => Place::Upload(name, id.parse().ok()?, UploadObject::parse(object)?),
        _ => return None,
    })
}

/// The name of a repository, and what follows it: no part of a name begins with `_`.
fn repository<'a>(names: &'a [&'a str]) -> Option<(RepositoryName, &'a [&'a str])> {
    let end = names.iter().position(|name| name.starts_with('_'))?;
    Some((names[..end].join("/").parse().ok()?, &names[end..]))
}

fn digest(algorithm: &str, hex: &str) -> Option<Digest> {
    Digest::from_parts(algorithm.parse().ok()?, hex).ok()
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::str::FromStr;

    use proptest::prelude::*;

    use super::*;

    fn any_digest() -> impl Strategy<Value = Digest> {
        prop_oneof![
            any::<[u8; 32]>().prop_map(Digest::sha256),
            any::<[[u8; 32]; 2]>().prop_map(|halves| {
                let mut hash = [0; 64];
                hash[..32].copy_from_slice(&halves[0]);
                hash[32..].copy_from_slice(&halves[1]);
                Digest::sha512(hash)
            }),
        ]
    }

    fn any_name() -> impl Strategy<Value = RepositoryName> {
        let part = "(blobs|tmp|data|link|[a-z0-9]{1,9})([._-][a-z0-9]{1,5}){0,2}";
        parsed(&format!("{part}(/{part}){{0,3}}"))
    }

    fn any_tag() -> impl Strategy<Value = Tag> {
        parsed("(_digests|index|current|[A-Za-z0-9_][A-Za-z0-9._-]{0,20})")
    }

    fn any_id() -> impl Strategy<Value = Uuid> {
        any::<u128>().prop_map(Uuid::from_u128)
    }

    fn any_upload_object() -> impl Strategy<Value = UploadObject> {
        prop_oneof![
            Just(UploadObject::StartedAt),
            Just(UploadObject::Sha512),
            Just(UploadObject::Data),
            (any::<u64>(), any_id()).prop_map(|(offset, id)| UploadObject::Segment(offset, id)),
            any::<u64>().prop_map(UploadObject::State),
            ("sha(256|512)", any::<u64>()).prop_map(|(by, offset)| UploadObject::HashState(by, offset)),
        ]
    }

    fn any_place() -> impl Strategy<Value = Place> {
        prop_oneof![
            any_digest().prop_map(Place::Blob),
            (any_name(), any_digest()).prop_map(|(name, of)| Place::Layer(name, of)),
            (any_name(), any_digest()).prop_map(|(name, of)| Place::Revision(name, of)),
            (any_name(), any_digest(), any_digest())
                .prop_map(|(name, of, by)| Place::Signature(name, of, by)),
            (any_name(), any_tag()).prop_map(|(name, tag)| Place::Tag(name, tag)),
            (any_name(), any_tag(), any_digest())
                .prop_map(|(name, tag, of)| Place::TagHistory(name, tag, of)),
            (any_name(), any_id(), any_upload_object()).prop_map(|(name, id, object)| {
                Place::Upload(name, id.to_string().parse().unwrap(), object)
            }),
            any_id().prop_map(Place::Temporary),
            "[a-z0-9.-]{1,20}[a-z]".prop_map(Place::Batch),
            (any_name(), any_digest()).prop_map(|(name, of)| Place::Lease(name, of)),
            (any_name(), any_tag()).prop_map(|(name, tag)| Place::Tombstone(name, tag)),
            (any_name(), any_digest(), any_tag()).prop_map(|(name, of, tag)| Place::TagIndex(name, of, tag)),
            (any_name(), any_digest(), any_digest()).prop_map(|(name, of, by)| Place::Referrer(name, of, by)),
            any_name().prop_map(Place::Examined),
            Just(Place::Probe),
            "[a-z0-9-]{1,20}/[a-z0-9]{1,20}/[0-9]{1,20}".prop_map(Place::Notification),
        ]
    }

    fn parsed<T: FromStr<Err: Debug> + Debug>(texts: &str) -> impl Strategy<Value = T> + use<T> {
        let texts = proptest::string::string_regex(texts).unwrap();
        texts.prop_map(|text| text.parse().unwrap())
    }

    proptest! {
        #[test]
        fn a_key_is_read_as_what_it_was_made_for(place in any_place()) {
            prop_assert_eq!(Place::of(&place.key()), Some(place));
        }

        /// One letter more, less or other: another place, or none.
        #[test]
        fn a_key_with_a_slip_is_never_taken_for_what_it_is_not(
            place in any_place(), at in any::<prop::sample::Index>(), letter in "[a-zA-Z0-9/._-]?",
        ) {
            let text = place.key().as_str().to_owned();
            let at = at.index(text.len());
            for end in [at, at + 1] {
                let slip = format!("{}{letter}{}", &text[..at], &text[end..]);
                let Ok(slip) = slip.parse::<Key>() else { continue };
                if slip != place.key() {
                    prop_assert!(Place::of(&slip) != Some(place.clone()), "{}", slip);
                }
            }
        }
    }

    #[test]
    fn what_others_put_there_is_nothing_of_ours() {
        let (hex, id) = ("ab".repeat(32), Uuid::from_u128(1));
        let [root, app] = ["docker/registry/v2", "docker/registry/v2/repositories/app"];
        for key in [
            "lost+found".to_owned(),
            format!("{root}/blobs/sha256/ab/{hex}"),
            format!("{root}/blobs/sha256/cd/{hex}/data"),
            format!("{root}/blobs/sha256/ab/{}/data", hex.to_uppercase()),
            format!("{root}/blobs/md5/ab/{hex}/data"),
            format!("{root}/blobs/sha256/ab/{hex}/data/more"),
            format!("{root}/repositories/_layers/sha256/{hex}/link"),
            format!("{root}/repositories/App/_layers/sha256/{hex}/link"),
            format!("{app}/_layers/sha256/{hex}/link~"),
            format!("{app}/_layers/sha512/{hex}/link"),
            format!("{app}/_manifests/tags/v1/link"),
            format!("{app}/_manifests/tags/.v1/current/link"),
            format!("{app}/_uploads/{id}"),
            format!("{app}/_uploads/{id}/state-01"),
            format!("{app}/_uploads/{id}/seg-1-{id}"),
            format!("{app}/_uploads/upload/startedat"),
            format!("roadstead/tmp/{}", id.simple()),
            format!("roadstead/tags/_digests/sha256/{hex}/v1"),
            format!("roadstead/referrers/app/_subjects/sha256/{hex}/sha256:{hex}"),
            "roadstead/probe/more".to_owned(),
        ] {
            assert_eq!(Place::of(&key.parse().unwrap()), None, "{key}");
        }
    }
}
