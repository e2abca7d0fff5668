//! What is sent: registry:2's event, field for field
//! (<https://distribution.github.io/distribution/about/notifications/>).

use jiff::Timestamp;
use roadstead_oci::{Descriptor, Digest, RepositoryName, Tag};
use serde::Serialize;

/// The type of an envelope.
pub(super) const MEDIA_TYPE: &str = "application/vnd.docker.distribution.events.v1+json";
/// What registry:2 calls every blob.
const BLOB: &str = "application/octet-stream";

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Pull,
    Push,
    Mount,
    Delete,
}

impl Action {
    pub const ALL: [Action; 4] = [Action::Pull, Action::Push, Action::Mount, Action::Delete];

    pub fn as_str(self) -> &'static str {
        match self {
            Action::Pull => "pull",
            Action::Push => "push",
            Action::Mount => "mount",
            Action::Delete => "delete",
        }
    }
}

/// To what it was done. What is not known stays out, as Go's `omitempty` leaves it out.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The size once more, under its older name.
    #[serde(skip_serializing_if = "is_zero")]
    pub length: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_repository: Option<RepositoryName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Descriptor>,
}

/// By reference, for serde passes one.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Target {
    pub fn blob(repository: &RepositoryName, digest: &Digest, size: u64, url: String) -> Self {
        Target {
            url: Some(url),
            ..Target::of(BLOB, repository, digest, size)
        }
    }

    pub fn manifest(
        media_type: &str,
        repository: &RepositoryName,
        digest: &Digest,
        size: u64,
        url: String,
    ) -> Self {
        Target {
            url: Some(url),
            ..Target::of(media_type, repository, digest, size)
        }
    }

    fn of(media_type: &str, repository: &RepositoryName, digest: &Digest, size: u64) -> Self {
        Target {
            media_type: Some(media_type.to_owned()),
            size,
            digest: Some(*digest),
            length: size,
            repository: Some(repository.clone()),
            ..Target::default()
        }
    }

    /// Something that is gone: no more than its name is known of it.
    pub fn gone(repository: &RepositoryName, digest: &Digest) -> Self {
        Target {
            digest: Some(*digest),
            repository: Some(repository.clone()),
            ..Target::default()
        }
    }

    pub fn gone_tag(repository: &RepositoryName, tag: &Tag) -> Self {
        Target {
            repository: Some(repository.clone()),
            tag: Some(tag.clone()),
            ..Target::default()
        }
    }
}

/// The request that did it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RequestRecord {
    pub id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub addr: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    pub method: String,
    pub useragent: String,
}

/// Who did it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ActorRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Who tells of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SourceRecord {
    pub(super) addr: String,
    /// Another one after each start.
    #[serde(rename = "instanceID")]
    pub(super) instance_id: String,
}

/// Something that happened, before this server puts its name to it.
#[derive(Clone, Debug)]
pub struct Event {
    pub action: Action,
    pub target: Target,
    pub request: RequestRecord,
    pub actor: ActorRecord,
}

#[derive(Debug, Serialize)]
pub(super) struct EventRecord {
    id: String,
    /// RFC 3339.
    timestamp: String,
    action: Action,
    target: Target,
    request: RequestRecord,
    actor: ActorRecord,
    source: SourceRecord,
}

impl EventRecord {
    pub(super) fn new(event: Event, source: &SourceRecord) -> Self {
        let Event {
            action,
            target,
            request,
            actor,
        } = event;
        EventRecord {
            id: uuid::Uuid::new_v4().to_string(),
            timestamp: Timestamp::now().to_string(),
            action,
            target,
            request,
            actor,
            source: source.clone(),
        }
    }

    /// One line of JSON, with its end.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("names, numbers and digests have a JSON form");
        line.push(b'\n');
        line
    }
}

/// The body of a request to an endpoint.
pub(super) fn envelope(line: &[u8]) -> Vec<u8> {
    let event = line.strip_suffix(b"\n").unwrap_or(line);
    [b"{\"events\":[", event, b"]}"].concat()
}
