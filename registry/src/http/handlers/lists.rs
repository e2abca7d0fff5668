//! Lists, page by page: tags, repositories, referrers.

use http::header::{CONTENT_TYPE, LINK};
use http::{HeaderName, HeaderValue, Response};
use roadstead_oci::{Descriptor, Digest, RepositoryName, Tag};
use serde::Serialize;

use super::{Answer, Handlers, RequestContext, json, plain};
use crate::http::body::ResponseBody;
use crate::http::route::Paging;

/// The most that one page holds, whatever is asked for.
const LARGEST_PAGE: usize = 10_000;
/// What a page of referrers holds when nothing is asked for. All tags are listed then, as
/// registry:2 does: scripts that know nothing of pages rely on it.
const PAGE: usize = 1000;

#[derive(Serialize)]
struct TagList<'a> {
    name: &'a RepositoryName,
    tags: &'a [Tag],
}

#[derive(Serialize)]
struct Catalog<'a> {
    repositories: &'a [RepositoryName],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u8,
    media_type: &'static str,
    manifests: &'a [Descriptor],
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Handlers {
    pub(super) async fn tags(&self, repository: RepositoryName, paging: Paging) -> Answer {
        let n = paging.n.map(|n| n.min(LARGEST_PAGE));
        let page = self
            .content
            .tags
            .list(&repository, n, paging.last.as_deref())
            .await?;
        let mut response = list(&TagList {
            name: &repository,
            tags: &page.items,
        });
        if let Some(last) = &page.next {
            response
                .headers_mut()
                .insert(LINK, plain(self.pages.tags(&repository, n, last)));
        }
        Ok(response)
    }

    pub(super) async fn catalog(&self, paging: Paging, context: &RequestContext<'_>) -> Answer {
        // registry:2 refuses a larger number; a shorter page with a link to the next is what the specification has.
        let n = Some(paging.n.unwrap_or(self.catalog_page).min(self.catalog_page));
        let visible = |repository: &RepositoryName| self.auth.shows(&context.identity, repository);
        let page = self
            .content
            .repositories
            .list(n, paging.last.as_deref(), visible)
            .await?;
        let mut response = list(&Catalog {
            repositories: &page.items,
        });
        if let Some(last) = &page.next {
            response
                .headers_mut()
                .insert(LINK, plain(self.pages.catalog(n, last)));
        }
        Ok(response)
    }

    pub(super) async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: Digest,
        artifact_type: Option<&str>,
        paging: Paging,
    ) -> Answer {
        let n = Some(paging.n.unwrap_or(PAGE).min(LARGEST_PAGE));
        let page = self
            .content
            .referrers
            .list(repository, &subject, artifact_type, n, paging.last.as_deref())
            .await?;
        let mut response = list(&Index {
            schema_version: 2,
            media_type: INDEX,
            manifests: &page.items,
        });
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(INDEX));
        if artifact_type.is_some() {
            let applied = HeaderName::from_static("oci-filters-applied");
            headers.insert(applied, HeaderValue::from_static("artifactType"));
        }
        if let Some(last) = &page.next {
            let link = self.pages.referrers(repository, &subject, artifact_type, n, last);
            headers.insert(LINK, plain(link));
        }
        Ok(response)
    }
}

fn list(body: &impl Serialize) -> Response<ResponseBody> {
    let mut text = serde_json::to_vec(body).expect("names, tags and descriptors have a JSON form");
    // As registry:2: shells' `read` passes over a last line without an end.
    text.push(b'\n');
    json(text)
}
