//! The CA and the server's certificate: made when missing, renewed when the machine or the time says so.

use std::path::Path;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use roadstead_pki::authority::Authority;
use roadstead_pki::server::ServerCertificate;

use super::files::{self, PUBLIC, SECRET};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Clients are told to trust it once; it had better stay.
const CA_DAYS: i32 = 3650;
/// Some systems refuse server certificates that live longer than two years.
const SERVER_DAYS: i32 = 365;
const RENEW_BEFORE_DAYS: i32 = 60;

/// Afterwards there is a certificate for these names, signed by the CA in `trust/ca.crt`.
pub(super) fn ensure(folder: &Path, names: &[String]) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let authority = authority(folder, names, now)?;
    let (chain, key) = (
        folder.join("private/server.crt"),
        folder.join("private/server.key"),
    );
    if let (Some(chain), Some(key)) = (files::read(&chain)?, files::read(&key)?)
        && is_good(&chain, &key, &authority, names, now)
    {
        return Ok(());
    }
    let server = authority.issue_server(names, DAY * SERVER_DAYS, now)?;
    files::write(&key, server.key_pem(), SECRET)?;
    files::write(&chain, &server.chain_pem(), PUBLIC)
}

fn authority(folder: &Path, names: &[String], now: Timestamp) -> anyhow::Result<Authority> {
    let (certificate, key) = (folder.join("trust/ca.crt"), folder.join("private/ca.key"));
    match (files::read(&certificate)?, files::read(&key)?) {
        (Some(certificate_pem), Some(key_pem)) => {
            // Never made anew in silence: clients trust this one.
            let advice = || {
                format!(
                    "cannot use the CA {}; remove it and {} for a new one",
                    certificate.display(),
                    key.display()
                )
            };
            Authority::parse(&certificate_pem, &key_pem).with_context(advice)
        }
        (Some(_), None) => anyhow::bail!(
            "{} is there without its key {}; put the key back, or remove the certificate for a new CA",
            certificate.display(),
            key.display()
        ),
        (None, _) => {
            let machine = names.first().map_or("localhost", String::as_str);
            let day = now.strftime("%Y-%m-%d");
            let authority = Authority::create(&format!("Roadstead CA {machine} {day}"), DAY * CA_DAYS, now)?;
            files::write(&key, authority.key_pem(), SECRET)?;
            files::write(&certificate, authority.certificate_pem(), PUBLIC)?;
            Ok(authority)
        }
    }
}

fn is_good(chain: &str, key: &str, authority: &Authority, names: &[String], now: Timestamp) -> bool {
    let Ok(server) = ServerCertificate::parse(chain.as_bytes(), key.as_bytes()) else {
        return false;
    };
    let roots = [authority.certificate().clone()];
    let soon = now.saturating_add(DAY * RENEW_BEFORE_DAYS).unwrap_or(now);
    server.findings(&roots, now).is_empty()
        && (server.leaf().not_after() > soon
            || server.leaf().not_after() == authority.certificate().not_after())
        && names.iter().all(|name| server.leaf().covers(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["trust", "private"] {
            files::make_folder(&folder.path().join(name), 0o700).unwrap();
        }
        folder
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn served(folder: &Path) -> ServerCertificate {
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        ServerCertificate::parse(&read("private/server.crt"), &read("private/server.key")).unwrap()
    }

    #[test]
    fn what_is_there_is_used_again() {
        let folder = folder();
        ensure(folder.path(), &names(&["host", "127.0.0.1"])).unwrap();
        let first = served(folder.path()).chain_pem();
        ensure(folder.path(), &names(&["host", "127.0.0.1"])).unwrap();
        assert_eq!(served(folder.path()).chain_pem(), first);
    }

    #[test]
    fn a_new_name_of_the_machine_gives_a_new_certificate_of_the_same_ca() {
        let folder = folder();
        ensure(folder.path(), &names(&["host"])).unwrap();
        let ca = std::fs::read(folder.path().join("trust/ca.crt")).unwrap();
        ensure(folder.path(), &names(&["host", "10.1.2.3"])).unwrap();
        assert!(served(folder.path()).leaf().covers("10.1.2.3"));
        assert_eq!(std::fs::read(folder.path().join("trust/ca.crt")).unwrap(), ca);
    }

    #[test]
    fn keys_are_for_nobody_else() {
        let folder = folder();
        ensure(folder.path(), &names(&["host"])).unwrap();
        for key in ["private/ca.key", "private/server.key"] {
            let mode = std::fs::metadata(folder.path().join(key))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
    }

    #[test]
    fn a_ca_that_lost_its_key_is_not_replaced_in_silence() {
        let folder = folder();
        ensure(folder.path(), &names(&["host"])).unwrap();
        std::fs::remove_file(folder.path().join("private/ca.key")).unwrap();
        let error = ensure(folder.path(), &names(&["host"])).unwrap_err().to_string();
        assert!(error.contains("without its key"), "{error}");
    }
}
