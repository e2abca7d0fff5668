//! Which node this is: the API server says so in the agent's own token.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// The node that this agent may speak for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub node: String,
    pub node_uid: String,
    pub boot_id: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    #[error("cannot read {0}: {1}")]
    Read(String, #[source] io::Error),
    #[error(
        "the service account token names no node: it must be mounted into this pod by Kubernetes 1.32 or later"
    )]
    NoNode,
}

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

impl Identity {
    /// Reads the claims of the token in `token_file`. The API server checks the token; here it is only read.
    pub fn of(token_file: &Path) -> Result<Self, Unknown> {
        let node = node_of(&read(token_file)?).ok_or(Unknown::NoNode)?;
        let boot_id = read(Path::new(BOOT_ID))?.trim().to_owned();
        Ok(Self {
            node: node.name,
            node_uid: node.uid,
            boot_id,
        })
    }
}

#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "kubernetes.io")]
    kubernetes: Kubernetes,
}

#[derive(Deserialize)]
struct Kubernetes {
    node: Node,
}

#[derive(Deserialize)]
struct Node {
    name: String,
    uid: String,
}

fn node_of(token: &str) -> Option<Node> {
    let payload = token.trim().split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    Some(serde_json::from_slice::<Claims>(&payload).ok()?.kubernetes.node)
}

fn read(path: &Path) -> Result<String, Unknown> {
    std::fs::read_to_string(path).map_err(|error| Unknown::Read(path.display().to_string(), error))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn token(claims: &str) -> String {
        format!(
            "{}.{}.sig",
            URL_SAFE_NO_PAD.encode("{}"),
            URL_SAFE_NO_PAD.encode(claims)
        )
    }

    #[test]
    fn the_token_names_the_node() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let claims = r#"{"aud":["x"],"kubernetes.io":{"namespace":"n","node":{"name":"node1","uid":"u-1"},"pod":{"name":"p","uid":"q"}}}"#;
        std::fs::write(file.path(), token(claims)).expect("a token");
        let identity = Identity::of(file.path()).expect("an identity");
        assert_eq!(
            (identity.node.as_str(), identity.node_uid.as_str()),
            ("node1", "u-1")
        );
        assert_eq!(identity.boot_id.len(), 36);
    }

    #[test]
    fn a_token_without_a_node_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for text in [
            token(r#"{"kubernetes.io":{"namespace":"n"}}"#),
            "no token".into(),
            String::new(),
        ] {
            std::fs::write(file.path(), &text).expect("a token");
            assert!(
                matches!(Identity::of(file.path()), Err(Unknown::NoNode)),
                "{text}"
            );
        }
    }
}
