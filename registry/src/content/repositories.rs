//! The repositories that there are.

use std::sync::Arc;

use roadstead_oci::RepositoryName;

use super::error::Error;
use super::layout;
use super::listing::all;
use super::page::Page;
use super::walk::Walk;
use crate::storage::{Key, Storage};

#[derive(Debug)]
pub struct Repositories {
    storage: Arc<dyn Storage>,
}

impl Repositories {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Repositories { storage }
    }

    /// Repositories in lexical order, after `last`, at most `n` of those that `visible` lets through.
    pub async fn list(
        &self,
        n: Option<usize>,
        last: Option<&str>,
        visible: impl Fn(&RepositoryName) -> bool + Send + Sync,
    ) -> Result<Page<RepositoryName>, Error> {
        let mut page = Page::of(n);
        let mut walk = self.walk(last);
        while page.wants_more() {
            let Some(name) = walk.next().await? else {
                break;
            };
            if visible(&name) {
                page.add(name);
            }
        }
        Ok(page.finish(RepositoryName::to_string))
    }

    pub(super) async fn exists(&self, name: &RepositoryName) -> Result<bool, Error> {
        let folder = layout::repository(name.as_str());
        let entries = all(&*self.storage, &folder).await?;
        Ok(entries.iter().any(layout::marks_a_repository))
    }

    pub(super) fn walk(&self, after: Option<&str>) -> RepositoryWalk<'_> {
        RepositoryWalk::new(&*self.storage, after.unwrap_or_default().to_owned())
    }
}

/// Goes through all repositories in the order of their names as texts, in which `a-b` stands between `a` and `a/b`.
/// Reads no folder of which nothing is wanted.
pub(super) struct RepositoryWalk<'a> {
    storage: &'a dyn Storage,
    after: String,
    folders: Walk,
}

impl<'a> RepositoryWalk<'a> {
    fn new(storage: &'a dyn Storage, after: String) -> Self {
        let end = after.clone();
        let may_hold_one = move |folder: &Key| {
            // All that lies in `a` begins with `a/`, and is smaller than `a0`: '0' follows '/'.
            let is_wanted = |name: &str| format!("{name}0") > end;
            // What is no name has no repository below it: `_layers` and its like, and folders that nobody can ask for.
            layout::name_of(folder)
                .is_some_and(|name| is_wanted(name) && name.parse::<RepositoryName>().is_ok())
        };
        RepositoryWalk {
            storage,
            after,
            folders: Walk::below(layout::repositories(), may_hold_one),
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<RepositoryName>, Error> {
        while let Some(folder) = self.folders.next(self.storage).await? {
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
