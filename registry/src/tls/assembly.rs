//! Everything that is served at one time: each entry with its newest sound version, and the rustls configuration
//! made of them. Broken new material never replaces what was sound.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

use super::client_verifier::ClientVerifier;
use super::material::{self, MaterialError, Served};
use super::provider::provider;
use super::resolver::ByName;
use super::settings::{CertificateFiles, Settings};

/// One place in the configuration where a certificate is named.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Where it is named: `http.tls`, `http.tls.certificates.0`.
    place: String,
    pub(super) files: CertificateFiles,
    pub(super) served: Option<Arc<Served>>,
    pub(super) error: Option<Arc<MaterialError>>,
}

#[derive(Clone, Debug)]
pub(super) struct Assembly {
    pub(super) entries: Vec<Entry>,
    pub(super) client_cas: Option<Arc<RootCertStore>>,
    pub(super) client_cas_error: Option<Arc<MaterialError>>,
    pub(super) config: Arc<ServerConfig>,
}

/// Why there is nothing to serve.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    #[error(transparent)]
    Material(#[from] Arc<MaterialError>),
    #[error("the TLS settings cannot be used: {0}")]
    Rustls(#[from] rustls::Error),
    #[error("the client CAs cannot be used: {0}")]
    ClientCas(#[from] rustls::server::VerifierBuilderError),
}

impl Assembly {
    /// At the start: whatever is not optional must be sound.
    pub(super) fn start(settings: &Settings, now: Timestamp) -> Result<Self, AssemblyError> {
        let primary = load("http.tls", &settings.primary, None, now);
        let others = settings.others.iter().enumerate().map(|(index, other)| {
            let place = format!("http.tls.certificates.{index}");
            (load(&place, &other.files, None, now), other.optional)
        });
        let mut entries = vec![required(primary)?];
        for (entry, optional) in others {
            entries.push(if optional { entry } else { required(entry)? });
        }
        let client_cas = load_client_cas(settings)?;
        let config = server_config(settings, &entries, client_cas.as_ref())?;
        Ok(Assembly {
            entries,
            client_cas,
            client_cas_error: None,
            config,
        })
    }

    /// After a change: what is sound is taken, what is not leaves the old one in its place.
    pub(super) fn renew(&self, settings: &Settings, now: Timestamp) -> Result<Self, AssemblyError> {
        let entries: Vec<_> = self
            .entries
            .iter()
            .map(|entry| load(&entry.place, &entry.files, entry.served.clone(), now))
            .collect();
        let (client_cas, client_cas_error) = match load_client_cas(settings) {
            Ok(client_cas) => (client_cas, None),
            Err(error) => (self.client_cas.clone(), Some(error)),
        };
        let config = server_config(settings, &entries, client_cas.as_ref())?;
        Ok(Assembly {
            entries,
            client_cas,
            client_cas_error,
            config,
        })
    }

    /// Every error that keeps something from being served as it stands in the files.
    pub(super) fn errors(&self) -> impl Iterator<Item = &Arc<MaterialError>> {
        self.entries
            .iter()
            .filter_map(|entry| entry.error.as_ref())
            .chain(&self.client_cas_error)
    }

    pub(super) fn files(settings: &Settings) -> Vec<PathBuf> {
        let others = settings.others.iter().map(|other| &other.files);
        std::iter::once(&settings.primary)
            .chain(others)
            .flat_map(|files| [files.certificate.clone(), files.key.clone()])
            .chain(settings.client_auth.iter().flat_map(|client| client.cas.clone()))
            .collect()
    }
}

fn load(place: &str, files: &CertificateFiles, old: Option<Arc<Served>>, now: Timestamp) -> Entry {
    let (served, error) = match Served::load(place, files, now) {
        // What nobody who verifies would take is served where there is nothing better.
        Ok(served) => match (served.fatal(), old.filter(|old| old.is_sound(now))) {
            (Some(error), Some(old)) => (Some(old), Some(Arc::new(error))),
            _ => (Some(Arc::new(served)), None),
        },
        Err(error) => (old, Some(Arc::new(error))),
    };
    Entry {
        place: place.to_owned(),
        files: files.clone(),
        served,
        error,
    }
}

fn required(entry: Entry) -> Result<Entry, Arc<MaterialError>> {
    match entry.error {
        Some(error) => Err(error),
        None => Ok(entry),
    }
}

fn load_client_cas(settings: &Settings) -> Result<Option<Arc<RootCertStore>>, Arc<MaterialError>> {
    let Some(client) = &settings.client_auth else {
        return Ok(None);
    };
    material::load_client_cas(&client.cas).map(Some).map_err(Arc::new)
}

fn server_config(
    settings: &Settings,
    entries: &[Entry],
    client_cas: Option<&Arc<RootCertStore>>,
) -> Result<Arc<ServerConfig>, AssemblyError> {
    let mut served = entries.iter().map(|entry| entry.served.as_deref());
    let primary = served
        .next()
        .flatten()
        .expect("the primary certificate was required at the start");
    let resolver = ByName::new(primary, served.flatten());
    let provider = Arc::new(provider(settings));
    let versions = if settings.only_tls13 {
        &[&TLS13][..]
    } else {
        &[&TLS13, &TLS12]
    };
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
    let builder = match client_cas {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider);
            let required = settings.client_auth.as_ref().is_none_or(|client| client.required);
            let verifier = match required {
                true => verifier,
                false => verifier.allow_unauthenticated(),
            };
            builder.with_client_cert_verifier(Arc::new(ClientVerifier(verifier.build()?)))
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(resolver));
    let protocols = if settings.http2 {
        &["h2", "http/1.1"][..]
    } else {
        &["http/1.1"]
    };
    config.alpn_protocols = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    match client_cas {
        None => {
            config.ticketer = Ticketer::new()?;
            // Few clients resume at all; a second ticket would be work for nothing.
            config.send_tls13_tickets = 1;
        }
        // Who resumes a session shows no certificate: one that has expired since would go on logging in.
        Some(_) => {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
    }
    Ok(Arc::new(config))
}
