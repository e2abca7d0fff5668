//! One X.509 certificate (RFC 5280), read once: who it is for, who issued it, how long it lasts.

use std::borrow::Cow;
use std::net::IpAddr;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{PemObject, SectionKind};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate, X509Version};

use crate::problem::Problem;

/// A parsed certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: CertificateDer<'static>,
    subject: String,
    issuer: String,
    names: Vec<String>,
    not_before: Timestamp,
    not_after: Timestamp,
    is_ca: bool,
    can_issue: bool,
    is_version_1: bool,
    serves: bool,
    says_where_its_issuer_is: bool,
    weakness: Option<String>,
}

impl Certificate {
    /// Reads one certificate from DER.
    pub fn from_der(der: CertificateDer<'static>) -> Result<Self, Problem> {
        let unreadable = |cause: String| Problem::UnreadableCertificate { cause };
        let (rest, parsed) =
            X509Certificate::from_der(&der).map_err(|error| unreadable(error.to_string()))?;
        if !rest.is_empty() {
            return Err(unreadable("bytes follow the certificate".to_owned()));
        }
        let instant = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp()).map_err(|error| unreadable(error.to_string()))
        };
        Ok(Self {
            subject: common_name_or_all(parsed.subject()),
            issuer: common_name_or_all(parsed.issuer()),
            names: names(&parsed),
            not_before: instant(parsed.validity().not_before)?,
            not_after: instant(parsed.validity().not_after)?,
            is_ca: parsed.is_ca(),
            can_issue: parsed.is_ca() || parsed.version() == X509Version::V1,
            is_version_1: parsed.version() == X509Version::V1,
            serves: may_serve(&parsed),
            says_where_its_issuer_is: says_where_its_issuer_is(&parsed),
            weakness: weakness(&parsed),
            der: der.clone(),
        })
    }

    /// The subject's common name, or the whole distinguished name where it has none.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer, in the same form as [`Certificate::subject`].
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The DNS names and IP addresses of subjectAltName, as text.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The first instant at which it is valid.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last instant at which it is valid.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether its basic constraints make it a certificate authority.
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Whether it may stand as the issuer of others: a CA, or one of version 1, which cannot say that it is none.
    pub fn can_issue(&self) -> bool {
        self.can_issue
    }

    /// The certificate's bytes.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The key that it vouches for.
    pub fn public_key(&self) -> PublicKey {
        let Ok((_, parsed)) = X509Certificate::from_der(&self.der) else {
            return PublicKey::Other;
        };
        let key = parsed.public_key();
        let bytes = key.subject_public_key.data.to_vec();
        match key.algorithm.algorithm.to_id_string().as_str() {
            "1.2.840.113549.1.1.1" => PublicKey::Rsa(bytes),
            "1.2.840.10045.2.1" => PublicKey::Ec(bytes),
            "1.3.101.112" => PublicKey::Ed25519(bytes),
            _ => PublicKey::Other,
        }
    }

    /// That key as a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), in DER.
    pub fn public_key_der(&self) -> Vec<u8> {
        match X509Certificate::from_der(&self.der) {
            Ok((_, parsed)) => parsed.public_key().raw.to_vec(),
            Err(_) => Vec::new(),
        }
    }

    /// The user that a client's certificate names: the subject's common name, or else the first email address,
    /// DNS name or URI of subjectAltName.
    pub fn user(&self) -> Option<String> {
        let (_, parsed) = X509Certificate::from_der(&self.der).ok()?;
        let common_name = parsed
            .subject()
            .iter_common_name()
            .find_map(|attribute| attribute.as_str().ok());
        if let Some(name) = common_name.filter(|name| !name.is_empty()) {
            return Some(name.to_owned());
        }
        let alternatives = parsed.subject_alternative_name().ok()??;
        alternatives
            .value
            .general_names
            .iter()
            .find_map(|name| match name {
                GeneralName::RFC822Name(name) | GeneralName::DNSName(name) | GeneralName::URI(name) => {
                    Some((*name).to_owned())
                }
                _ => None,
            })
    }

    /// The certificate as one PEM block.
    pub fn to_pem(&self) -> String {
        let block = pem::Pem::new("CERTIFICATE", self.der.as_ref());
        pem::encode_config(
            &block,
            pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
        )
    }

    /// Whether a client that dials `host` (a DNS name or an address, without a port) accepts the names:
    /// exactly, by a wildcard for one leftmost label (RFC 6125 §6.4.3), or as the same address.
    pub fn covers(&self, host: &str) -> bool {
        covers(&self.names, host)
    }

    /// Whether `issuer`'s key signed this certificate and the names agree.
    pub fn is_issued_by(&self, issuer: &Certificate) -> bool {
        let (Ok((_, own)), Ok((_, other))) = (
            X509Certificate::from_der(&self.der),
            X509Certificate::from_der(&issuer.der),
        ) else {
            return false;
        };
        own.issuer() == other.subject() && own.verify_signature(Some(other.public_key())).is_ok()
    }

    /// Why nobody verifies it, whoever signed it: its version or its strength.
    pub fn unverifiable(&self) -> Option<Problem> {
        let subject = self.subject.clone();
        match &self.weakness {
            _ if self.is_version_1 => Some(Problem::OldVersion { subject }),
            Some(what) => Some(Problem::Weak {
                subject,
                what: what.clone(),
            }),
            None => None,
        }
    }

    /// The length of its RSA key, if that is shorter than [`LEAST_RSA_BITS`].
    pub(crate) fn short_key(&self) -> Option<usize> {
        let (_, parsed) = X509Certificate::from_der(&self.der).ok()?;
        short_key(&parsed)
    }

    /// Whether it is of X.509 version 1, which has no extensions.
    pub fn is_version_1(&self) -> bool {
        self.is_version_1
    }

    pub(crate) fn serves(&self) -> bool {
        self.serves
    }

    /// Whether it says where its issuer's certificate is to be had. Every leaf of a public CA does, and none of
    /// those is issued by a root.
    pub(crate) fn says_where_its_issuer_is(&self) -> bool {
        self.says_where_its_issuer_is
    }

    pub(crate) fn weakness(&self) -> Option<&str> {
        self.weakness.as_deref()
    }
}

