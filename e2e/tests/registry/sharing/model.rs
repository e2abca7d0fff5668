//! What a volume has to hold, kept in memory while registries take turns in writing it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use roadstead_e2e::{Answer, Api, Software};

use super::documents::{Blob, Document};

/// Every repository that was ever written to.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) repositories: BTreeMap<String, Repository>,
}

/// What has to be there. Blobs that nothing refers to may be gone after a collection, and are then left out.
#[derive(Debug, Default)]
pub(super) struct Repository {
    pub(super) manifests: BTreeMap<String, Rc<Document>>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) blobs: BTreeMap<String, Rc<Blob>>,
    deleted: BTreeSet<String>,
    untagged: BTreeSet<String>,
}

/// A running registry and what it is to answer.
pub(super) struct Writer<'a> {
    pub(super) api: &'a Api,
    pub(super) model: &'a mut Model,
}

impl Writer<'_> {
    fn repository(&mut self, name: &str) -> &mut Repository {
        self.model.repositories.entry(name.to_owned()).or_default()
    }

    /// Pushes a manifest under a tag or its digest, with what the repository lacks of it before.
    pub(super) fn push(&mut self, name: &str, tag: Option<&str>, document: &Rc<Document>) {
        for blob in &document.blobs {
            if !self.repository(name).blobs.contains_key(&blob.digest) {
                self.push_blob(name, blob);
            }
        }
        for child in &document.children {
            if !self.repository(name).manifests.contains_key(&child.digest) {
                self.push(name, None, child);
            }
        }
        let pushed = self
            .api
            .push_manifest(
                name,
                tag.unwrap_or(&document.digest),
                document.media_type,
                &document.bytes,
            )
            .expect(201, &format!("push of {} to {name}:{tag:?}", document.media_type));
        assert_eq!(pushed.header("docker-content-digest"), document.digest);
        let repository = self.repository(name);
        repository.deleted.remove(&document.digest);
        repository
            .manifests
            .insert(document.digest.clone(), Rc::clone(document));
        if let Some(tag) = tag {
            repository.untagged.remove(tag);
            repository.tags.insert(tag.to_owned(), document.digest.clone());
        }
    }

    pub(super) fn push_blob(&mut self, name: &str, blob: &Rc<Blob>) {
        self.api
            .push_blob(name, &blob.digest, &blob.bytes)
            .expect(201, &format!("push of a blob to {name}"));
        self.repository(name)
            .blobs
            .insert(blob.digest.clone(), Rc::clone(blob));
    }

    /// Mounts a blob from a repository that has it.
    pub(super) fn mount(&mut self, name: &str, blob: &Rc<Blob>, from: &str) {
        assert!(
            self.api.mount(name, &blob.digest, from),
            "{} from {from} to {name} was not mounted",
            blob.digest
        );
        self.repository(name)
            .blobs
            .insert(blob.digest.clone(), Rc::clone(blob));
    }

    /// Deletes a blob that no manifest of the repository needs.
    pub(super) fn delete_blob(&mut self, name: &str, digest: &str) {
        let path = format!("/v2/{name}/blobs/{digest}");
        self.api
            .delete(&path)
            .expect(202, &format!("delete of blob {name}@{digest}"));
        self.api
            .get(&path)
            .expect(404, &format!("deleted blob {name}@{digest}"));
        self.repository(name).blobs.remove(digest);
    }

    pub(super) fn delete_manifest(&mut self, name: &str, digest: &str) {
        self.api
            .delete(&format!("/v2/{name}/manifests/{digest}"))
            .expect(202, &format!("delete of {name}@{digest}"));
        let repository = self.repository(name);
        repository.manifests.remove(digest);
        repository.deleted.insert(digest.to_owned());
        let gone: Vec<String> = repository
            .tags
            .extract_if(.., |_, at| at == digest)
            .map(|(tag, _)| tag)
            .collect();
        repository.untagged.extend(gone);
    }

    pub(super) fn delete_tag(&mut self, name: &str, tag: &str) {
        self.api
            .delete(&format!("/v2/{name}/manifests/{tag}"))
            .expect(202, &format!("delete of {name}:{tag}"));
        let repository = self.repository(name);
        repository.tags.remove(tag);
        repository.untagged.insert(tag.to_owned());
    }
}

impl Repository {
    /// Whether the manifest could be pushed again as it is.
    pub(super) fn is_whole(&self, document: &Document) -> bool {
        document
            .children
            .iter()
            .all(|child| self.manifests.contains_key(&child.digest))
    }
}

impl Model {
    /// A collection keeps what manifests of a repository refer to, and need keep no more.
    pub(super) fn collected(&mut self) {
        for repository in self.repositories.values_mut() {
            let kept: BTreeSet<&str> = repository
                .manifests
                .values()
                .flat_map(|document| document.blobs.iter().map(|blob| blob.digest.as_str()))
                .collect();
            repository
                .blobs
                .retain(|digest, _| kept.contains(digest.as_str()));
        }
    }

