//! Where everything lies. The only file that makes keys.
//!
//! ```text
//! docker/registry/v2/                                    registry:2's layout, byte for byte
//!   blobs/<alg>/<hh>/<hex>/data                            bytes of a layer, config or manifest
//!   repositories/<name>/
//!     _layers/<alg>/<hex>/link                             "sha256:<hex>": the repository has this blob
//!     _manifests/revisions/<alg>/<hex>/link                the repository has this manifest
//!     _manifests/tags/<tag>/current/link                   what the tag points at
//!     _manifests/tags/<tag>/index/<alg>/<hex>/link         what the tag ever pointed at
//!     _uploads/<uuid>/startedat                            RFC 3339; without it there is no such upload
//!     _uploads/<uuid>/sha512                               the client announced sha512              (ours)
//!     _uploads/<uuid>/seg-<offset>-<attempt>               the bytes of one request, from offset on (ours)
//!     _uploads/<uuid>/state-<offset>                       which of them counts, and its hash       (ours)
//! roadstead/                                             ours: registry:2 does not look here
//!   tmp/<uuid>                                             objects on their way to their place
//!   gc/<batch>                                             what a collection is about to delete
//!   leases/<name>/_digests/<alg>/<hex>                     somebody was told that this is there, and relies on it
//!   tombstones/<name>/_tags/<tag>                          "sha256:<hex>": the tag does not count if it points there
//!   tags/<name>/_digests/<alg>/<hex>/<tag>                 derived: which tags may point at the manifest
//!   referrers/<name>/_subjects/<alg>/<hex>/<alg>-<hex>     derived: who refers to the subject
//!   referrers/<name>/_examined                             derived: which manifests the above covers
//!   probe                                                  written now and then, to see whether the store works
//!   notifications/…                                        the queues of events, which are not written through here
//! ```
//! The links are the truth. What is derived can be deleted at any time and comes back. place.rs reads keys.

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "a collection and a check will ask what lies where")
)]
mod place;

use roadstead_oci::{Algorithm, Digest, RepositoryName, Tag};
use uuid::Uuid;

use super::upload_id::UploadId;
use crate::storage::{Entry, Key};
#[cfg(test)]
pub(super) use place::Place;

const BLOBS: &str = "docker/registry/v2/blobs";
const REPOSITORIES: &str = "docker/registry/v2/repositories";
const CONDEMNED: &str = "roadstead/gc";
const LEASES: &str = "roadstead/leases";
const TOMBSTONES: &str = "roadstead/tombstones";
const TEMPORARY: &str = "roadstead/tmp";
const REFERRERS: &str = "roadstead/referrers";
const TAG_INDEX: &str = "roadstead/tags";
const NOTIFICATIONS: &str = "roadstead/notifications";

/// In a repository's folder: the uploads on their way.
pub(super) const UPLOADS: &str = "_uploads";
/// A repository is there when its folder has one of these.
const MARKS_OF_A_REPOSITORY: [&str; 2] = ["_layers", "_manifests"];

pub(super) fn blob_data(digest: &Digest) -> Key {
    let hex = digest.hex();
    key(format!("{BLOBS}/{}/{}/{hex}/data", digest.algorithm(), &hex[..2]))
}

/// Everything of all repositories; below it, folders named with a leading `_` are no repositories.
pub(super) fn repositories() -> Key {
    key(REPOSITORIES.to_owned())
}

pub(super) fn probe() -> Key {
    key("roadstead/probe".to_owned())
}

pub(super) fn repository(name: &str) -> Key {
    key(format!("{REPOSITORIES}/{name}"))
}

/// Whether the folder is one of those that a repository has, and no repository lies in it.
pub(super) fn is_of_a_repository(folder: &Key) -> bool {
    folder
        .as_str()
        .rsplit('/')
        .next()
        .is_some_and(|name| name.starts_with('_'))
}

/// The name of the folder below that of all repositories, whether or not it can be a repository's; none for that one.
pub(super) fn name_of(folder: &Key) -> Option<&str> {
    folder.as_str().strip_prefix(REPOSITORIES)?.strip_prefix('/')
}

pub(super) fn marks_a_repository(entry: &Entry) -> bool {
    entry.is_folder && MARKS_OF_A_REPOSITORY.contains(&entry.name.as_str())
}

pub(super) fn layers(name: &RepositoryName) -> Key {
    key(format!("{REPOSITORIES}/{name}/_layers"))
}

pub(super) fn layer_link(name: &RepositoryName, digest: &Digest) -> Key {
    link_of_digest(name, "_layers", digest)
}

pub(super) fn revisions_by(name: &RepositoryName, algorithm: Algorithm) -> Key {
    key(format!("{REPOSITORIES}/{name}/_manifests/revisions/{algorithm}"))
}

pub(super) fn revision_link(name: &RepositoryName, digest: &Digest) -> Key {
    link_of_digest(name, "_manifests/revisions", digest)
}

fn signature_link(name: &RepositoryName, revision: &Digest, signature: &Digest) -> Key {
    let (revision, signature) = (folder_of(revision), folder_of(signature));
    key(format!(
        "{REPOSITORIES}/{name}/_manifests/revisions/{revision}/signatures/{signature}/link"
    ))
}

pub(super) fn tags(name: &RepositoryName) -> Key {
    key(format!("{REPOSITORIES}/{name}/_manifests/tags"))
}

pub(super) fn tag_link(name: &RepositoryName, tag: &Tag) -> Key {
    let (name, tag) = (name.as_str(), tag.as_str());
    key([REPOSITORIES, "/", name, "/_manifests/tags/", tag, "/current/link"].concat())
}

