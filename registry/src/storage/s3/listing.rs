//! Names in a folder, in the order that callers expect, and all objects below one.
//!
//! S3 sorts a folder with its slash: `a-b/` comes before `a/`, and `a` before `a-b` is what is promised here. What comes
//! too late in S3's order is a name that another one begins with, followed by a character before the slash.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use futures::stream::{self, StreamExt};

use super::super::{Entry, Error, Key, Page, Stat, Walked};
use super::bucket::Bucket;
use super::errors::Failure;
use super::objects::stat;

/// S3 gives no more at a time.
pub(super) const MOST: usize = 1000;

/// Where the next page begins.
#[derive(Clone, Debug)]
enum From {
    Beginning,
    After(String),
    Token(String),
    End,
}

impl Bucket {
    /// A page that says that it is cut, and not where to go on, is no page.
    async fn page(
        &self,
        folder: &Key,
        from: From,
        delimiter: Option<&str>,
        most: usize,
    ) -> Result<(ListObjectsV2Output, From), Error> {
        let (after, token) = match from {
            From::Beginning | From::End => (None, None),
            From::After(name) => (Some(format!("{}{name}", self.keys.folder(folder))), None),
            From::Token(token) => (None, Some(token)),
        };
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .prefix(self.keys.folder(folder))
            .set_delimiter(delimiter.map(str::to_owned))
            .set_start_after(after)
            .set_continuation_token(token)
            .max_keys(i32::try_from(most.clamp(1, MOST)).unwrap_or(1));
        let answer = self.told(request.send().await);
        let page = answer.map_err(|failure| failure.into_error("list", folder))?;
        let next = match (page.is_truncated, page.next_continuation_token.clone()) {
            // Some servers leave the flag out.
            (Some(true) | None, Some(token)) => From::Token(token),
            (Some(true), None) => {
                let failure = Failure::protocol("a page was cut, without a token to go on from");
                return Err(failure.into_error("list", folder));
            }
            _ => From::End,
        };
        Ok((page, next))
    }

    async fn is_folder(&self, folder: &Key) -> Result<bool, Error> {
        let (page, _) = self.page(folder, From::Beginning, None, 1).await?;
        Ok(!page.contents().is_empty())
    }
}

pub(super) async fn list(
    bucket: &Bucket,
    folder: &Key,
    after: Option<&str>,
    limit: usize,
) -> Result<Page, Error> {
    let mut from = match after {
        Some(after) => From::After(after.to_owned()),
        None => From::Beginning,
    };
    if limit == 0 {
        return Ok(Page::default());
    }
    loop {
        // The name itself may come once more, as a folder.
        let most = limit.saturating_add(2);
        let (page, next) = bucket.page(folder, from, Some("/"), most).await?;
        let (mut names, last) = names_of(bucket, folder, &page);
        let is_last = matches!(next, From::End);
        if !is_last {
            add_begun(bucket, folder, &mut names, &last).await?;
        }
        names.retain(|name, _| after.is_none_or(|after| name.as_str() > after));
        if names.is_empty() && !is_last {
            from = next;
            continue;
        }
        let more = !is_last || names.len() > limit;
        let entries = names.into_iter().take(limit);
        let entries = entries.map(|(name, is_folder)| Entry { name, is_folder });
        return Ok(Page {
            entries: entries.collect(),
            more,
        });
    }
}

/// The names, whether each is a folder, and the last of them as S3 sorts it.
fn names_of(bucket: &Bucket, folder: &Key, page: &ListObjectsV2Output) -> (BTreeMap<String, bool>, String) {
    let prefix = bucket.keys.folder(folder);
    let objects = page.contents().iter().filter_map(|object| object.key());
    let folders = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
    let mut names = BTreeMap::new();
    let mut last = String::new();
    for sorted in objects.chain(folders) {
        let Some(sorted) = sorted.strip_prefix(&prefix) else {
            continue;
        };
        if sorted > last.as_str() {
            sorted.clone_into(&mut last);
        }
        let name = sorted.trim_end_matches('/');
        // Some tools make an object for the folder itself.
        if !name.is_empty() {
            *names.entry(name.to_owned()).or_insert(false) |= sorted.ends_with('/');
        }
    }
    (names, last)
}

/// Folders that come only after `last` in S3's order, and before a name that is here.
async fn add_begun(
    bucket: &Bucket,
    folder: &Key,
    names: &mut BTreeMap<String, bool>,
    last: &str,
) -> Result<(), Error> {
    let mut candidates: Vec<String> = names.keys().flat_map(|name| beginnings(name)).collect();
    candidates.sort();
    candidates.dedup();
    candidates.retain(|name| !names.contains_key(name) && format!("{name}/").as_str() > last);
    for name in candidates {
        let Ok(below) = folder.join(&name) else {
            continue;
        };
        if bucket.is_folder(&below).await? {
            names.insert(name, true);
        }
    }
    Ok(())
}

/// What a name begins with, cut before a character that sorts before the slash.
fn beginnings(name: &str) -> Vec<String> {
    let cuts = name
        .char_indices()
        .filter(|(at, letter)| *at > 0 && *letter < '/');
    cuts.map(|(at, _)| name[..at].to_owned()).collect()
}

/// What follows the folder in the keys of all objects below it.
pub(super) async fn below(bucket: &Bucket, folder: &Key) -> Result<Vec<String>, Error> {
    let prefix = bucket.keys.folder(folder);
    let mut names = Vec::new();
    let mut from = From::Beginning;
    while !matches!(from, From::End) {
        let (page, next) = bucket.page(folder, from, None, MOST).await?;
        let found = page
            .contents()
            .iter()
            .filter_map(|object| object.key()?.strip_prefix(&prefix));
        names.extend(found.filter(|name| !name.is_empty()).map(str::to_owned));
        from = next;
    }
    Ok(names)
}

/// When the last object below a folder was written.
pub(super) async fn youngest(bucket: &Bucket, folder: &Key) -> Result<Option<SystemTime>, Error> {
    let (page, _) = bucket.page(folder, From::Beginning, None, MOST).await?;
    let times = page
        .contents()
        .iter()
        .map(|object| stat(object.size(), object.last_modified().copied()).modified);
    Ok(times.max())
}

pub(super) fn walk(bucket: Arc<Bucket>, folder: Key) -> Walked {
    stream::try_unfold(From::Beginning, move |from| {
        let (bucket, folder) = (Arc::clone(&bucket), folder.clone());
        async move {
            if matches!(from, From::End) {
                return Ok(None);
            }
            let (page, next) = bucket.page(&folder, from, None, MOST).await?;
            let found: Vec<(Key, Stat)> = page
                .contents()
                .iter()
                .filter_map(|object| {
                    let key = bucket.keys.key(object.key()?)?;
                    Some((key, stat(object.size(), object.last_modified().copied())))
                })
                .collect();
            Ok(Some((found, next)))
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_follow_those_that_it_begins_with() {
        assert_eq!(beginnings("v1.2-alpine"), ["v1", "v1.2"]);
        assert_eq!(beginnings("-a"), [""; 0]);
        assert_eq!(beginnings("latest"), [""; 0]);
    }
}
