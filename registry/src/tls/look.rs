//! What the files of the section `http.tls` hold, for who asks before they are served.

use jiff::Timestamp;

use super::material::{self, Served};
use super::settings::Settings;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Keeps the server from starting.
    pub fatal: Vec<String>,
    /// Is served, and is wrong.
    pub wrong: Vec<String>,
    /// May be meant.
    pub notes: Vec<String>,
    /// Is as it should be.
    pub sound: Vec<String>,
}

/// Reads and checks each of them.
pub fn look_at(settings: &Settings, now: Timestamp) -> Found {
    let mut found = Found::default();
    let primary = ("http.tls".to_owned(), &settings.primary, false);
    let others = settings.others.iter().enumerate().map(|(index, other)| {
        (
            format!("http.tls.certificates.{index}"),
            &other.files,
            other.optional,
        )
    });
    for (place, files, optional) in std::iter::once(primary).chain(others) {
        let path = files.certificate.display();
        match Served::load(&place, files, now) {
            Err(error) if optional => found.notes.push(format!("{error}; it is optional")),
            Err(error) => {
                found.fatal.push(error.to_string());
                // The certificate is read first, and the key not any more where that fails.
                if error.is_unreadable(&files.certificate)
                    && let Err(error) = material::read(&format!("{place}.key"), &files.key)
                {
                    found.fatal.push(error.to_string());
                }
            }
            Ok(served) => {
                for problem in &served.findings {
                    let told = format!("{place}.certificate: {path}: {problem}");
                    if problem.is_fatal() {
                        &mut found.wrong
                    } else {
                        &mut found.notes
                    }
                    .push(told);
                }
                let (names, until) = (served.names.join(", "), served.not_after.strftime("%Y-%m-%d"));
                found
                    .sound
                    .push(format!("{place}.certificate: {path}: for {names}, until {until}"));
            }
        }
    }
    look_at_client_cas(settings, &mut found);
    found
}

fn look_at_client_cas(settings: &Settings, found: &mut Found) {
    let client_cas = settings
        .client_auth
        .iter()
        .flat_map(|client| &client.cas)
        .enumerate();
    for (index, path) in client_cas {
        let key = format!("http.tls.clientcas.{index}");
        match material::load_client_cas(std::slice::from_ref(path)) {
            // It counts from the beginning of what it is given.
            Err(error) => found
                .fatal
                .push(error.to_string().replacen("http.tls.clientcas.0", &key, 1)),
            Ok(roots) => found.sound.push(format!(
                "{key}: {}: CA certificates: {}",
                path.display(),
                roots.len()
            )),
        }
    }
}
