//! What a client says that it takes. Hardly anything hangs on it: what a tag names is what is served.

use http::HeaderMap;
use http::header::ACCEPT;
use roadstead_oci::Digest;
use serde::Deserialize;

const IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Images for several platforms, before OCI.
pub(super) const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Whether a client names images, and nothing under which a list could come.
pub(super) fn images_alone(headers: &HeaderMap) -> bool {
    let mut images = false;
    for line in headers.get_all(ACCEPT) {
        for taken in line.to_str().unwrap_or_default().split(',') {
            match taken.split(';').next().unwrap_or_default().trim() {
                IMAGE => images = true,
                LIST | "*/*" | "application/*" => return false,
                _ => {}
            }
        }
    }
    images
}

#[derive(Deserialize)]
struct List {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    platform: Option<Platform>,
}

/// Some builders leave out what they do not know.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Platform {
    architecture: String,
    os: String,
}

/// The image for linux/amd64 in a list.
pub(super) fn usual_image(list: &[u8]) -> Option<Digest> {
    let list: List = serde_json::from_slice(list).ok()?;
    let mut entries = list.manifests.into_iter();
    let usual = |platform: &Platform| platform.architecture == "amd64" && platform.os == "linux";
    let entry = entries.find(|entry| entry.platform.as_ref().is_some_and(usual))?;
    entry.digest.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_a_whole_platform_hides_no_other() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let list = format!(
            r#"{{"manifests": [
                {{"digest": "sha256:0", "platform": {{"os": "linux"}}}},
                {{"digest": "sha256:1", "platform": {{}}}},
                {{"digest": "{digest}", "platform": {{"architecture": "amd64", "os": "linux"}}}}]}}"#
        );
        assert_eq!(usual_image(list.as_bytes()), Some(digest.parse().unwrap()));
    }

    /// The headers as these clients send them.
    #[test]
    fn only_a_client_that_knows_images_and_no_lists_gets_one() {
        let v1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        let oci = "application/vnd.oci.image.manifest.v1+json";
        let index = "application/vnd.oci.image.index.v1+json";
        for (client, lines, expected) in [
            ("Portainer", vec![IMAGE.to_owned()], true),
            ("joxit's page, before 2.0", vec![format!("{IMAGE}, {oci}")], true),
            (
                "joxit's page",
                vec![format!("{IMAGE}, {LIST}, {oci}, {index}")],
                false,
            ),
            (
                "docker 17",
                vec![
                    IMAGE.to_owned(),
                    LIST.to_owned(),
                    "application/json".to_owned(),
                    v1.to_owned(),
                ],
                false,
            ),
            (
                "docker 29",
                vec![
                    IMAGE.to_owned(),
                    LIST.to_owned(),
                    oci.to_owned(),
                    index.to_owned(),
                ],
                false,
            ),
            ("kaniko", vec![format!("{IMAGE},{LIST},{oci},{index}")], false),
            ("jib", vec![format!("{oci},{IMAGE},{v1},{LIST},{index}")], false),
            (
                "containerd",
                vec![format!("{IMAGE}, {LIST}, {oci}, {index}, */*")],
                false,
            ),
            ("curl", vec!["*/*".to_owned()], false),
            ("nothing said", Vec::new(), false),
            (
                "a page that asks for history",
                vec!["application/vnd.docker.distribution.manifest.v1+json".to_owned()],
                false,
            ),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(ACCEPT, line.parse().unwrap());
            }
            assert_eq!(images_alone(&headers), expected, "{client}");
        }
    }
}
