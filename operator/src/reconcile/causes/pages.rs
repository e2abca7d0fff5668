//! Lists of objects that others may make as large as they like: a few at a time are in memory.

use crate::reconcile::bounded;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;

const PAGE: u32 = 4;

/// Gives `take` each object that `query` finds, up to about `most`.
pub(super) async fn each<K>(
    client: &Client,
    api: &Api<K>,
    query: ListParams,
    most: usize,
    mut take: impl FnMut(K),
) -> Result<(), kube::Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let mut query = query.limit(PAGE);
    let mut seen = 0;
    while seen < most {
        let (page, items) = bounded::list(client, api.resource_url(), &query).await?;
        seen += PAGE as usize;
        let next = page.continue_.filter(|next| !next.is_empty());
        items.into_iter().for_each(&mut take);
        match next {
            Some(next) => query = query.continue_token(&next),
            None => break,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Pod;
    use kube::client::Body;
    use serde_json::json;
    use std::convert::Infallible;

    /// Every page has four, and another one after it.
    fn endless() -> Client {
        let service = tower::service_fn(|request: http::Request<Body>| async move {
            let query = request.uri().query().unwrap_or_default();
            assert!(query.contains("limit=4"), "{query}");
            let page = match query.contains("continue=next") {
                true => 2,
                false => 1,
            };
            let pod = json!({"metadata": {"name": format!("of-page-{page}")}});
            let list = json!({"metadata": {"continue": "next"}, "items": [pod, pod, pod, pod]});
            Ok::<_, Infallible>(http::Response::new(Body::from(list.to_string().into_bytes())))
        });
        Client::new(service, "default")
    }

    #[tokio::test]
    async fn a_list_without_an_end_is_read_in_small_pages_up_to_the_bound() {
        let mut names = Vec::new();
        let client = endless();
        let api = Api::namespaced(client.clone(), "registry");
        each(&client, &api, ListParams::default(), 8, |pod: Pod| {
            names.extend(pod.metadata.name);
        })
        .await
        .expect("every page is there");
        assert_eq!(names, [["of-page-1"; 4], ["of-page-2"; 4]].concat());
    }
}
