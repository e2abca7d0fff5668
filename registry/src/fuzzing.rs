//! Entry points for fuzzing: everything that reads bytes which somebody else made.
//!
//! Each takes anything and must not panic. The programs in `fuzz/` call them under libFuzzer; the test here replays the
//! corpus that is kept in `fuzz/corpus` and tries some thousands of changes of it.

use roadstead_oci::{Digest, Manifest, Reference, RepositoryName, Tag, stored_media_type};

use crate::config;

/// What a fuzzer calls with its bytes.
pub type Target = fn(&[u8]);

pub const TARGETS: [(&str, Target); 7] = [
    ("config", config),
    ("content_range", content_range),
    ("digest", digest),
    ("manifest", manifest),
    ("name", name),
    ("route", route),
    ("tls", tls),
];

pub fn route(bytes: &[u8]) {
    crate::http::fuzzing::route(bytes);
}

pub fn content_range(bytes: &[u8]) {
    crate::http::fuzzing::content_range(bytes);
}

pub fn tls(bytes: &[u8]) {
    crate::tls::fuzzing::stream(bytes);
}

/// A repository's name, a tag, a reference.
pub fn name(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(name) = text.parse::<RepositoryName>() {
        assert_eq!(name.to_string(), text);
        assert!(
            name.as_str()
                .split('/')
                .all(|part| !part.starts_with(['.', '_', '-']))
        );
    }
    if let Ok(tag) = text.parse::<Tag>() {
        assert_eq!(tag.to_string(), text);
        assert!(!text.contains('/') && !text.starts_with('.'));
    }
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string(), text);
    }
}

pub fn digest(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(digest) = text.parse::<Digest>()
    {
        assert_eq!(digest.to_string(), text);
        assert_eq!(Digest::from_parts(digest.algorithm(), &digest.hex()), Ok(digest));
    }
}

pub fn manifest(bytes: &[u8]) {
    let stored = stored_media_type(bytes);
    if let Ok(manifest) = Manifest::parse(bytes, None) {
        // What was taken in is served as what it is.
        assert_eq!(stored, Some(manifest.media_type()));
        let _ = (
            manifest.blobs().count(),
            manifest.manifests().len(),
            manifest.subject(),
        );
    }
}

pub fn config(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let (config, variables) = text.split_once("\n---\n").unwrap_or((text, ""));
        let variables = variables.lines().filter_map(|line| line.split_once('='));
        let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        drop(config::parse(config, owned));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const CHANGES: usize = 20_000;
    /// Each of these shakes hands.
    const CHANGES_OF_TLS: usize = 500;

    #[test]
    fn nothing_in_the_corpus_nor_near_it_makes_anything_panic() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        // The same in every run: this is a test. What is new is looked for by the fuzzer.
        let mut chance = fastrand::Rng::with_seed(1);
        for (name, target) in TARGETS {
            let mut paths: Vec<_> = fs::read_dir(corpus.join(name))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            paths.sort();
            let inputs: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
            assert!(inputs.len() >= 3, "{name} has a corpus");
            inputs.iter().for_each(|input| target(input));
            let changes = if name == "tls" { CHANGES_OF_TLS } else { CHANGES };
            for _ in 0..changes {
                target(&changed(&inputs, &mut chance));
            }
        }
    }

    fn changed(inputs: &[Vec<u8>], chance: &mut fastrand::Rng) -> Vec<u8> {
        let mut input = chance.choice(inputs).cloned().unwrap_or_default();
        for _ in 0..chance.usize(1..5) {
            let at = chance.usize(..=input.len());
            match chance.u8(..5) {
                0 => input.insert(at, chance.u8(..)),
                1 => input.truncate(at),
                2 if at < input.len() => drop(input.remove(at)),
                3 if at < input.len() => input[at] ^= 1 << chance.u8(..8),
                _ => {
                    let other = chance.choice(inputs).cloned().unwrap_or_default();
                    let from = chance.usize(..=other.len());
                    input.splice(at.., other[from..].iter().copied());
                }
            }
        }
        input
    }
}
