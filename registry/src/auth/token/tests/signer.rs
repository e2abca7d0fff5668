//! A token server in miniature: keys, and tokens signed with them.

use std::path::PathBuf;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA512, RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use roadstead_pki::server::ServerCertificate;
use serde_json::{Value, json};

use crate::auth::TokenAuth;

const HOUR: i64 = 3600;

/// A private key of a token server.
pub(crate) enum Signer {
    Ec(EcdsaKeyPair),
    Ec384(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
    RsaPss(Box<RsaKeyPair>),
}

impl Signer {
    pub(crate) fn ec() -> Self {
        Signer::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// The key of an issued certificate.
    pub(super) fn of(certificate: &ServerCertificate) -> Self {
        let der = certificate.key().secret_der();
        Signer::Ec(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).unwrap())
    }

    pub(super) fn all() -> Vec<Self> {
        let rsa = || Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
        vec![
            Signer::ec(),
            Signer::Ec384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap()),
            Signer::Ed(Ed25519KeyPair::generate().unwrap()),
            Signer::Rsa(rsa()),
            Signer::RsaPss(rsa()),
        ]
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            Signer::Ec(_) => "ES256",
            Signer::Ec384(_) => "ES384",
            Signer::Ed(_) => "EdDSA",
            Signer::Rsa(_) => "RS256",
            Signer::RsaPss(_) => "PS512",
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |key: &RsaKeyPair, encoding: &'static dyn signature::RsaEncoding| {
            let mut bytes = vec![0; key.public_modulus_len()];
            key.sign(encoding, &random, message, &mut bytes).unwrap();
            bytes
        };
        match self {
            Signer::Ec(key) | Signer::Ec384(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Signer::Ed(key) => key.sign(message).as_ref().to_vec(),
            Signer::Rsa(key) => rsa(key, &RSA_PKCS1_SHA256),
            Signer::RsaPss(key) => rsa(key, &RSA_PSS_SHA512),
        }
    }

    /// The public half.
    pub(crate) fn jwk(&self) -> Value {
        let key = match self {
            Signer::Ec(key) | Signer::Ec384(key) => DecodingKey::from_ec_der(key.public_key().as_ref()),
            Signer::Ed(key) => DecodingKey::from_ed_der(key.public_key().as_ref()),
            Signer::Rsa(key) | Signer::RsaPss(key) => DecodingKey::from_rsa_der(key.public_key().as_ref()),
        };
        serde_json::to_value(jsonwebtoken::jwk::Jwk::from_decoding_key(&key, None).unwrap()).unwrap()
    }

    /// A token with this header beside the algorithm, and these claims.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let mut header = header.clone();
        if header.get("alg").is_none() {
            header["alg"] = json!(self.algorithm());
        }
        let message = message(&header, claims);
        format!(
            "{message}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(self.sign(message.as_bytes()))
        )
    }
}

pub(super) fn message(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

pub(crate) fn claims(access: Value) -> Value {
    let now = Timestamp::now().as_second();
    json!({
        "iss": "the issuer", "aud": "the service", "sub": "alice",
        "exp": now + HOUR, "nbf": now - 10, "iat": now - 10, "jti": "1", "access": access,
    })
}

pub(crate) fn settings(root_cert_bundle: Option<PathBuf>, jwks: Option<PathBuf>) -> TokenAuth {
    use jsonwebtoken::Algorithm::*;
    TokenAuth {
        realm: "https://auth.example.com/token".to_owned(),
        redirect_path: None,
        service: "the service".to_owned(),
        issuer: "the issuer".to_owned(),
        root_cert_bundle,
        jwks,
        algorithms: vec![RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA],
    }
}

pub(crate) fn write_set(path: &std::path::Path, signers: &[Signer]) {
    let keys = signers.iter().enumerate().map(|(index, signer)| {
        let mut jwk = signer.jwk();
        jwk["kid"] = json!(format!("kid-{index}"));
        jwk
    });
    let keys = keys.collect::<Vec<_>>();
    std::fs::write(path, json!({"keys": keys}).to_string()).unwrap();
}
