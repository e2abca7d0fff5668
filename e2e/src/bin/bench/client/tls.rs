//! How the clients do TLS.

use std::sync::Arc;

use anyhow::Context as _;
use roadstead_pki::any_certificate::AnyCertificate;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore, version};

use super::Protocol;

/// TLS 1.3 with AES-128-GCM first, which is what docker and containerd offer.
#[derive(Debug, Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// The server's certificate is verified, as every client does.
    pub(crate) fn verified(authority: &CertificateDer<'static>) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots
            .add(authority.clone())
            .context("the certificate just made is no root")?;
        let config = builder()?.with_root_certificates(roots).with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// For measuring thousands of new connections: the client's sums, which cost more than the server's and share its
    /// processors, are left out. That the certificate is sound is seen by [`Tls::verified`] before.
    pub(crate) fn unverified(resume: bool) -> anyhow::Result<Self> {
        let mut config = builder()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate::default()))
            .with_no_client_auth();
        config.resumption = match resume {
            true => Resumption::in_memory_sessions(256),
            false => Resumption::disabled(),
        };
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn config(&self, protocol: Protocol) -> Arc<ClientConfig> {
        let mut config = Arc::clone(&self.0);
        if protocol == Protocol::Http2 {
            Arc::make_mut(&mut config).alpn_protocols = vec![b"h2".to_vec()];
        }
        config
    }
}

fn builder() -> anyhow::Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
    let provider = CryptoProvider {
        cipher_suites: vec![
            aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
            aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
        ],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13])
        .context("the provider has no TLS 1.3")
}
