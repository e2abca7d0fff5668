//! What the endpoints of `notifications` are told of a request, as registry:2 tells it. The one place where events are
//! born: from what `content` answered, and from nothing else.

use http::HeaderMap;
use http::header::USER_AGENT;
use http::request::Parts;
use roadstead_oci::{Descriptor, Digest, Manifest, Reference, RepositoryName, Tag};

use super::caller::{Caller, Client, host, shortened};
use super::locations::{Locations, asked};
use super::route::Links;
use crate::auth::access::Identity;
use crate::content::{Blob, Deleted, Pushed, StoredManifest};
use crate::notifications::{Action, ActorRecord, Event, Notifications, RequestRecord, Target};

/// What `content` did.
pub(super) enum Outcome<'a> {
    BlobPulled(Blob),
    BlobPushed(Blob),
    /// `from` is not known when the client did not say it.
    BlobMounted {
        blob: Blob,
        from: Option<&'a RepositoryName>,
    },
    BlobDeleted(&'a Digest),
    ManifestPulled {
        reference: &'a Reference,
        manifest: &'a StoredManifest,
    },
    ManifestPushed(&'a Pushed),
    ManifestDeleted(&'a Deleted),
    TagDeleted(&'a Tag),
}

/// The events of one request.
pub(super) struct Events {
    pub(super) notifications: Notifications,
    pub(super) request: RequestRecord,
    pub(super) actor: ActorRecord,
    pub(super) links: Links,
}

impl Events {
    /// Returns when a change is in the queues. Nobody waits for a pull to be told.
    pub(super) async fn record(&self, repository: &RepositoryName, outcome: &Outcome<'_>) {
        let (action, targets) = self.targets(repository, outcome);
        for target in targets {
            let event = Event {
                action,
                target,
                request: self.request.clone(),
                actor: self.actor.clone(),
            };
            match action {
                Action::Pull => self.notifications.read(event),
                Action::Push | Action::Mount | Action::Delete => self.notifications.changed(event).await,
            }
        }
    }

    /// One event each.
    fn targets(&self, repository: &RepositoryName, outcome: &Outcome<'_>) -> (Action, Vec<Target>) {
        match *outcome {
            Outcome::BlobPulled(blob) => (Action::Pull, vec![self.blob(repository, blob)]),
            Outcome::BlobPushed(blob) => (Action::Push, vec![self.blob(repository, blob)]),
            Outcome::BlobMounted { blob, from } => {
                let target = Target {
                    from_repository: from.cloned(),
                    ..self.blob(repository, blob)
                };
                (Action::Mount, vec![target])
            }
            Outcome::BlobDeleted(digest) => (Action::Delete, vec![Target::gone(repository, digest)]),
            Outcome::ManifestPulled { reference, manifest } => {
                (Action::Pull, vec![self.pulled(repository, reference, manifest)])
            }
            Outcome::ManifestPushed(pushed) => (Action::Push, self.pushed(repository, pushed)),
            Outcome::ManifestDeleted(Deleted { digest, tags }) => {
                let tags = tags.iter().map(|tag| Target::gone_tag(repository, tag));
                let manifest = [Target::gone(repository, digest)];
                (Action::Delete, manifest.into_iter().chain(tags).collect())
            }
            Outcome::TagDeleted(tag) => (Action::Delete, vec![Target::gone_tag(repository, tag)]),
        }
    }

    fn blob(&self, repository: &RepositoryName, Blob { digest, size }: Blob) -> Target {
        Target::blob(repository, &digest, size, self.links.blob(repository, &digest))
    }

    fn pulled(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        manifest: &StoredManifest,
    ) -> Target {
        let StoredManifest {
            digest,
            media_type,
            bytes,
        } = manifest;
        let url = self.links.manifest(repository, digest);
        let references = match self.lists_references() {
            true => {
                Manifest::parse(bytes, None).map_or_else(|_| Vec::new(), |manifest| references(&manifest))
            }
            false => Vec::new(),
        };
        Target {
            tag: match reference {
                Reference::Tag(tag) => Some(tag.clone()),
                Reference::Digest(_) => None,
            },
            references,
            ..Target::manifest(media_type, repository, digest, bytes.len() as u64, url)
        }
    }

    /// One for each tag, for registry:2's events have room for one.
    fn pushed(&self, repository: &RepositoryName, pushed: &Pushed) -> Vec<Target> {
        let Pushed {
            digest,
            size,
            tags,
            manifest,
        } = pushed;
        let url = self.links.manifest(repository, digest);
        let references = match self.lists_references() {
            true => references(manifest),
            false => Vec::new(),
        };
        let target = Target {
            references,
            ..Target::manifest(manifest.media_type().as_str(), repository, digest, *size, url)
        };
        if tags.is_empty() {
            return vec![target];
        }
        let of_tag = |tag: &Tag| Target {
            tag: Some(tag.clone()),
            ..target.clone()
        };
        tags.iter().map(of_tag).collect()
    }

    fn lists_references(&self) -> bool {
        self.notifications.settings().include_references
    }
}

pub(super) fn request(parts: &Parts, id: &str, caller: &Caller, client: Client) -> RequestRecord {
    let socket = || caller.address.map(|address| address.to_string());
    RequestRecord {
        id: id.to_owned(),
        addr: client.told(&parts.headers).or_else(socket).unwrap_or_default(),
        host: shortened(host(parts)).to_owned(),
        method: parts.method.to_string(),
        useragent: text(&parts.headers, USER_AGENT.as_str())
            .unwrap_or_default()
            .to_owned(),
    }
}

pub(super) fn actor(identity: &Identity) -> ActorRecord {
    ActorRecord {
        name: identity.user().map(str::to_owned),
    }
}

/// `locations` and `prefix` as configured; where no origin is, the one that the request was sent to.
pub(super) fn links(parts: &Parts, caller: &Caller, locations: &Locations, prefix: &str) -> Links {
    let origin = match locations {
        Locations::Below(origin) => Some(origin.clone()),
        Locations::Relative => None,
        Locations::Asked | Locations::WhereCertain => asked(parts, caller),
    };
    Links::new(origin.as_deref(), prefix)
}

/// As registry:2 lists them: the config and the layers, or the manifests of an index.
fn references(manifest: &Manifest) -> Vec<Descriptor> {
    let config = manifest.config().into_iter();
    config
        .chain(manifest.layers())
        .chain(manifest.manifests())
        .cloned()
        .collect()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = shortened(headers.get(name)?.to_str().ok()?);
    (!value.is_empty()).then_some(value)
}
