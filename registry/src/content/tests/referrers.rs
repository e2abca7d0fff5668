//! Who refers to a manifest.

use std::fs;

use roadstead_oci::Descriptor;

use super::*;

async fn referrers(content: &Content, subject: &Digest) -> Vec<Descriptor> {
    let page = content
        .referrers
        .list(&repository("app"), subject, None, None, None)
        .await
        .unwrap();
    assert_eq!(page.next, None);
    page.items
}

fn signature(of: &Image) -> Image {
    image()
        .subject(&of.manifest())
        .with("artifactType", json!("text/signature"))
}

#[tokio::test]
async fn a_referrer_is_listed_with_its_type_and_annotations() {
    let registry = registry();
    let app = image().layer("app");
    let signature = signature(&app).with("annotations", json!({"who": "me"}));
    app.push(&registry, "app", "v1").await;
    let pushed = signature.push_untagged(&registry, "app").await;
    assert_eq!(
        pushed.manifest.subject().map(|subject| subject.digest),
        Some(app.digest())
    );
    let found = referrers(&registry, &app.digest()).await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].digest, found[0].size),
        (signature.digest(), signature.manifest().len() as u64)
    );
    assert_eq!(found[0].artifact_type.as_deref(), Some("text/signature"));
    assert_eq!(found[0].annotations["who"], "me");
}

#[tokio::test]
async fn nobody_refers_to_what_is_not_there() {
    let registry = registry();
    assert!(referrers(&registry, &sha256(b"nothing")).await.is_empty());
}

#[tokio::test]
async fn a_referrer_may_come_before_its_subject() {
    let registry = registry();
    let app = image().layer("app");
    signature(&app).push_untagged(&registry, "app").await;
    assert_eq!(referrers(&registry, &app.digest()).await.len(), 1);
}

#[tokio::test]
async fn referrers_are_filtered_and_paged_in_the_order_of_their_digests() {
    let (registry, name) = (registry(), repository("app"));
    let app = image().layer("app");
    let mut wanted = Vec::new();
    for number in 0..10 {
        let artifact_type = if number % 2 == 0 { "text/even" } else { "text/odd" };
        let referrer = image()
            .subject(&app.manifest())
            .with("artifactType", json!(artifact_type))
            .with("annotations", json!({"number": number.to_string()}));
        referrer.push_untagged(&registry, "app").await;
        wanted.extend((number % 2 == 0).then(|| referrer.digest()));
    }
    wanted.sort();
    let mut seen = Vec::new();
    let mut last: Option<String> = None;
    loop {
        let page = registry
            .referrers
            .list(&name, &app.digest(), Some("text/even"), Some(2), last.as_deref())
            .await
            .unwrap();
        seen.extend(page.items.iter().map(|descriptor| descriptor.digest));
        last = page.next;
        if last.is_none() {
            break;
        }
        assert_eq!(page.items.len(), 2);
    }
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn a_deleted_referrer_is_no_longer_listed() {
    let (registry, name) = (registry(), repository("app"));
    let app = image().layer("app");
    let signature = signature(&app);
    signature.push_untagged(&registry, "app").await;
    registry
        .manifests
        .delete(&name, &signature.digest())
        .await
        .unwrap();
    assert!(referrers(&registry, &app.digest()).await.is_empty());
    let left: Vec<_> = registry
        .files()
        .into_keys()
        .filter(|path| path.contains("_subjects/sha"))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[tokio::test]
async fn an_entry_without_its_manifest_is_not_listed() {
    let (registry, name) = (registry(), repository("app"));
    let app = image().layer("app");
    let signature = signature(&app);
    signature.push_untagged(&registry, "app").await;
    // As after a crash between adding the entry and the link, or after registry:2 deleted the manifest.
    fs::remove_file(registry.path(&layout::revision_link(&name, &signature.digest()))).unwrap();
    assert!(referrers(&registry, &app.digest()).await.is_empty());
}

#[tokio::test]
async fn referrers_that_registry_2_wrote_are_found() {
    let registry = registry();
    let app = image().layer("app");
    let first = signature(&app);
    first.push_untagged(&registry, "app").await;
    fs::remove_dir_all(registry.folder.path().join("roadstead/referrers")).unwrap();
    let another = registry.another();
    assert_eq!(referrers(&another, &app.digest()).await.len(), 1);
    // A later process examines only what is new.
    let second = signature(&app).with("annotations", json!({"second": "yes"}));
    second.push_untagged(&registry, "app").await;
    let entry = registry.path(&layout::referrer(
        &repository("app"),
        &app.digest(),
        &second.digest(),
    ));
    fs::remove_file(entry).unwrap();
    assert_eq!(referrers(&registry.another(), &app.digest()).await.len(), 2);
}

#[tokio::test]
async fn a_deleted_referrer_that_registry_2_brings_back_is_listed_again() {
    let (registry, name) = (registry(), repository("app"));
    let app = image().layer("app");
    let signature = signature(&app);
    signature.push_untagged(&registry, "app").await;
    assert_eq!(referrers(&registry, &app.digest()).await.len(), 1);
    let link = registry.path(&layout::revision_link(&name, &signature.digest()));
    let bytes = fs::read(&link).unwrap();
    registry
        .manifests
        .delete(&name, &signature.digest())
        .await
        .unwrap();
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    fs::write(&link, bytes).unwrap();
    assert_eq!(referrers(&registry.another(), &app.digest()).await.len(), 1);
}

#[tokio::test]
async fn a_torn_entry_is_left_out() {
    let (registry, name) = (registry(), repository("app"));
    let app = image().layer("app");
    let signature = signature(&app);
    signature.push_untagged(&registry, "app").await;
    assert_eq!(referrers(&registry, &app.digest()).await.len(), 1);
    fs::write(
        registry.path(&layout::referrer(&name, &app.digest(), &signature.digest())),
        "{",
    )
    .unwrap();
    assert!(referrers(&registry, &app.digest()).await.is_empty());
}

/// Clients refuse a list of more than 4 MiB, and annotations may be that long.
#[tokio::test]
async fn a_page_of_referrers_with_long_annotations_ends_early_and_goes_on() {
    let (registry, name) = (registry(), repository("app"));
    let app = image().layer("app");
    let mut pushed = Vec::new();
    for number in 0..4 {
        let long = "x".repeat(1_200_000);
        let referrer =
            signature(&app).with("annotations", json!({"number": number.to_string(), "long": long}));
        pushed.push(referrer.push_untagged(&registry, "app").await.digest);
    }
    pushed.sort();
    let (mut found, mut last) = (Vec::new(), None);
    loop {
        let page = registry
            .referrers
            .list(&name, &app.digest(), None, Some(100), last.as_deref())
            .await
            .unwrap();
        assert!(serde_json::to_vec(&page.items).unwrap().len() < 4 << 20);
        found.extend(page.items.iter().map(|one| one.digest));
        last = page.next;
        if last.is_none() {
            break;
        }
    }
    assert_eq!(found, pushed);
}
