//! One certificate with its key, or the client CAs, as read from files and checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use roadstead_pki::certificate::parse_certificates;
use roadstead_pki::problem::Problem;
use roadstead_pki::server::ServerCertificate;
use rustls::RootCertStore;
use rustls::sign::CertifiedKey;

use super::settings::CertificateFiles;
use super::short_key;

/// Why files cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MaterialError {
    #[error("{key}: cannot read {}: {source}{}", path.display(), hint(source))]
    Unreadable {
        key: String,
        path: PathBuf,
        source: Arc<std::io::Error>,
    },
    #[error("{key}: {}: {problem}", path.display())]
    Unusable {
        /// The key of the configuration that names the file.
        key: String,
        path: PathBuf,
        problem: Problem,
    },
}

impl MaterialError {
    /// One word, for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            MaterialError::Unreadable { .. } => "Unreadable",
            MaterialError::Unusable { problem, .. } => problem.reason(),
        }
    }

    /// Whether this file cannot be read.
    pub(super) fn is_unreadable(&self, file: &Path) -> bool {
        matches!(self, MaterialError::Unreadable { path, .. } if path == file)
    }

    /// Whether it is merely not there.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, MaterialError::Unreadable { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

fn hint(source: &std::io::Error) -> String {
    match source.kind() {
        std::io::ErrorKind::PermissionDenied => {
            format!(
                "; this process runs as user {}: let that user read it",
                rustix::process::getuid().as_raw()
            )
        }
        _ => String::new(),
    }
}

/// A certificate that can be served.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) names: Vec<String>,
    pub(super) not_after: Timestamp,
    pub(super) findings: Vec<Problem>,
    fatal: Option<MaterialError>,
    is_expiry_told: AtomicBool,
}

impl Served {
    /// What cannot be presented is an error; the rest is served with its findings.
    pub(super) fn load(place: &str, files: &CertificateFiles, now: Timestamp) -> Result<Self, MaterialError> {
        let (of_chain, of_key) = (format!("{place}.certificate"), format!("{place}.key"));
        let chain = read(&of_chain, &files.certificate)?;
        let key = read(&of_key, &files.key)?;
        let unusable = |problem: Problem| {
            let (key, path) = match problem {
                Problem::UnreadableKey { .. } | Problem::KeyMismatch { .. } => (&of_key, &files.key),
                _ => (&of_chain, &files.certificate),
            };
            MaterialError::Unusable {
                key: key.clone(),
                path: path.clone(),
                problem,
            }
        };
        let certificate = ServerCertificate::parse_with(&chain, &key, short_key::signer).map_err(unusable)?;
        let findings = certificate.findings(&[], now);
        let fatal = findings.iter().find(|problem| problem.is_fatal()).cloned();
        let chain = certificate
            .chain()
            .iter()
            .map(|link| link.der().clone())
            .collect();
        let leaf = certificate.leaf();
        Ok(Served {
            key: Arc::new(CertifiedKey::new(chain, Arc::clone(certificate.signing_key()))),
            subject: leaf.subject().to_owned(),
            issuer: leaf.issuer().to_owned(),
            names: leaf.names().to_vec(),
            not_after: leaf.not_after(),
            is_expiry_told: AtomicBool::new(now > leaf.not_after()),
            fatal: fatal.map(unusable),
            findings,
        })
    }

    /// Why no client that verifies takes it, if none does.
    pub(super) fn fatal(&self) -> Option<MaterialError> {
        self.fatal.clone()
    }

    pub(super) fn is_sound(&self, now: Timestamp) -> bool {
        self.fatal.is_none() && now <= self.not_after
    }

    /// Whether its time has ended since somebody last asked.
    pub(super) fn has_just_expired(&self, now: Timestamp) -> bool {
        now > self.not_after && !self.is_expiry_told.swap(true, Ordering::Relaxed)
    }

    /// Whether the file holds the server's own certificate alone.
    pub(super) fn is_leaf_alone(&self) -> bool {
        self.key.cert.len() == 1 && self.subject != self.issuer
    }
}

/// Who may have signed a client's certificate.
pub(super) fn load_client_cas(files: &[PathBuf]) -> Result<Arc<RootCertStore>, MaterialError> {
    let mut roots = RootCertStore::empty();
    for (index, path) in files.iter().enumerate() {
        let key = format!("http.tls.clientcas.{index}");
        let unusable = |problem| MaterialError::Unusable {
            key: key.clone(),
            path: path.clone(),
            problem,
        };
        for certificate in parse_certificates(&read(&key, path)?).map_err(unusable)? {
            // Whoever is named here can sign for any name, and nobody but a CA is meant to.
            if !certificate.can_issue() {
                return Err(unusable(Problem::NotAnAuthority {
                    subject: certificate.subject().to_owned(),
                }));
            }
            if let Some(problem) = certificate.unverifiable().filter(|_| !certificate.is_version_1()) {
                tracing::warn!(key, file = %path.display(), "certificates that this CA signed will be refused: {problem}");
            }
            roots.add(certificate.der().clone()).map_err(|error| {
                unusable(Problem::UnreadableCertificate {
                    cause: error.to_string(),
                })
            })?;
        }
    }
    Ok(Arc::new(roots))
}

pub(super) fn read(key: &str, path: &Path) -> Result<Vec<u8>, MaterialError> {
    std::fs::read(path).map_err(|source| MaterialError::Unreadable {
        key: key.to_owned(),
        path: path.to_owned(),
        source: Arc::new(source),
    })
}
