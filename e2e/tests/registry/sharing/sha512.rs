//! Content named by sha512, in the form that registry:2's collection keeps, and in the form that it writes itself.

use std::path::Path;

use roadstead_e2e::{Api, Server, Software, sha256, sha512, stock_config};
use serde_json::json;

use super::documents::OCI_IMAGE;
use super::volume;

const LAYER: &[u8] = b"a layer whose name is long";
const CONFIG: &[u8] = b"{}";

fn image() -> Vec<u8> {
    let descriptor = |digest: String, bytes: &[u8]| json!({"mediaType": "application/octet-stream", "digest": digest, "size": bytes.len()});
    let body = json!({
        "schemaVersion": 2, "mediaType": OCI_IMAGE,
        "config": descriptor(sha256(CONFIG), CONFIG), "layers": [descriptor(sha512(LAYER), LAYER)],
    });
    body.to_string().into_bytes()
}

fn on<T>(software: Software, folder: &Path, work: impl FnOnce(&Api) -> T) -> T {
    let server = Server::of(software, &stock_config(folder));
    let api = Api::of(&server);
    let done = work(&api);
    drop(api);
    server.stop();
    done
}

fn pull(api: &Api) {
    let image = image();
    for reference in ["long", &sha512(&image)] {
        let answer = api.manifest("deep", reference).expect(200, reference);
        assert!(answer.body == image, "{reference}");
    }
    let layer = api
        .get(&format!("/v2/deep/blobs/{}", sha512(LAYER)))
        .expect(200, "the layer");
    assert_eq!(layer.body, LAYER);
}

#[test]
fn peers_serve_sha512_images_of_ours_and_their_collection_keeps_them() {
    for peer in [Software::Registry2, Software::Registry3] {
        let folder = volume();
        on(Software::Roadstead, folder.path(), |ours| {
            ours.push_blob("deep", &sha512(LAYER), LAYER)
                .expect(201, "the layer");
            ours.push_blob("deep", &sha256(CONFIG), CONFIG)
                .expect(201, "the configuration");
            let image = image();
            let by_digest = format!("{}?tag=long", sha512(&image));
            ours.push_manifest("deep", &by_digest, OCI_IMAGE, &image)
                .expect(201, "the image");
            pull(ours);
        });
        on(peer, folder.path(), pull);
        println!(
            "{peer:?}: {}",
            peer.garbage_collect(&stock_config(folder.path()))
                .lines()
                .last()
                .unwrap_or_default()
        );
        on(peer, folder.path(), pull);
        on(Software::Roadstead, folder.path(), pull);
    }
}

#[test]
fn blobs_that_peers_stored_under_sha512_are_served() {
    for peer in [Software::Registry2, Software::Registry3] {
        let folder = volume();
        on(peer, folder.path(), |theirs| {
            theirs
                .push_blob("deep", &sha512(LAYER), LAYER)
                .expect(201, "the layer");
        });
        on(Software::Roadstead, folder.path(), |ours| {
            for digest in [sha512(LAYER), sha256(LAYER)] {
                let answer = ours.get(&format!("/v2/deep/blobs/{digest}")).expect(200, &digest);
                assert_eq!(answer.body, LAYER);
            }
        });
    }
}
