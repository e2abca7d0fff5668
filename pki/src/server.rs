//! What a TLS server presents: a chain, leaf first, and the private key of its leaf.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::SigningKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::certificate::{Certificate, parse_certificates, plain};
use crate::problem::Problem;

/// A chain and the private key that is known to belong to its leaf.
#[derive(Debug)]
pub struct ServerCertificate {
    chain: Vec<Certificate>,
    key: PrivateKeyDer<'static>,
    key_pem: String,
    signing_key: Arc<dyn SigningKey>,
    is_marked: bool,
}

impl ServerCertificate {
    /// Reads a chain (leaf first) and its key, and checks that they belong together.
    ///
    /// # Errors
    /// What is unreadable, [`Problem::ShortKey`] or [`Problem::KeyMismatch`]. Time and trust are not judged here: see
    /// [`ServerCertificate::findings`].
    pub fn parse(chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, Problem> {
        Self::parse_with(chain_pem, key_pem, any_supported_type)
    }

    /// The same with something else that makes a signer of a key.
    pub fn parse_with(
        chain_pem: &[u8],
        key_pem: &[u8],
        signer: impl Fn(&PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, rustls::Error>,
    ) -> Result<Self, Problem> {
        let chain = parse_certificates(chain_pem)?;
        let leaf = &chain[0];
        let subject = || leaf.subject().to_owned();
        let plain_key = plain(key_pem);
        let is_marked = matches!(plain_key, Cow::Owned(_)) || matches!(plain(chain_pem), Cow::Owned(_));
        let unreadable_key = |cause: String| Problem::UnreadableKey { cause };
        let key =
            PrivateKeyDer::from_pem_slice(&plain_key).map_err(|error| unreadable_key(error.to_string()))?;
        let signing_key = signer(&key).map_err(|error| match leaf.short_key() {
            Some(bits) => Problem::ShortKey {
                subject: subject(),
                bits,
            },
            None => unreadable_key(error.to_string()),
        })?;
        let own = signing_key.public_key();
        if own.is_some_and(|own| own.as_ref() != leaf.public_key_der()) {
            return Err(Problem::KeyMismatch { subject: subject() });
        }
        let key_pem = String::from_utf8_lossy(&plain_key).into_owned();
        Ok(Self {
            chain,
            key,
            key_pem,
            signing_key,
            is_marked,
        })
    }

    /// What signs with the leaf's private key.
    pub fn signing_key(&self) -> &Arc<dyn SigningKey> {
        &self.signing_key
    }

    /// The server's own certificate.
    pub fn leaf(&self) -> &Certificate {
        &self.chain[0]
    }

    /// The whole chain, leaf first.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The chain as PEM, leaf first.
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(Certificate::to_pem).collect()
    }

    /// The leaf's private key.
    pub fn key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }

    /// The leaf's private key as the PEM that it was read from.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Everything that is wrong with it at `now`, the worst first. With no `roots` the chain's end is
    /// judged only by what a lone leaf says of itself: its issuer may well be a root that only the clients know.
    pub fn findings(&self, roots: &[Certificate], now: Timestamp) -> Vec<Problem> {
        let leaf = self.leaf();
        let mut problems: Vec<_> = untimely(leaf, now).into_iter().collect();
        let links = self.chain[1..].iter();
        problems.extend(links.filter(|link| untimely(link, now).is_some()).map(|link| {
            Problem::ChainUntimely {
                subject: link.subject().to_owned(),
                not_before: link.not_before(),
                not_after: link.not_after(),
            }
        }));
        let subject = || leaf.subject().to_owned();
        if !leaf.serves() {
            problems.push(Problem::NotForServers { subject: subject() });
        }
        if leaf.is_version_1() {
            problems.push(Problem::OldVersion { subject: subject() });
        }
        if self.is_marked {
            problems.push(Problem::ByteOrderMark { subject: subject() });
        }
        if leaf.names().is_empty() {
            problems.push(Problem::NoSubjectAltName { subject: subject() });
        }
        problems.extend(self.chain_problem(roots));
        problems.extend(self.chain.iter().filter_map(|certificate| {
            let what = certificate.weakness()?.to_owned();
            Some(Problem::Weak {
                subject: certificate.subject().to_owned(),
                what,
            })
        }));
        problems
    }