/// A public key, in the form in which signatures are verified with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RSAPublicKey (PKCS#1), in DER.
    Rsa(Vec<u8>),
    /// The point, uncompressed.
    Ec(Vec<u8>),
    /// The 32 bytes.
    Ed25519(Vec<u8>),
    /// Of another kind.
    Other,
}

/// Reads every certificate of a PEM text. Blocks of other kinds (keys, requests) are passed over, so nothing
/// secret can travel on in what this returns.
///
/// # Errors
/// [`Problem::NoCertificate`] where there is none, [`Problem::UnreadableCertificate`] where one is damaged.
pub fn parse_certificates(pem: &[u8]) -> Result<Vec<Certificate>, Problem> {
    let mut certificates = Vec::new();
    for block in <(SectionKind, Vec<u8>)>::pem_slice_iter(&plain(pem)) {
        let (kind, der) = block.map_err(|error| Problem::UnreadableCertificate {
            cause: error.to_string(),
        })?;
        if kind == SectionKind::Certificate {
            certificates.push(Certificate::from_der(CertificateDer::from(der))?);
        }
    }
    if certificates.is_empty() {
        Err(Problem::NoCertificate)
    } else {
        Ok(certificates)
    }
}

/// PEM without what editors and shells of Windows put before it: a byte order mark, or all of it in UTF-16. A mark may
/// stand inside, too, where files were joined.
pub(crate) fn plain(pem: &[u8]) -> Cow<'_, [u8]> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    match pem {
        [0xff, 0xfe, rest @ ..] => of_utf16(rest, u16::from_le_bytes).into(),
        [0xfe, 0xff, rest @ ..] => of_utf16(rest, u16::from_be_bytes).into(),
        _ if pem.windows(MARK.len()).any(|window| window == MARK) => {
            let text = String::from_utf8_lossy(pem).replace('\u{feff}', "");
            text.into_bytes().into()
        }
        _ => pem.into(),
    }
}

fn of_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Vec<u8> {
    let units: Vec<_> = bytes.as_chunks().0.iter().map(|pair| unit(*pair)).collect();
    String::from_utf16_lossy(&units).into_bytes()
}

/// One PEM text of all the certificates, each once, in an order that depends on nothing but them: the same
/// set gives the same bytes, so that nobody downstream sees a change where there is none.
pub fn bundle<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> String {
    let mut all: Vec<_> = certificates.into_iter().collect();
    all.sort_by(|a, b| (a.subject(), a.der().as_ref()).cmp(&(b.subject(), b.der().as_ref())));
    all.dedup_by(|a, b| a.der() == b.der());
    all.into_iter().map(Certificate::to_pem).collect()
}

fn common_name_or_all(name: &x509_parser::x509::X509Name<'_>) -> String {
    let common_name = name
        .iter_common_name()
        .next()
        .and_then(|attribute| attribute.as_str().ok());
    common_name.map_or_else(|| name.to_string(), str::to_owned)
}

/// What [`Certificate::covers`] says of a certificate with these names.
pub fn covers(names: &[String], host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return names.iter().any(|name| name.parse() == Ok(address));
    }
    let host = host.trim_end_matches('.');
    names.iter().any(|name| match name.strip_prefix("*.") {
        Some(parent) => host
            .split_once('.')
            .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
        None => name.eq_ignore_ascii_case(host),
    })
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    alternatives
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(dns) => Some((*dns).to_owned()),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Without an extended key usage every use is allowed (RFC 5280 §4.2.1.12).
fn may_serve(certificate: &X509Certificate<'_>) -> bool {
    certificate
        .extensions()
        .iter()
        .all(|extension| match extension.parsed_extension() {
            ParsedExtension::ExtendedKeyUsage(usage) => usage.server_auth || usage.any,
            _ => true,
        })
}

/// Authority Information Access with `caIssuers` (RFC 5280 §4.2.2.1).
fn says_where_its_issuer_is(certificate: &X509Certificate<'_>) -> bool {
    const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";
    certificate
        .extensions()
        .iter()
        .any(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityInfoAccess(access) => access
                .accessdescs
                .iter()
                .any(|description| description.access_method.to_id_string() == CA_ISSUERS),
            _ => false,
        })
}

const LEAST_RSA_BITS: usize = 2048;

fn short_key(certificate: &X509Certificate<'_>) -> Option<usize> {
    use x509_parser::public_key::PublicKey;
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(key.key_size()).filter(|bits| *bits < LEAST_RSA_BITS),
        _ => None,
    }
}

fn weakness(certificate: &X509Certificate<'_>) -> Option<String> {
    if let Some(bits) = short_key(certificate) {
        return Some(format!(
            "an RSA key of {bits} bits, {LEAST_RSA_BITS} is the least"
        ));
    }
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    match algorithm.as_str() {
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => Some("signed over SHA-1".to_owned()),
        "1.2.840.113549.1.1.4" => Some("signed over MD5".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
