//! Signs with RSA keys that are too short for aws-lc: a server with an old certificate goes on, and is warned of loudly.
//!
//! Such a key can be broken by whoever pays for it, so nothing here makes it worse. It only signs handshakes; nothing is
//! verified or decrypted with it.

use std::fmt;
use std::sync::Arc;

use rsa::PrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::traits::PublicKeyParts as _;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

/// What aws-lc signs with.
const LONG: u32 = 2048;

/// What signs with this key. The `rsa` crate takes none under 1024 bits.
pub(super) fn signer(key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, Error> {
    any_supported_type(key).or_else(|error| match ShortKey::read(key) {
        Some(short) => Ok(Arc::new(short)),
        None => Err(error),
    })
}

type Sign = fn(&PrivateKey, &[u8]) -> rsa::errors::Result<Vec<u8>>;

/// The best first. A PSS signature over SHA-512 does not fit into 1024 bits.
const SCHEMES: [(SignatureScheme, Sign); 5] = [
    (SignatureScheme::RSA_PSS_SHA384, PrivateKey::pss_sign::<Sha384>),
    (SignatureScheme::RSA_PSS_SHA256, PrivateKey::pss_sign::<Sha256>),
    (
        SignatureScheme::RSA_PKCS1_SHA512,
        PrivateKey::pkcs1v15_sign::<Sha512>,
    ),
    (
        SignatureScheme::RSA_PKCS1_SHA384,
        PrivateKey::pkcs1v15_sign::<Sha384>,
    ),
    (
        SignatureScheme::RSA_PKCS1_SHA256,
        PrivateKey::pkcs1v15_sign::<Sha256>,
    ),
];

struct ShortKey {
    private: Arc<PrivateKey>,
    public: Vec<u8>,
}

impl ShortKey {
    fn read(key: &PrivateKeyDer<'_>) -> Option<Self> {
        let private = match key {
            PrivateKeyDer::Pkcs1(key) => PrivateKey::from_pkcs1_der(key.secret_pkcs1_der()).ok()?,
            PrivateKeyDer::Pkcs8(key) => PrivateKey::from_pkcs8_der(key.secret_pkcs8_der()).ok()?,
            _ => return None,
        };
        // What aws-lc refuses for another reason stays refused.
        (private.n().bit_width() < LONG).then_some(())?;
        let public = private.as_public_key().to_public_key_der().ok()?.into_vec();
        Some(ShortKey {
            private: Arc::new(private),
            public,
        })
    }
}

impl SigningKey for ShortKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let (scheme, sign) = SCHEMES.into_iter().find(|(scheme, _)| offered.contains(scheme))?;
        let key = Arc::clone(&self.private);
        Some(Box::new(ShortSigner { key, scheme, sign }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.public.as_slice().into())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

impl fmt::Debug for ShortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortKey").finish_non_exhaustive()
    }
}

struct ShortSigner {
    key: Arc<PrivateKey>,
    scheme: SignatureScheme,
    sign: Sign,
}

impl Signer for ShortSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        (self.sign)(&self.key, message).map_err(|error| Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

impl fmt::Debug for ShortSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortSigner")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        UnparsedPublicKey, VerificationAlgorithm,
    };
    use rsa::pkcs1::EncodeRsaPublicKey as _;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    const KEY: &[u8] = include_bytes!("../../../pki/src/fixtures/rsa1024.key");

    fn key() -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(KEY).unwrap()
    }

    #[test]
    fn what_it_signs_is_the_keys() {
        let short = ShortKey::read(&key()).unwrap();
        let sign = |scheme| {
            let signer = signer(&key()).unwrap().choose_scheme(&[scheme]).unwrap();
            assert_eq!(signer.scheme(), scheme);
            signer.sign(b"hello").unwrap()
        };
        let public = short.private.as_public_key();
        let pkcs1 = public.to_pkcs1_der().unwrap();
        let verified = |algorithm: &'static dyn VerificationAlgorithm, signature: &[u8]| {
            UnparsedPublicKey::new(algorithm, pkcs1.as_bytes())
                .verify(b"hello", signature)
                .is_ok()
        };
        assert!(verified(
            &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            &sign(SignatureScheme::RSA_PKCS1_SHA256)
        ));
        assert!(verified(
            &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
            &sign(SignatureScheme::RSA_PKCS1_SHA512)
        ));
        let pss = sign(SignatureScheme::RSA_PSS_SHA256);
        public.pss_verify::<Sha256>(b"hello", &pss).unwrap();
        let pss = sign(SignatureScheme::RSA_PSS_SHA384);
        public.pss_verify::<Sha384>(b"hello", &pss).unwrap();
    }
}
