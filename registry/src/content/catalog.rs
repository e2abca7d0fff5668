//! The repositories that there are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use roadstead_oci::RepositoryName;

use super::error::Error;
use super::{Content, Page, layout};
use crate::storage::Storage;

impl Content {
    /// Repositories in lexical order, after `last`, at most `n` of those that `visible` lets through.
    pub async fn repositories(
        &self,
        n: Option<usize>,
        last: Option<&str>,
        visible: impl Fn(&RepositoryName) -> bool + Send + Sync,
    ) -> Result<Page<RepositoryName>, Error> {
        let mut page = Page::of(n);
        let mut walk = self.walk_repositories(last);
        while page.wants_more() {
            let Some(name) = walk.next(self.storage()).await? else {
                break;
            };
            if visible(&name) {
                page.add(name);
            }
        }
        Ok(page.finish(RepositoryName::to_string))
    }

    pub(super) async fn repository_exists(&self, name: &RepositoryName) -> Result<bool, Error> {
        let folder = layout::repository(name.as_str());
        let entries = self.storage().list(&folder, None, usize::MAX).await?;
        Ok(entries.iter().any(layout::marks_a_repository))
    }

    pub(super) fn walk_repositories(&self, after: Option<&str>) -> RepositoryWalk {
        RepositoryWalk {
            after: after.unwrap_or_default().to_owned(),
            found: None,
        }
    }
}

/// Goes through all repositories in the order of their names as texts, in which `a-b` stands between `a` and `a/b`.
/// Reads no folder of which nothing is wanted.
pub(super) struct RepositoryWalk {
    after: String,
    /// Folders that were found and not looked into yet. Whatever lies in one is larger than its own name.
    found: Option<BinaryHeap<Reverse<String>>>,
}

impl RepositoryWalk {
    pub(super) async fn next(&mut self, storage: &dyn Storage) -> Result<Option<RepositoryName>, Error> {
        let mut found = match self.found.take() {
            Some(found) => found,
            None => {
                let mut found = BinaryHeap::new();
                for entry in storage.list(&layout::repositories(), None, usize::MAX).await? {
                    self.add(&mut found, entry.name);
                }
                found
            }
        };
        let mut next = None;
        while next.is_none()
            && let Some(Reverse(name)) = found.pop()
        {
            let entries = storage.list(&layout::repository(&name), None, usize::MAX).await?;
            if name > self.after && entries.iter().any(layout::marks_a_repository) {
                next = name.parse().ok();
            }
            for entry in entries.iter().filter(|entry| entry.is_folder) {
                self.add(&mut found, format!("{name}/{}", entry.name));
            }
        }
        self.found = Some(found);
        Ok(next)
    }

    fn add(&self, found: &mut BinaryHeap<Reverse<String>>, name: String) {
        // All that lies in `a` begins with `a/`, and is smaller than `a0`: '0' follows '/'.
        let is_wanted = format!("{name}0") > self.after;
        // What is no name has no repository below it: `_layers` and its like, and folders that nobody can ask for.
        if is_wanted && name.parse::<RepositoryName>().is_ok() {
            found.push(Reverse(name));
        }
    }
}
