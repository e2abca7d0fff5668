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
        Error::AlertReceived(alert) if is_of_certificate(*alert) => "server_certificate_refused",
        Error::AlertReceived(alert) if is_of_offer(*alert) => "incompatible",
        Error::AlertReceived(_) => "malformed",
        Error::PeerIncompatible(_) => "incompatible",
        Error::PeerMisbehaved(_) | Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            "malformed"
        }
        _ => "failed",
    }
}

fn is_of_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::UnknownCA
            | A::BadCertificate
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::CertificateRevoked
            | A::UnsupportedCertificate
    )
}

fn is_of_offer(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::HandshakeFailure | A::ProtocolVersion | A::InsufficientSecurity | A::NoApplicationProtocol
    )
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
        Error::AlertReceived(alert) if is_of_certificate(*alert) => {
            format!("the client refuses the certificate that is served: {alert:?}")
        }
        Error::AlertReceived(alert) if is_of_offer(*alert) => {
            format!("the client takes no TLS version or cipher suite of this server: {alert:?}")
        }
        Error::AlertReceived(alert) => format!("the client ended the TLS handshake: {alert:?}"),
        Error::PeerIncompatible(what) => {
            format!("the client and this server have no TLS version or cipher suite in common: {what:?}")
        }
        error => format!("the TLS handshake failed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_alert_about_the_certificate_says_that_it_is_refused() {
        for (alert, expected) in [
            (AlertDescription::UnknownCA, "server_certificate_refused"),
            (AlertDescription::BadCertificate, "server_certificate_refused"),
            (AlertDescription::ProtocolVersion, "incompatible"),
            (AlertDescription::HandshakeFailure, "incompatible"),
            (AlertDescription::DecodeError, "malformed"),
        ] {
            assert_eq!(reason(&Error::AlertReceived(alert)), expected, "{alert:?}");
        }
    }
}
