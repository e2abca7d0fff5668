//! The commands of docs/clients.md, each client's as they stand there.

use crate::docker_current::{Store, start};
use crate::site::{Site, documented, make_layer};

/// Runs what the page says of a client, after what a person would have done before.
fn follow(heading: &str, before: &str) -> String {
    let site = Site::open();
    site.run(before).ok();
    let printed = site.run(&documented(heading)).ok();
    println!(
        "{heading}: {} lines of commands done",
        documented(heading).lines().count()
    );
    printed
}

/// An image as a file, `app.tar`.
fn app_tar() -> String {
    format!(
        "{}; crane append --oci-empty-base --new_layer layer.tar --new_tag app:1 --output app.tar",
        make_layer(100_000)
    )
}

#[test]
fn what_the_page_says_of_the_systems_store_works() {
    follow("The system's store", "");
}

#[test]
fn what_the_page_says_of_docker_works() {
    for store in Store::BOTH {
        let site = Site::open();
        start(&site, store);
        let import = format!("{}; docker import layer.tar app:1", make_layer(100_000));
        site.run(&import).ok();
        site.run(&documented("docker")).ok();
    }
}

#[test]
fn what_the_page_says_of_podman_works() {
    let import = format!("{}; podman import layer.tar app:1", make_layer(100_000));
    let printed = follow("podman", &import);
    assert!(
        printed.contains("registry.example.com:5000/team/app"),
        "{printed}"
    );
}

#[test]
fn what_the_page_says_of_buildah_works() {
    let build = format!(
        "{}; printf 'FROM scratch\\nADD layer.tar /\\n' > Containerfile; buildah build --tag app:1 .",
        make_layer(100_000)
    );
    follow("buildah", &build);
}

#[test]
fn what_the_page_says_of_skopeo_works() {
    let printed = follow("skopeo", &app_tar());
    assert!(printed.contains(r#""Architecture""#), "{printed}");
}

#[test]
fn what_the_page_says_of_crane_works() {
    let printed = follow("crane", &app_tar());
    assert!(printed.contains("team/app"), "{printed}");
}

#[test]
fn what_the_page_says_of_oras_works() {
    let printed = follow("oras", "echo good > notes.txt");
    assert!(printed.contains("application/vnd.example.review"), "{printed}");
}

#[test]
fn what_the_page_says_of_helm_works() {
    follow("helm", "helm create chart; helm package chart");
}

#[test]
fn what_the_page_says_of_regctl_works() {
    let printed = follow("regctl", &format!("{}; echo good > notes.txt", app_tar()));
    assert!(printed.contains("application/vnd.example.review"), "{printed}");
}

#[test]
fn what_the_page_says_of_cosign_works() {
    let push = format!(
        "{}; export SSL_CERT_FILE=$PWD/ca.crt; crane auth login $HOST -u ann --password-stdin < password; \
         crane push app.tar $HOST/team/app:1; crane auth logout $HOST; echo '{{\"tested\": true}}' > predicate.json",
        app_tar()
    );
    let printed = follow("cosign", &push);
    assert!(printed.contains("via OCI referrer"), "{printed}");
}
