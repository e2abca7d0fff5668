//! What the endpoints of `notifications` are told of a request, as registry:2 tells it.

use http::HeaderMap;
use http::header::USER_AGENT;
use http::request::Parts;
use roadstead_oci::{Descriptor, Digest, Manifest, Reference, RepositoryName, Tag};

use super::caller::{Caller, Client, host, shortened};
use super::locations::{Locations, asked};
use super::route::Links;
use crate::auth::access::Identity;
use crate::content::{Pushed, StoredManifest};
use crate::notifications::{Action, ActorRecord, Happening, Notifications, RequestRecord, Target};

/// Tells of what one request did.
pub(super) struct News {
    notifications: Notifications,
    request: RequestRecord,
    actor: ActorRecord,
    links: Links,
}

impl News {
    /// `locations` and `prefix` as configured; where no origin is, the one that the request was sent to.
    pub(super) fn of(
        notifications: &Notifications,
        (parts, request_id): (&Parts, &str),
        (caller, client, identity): (&Caller, Client, &Identity),
        (locations, prefix): (&Locations, &str),
    ) -> Self {
        let host = shortened(host(parts));
        let origin = match locations {
            Locations::Below(origin) => Some(origin.clone()),
            Locations::Relative => None,
            Locations::Asked | Locations::WhereCertain => asked(parts, caller),
        };
        let links = Links::new(origin.as_deref(), prefix);
        let socket = || caller.address.map(|address| address.to_string());
        News {
            notifications: notifications.clone(),
            request: RequestRecord {
                id: request_id.to_owned(),
                addr: client.told(&parts.headers).or_else(socket).unwrap_or_default(),
                host: host.to_owned(),
                method: parts.method.to_string(),
                useragent: text(&parts.headers, USER_AGENT.as_str())
                    .unwrap_or_default()
                    .to_owned(),
            },
            actor: ActorRecord {
                name: identity.user().map(str::to_owned),
            },
            links,
        }
    }

    pub(super) fn pulled_blob(&self, repository: &RepositoryName, digest: &Digest, size: u64) {
        let target = self.blob(repository, digest, size);
        self.notifications.read(self.happening(Action::Pull, target));
    }

    pub(super) async fn pushed_blob(&self, repository: &RepositoryName, digest: &Digest, size: u64) {
        self.changed(Action::Push, self.blob(repository, digest, size))
            .await;
    }

    /// `from` is not known when the client did not say it.
    pub(super) async fn mounted_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        size: u64,
        from: Option<&RepositoryName>,
    ) {
        let target = Target {
            from_repository: from.cloned(),
            ..self.blob(repository, digest, size)
        };
        self.changed(Action::Mount, target).await;
    }

    pub(super) async fn deleted_blob(&self, repository: &RepositoryName, digest: &Digest) {
        self.changed(Action::Delete, Target::gone(repository, digest))
            .await;
    }

    pub(super) fn pulled_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        manifest: &StoredManifest,
    ) {
        let target = Target {
            tag: tag_of(reference),
            ..self.manifest(repository, &manifest.digest, manifest.media_type, &manifest.bytes)
        };
        self.notifications.read(self.happening(Action::Pull, target));
    }

    /// One event for each tag, for registry:2's events have room for one.
    pub(super) async fn pushed_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        tags: &[Tag],
        pushed: &Pushed,
        bytes: &[u8],
    ) {
        let media_type = roadstead_oci::stored_media_type(bytes).map_or("", |media_type| media_type.as_str());
        let target = self.manifest(repository, &pushed.digest, media_type, bytes);
        let mut tags: Vec<_> = tag_of(reference)
            .into_iter()
            .chain(tags.iter().cloned())
            .map(Some)
            .collect();
        if tags.is_empty() {
            tags.push(None);
        }
        for tag in tags {
            let target = Target {
                tag,
                ..target.clone()
            };
            self.changed(Action::Push, target).await;
        }
    }

    pub(super) async fn deleted_manifest(&self, repository: &RepositoryName, digest: &Digest, tags: &[Tag]) {
        self.changed(Action::Delete, Target::gone(repository, digest))
            .await;
        for tag in tags {
            self.deleted_tag(repository, tag).await;
        }
    }

    pub(super) async fn deleted_tag(&self, repository: &RepositoryName, tag: &Tag) {
        self.changed(Action::Delete, Target::gone_tag(repository, tag))
            .await;
    }

    fn blob(&self, repository: &RepositoryName, digest: &Digest, size: u64) -> Target {
        Target::blob(repository, digest, size, self.links.blob(repository, digest))
    }

    fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        media_type: &str,
        bytes: &[u8],
    ) -> Target {
        let url = self.links.manifest(repository, digest);
        let references = match self.notifications.settings().include_references {
            true => references(bytes),
            false => Vec::new(),
        };
        Target {
            references,
            ..Target::manifest(media_type, repository, digest, bytes.len() as u64, url)
        }
    }

    async fn changed(&self, action: Action, target: Target) {
        self.notifications.changed(self.happening(action, target)).await;
    }

    fn happening(&self, action: Action, target: Target) -> Happening {
        Happening {
            action,
            target,
            request: self.request.clone(),
            actor: self.actor.clone(),
        }
    }
}

/// As registry:2 lists them: the config and the layers, or the manifests of an index.
fn references(bytes: &[u8]) -> Vec<Descriptor> {
    let Ok(manifest) = Manifest::parse(bytes, None) else {
        return Vec::new();
    };
    let config = manifest.config().into_iter();
    config
        .chain(manifest.layers())
        .chain(manifest.manifests())
        .cloned()
        .collect()
}

fn tag_of(reference: &Reference) -> Option<Tag> {
    match reference {
        Reference::Tag(tag) => Some(tag.clone()),
        Reference::Digest(_) => None,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = shortened(headers.get(name)?.to_str().ok()?);
    (!value.is_empty()).then_some(value)
}
