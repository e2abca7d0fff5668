//! Reads of objects that others can make large.
//!
//! The API server bounds the bytes of an object, and a Secret may well have as many as that. What costs is what they are
//! made of: a megabyte of tiny keys takes ten times that once it is in maps. So it is counted before it is parsed.

use kube::Client;
use kube::api::{GetParams, ListParams, Request};
use kube::core::{ListMeta, ObjectList};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The most values, and so keys, that an object may have. What Kubernetes and Roadstead write has hundreds.
const MOST_VALUES: usize = 8192;
/// The most bytes of an object whose size lies with the operator alone.
pub(super) const OF_OURS: usize = 256 * 1024;
/// As many as the API server takes.
pub(super) const OF_PEOPLE: usize = usize::MAX;

/// What is there.
pub(super) enum Found<K> {
    Nothing,
    Object(K),
    TooLarge,
}

/// Reads the object of this name where there is one.
pub(super) async fn get<K: DeserializeOwned>(
    client: &Client,
    url: &str,
    name: &str,
    most_bytes: usize,
) -> Result<Found<K>, kube::Error> {
    match text(client, url, name).await? {
        None => Ok(Found::Nothing),
        Some(text) if text.len() > most_bytes || values(&text) > MOST_VALUES => Ok(Found::TooLarge),
        Some(text) => parsed(&text).map(Found::Object),
    }
}

/// Reads of an object of any size what `K` keeps, which must be nothing that people can make large.
pub(super) async fn part<K: DeserializeOwned>(
    client: &Client,
    url: &str,
    name: &str,
) -> Result<Option<K>, kube::Error> {
    let text = text(client, url, name).await?;
    text.map(|text| parsed(&text)).transpose()
}

async fn text(client: &Client, url: &str, name: &str) -> Result<Option<String>, kube::Error> {
    let request = Request::new(url)
        .get(name, &GetParams::default())
        .map_err(kube::Error::BuildRequest)?;
    match client.request_text(request).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
        other => other.map(Some),
    }
}

fn parsed<K: DeserializeOwned>(text: &str) -> Result<K, kube::Error> {
    serde_json::from_str(text).map_err(kube::Error::SerdeError)
}

/// Reads a page of a list. Of one that is too large nothing is there but how it goes on.
pub(super) async fn list<K: Clone + DeserializeOwned>(
    client: &Client,
    url: &str,
    query: &ListParams,
) -> Result<(ListMeta, Vec<K>), kube::Error> {
    #[derive(Deserialize)]
    struct Page {
        metadata: ListMeta,
    }
    let request = Request::new(url).list(query).map_err(kube::Error::BuildRequest)?;
    let text = client.request_text(request).await?;
    if values(&text) > MOST_VALUES {
        let page: Page = parsed(&text)?;
        return Ok((page.metadata, Vec::new()));
    }
    let page: ObjectList<K> = parsed(&text)?;
    Ok((page.metadata, page.items))
}

/// At least as many values as the text has: each but the first of a list or an object stands behind a comma.
fn values(text: &str) -> usize {
    text.bytes()
        .filter(|byte| matches!(byte, b',' | b'{' | b'['))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tests::fake::Fake;
    use k8s_openapi::api::core::v1::{Pod, Secret};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    const SECRETS: &str = "/api/v1/namespaces/team/secrets";

    async fn read(secret: Value, most_bytes: usize) -> Found<Secret> {
        let fake = Fake::default();
        fake.put(&format!("{SECRETS}/a"), secret);
        let client = fake.context().client;
        get(&client, SECRETS, "a", most_bytes).await.expect("it answers")
    }

    fn keys(count: usize) -> BTreeMap<String, String> {
        (0..count)
            .map(|number| (format!("k{number}"), String::new()))
            .collect()
    }

    #[tokio::test]
    async fn one_large_value_is_read_and_many_small_ones_are_not() {
        let large = json!({"metadata": {"name": "a"}, "data": {"htpasswd": "aaaa".repeat(350_000)}});
        assert!(matches!(read(large.clone(), OF_PEOPLE).await, Found::Object(_)));
        assert!(matches!(read(large, OF_OURS).await, Found::TooLarge));
        for field in ["data", "metadata"] {
            let mut many = json!({"metadata": {"name": "a"}, "data": {}});
            many[field]["labels"] = json!(keys(10_000));
            assert!(matches!(read(many, OF_PEOPLE).await, Found::TooLarge), "{field}");
        }
        let usual = json!({"metadata": {"name": "a", "labels": keys(2000)}});
        assert!(matches!(read(usual, OF_OURS).await, Found::Object(_)));
    }

    #[tokio::test]
    async fn a_page_that_is_too_large_is_passed_over() {
        let fake = Fake::default();
        let pods = "/api/v1/namespaces/team/pods";
        fake.put(&format!("{pods}/a"), json!({"metadata": {"name": "a"}}));
        let client = fake.context().client;
        let page = async || {
            list::<Pod>(&client, pods, &ListParams::default())
                .await
                .expect("it answers")
                .1
                .len()
        };
        assert_eq!(page().await, 1);
        fake.put(
            &format!("{pods}/b"),
            json!({"metadata": {"name": "b", "labels": keys(10_000)}}),
        );
        assert_eq!(page().await, 0);
    }
}
