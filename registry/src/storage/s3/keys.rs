//! Where a key of the store lies in the bucket: below the root, as registry:2 has it.

use super::super::Key;

/// Turns keys of the store into those of the bucket, and back.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Empty, or ends with a slash.
    root: String,
}

impl Keys {
    pub(super) fn below(root: &str) -> Self {
        let root = root.trim_matches('/');
        let root = match root {
            "" => String::new(),
            root => format!("{root}/"),
        };
        Self { root }
    }

    pub(super) fn object(&self, key: &Key) -> String {
        format!("{}{key}", self.root)
    }

    /// With the slash, so that it is the prefix of what lies in the folder and of nothing else.
    pub(super) fn folder(&self, folder: &Key) -> String {
        format!("{}{folder}/", self.root)
    }

    /// `None`: nothing of ours.
    pub(super) fn key(&self, object: &str) -> Option<Key> {
        object.strip_prefix(&self.root)?.parse().ok()
    }

    pub(super) fn root(&self) -> &str {
        &self.root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_lies_below_the_root_however_that_is_written() {
        let key: Key = "docker/registry/v2".parse().unwrap();
        for (root, object) in [
            ("", "docker/registry/v2"),
            ("/", "docker/registry/v2"),
            ("a/b", "a/b/docker/registry/v2"),
            ("/a/b/", "a/b/docker/registry/v2"),
        ] {
            let keys = Keys::below(root);
            assert_eq!(keys.object(&key), object);
            assert_eq!(keys.key(object), Some(key.clone()));
        }
        assert_eq!(Keys::below("a").key("b/docker"), None);
        assert_eq!(Keys::below("a").key("a/folder/"), None);
    }
}
