//! What is there after an accident, held against what may be there.

use std::collections::HashSet;

use serde_json::Value as Json;

use crate::images::digest_of;
use crate::ledger::{Ledger, Moment, Register, Value};

/// Whoever can answer questions about what is stored: the program over HTTP, or its content layer in this process.
/// An error is an answer that neither gives the thing nor says that it is not there.
pub(crate) trait Reader {
    fn manifest(&self, repository: &str, reference: &str) -> Result<Option<Vec<u8>>, String>;
    fn blob(&self, repository: &str, digest: &str) -> Result<Option<Vec<u8>>, String>;
    fn referrers(&self, repository: &str, subject: &str) -> Result<Vec<String>, String>;
}

#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) values: Vec<(Register, Value)>,
    /// How many registers had to hold something.
    pub(crate) certain: usize,
}

/// Every register holds what it may; every answer has the digest that it was asked by; every image is whole.
pub(crate) fn check(reader: &dyn Reader, ledger: &Ledger, at: Moment) -> Result<Found, String> {
    let mut found = Found::default();
    let mut whole = HashSet::new();
    for register in ledger.registers() {
        let value = look(reader, register, &mut whole)?;
        let possible = ledger.possible(register, at);
        if !possible.contains(&value) {
            return Err(format!(
                "{register} is {value:?}, but it may only be one of {possible:?}"
            ));
        }
        if !possible.contains(&None) {
            found.certain += 1;
        }
        found.values.push((register.clone(), value));
    }
    Ok(found)
}

fn look(reader: &dyn Reader, register: &Register, whole: &mut HashSet<String>) -> Result<Value, String> {
    match register {
        Register::Tag { repository, tag } => {
            let Some(bytes) = reader.manifest(repository, tag)? else {
                return Ok(None);
            };
            let digest = digest_of(&bytes);
            check_image(reader, repository, &bytes, whole)?;
            Ok(Some(digest))
        }
        Register::Manifest { repository, digest } => {
            let Some(bytes) = reader.manifest(repository, digest)? else {
                return Ok(None);
            };
            check_digest(register, digest, &bytes)?;
            check_image(reader, repository, &bytes, whole)?;
            Ok(Some(digest.clone()))
        }
        Register::Blob { repository, digest } => {
            let Some(bytes) = reader.blob(repository, digest)? else {
                return Ok(None);
            };
            check_digest(register, digest, &bytes)?;
            Ok(Some(digest.clone()))
        }
    }
}

fn check_digest(what: &Register, digest: &str, bytes: &[u8]) -> Result<(), String> {
    match digest_of(bytes) {
        actual if actual == digest => Ok(()),
        actual => Err(format!(
            "{what} is served with {} bytes that have {actual}",
            bytes.len()
        )),
    }
}

/// A manifest that is served has all of its blobs, and its subject knows of it.
fn check_image(
    reader: &dyn Reader,
    repository: &str,
    bytes: &[u8],
    whole: &mut HashSet<String>,
) -> Result<(), String> {
    let digest = digest_of(bytes);
    if !whole.insert(format!("{repository}@{digest}")) {
        return Ok(());
    }
    let manifest: Json = serde_json::from_slice(bytes).map_err(|error| format!("{digest}: {error}"))?;
    let layers = manifest["layers"].as_array().into_iter().flatten();
    for blob in layers.chain(manifest.get("config")) {
        let blob = blob["digest"].as_str().unwrap_or_default();
        let bytes = reader.blob(repository, blob)?;
        match bytes.map(|bytes| digest_of(&bytes)) {
            Some(actual) if actual == blob => {}
            other => {
                return Err(format!(
                    "{repository}@{digest} is served, but its blob {blob} is {other:?}"
                ));
            }
        }
    }
    if let Some(subject) = manifest["subject"]["digest"].as_str()
        && !reader.referrers(repository, subject)?.contains(&digest)
    {
        return Err(format!(
            "{repository}@{digest} is served, but is not among the referrers of {subject}"
        ));
    }
    Ok(())
}
