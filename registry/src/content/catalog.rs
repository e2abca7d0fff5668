//! The repositories that there are.

use roadstead_oci::RepositoryName;

use super::batches::all;
use super::error::Error;
use super::walk::Walk;
use super::{Content, Page, layout};
use crate::storage::{Key, Storage};

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
        let entries = all(self.storage(), &folder).await?;
        Ok(entries.iter().any(layout::marks_a_repository))
    }

    pub(super) fn walk_repositories(&self, after: Option<&str>) -> RepositoryWalk {
        RepositoryWalk::new(after.unwrap_or_default().to_owned())
    }
}

/// Goes through all repositories in the order of their names as texts, in which `a-b` stands between `a` and `a/b`.
/// Reads no folder of which nothing is wanted.
pub(super) struct RepositoryWalk {
    after: String,
    folders: Walk,
}

impl RepositoryWalk {
    fn new(after: String) -> Self {
        let end = after.clone();
        let may_hold_one = move |folder: &Key| {
            // All that lies in `a` begins with `a/`, and is smaller than `a0`: '0' follows '/'.
            let is_wanted = |name: &str| format!("{name}0") > end;
            // What is no name has no repository below it: `_layers` and its like, and folders that nobody can ask for.
            layout::name_of(folder)
                .is_some_and(|name| is_wanted(name) && name.parse::<RepositoryName>().is_ok())
        };
        RepositoryWalk {
            after,
            folders: Walk::below(layout::repositories(), may_hold_one),
        }
    }

    pub(super) async fn next(&mut self, storage: &dyn Storage) -> Result<Option<RepositoryName>, Error> {
        while let Some(folder) = self.folders.next(storage).await? {
            if !folder.entries.iter().any(layout::marks_a_repository) {
                continue;
            }
            let name = layout::name_of(&folder.key).filter(|name| **name > *self.after);
            if let Some(name) = name.and_then(|name| name.parse().ok()) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}
