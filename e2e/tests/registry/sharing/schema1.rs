//! Images in Docker's first format, which only registry:2 still takes, and only if it is told to.

use roadstead_e2e::{Api, Server, Software, sha256, stock_config};
use serde_json::Value;

use super::volume;

const LAYER: &[u8] = b"a layer";
/// The image `legacy:v1` with that layer, signed with a key made for this test alone.
const SIGNED: &[u8] = include_bytes!("schema1.json");
const SIGNED_TYPE: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
const PLAIN_TYPE: &str = "application/vnd.docker.distribution.manifest.v1+json";

/// registry:2 keeps such an image without its signature, and signs it anew for everyone who asks. Here everyone gets what
/// the volume has, whose digest is the image's.
#[test]
fn an_image_of_schema_1_that_is_there_is_served_and_another_is_refused() {
    let folder = volume();
    let compatible = format!(
        "{}compatibility: {{schema1: {{enabled: true}}}}\n",
        stock_config(folder.path())
    );
    let theirs = Server::of(Software::Registry2, &compatible);
    let api = Api::of(&theirs);
    api.push_blob("legacy", &sha256(LAYER), LAYER)
        .expect(201, "the layer");
    let pushed = api
        .push_manifest("legacy", "v1", SIGNED_TYPE, SIGNED)
        .expect(201, "the image");
    let digest = pushed.header("docker-content-digest").to_owned();
    drop(api);
    theirs.stop();

    let ours = Server::of(Software::Roadstead, &compatible);
    let api = Api::of(&ours);
    for reference in ["v1", &digest] {
        let answer = api.manifest("legacy", reference).expect(200, reference);
        assert_eq!(answer.header("content-type"), PLAIN_TYPE);
        assert_eq!(answer.header("docker-content-digest"), digest);
        assert_eq!(sha256(&answer.body), digest);
        let manifest: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(manifest["fsLayers"][0]["blobSum"], sha256(LAYER));
    }
    let refused = api
        .push_manifest("legacy", "v2", SIGNED_TYPE, SIGNED)
        .expect(400, "another push");
    let said = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(
        said.contains("MANIFEST_INVALID") && said.contains("push the image again with a current client"),
        "{said}"
    );
    api.manifest("legacy", "v2").expect(404, "what was refused");
    drop(api);
    ours.stop();
}