pub(super) fn tag_history(name: &RepositoryName, tag: &Tag) -> Key {
    key(format!("{REPOSITORIES}/{name}/_manifests/tags/{tag}/index"))
}

pub(super) fn tag_history_link(name: &RepositoryName, tag: &Tag, digest: &Digest) -> Key {
    key(format!(
        "{REPOSITORIES}/{name}/_manifests/tags/{tag}/index/{}/link",
        folder_of(digest)
    ))
}

pub(super) fn tag_index_of(name: &RepositoryName, digest: &Digest) -> Key {
    key(format!("{TAG_INDEX}/{name}/_digests/{}", folder_of(digest)))
}

pub(super) fn tag_index_entry(name: &RepositoryName, digest: &Digest, tag: &Tag) -> Key {
    key(format!("{TAG_INDEX}/{name}/_digests/{}/{tag}", folder_of(digest)))
}

pub(super) fn upload(name: &RepositoryName, id: &UploadId) -> Key {
    key(format!("{REPOSITORIES}/{name}/_uploads/{id}"))
}

fn upload_object(name: &RepositoryName, id: &UploadId, object: &str) -> Key {
    key(format!("{REPOSITORIES}/{name}/_uploads/{id}/{object}"))
}

fn temporary(id: Uuid) -> Key {
    key(format!("{}/{id}", TEMPORARY))
}

pub(super) fn lease(name: &RepositoryName, digest: &Digest) -> Key {
    key(format!("{LEASES}/{name}/_digests/{}", folder_of(digest)))
}

pub(super) fn tombstone(name: &RepositoryName, tag: &Tag) -> Key {
    key(format!("{TOMBSTONES}/{name}/_tags/{tag}"))
}

pub(super) fn condemned() -> Key {
    key(CONDEMNED.to_owned())
}

fn batch(name: &str) -> Key {
    key(format!("{CONDEMNED}/{name}"))
}

fn notification(file: &str) -> Key {
    key(format!("{NOTIFICATIONS}/{file}"))
}

pub(super) fn referrers(name: &RepositoryName, subject: &Digest) -> Key {
    key(format!("{REFERRERS}/{name}/_subjects/{}", folder_of(subject)))
}

pub(super) fn referrer(name: &RepositoryName, subject: &Digest, referrer: &Digest) -> Key {
    let (name, folder, entry) = (name.as_str(), folder_of(subject), referrer_entry(referrer));
    key([REFERRERS, "/", name, "/_subjects/", &folder, "/", &entry].concat())
}

/// The name of a referrer in its subject's folder: ordered as the digests are.
pub(super) fn referrer_entry(referrer: &Digest) -> String {
    [referrer.algorithm().as_str(), "-", &referrer.hex()].concat()
}

/// The reverse; `None` for a name that is no referrer's.
pub(super) fn referrer_of_entry(entry: &str) -> Option<Digest> {
    let (algorithm, hex) = entry.split_once('-')?;
    Digest::from_parts(algorithm.parse().ok()?, hex).ok()
}

pub(super) fn examined(name: &RepositoryName) -> Key {
    key(format!("{REFERRERS}/{name}/_examined"))
}

/// A file or folder right below one of the above; `None` if somebody put a name there that cannot be.
pub(super) fn below(folder: &Key, name: &str) -> Option<Key> {
    folder.join(name).ok()
}

/// As the other keys, but measured before it is written: these are made for everything that is pulled.
fn link_of_digest(name: &RepositoryName, folder: &str, digest: &Digest) -> Key {
    let (name, algorithm, hex) = (name.as_str(), digest.algorithm().as_str(), digest.hex());
    key([
        REPOSITORIES,
        "/",
        name,
        "/",
        folder,
        "/",
        algorithm,
        "/",
        &hex,
        "/link",
    ]
    .concat())
}

fn folder_of(digest: &Digest) -> String {
    format!("{}/{}", digest.algorithm(), digest.hex())
}

fn key(path: String) -> Key {
    path.try_into()
        .expect("repository names, tags, digests and ids are made of safe characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_registry_2() {
        let name: RepositoryName = "team/app".parse().unwrap();
        let tag: Tag = "v1".parse().unwrap();
        let hex = "ab".repeat(32);
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        let root = "docker/registry/v2";
        let cases = [
            (blob_data(&digest), format!("{root}/blobs/sha256/ab/{hex}/data")),
            (
                layer_link(&name, &digest),
                format!("{root}/repositories/team/app/_layers/sha256/{hex}/link"),
            ),
            (
                revision_link(&name, &digest),
                format!("{root}/repositories/team/app/_manifests/revisions/sha256/{hex}/link"),
            ),
            (
                tag_link(&name, &tag),
                format!("{root}/repositories/team/app/_manifests/tags/v1/current/link"),
            ),
            (
                tag_history_link(&name, &tag, &digest),
                format!("{root}/repositories/team/app/_manifests/tags/v1/index/sha256/{hex}/link"),
            ),
        ];
        for (key, path) in cases {
            assert_eq!(key.as_str(), path);
        }
    }

    #[test]
    fn the_longest_names_still_make_keys() {
        let name: RepositoryName = "a".repeat(255).parse().unwrap();
        let tag: Tag = "a".repeat(128).parse().unwrap();
        let digest = Digest::sha512([0; 64]);
        tag_history_link(&name, &tag, &digest);
        tag_index_entry(&name, &digest, &tag);
        referrer(&name, &digest, &digest);
    }
}