    fn chain_problem(&self, roots: &[Certificate]) -> Option<Problem> {
        for pair in self.chain.windows(2) {
            if !pair[0].is_issued_by(&pair[1]) {
                let (subject, next) = (pair[0].subject().to_owned(), pair[1].subject().to_owned());
                return Some(Problem::BrokenChain { subject, next });
            }
        }
        let last = self.chain.last()?;
        let ends_at_root = roots.iter().any(|root| root == last || last.is_issued_by(root));
        let missing = if roots.is_empty() {
            self.chain.len() == 1 && last.says_where_its_issuer_is()
        } else {
            !ends_at_root
        };
        missing.then(|| Problem::MissingIntermediate {
            issuer: last.issuer().to_owned(),
        })
    }
}

fn untimely(certificate: &Certificate, now: Timestamp) -> Option<Problem> {
    let subject = certificate.subject().to_owned();
    if now > certificate.not_after() {
        Some(Problem::Expired {
            subject,
            not_after: certificate.not_after(),
        })
    } else if now < certificate.not_before() {
        Some(Problem::NotYetValid {
            subject,
            not_before: certificate.not_before(),
        })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::authority::Authority;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn now() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn authority(name: &str) -> Authority {
        Authority::create(name, DAY * 365, now()).unwrap()
    }

    fn reasons(server: &ServerCertificate, roots: &[Certificate], at: Timestamp) -> Vec<&'static str> {
        server.findings(roots, at).iter().map(Problem::reason).collect()
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_by_name() {
        let authority = authority("CA");
        let one = authority
            .issue_server(&["one.example".to_owned()], DAY, now())
            .unwrap();
        let other = authority
            .issue_server(&["other.example".to_owned()], DAY, now())
            .unwrap();
        let problem =
            ServerCertificate::parse(one.chain_pem().as_bytes(), other.key_pem().as_bytes()).unwrap_err();
        assert_eq!(
            problem,
            Problem::KeyMismatch {
                subject: "one.example".to_owned()
            }
        );
    }

    #[test]
    fn what_is_not_pem_is_refused_without_repeating_it() {
        let good = authority("CA")
            .issue_server(&["a.example".to_owned()], DAY, now())
            .unwrap();
        let chain = good.chain_pem();
        let reason = |chain: &[u8], key: &[u8]| ServerCertificate::parse(chain, key).unwrap_err();
        assert_eq!(reason(b"", good.key_pem().as_bytes()), Problem::NoCertificate);
        assert_eq!(
            reason(good.key_pem().as_bytes(), good.key_pem().as_bytes()),
            Problem::NoCertificate
        );
        let problem = reason(
            chain.as_bytes(),
            b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
        );
        assert_eq!(problem.reason(), "UnreadableKey");
        assert!(!problem.to_string().contains("c2VjcmV0"));
    }

    #[test]
    fn time_is_judged_at_the_instant_given() {
        let server = authority("CA")
            .issue_server(&["a.example".to_owned()], DAY, now())
            .unwrap();
        assert_eq!(reasons(&server, &[], now()), [] as [&str; 0]);
        assert_eq!(reasons(&server, &[], now() + DAY * 2), ["Expired"]);
        assert_eq!(reasons(&server, &[], now() - DAY), ["NotYetValid"]);
    }

    #[test]
    fn a_certificate_of_x509_version_1_is_read_and_named() {
        // What "openssl x509 -req -signkey" of OpenSSL before 3.2 makes when it is given no extensions.
        let (chain, key) = (
            include_bytes!("fixtures/v1.crt").as_slice(),
            include_bytes!("fixtures/v1.key").as_slice(),
        );
        let server = ServerCertificate::parse(chain, key).unwrap();
        let at = server.leaf().not_before();
        assert_eq!(reasons(&server, &[], at), ["OldVersion", "NoSubjectAltName"]);
        assert!(!server.findings(&[], at).iter().any(Problem::is_fatal));
        assert_eq!(server.leaf().unverifiable().unwrap().reason(), "OldVersion");
    }

    #[test]
    fn a_key_that_is_too_short_is_named_so() {
        // openssl req -x509 -newkey rsa:1024 -nodes -days 36500 -subj /CN=weak -addext subjectAltName=IP:127.0.0.1
        let (chain, key) = (
            include_bytes!("fixtures/rsa1024.crt").as_slice(),
            include_bytes!("fixtures/rsa1024.key").as_slice(),
        );
        let problem = ServerCertificate::parse(chain, key).unwrap_err();
        assert_eq!(problem.reason(), "ShortKey");
        assert!(problem.to_string().contains("1024 bits"), "{problem}");
    }

    #[test]
    fn text_as_windows_saves_it_is_read_and_named() {
        let server = authority("CA")
            .issue_server(&["a.example".to_owned()], DAY, now())
            .unwrap();
        let (chain, key) = (server.chain_pem(), server.key_pem());
        let marked = |text: &str| format!("\u{feff}{text}").into_bytes();
        let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let text = format!("\u{feff}{text}");
            text.replace('\n', "\r\n")
                .encode_utf16()
                .flat_map(bytes)
                .collect()
        };
        for (chain, key) in [
            (marked(&chain), marked(key)),
            (chain.clone().into_bytes(), marked(key)),
            (utf16(&chain, u16::to_le_bytes), utf16(key, u16::to_le_bytes)),
            (utf16(&chain, u16::to_be_bytes), utf16(key, u16::to_be_bytes)),
        ] {
            let read = ServerCertificate::parse(&chain, &key).unwrap();
            assert_eq!(read.leaf(), server.leaf());
            assert_eq!(reasons(&read, &[], now()), ["ByteOrderMark"]);
            assert!(read.key_pem().starts_with("-----BEGIN"));
        }
        let joined = [marked(&chain), marked(authority("CA 2").certificate_pem())].concat();
        assert_eq!(
            parse_certificates(&joined).unwrap().len(),
            server.chain().len() + 1
        );
    }

    #[test]
    fn an_expired_certificate_after_the_leaf_is_named_but_does_not_stop_the_server() {
        let old = Authority::create("old cross-signature", DAY, now() - DAY * 9).unwrap();
        let leaf = authority("CA")
            .issue_server(&["a.example".to_owned()], DAY, now())
            .unwrap();
        let chain = leaf.chain_pem() + old.certificate_pem();
        let server = ServerCertificate::parse(chain.as_bytes(), leaf.key_pem().as_bytes()).unwrap();
        let problems = server.findings(&[], now());
        assert_eq!(problems[0].reason(), "ChainUntimely");
        assert!(!problems.iter().any(Problem::is_fatal), "{problems:?}");
        assert!(
            problems[0].to_string().contains("old cross-signature"),
            "{}",
            problems[0]
        );
    }

    #[test]
    fn a_certificate_without_names_is_reported() {
        let server = authority("CA").issue_server(&[], DAY, now()).unwrap();
        assert_eq!(reasons(&server, &[], now()), ["NoSubjectAltName"]);
    }

    #[test]
    fn an_issuer_that_no_root_knows_is_named() {
        let server = authority("inner")
            .issue_server(&["a.example".to_owned()], DAY, now())
            .unwrap();
        let stranger = authority("stranger");
        let problems = server.findings(&[stranger.certificate().clone()], now());
        assert_eq!(
            problems,
            [Problem::MissingIntermediate {
                issuer: "inner".to_owned()
            }]
        );
    }

    #[test]
    fn a_lone_leaf_of_a_public_authority_lacks_its_intermediate() {
        use rcgen::{CertificateParams, CustomExtension, Issuer, KeyPair};
        let authority = authority("R11");
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        // Authority Information Access with one caIssuers of http://a, as every public CA writes it.
        let access = b"\x30\x16\x30\x14\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x08http://a".to_vec();
        let extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access);
        params.custom_extensions.push(extension);
        (params.not_before, params.not_after) = (
            time::OffsetDateTime::from_unix_timestamp(now().as_second()).unwrap(),
            time::OffsetDateTime::from_unix_timestamp((now() + DAY).as_second()).unwrap(),
        );
        let key = KeyPair::generate().unwrap();
        let authority_key = KeyPair::from_pem(authority.key_pem()).unwrap();
        let issuer = Issuer::from_ca_cert_der(authority.certificate().der(), &authority_key).unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap().pem();
        let parse =
            |chain: &str| ServerCertificate::parse(chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        let missing = Problem::MissingIntermediate {
            issuer: "R11".to_owned(),
        };
        assert_eq!(parse(&leaf).findings(&[], now()), [missing]);
        let whole = leaf + authority.certificate_pem();
        assert_eq!(parse(&whole).findings(&[], now()), []);
    }

    #[test]
    fn a_chain_in_the_wrong_order_is_reported() {
        let (one, stranger) = (authority("one"), authority("stranger"));
        let leaf = one.issue_server(&["a.example".to_owned()], DAY, now()).unwrap();
        let chain = leaf.chain_pem() + stranger.certificate_pem();
        let server = ServerCertificate::parse(chain.as_bytes(), leaf.key_pem().as_bytes()).unwrap();
        assert_eq!(reasons(&server, &[], now()), ["BrokenChain"]);
    }
}
