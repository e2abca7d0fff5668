//! Why a connection never became TLS, in a word for metrics and a sentence for the log.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("no TLS handshake within the time limit")]
    TooSlow,
    #[error("the client speaks plain HTTP: use https://")]
    PlainHttp,
    #[error("the client does not speak TLS")]
    NotTls,
    /// A look whether the port is open is not worth a line.
    #[error("the client went away")]
    Gone,
    #[error("{}", sentence(.0))]
    Handshake(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match error.kind() {
            UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => Refused::Gone,
            _ => Refused::Handshake(error),
        }
    }
}

impl Refused {
    /// One word, for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Refused::TooSlow => "timeout",
            Refused::PlainHttp => "plain_http",
            Refused::NotTls => "not_tls",
            Refused::Gone => "gone",
            Refused::Handshake(error) => of_tls(error).map_or("failed", reason),
        }
    }
}

fn of_tls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn reason(error: &Error) -> &'static str {
    match error {
        Error::NoCertificatesPresented => "client_certificate_missing",
        Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "client_certificate_expired"
            }
            CertificateError::UnknownIssuer => "client_certificate_unknown_ca",
            _ => "client_certificate_invalid",
        },
        Error::AlertReceived(_) => "server_certificate_refused",
        Error::PeerIncompatible(_) => "incompatible",
        Error::PeerMisbehaved(_) | Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            "malformed"
        }
        _ => "failed",
    }
}

fn sentence(error: &io::Error) -> String {
    let Some(error) = of_tls(error) else {
        return format!("the TLS handshake failed: {error}");
    };
    match error {
        Error::NoCertificatesPresented => {
            "the client shows no certificate, and http.tls.clientcas asks for one".to_owned()
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the client's certificate is not signed by a CA of http.tls.clientcas; one that signed itself is not either".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Other(problem)) => {
            format!("the client's certificate is not taken: {}", problem.0)
        }
        Error::InvalidCertificate(error) => format!("the client's certificate is not taken: {error}"),
        Error::AlertReceived(AlertDescription::UnknownCA) => {
            "the client does not trust the CA of the certificate that is served".to_owned()
        }
        Error::AlertReceived(alert) => {
            format!("the client refuses the certificate that is served, or what is offered with it: {alert:?}")
        }
        Error::PeerIncompatible(what) => {
            format!("the client and this server have no TLS version or cipher suite in common: {what:?}")
        }
        error => format!("the TLS handshake failed: {error}"),
    }
}
