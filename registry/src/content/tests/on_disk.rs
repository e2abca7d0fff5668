//! The tree that a push makes is the one that registry:2 makes.

use super::*;

#[tokio::test]
async fn a_push_writes_what_registry_2_would_write() {
    let registry = registry();
    let image = image().layer("layer");
    let name = repository("team/app");
    for (bytes, chunked) in [(&b"{}"[..], false), (b"layer", true)] {
        if chunked {
            let id = registry.uploads.start(&name, None).await.unwrap();
            registry
                .uploads
                .append(&name, &id, None, body(bytes))
                .await
                .unwrap();
            registry
                .uploads
                .finish(&name, &id, &sha256(bytes), None, no_body())
                .await
                .unwrap();
        } else {
            push_blob(&registry, &name, Bytes::from_static(bytes)).await;
        }
    }
    put(&registry, &name, "v1", image.manifest()).await.unwrap();

    let (config, layer, manifest) = (sha256(b"{}"), sha256(b"layer"), image.digest());
    let root = "docker/registry/v2";
    let data = |digest: &Digest| format!("{root}/blobs/sha256/{}/{}/data", &digest.hex()[..2], digest.hex());
    let ours = format!("{root}/repositories/team/app");
    let link = |digest: &Digest| digest.to_string().into_bytes();
    let expected: BTreeMap<String, Vec<u8>> = [
        (data(&config), b"{}".to_vec()),
        (data(&layer), b"layer".to_vec()),
        (data(&manifest), image.manifest().to_vec()),
        (
            format!("{ours}/_layers/sha256/{}/link", config.hex()),
            link(&config),
        ),
        (
            format!("{ours}/_layers/sha256/{}/link", layer.hex()),
            link(&layer),
        ),
        (
            format!("{ours}/_manifests/revisions/sha256/{}/link", manifest.hex()),
            link(&manifest),
        ),
        (format!("{ours}/_manifests/tags/v1/current/link"), link(&manifest)),
        (
            format!("{ours}/_manifests/tags/v1/index/sha256/{}/link", manifest.hex()),
            link(&manifest),
        ),
        (format!("{ours}/_uploads/"), Vec::new()),
        (
            format!("roadstead/tags/team/app/_digests/sha256/{}/v1", manifest.hex()),
            Vec::new(),
        ),
        ("roadstead/tmp/".to_owned(), Vec::new()),
    ]
    .into();
    assert_eq!(registry.files(), expected);
}

#[tokio::test]
async fn what_registry_2_wrote_is_served() {
    let registry = registry();
    let image = image().layer("layer");
    let root = registry.folder.path().join("docker/registry/v2");
    let write = |path: String, bytes: &[u8]| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let manifest = image.manifest();
    for bytes in [&b"{}"[..], b"layer", &manifest] {
        let hex = sha256(bytes).hex();
        write(format!("blobs/sha256/{}/{hex}/data", &hex[..2]), bytes);
    }
    for bytes in [&b"{}"[..], b"layer"] {
        let digest = sha256(bytes);
        write(
            format!("repositories/app/_layers/sha256/{}/link", digest.hex()),
            digest.to_string().as_bytes(),
        );
    }
    let digest = image.digest();
    let (hex, link) = (digest.hex(), digest.to_string());
    write(
        format!("repositories/app/_manifests/revisions/sha256/{hex}/link"),
        link.as_bytes(),
    );
    write(
        format!("repositories/app/_manifests/tags/v1/index/sha256/{hex}/link"),
        link.as_bytes(),
    );
    write(
        "repositories/app/_manifests/tags/v1/current/link".to_owned(),
        link.as_bytes(),
    );

    let name = repository("app");
    assert_eq!(
        registry.manifests.get(&name, &by_tag("v1")).await.unwrap().bytes,
        manifest
    );
    assert_eq!(registry.bytes_of(&name, &sha256(b"layer")).await, b"layer");
    assert_eq!(
        registry
            .repositories
            .list(None, None, |_| true)
            .await
            .unwrap()
            .items,
        std::slice::from_ref(&name)
    );
    assert_eq!(
        registry.tags.list(&name, None, None).await.unwrap().items,
        [tag("v1")]
    );
    registry.manifests.delete(&name, &digest).await.unwrap();
    assert!(registry.manifests.get(&name, &by_tag("v1")).await.is_err());
}

#[tokio::test]
async fn a_probe_goes_to_the_disk_and_sees_when_that_does_not_work() {
    let folder = tempfile::tempdir().unwrap();
    let content = |read_only| {
        let storage = crate::storage::FilesystemStorage::open(folder.path()).unwrap();
        let options = Options {
            read_only,
            ..Options::default()
        };
        Content::new(Arc::new(storage), options)
    };
    let probe = folder.path().join("roadstead/probe");
    content(true).probe().await.unwrap();
    assert!(
        !probe.exists(),
        "nothing is written while the registry is read-only"
    );
    content(false).probe().await.unwrap();
    assert!(probe.exists());
    std::fs::remove_file(&probe).unwrap();
    std::fs::create_dir(&probe).unwrap();
    assert!(content(false).probe().await.is_err());
}

#[tokio::test]
async fn all_that_lies_in_a_store_is_met_and_known() {
    let registry = registry();
    let name = repository("team/app");
    let subject = image().layer("layer");
    subject.push(&registry, "team/app", "v1").await;
    image()
        .subject(&subject.manifest())
        .push(&registry, "team/app", "sig")
        .await;
    registry
        .referrers
        .list(&name, &subject.digest(), None, None, None)
        .await
        .unwrap();
    let id = registry
        .uploads
        .start(&name, Some(Algorithm::Sha512))
        .await
        .unwrap();
    registry
        .uploads
        .append(&name, &id, None, body("bytes"))
        .await
        .unwrap();
    registry.probe().await.unwrap();
    let hex = "ab".repeat(32);
    for foreign in [
        format!("docker/registry/v2/repositories/team/app/_uploads/{id}/hashstates/sha256/0"),
        format!(
            "docker/registry/v2/repositories/team/_manifests/revisions/sha256/{hex}/signatures/sha256/{hex}/link"
        ),
        "roadstead/notifications/registry-5000/endpoint/12".to_owned(),
    ] {
        let key = foreign.parse().unwrap();
        registry.storage.write(&key, Bytes::new()).await.unwrap();
    }
    let places = registry.places().await;
    let unknown: Vec<_> = places.iter().filter(|(_, place)| place.is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let files: Vec<String> = registry
        .files()
        .into_keys()
        .filter(|file| !file.ends_with('/'))
        .collect();
    let mut met: Vec<&str> = places.iter().map(|(key, _)| key.as_str()).collect();
    met.sort_unstable();
    assert_eq!(met, files);
}