    /// Asks a registry for everything, byte for byte.
    pub(super) fn check(&self, api: &Api, software: Software) {
        self.check_catalog(api);
        for (name, repository) in &self.repositories {
            check_tags(api, name, repository);
            check_manifests(api, name, repository);
            for blob in repository.blobs.values() {
                let answer = api
                    .get(&format!("/v2/{name}/blobs/{}", blob.digest))
                    .expect(200, &format!("{software:?}: blob {} of {name}", blob.digest));
                assert!(
                    answer.body == blob.bytes,
                    "{name}: {} is not its own",
                    blob.digest
                );
                assert_eq!(answer.header("docker-content-digest"), blob.digest);
            }
            // Its peers have no such list.
            if software == Software::Roadstead {
                check_referrers(api, name, repository);
            }
        }
    }

    pub(super) fn figures(&self) -> String {
        let sum = |count: fn(&Repository) -> usize| self.repositories.values().map(count).sum::<usize>();
        format!(
            "{} repositories, {} manifests, {} tags, {} blobs",
            self.repositories.len(),
            sum(|repository| repository.manifests.len()),
            sum(|repository| repository.tags.len()),
            sum(|repository| repository.blobs.len())
        )
    }

    /// A repository without a manifest is listed by some and not by others.
    fn check_catalog(&self, api: &Api) {
        let mut listed = BTreeSet::new();
        for page in api.pages("/v2/_catalog?n=3") {
            listed.extend(texts(&page.expect(200, "catalog"), "repositories"));
        }
        for (name, repository) in &self.repositories {
            assert!(
                repository.manifests.is_empty() || listed.contains(name),
                "{name} is not in {listed:?}"
            );
        }
        let unknown: Vec<_> = listed
            .iter()
            .filter(|name| !self.repositories.contains_key(*name))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?} were never written");
    }
}

fn check_tags(api: &Api, name: &str, repository: &Repository) {
    let pages = api.pages(&format!("/v2/{name}/tags/list?n=5"));
    let mut listed = Vec::new();
    for page in pages {
        // Without any tag some say that the repository is unknown.
        if page.status == 404 && repository.tags.is_empty() {
            continue;
        }
        listed.extend(texts(&page.expect(200, &format!("tags of {name}")), "tags"));
    }
    listed.sort();
    assert!(
        listed.iter().eq(repository.tags.keys()),
        "{name} lists {listed:?}, not {:?}",
        repository.tags.keys()
    );
    for (tag, digest) in &repository.tags {
        let answer = api
            .manifest(name, tag)
            .expect(200, &format!("manifest {name}:{tag}"));
        assert_eq!(answer.header("docker-content-digest"), digest, "{name}:{tag}");
    }
    for tag in &repository.untagged {
        api.manifest(name, tag)
            .expect(404, &format!("deleted tag {name}:{tag}"));
    }
}

fn check_manifests(api: &Api, name: &str, repository: &Repository) {
    for document in repository.manifests.values() {
        let what = format!("manifest {name}@{}", document.digest);
        let answer = api.manifest(name, &document.digest).expect(200, &what);
        assert!(answer.body == document.bytes, "{what} is not its own");
        assert_eq!(answer.header("content-type"), document.media_type, "{what}");
        assert_eq!(answer.header("docker-content-digest"), document.digest);
    }
    for digest in &repository.deleted {
        api.manifest(name, digest)
            .expect(404, &format!("deleted manifest {name}@{digest}"));
    }
}

fn check_referrers(api: &Api, name: &str, repository: &Repository) {
    let mut expected: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    // Of those that have none, and of those that are gone, too.
    for digest in repository.manifests.keys().chain(&repository.deleted) {
        expected.entry(digest).or_default();
    }
    for document in repository.manifests.values() {
        if let (Some(subject), Some(kind)) = (&document.subject, &document.artifact_type) {
            expected
                .entry(subject)
                .or_default()
                .insert((&document.digest, kind));
        }
    }
    for (subject, referrers) in expected {
        let mut listed = Vec::new();
        for page in api.pages(&format!("/v2/{name}/referrers/{subject}?n=2")) {
            let page = page.expect(200, &format!("referrers of {name}@{subject}")).json();
            let entries = page["manifests"].as_array().cloned();
            listed.extend(entries.expect("an index has manifests"));
        }
        let listed: BTreeSet<(&str, &str)> = listed
            .iter()
            .filter_map(|entry| Some((entry["digest"].as_str()?, entry["artifactType"].as_str()?)))
            .collect();
        assert_eq!(listed, referrers, "referrers of {name}@{subject}");
    }
}

/// The texts of a list in an answer; `null` is an empty one.
fn texts(answer: &Answer, field: &str) -> Vec<String> {
    let value = answer.json();
    let Some(list) = value[field].as_array() else {
        assert!(value[field].is_null(), "{value}");
        return Vec::new();
    };
    list.iter()
        .map(|text| text.as_str().expect("names are texts").to_owned())
        .collect()
}
