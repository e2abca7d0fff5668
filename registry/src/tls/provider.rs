//! Which cryptography a connection uses.

use rustls::crypto::{CryptoProvider, aws_lc_rs, ring};
use rustls::version::TLS13;

use super::settings::Settings;

/// aws-lc, but for the cipher suites where ring's are faster; of TLS 1.2's those that are chosen.
pub(super) fn provider(settings: &Settings) -> CryptoProvider {
    let mut provider = match seals_faster_with_ring() {
        true => with_suites_of_ring(),
        false => aws_lc_rs::default_provider(),
    };
    if let Some(chosen) = &settings.cipher_suites {
        provider
            .cipher_suites
            .retain(|suite| suite.version() == &TLS13 || chosen.contains(&suite.suite()));
    }
    provider
}

pub(super) fn with_suites_of_ring() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: ring::DEFAULT_CIPHER_SUITES.to_vec(),
        ..aws_lc_rs::default_provider()
    }
}

/// Next to its hash, AES-GCM is the most that a layer costs. Processors that have the wide instructions for it, but not
/// AVX-512 (AMD's Zen 3, some of Intel's), do it twice as fast with ring: aws-lc uses them with AVX-512 only, and is
/// the faster one there. It may learn to: <https://github.com/aws/aws-lc/pull/2934>.
#[cfg(target_arch = "x86_64")]
fn seals_faster_with_ring() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("vaes")
        && is_x86_feature_detected!("vpclmulqdq")
        && !is_x86_feature_detected!("avx512f")
}

#[cfg(not(target_arch = "x86_64"))]
fn seals_faster_with_ring() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the processor, the same is spoken, and checked in a configuration.
    #[test]
    fn both_offer_the_same_suites_in_the_same_order() {
        let names = |suites: &[rustls::SupportedCipherSuite]| -> Vec<_> {
            suites.iter().map(rustls::SupportedCipherSuite::suite).collect()
        };
        assert_eq!(
            names(ring::DEFAULT_CIPHER_SUITES),
            names(aws_lc_rs::DEFAULT_CIPHER_SUITES)
        );
    }
}
