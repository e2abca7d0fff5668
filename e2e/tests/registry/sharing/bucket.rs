//! One bucket, written in turn by registry:2, registry:3 and Roadstead.

use roadstead_e2e::{Bucket, Software};

use super::model::Model;
use super::{documents, fill, seeded, serve_as};

/// Each is a request or a few to a server on this machine.
const IMAGES_EACH: usize = 8;

#[test]
fn a_bucket_of_registry_2_is_served_and_given_back() {
    there_and_back(Software::Registry2);
}

#[test]
fn a_bucket_of_registry_3_is_served_and_given_back() {
    there_and_back(Software::Registry3);
}

fn there_and_back(peer: Software) {
    let mut rng = seeded("bucket");
    let bucket = Bucket::start();
    let config = |software| bucket.config(software, "/some/where");
    let mut model = Model::default();
    let ours = Software::Roadstead;
    serve_as(peer, &config(peer), &mut model, |theirs| {
        fill(theirs, &mut rng, IMAGES_EACH)
    });
    serve_as(ours, &config(ours), &mut model, |ours| {
        ours.model.check(ours.api, Software::Roadstead);
        let layer = documents::Blob::random(&mut rng, 20 << 20);
        let image = documents::image(&mut rng, vec![layer]);
        ours.push("of/ours", Some("latest"), &image);
        ours.push("app", Some("latest"), &image);
        ours.delete_tag("app", "v5");
    });
    for software in [peer, ours] {
        serve_as(software, &config(software), &mut model, |server| {
            server.model.check(server.api, software);
        });
    }
}
