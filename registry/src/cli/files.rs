//! What the files that a configuration names hold: `serve` forgives some of it, and whoever checks a configuration wants to
//! know.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use roadstead_pki::certificate::parse_certificates;
use roadstead_pki::htpasswd;
use rustix::fs::{Access, access};

use crate::auth::{self, Login};
use crate::config::{Config, Problems};
use crate::tls::{self, Found};

/// Opens each of them.
pub(super) fn look_at(config: &Config) -> Found {
    let mut found = match &config.http.tls {
        Some(settings) => tls::look_at(settings, Timestamp::now()),
        None => Found::default(),
    };
    users(&config.login, &mut found);
    for endpoint in &config.notifications.endpoints {
        if let Some(path) = &endpoint.root_cert_bundle {
            bundle(&endpoint.name, path, &mut found);
        }
    }
    storage(config, &mut found);
    found
}

/// What is wrong with a configuration, and with the files that the rest of it names: a person mends both in one go.
pub(super) fn with_files(problems: &Problems) -> anyhow::Error {
    let found = problems.config().map(look_at).unwrap_or_default();
    let told = problems.iter().map(ToString::to_string);
    let all: Vec<_> = told.chain(found.fatal).chain(found.wrong).collect();
    anyhow::anyhow!("{}", all.join("\n"))
}

fn users(login: &Login, found: &mut Found) {
    match auth::look_at(login) {
        Ok(lines) => found.wrong.extend(lines),
        Err(error) => found.fatal.push(error.to_string()),
    }
    if let Some(settings) = &login.htpasswd
        && let Ok(text) = std::fs::read_to_string(&settings.path)
    {
        let (users, _) = htpasswd::Htpasswd::read(&text);
        let (path, count) = (settings.path.display(), users.users().count());
        found.sound.push(format!(
            "auth.htpasswd.path: {path}: users who can log in: {count}"
        ));
    }
}

fn bundle(endpoint: &str, path: &Path, found: &mut Found) {
    let key = format!(
        "notifications.endpoints: {endpoint}: rootcertbundle: {}",
        path.display()
    );
    certificates(&key, path, found);
}

/// A file with the CAs of somebody else's server.
fn certificates(key: &str, path: &Path, found: &mut Found) {
    match std::fs::read(path) {
        Err(error) => found.fatal.push(format!("{key}: {error}")),
        Ok(pem) => match parse_certificates(&pem) {
            Err(problem) => found.fatal.push(format!("{key}: {problem}")),
            Ok(certificates) => found
                .sound
                .push(format!("{key}: CA certificates: {}", certificates.len())),
        },
    }
}

/// The folder is made when the server starts, if it can be.
fn storage(config: &Config, found: &mut Found) {
    if let Some(s3) = &config.storage.s3 {
        if let Some(path) = &s3.ca_file {
            certificates(&format!("storage.s3.cafile: {}", path.display()), path, found);
        }
        return;
    }
    let root = &config.storage.root;
    let key = format!("storage.filesystem.rootdirectory: {}", root.display());
    let existing = root.ancestors().find(|folder| folder.exists());
    let is_writable =
        |folder: &Path| access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from);
    match existing {
        Some(folder) if !folder.is_dir() => found
            .wrong
            .push(format!("{key}: {} is not a folder", folder.display())),
        Some(folder) => match is_writable(folder) {
            Err(error) if config.storage.read_only && folder == root => {
                found.notes.push(format!(
                    "{key}: cannot be written ({error}); it is served read-only"
                ));
            }
            Err(error) => found.wrong.push(format!(
                "{key}: {} cannot be written by user {}: {error}",
                folder.display(),
                rustix::process::getuid().as_raw()
            )),
            Ok(()) if folder == root => found.sound.push(format!("{key}: can be written")),
            Ok(()) => found
                .notes
                .push(format!("{key}: is not there yet; serve makes it")),
        },
        None => found.wrong.push(format!("{key}: is not there")),
    }
}
