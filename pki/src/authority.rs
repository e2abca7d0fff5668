//! A certificate authority of our own: made once, then it issues server certificates.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use crate::certificate::{Certificate, parse_certificates};
use crate::problem::Problem;
use crate::server::ServerCertificate;

/// Certificates begin this long ago: a client whose clock is slightly behind accepts them at once.
const BACKDATE: SignedDuration = SignedDuration::from_mins(5);

/// Why a certificate could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A name is neither a DNS name nor an address, or the key could not sign.
    #[error("cannot issue a certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// The instant lies outside of what X.509 can say.
    #[error("cannot issue a certificate that ends at {0}: choose a shorter lifetime")]
    Lifetime(Timestamp),
    /// What was issued does not read back.
    #[error("the certificate just issued is unusable: {0}")]
    Unusable(#[from] Problem),
}

/// A CA: its certificate and its private key (ECDSA P-256).
pub struct Authority {
    certificate: Certificate,
    certificate_pem: String,
    key: KeyPair,
    key_pem: String,
}

impl Authority {
    /// Makes a new CA. `common_name` should differ from generation to generation: two CAs of one subject
    /// with different keys make clients try the wrong one.
    pub fn create(common_name: &str, lifetime: SignedDuration, now: Timestamp) -> Result<Self, IssueError> {
        let key = KeyPair::generate()?;
        let mut params = params(
            common_name,
            Vec::new(),
            now,
            now.saturating_add(lifetime).unwrap_or(Timestamp::MAX),
        )?;
        // It issues leaves only: a stolen leaf key never makes another authority.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = Certificate::from_der(params.self_signed(&key)?.der().clone())?;
        Ok(Self {
            certificate_pem: certificate.to_pem(),
            certificate,
            key_pem: key.serialize_pem(),
            key,
        })
    }

    /// Reads a CA that [`Authority::create`] made.
    ///
    /// # Errors
    /// What is unreadable, a key of another certificate, or a certificate that is not a CA's.
    pub fn parse(certificate_pem: &str, key_pem: &str) -> Result<Self, Problem> {
        let certificate = parse_certificates(certificate_pem.as_bytes())?.swap_remove(0);
        if !certificate.is_ca() {
            return Err(Problem::NotAnAuthority {
                subject: certificate.subject().to_owned(),
            });
        }
        ServerCertificate::parse(certificate_pem.as_bytes(), key_pem.as_bytes())?;
        let key = KeyPair::from_pem(key_pem).map_err(|error| Problem::UnreadableKey {
            cause: error.to_string(),
        })?;
        Ok(Self {
            certificate_pem: certificate.to_pem(),
            certificate,
            key_pem: key_pem.to_owned(),
            key,
        })
    }

    /// The CA's own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The CA's own certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The CA's private key as PEM. Secret.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Issues a server certificate for DNS names and addresses, with a new key. It never outlives the CA.
    /// The first name becomes the common name, for people who read listings.
    pub fn issue_server(
        &self,
        names: &[String],
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<ServerCertificate, IssueError> {
        let common_name = names.first().map_or("roadstead", String::as_str);
        let params = self.leaf_params(common_name, names, lifetime, now)?;
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Issues a certificate by which a client shows who it is, with a new key. It never outlives the CA.
    pub fn issue_client(
        &self,
        user: &str,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<ServerCertificate, IssueError> {
        let params = self.leaf_params(user, &[], lifetime, now)?;
        self.issue(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn leaf_params(
        &self,
        common_name: &str,
        names: &[String],
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<CertificateParams, IssueError> {
        let end = now
            .saturating_add(lifetime)
            .unwrap_or(Timestamp::MAX)
            .min(self.certificate.not_after());
        params(common_name, names.to_vec(), now, end)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        purpose: ExtendedKeyUsagePurpose,
    ) -> Result<ServerCertificate, IssueError> {
        let key = KeyPair::generate()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(self.certificate.der(), &self.key)?;
        let leaf = Certificate::from_der(params.signed_by(&key, &issuer)?.der().clone())?;
        Ok(ServerCertificate::parse(
            leaf.to_pem().as_bytes(),
            key.serialize_pem().as_bytes(),
        )?)
    }
}

fn params(
    common_name: &str,
    names: Vec<String>,
    now: Timestamp,
    end: Timestamp,
) -> Result<CertificateParams, IssueError> {
    /// The upper bound of a common name (X.520): a longer one makes strict parsers refuse the certificate.
    const LONGEST_COMMON_NAME: usize = 64;
    let mut params = CertificateParams::new(names)?;
    let mut subject = DistinguishedName::new();
    subject.push(
        DnType::CommonName,
        common_name.chars().take(LONGEST_COMMON_NAME).collect::<String>(),
    );
    params.distinguished_name = subject;
    params.not_before = instant(now.saturating_sub(BACKDATE).unwrap_or(now))?;
    params.not_after = instant(end)?;
    Ok(params)
}

fn instant(timestamp: Timestamp) -> Result<time::OffsetDateTime, IssueError> {
    time::OffsetDateTime::from_unix_timestamp(timestamp.as_second())
        .map_err(|_| IssueError::Lifetime(timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

    fn now() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn an_issued_certificate_is_sound_and_chains_to_its_authority() {
        let authority = Authority::create("images CA 1", YEAR, now()).unwrap();
        let server = authority
            .issue_server(
                &names(&["images.registry.svc", "10.96.1.2", "fd00::1"]),
                YEAR,
                now(),
            )
            .unwrap();
        assert_eq!(server.findings(&[authority.certificate().clone()], now()), []);
        for host in ["images.registry.svc", "10.96.1.2", "fd00::1"] {
            assert!(server.leaf().covers(host), "{host}");
        }
        assert!(!server.leaf().is_ca());
    }

    #[test]
    fn a_leaf_never_outlives_its_authority() {
        let authority = Authority::create("images CA 1", YEAR, now()).unwrap();
        let server = authority
            .issue_server(&names(&["a.b.svc"]), YEAR * 2, now())
            .unwrap();
        assert_eq!(server.leaf().not_after(), authority.certificate().not_after());
    }

    #[test]
    fn an_authority_survives_being_written_and_read() {
        let written = Authority::create("images CA 1", YEAR, now()).unwrap();
        let read = Authority::parse(written.certificate_pem(), written.key_pem()).unwrap();
        let server = read.issue_server(&names(&["a.b.svc"]), YEAR, now()).unwrap();
        assert_eq!(server.findings(&[written.certificate().clone()], now()), []);
    }

    #[test]
    fn a_leaf_or_a_foreign_key_does_not_pass_for_an_authority() {
        let one = Authority::create("one", YEAR, now()).unwrap();
        let other = Authority::create("other", YEAR, now()).unwrap();
        let leaf = one.issue_server(&names(&["a.b.svc"]), YEAR, now()).unwrap();
        let reason = |result: Result<Authority, Problem>| result.map(|_| ()).unwrap_err().reason();
        assert_eq!(
            reason(Authority::parse(&leaf.chain_pem(), leaf.key_pem())),
            "NotAnAuthority"
        );
        assert_eq!(
            reason(Authority::parse(one.certificate_pem(), other.key_pem())),
            "KeyMismatch"
        );
    }
}
