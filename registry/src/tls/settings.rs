//! Which certificates are served, and what clients must show.

use std::path::PathBuf;

#[derive(Clone, Debug)]
pub struct Settings {
    /// What a connection that names no host gets.
    pub primary: CertificateFiles,
    pub others: Vec<OtherCertificate>,
    /// Absent: clients are asked for no certificate.
    pub client_auth: Option<ClientAuth>,
    pub only_tls13: bool,
    /// What TLS 1.2 may use. Absent: all that is offered. TLS 1.3 has its own, which cannot be chosen.
    pub cipher_suites: Option<Vec<rustls::CipherSuite>>,
    pub http2: bool,
}

/// Certificates of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// Who may have signed them. Not empty.
    pub cas: Vec<PathBuf>,
    /// Whether a client without one is turned away.
    pub required: bool,
    /// Whether one is as good as a password or a token.
    pub logs_in: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherCertificate {
    pub files: CertificateFiles,
    /// Missing or broken is a warning, and it is tried again whenever the files change.
    pub optional: bool,
}
