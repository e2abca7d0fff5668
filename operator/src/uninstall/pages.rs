//! Lists page by page: people write as much as they like into their objects, and the Job has little memory.

use kube::api::ListParams;
use kube::core::ListMeta;

/// How many objects are in memory at once.
const PAGE: u32 = 4;
/// Of those that only Roadstead writes, within the bounds of their definition.
const PAGE_OF_OURS: u32 = 50;

/// What is to be asked for next.
pub(super) struct Pages(Option<ListParams>);

impl Default for Pages {
    fn default() -> Self {
        Self(Some(ListParams::default().limit(PAGE)))
    }
}

impl Pages {
    /// Of those with these labels.
    pub(super) fn of(labels: &str) -> Self {
        Self(Some(ListParams::default().labels(labels).limit(PAGE)))
    }

    /// Of those that only Roadstead writes.
    pub(super) fn of_ours() -> Self {
        Self(Some(ListParams::default().limit(PAGE_OF_OURS)))
    }

    /// `None`: there are no more.
    pub(super) fn next(&self) -> Option<&ListParams> {
        self.0.as_ref()
    }

    /// Takes what the API server said of the page that it gave.
    pub(super) fn turn(&mut self, given: &ListMeta) {
        let following = given.continue_.as_deref().filter(|token| !token.is_empty());
        self.0 = self
            .0
            .take()
            .zip(following)
            .map(|(page, token)| page.continue_token(token));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_go_on_for_as_long_as_there_is_more() {
        let mut pages = Pages::of("a=b");
        let more = |token: Option<&str>| ListMeta {
            continue_: token.map(str::to_owned),
            ..ListMeta::default()
        };
        pages.turn(&more(Some("next")));
        let page = pages.next().expect("there is more");
        assert_eq!(page.continue_token.as_deref(), Some("next"));
        assert_eq!(
            (page.limit, page.label_selector.as_deref()),
            (Some(PAGE), Some("a=b"))
        );
        pages.turn(&more(Some("")));
        assert!(pages.next().is_none());
    }
}
