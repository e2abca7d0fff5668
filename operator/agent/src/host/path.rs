//! Absolute paths as the host sees them. Knows nothing of what is on the disk.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An absolute path on the host: no `.`, no `..`, no empty part. The root itself is not one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPath(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not an absolute path without `.` and `..`")]
pub struct NotAHostPath(String);

impl HostPath {
    /// The path of `name` in this folder. `name` is one part: whoever calls has checked it.
    pub fn join(&self, name: &str) -> Self {
        assert!(is_part(name), "{name:?} is not one part of a path");
        Self(format!("{}/{name}", self.0))
    }

    /// The folder that this lies in; `None`: it is the root.
    pub fn parent(&self) -> Option<Self> {
        match self.0.rsplit_once('/') {
            Some(("", _)) | None => None,
            Some((folder, _)) => Some(Self(folder.to_owned())),
        }
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(_, name)| name)
    }

    /// This and the folders above it, from the top down.
    pub fn from_top(&self) -> Vec<Self> {
        let mut all: Vec<Self> = std::iter::successors(Some(self.clone()), Self::parent).collect();
        all.reverse();
        all
    }

    pub fn is_beneath(&self, folder: &Self) -> bool {
        self.0
            .strip_prefix(&folder.0)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As `openat2` wants it beneath a root.
    pub(super) fn relative(&self) -> &str {
        &self.0[1..]
    }
}

fn is_part(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

impl FromStr for HostPath {
    type Err = NotAHostPath;

    fn from_str(text: &str) -> Result<Self, NotAHostPath> {
        match text.strip_prefix('/') {
            Some(rest) if rest.split('/').all(is_part) => Ok(Self(text.to_owned())),
            Some(_) | None => Err(NotAHostPath(text.to_owned())),
        }
    }
}

impl TryFrom<String> for HostPath {
    type Error = NotAHostPath;

    fn try_from(text: String) -> Result<Self, NotAHostPath> {
        text.parse()
    }
}

impl From<HostPath> for String {
    fn from(path: HostPath) -> Self {
        path.0
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_absolute_paths_are_taken() {
        for good in ["/etc", "/etc/containerd/certs.d/a:5000/ca.crt", "/etc/..x"] {
            assert_eq!(good.parse::<HostPath>().expect(good).to_string(), good);
        }
        for bad in ["", "/", "etc", "/etc/", "//etc", "/etc/../x", "/etc/./x", "/a\0b"] {
            assert!(bad.parse::<HostPath>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_path_lists_itself_and_its_folders_from_the_top() {
        let path: HostPath = "/a/b/c".parse().expect("a path");
        let all: Vec<String> = path.from_top().into_iter().map(String::from).collect();
        assert_eq!(all, ["/a", "/a/b", "/a/b/c"]);
    }

    #[test]
    fn a_longer_name_is_not_beneath() {
        let folder: HostPath = "/a/b".parse().expect("a path");
        assert!("/a/b/c".parse::<HostPath>().expect("a path").is_beneath(&folder));
        assert!(!"/a/bc".parse::<HostPath>().expect("a path").is_beneath(&folder));
        assert!(!folder.is_beneath(&folder));
    }
}
