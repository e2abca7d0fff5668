//! The client: connections, credentials, time-outs, and what its answers tell beside their content.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    AppName, Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::Builder as HttpBuilder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use super::answers::Answers;
use super::settings::Settings;

const CONNECT: Duration = Duration::from_secs(5);
/// One request with all its retries, without the time that its bytes take.
const DEADLINE: Duration = Duration::from_secs(30);
/// Slower than this is too slow.
const LEAST_RATE: u64 = 512 << 10;
/// The first and three more, with full jitter between them.
const ATTEMPTS: u32 = 4;

/// How long a request that sends so many bytes may take, with all its retries.
pub(super) fn deadline(bytes: u64) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_timeout(DEADLINE + Duration::from_secs(bytes / LEAST_RATE))
        .build()
}

pub(super) async fn connect(settings: &Settings, answers: &Arc<Answers>) -> io::Result<Client> {
    // Who gives out credentials is known to the system; the CA file is for the endpoint alone.
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(None)?)
        .region(Region::new(settings.region.clone()));
    if let Some(credentials) = &settings.credentials {
        loader = loader.credentials_provider(aws_sdk_s3::config::Credentials::new(
            &credentials.access_key,
            &credentials.secret_key,
            credentials.session_token.clone(),
            None,
            "configuration",
        ));
    }
    let loaded = loader.load().await;
    let config = Builder::from(&loaded)
        .http_client(http_client(settings.ca_file.as_deref())?)
        .force_path_style(settings.path_style)
        .accelerate(settings.accelerate)
        .use_dual_stack(settings.dual_stack)
        .use_fips(settings.fips)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(deadline(0))
        // Reading has a time-out of its own, which stands still while the client is the slow one.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // Content is checked by its digest. Trailers with checksums break many stores, and time out on others.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .interceptor(Arc::clone(answers).interceptor());
    Ok(Client::from_conf(with_choices(config, settings)))
}

fn with_choices(mut config: Builder, settings: &Settings) -> aws_sdk_s3::Config {
    if let Some(endpoint) = &settings.endpoint {
        config = config.endpoint_url(endpoint);
    }
    let name = settings
        .user_agent
        .as_deref()
        .and_then(|name| AppName::new(name.to_owned()).ok());
    if let Some(name) = name {
        config = config.app_name(name);
    }
    config.build()
}

/// HTTP/1.1 over many connections: those of HTTP/2 share one window.
fn http_client(ca_file: Option<&Path>) -> io::Result<SharedHttpClient> {
    let trust = match ca_file {
        Some(path) => TrustStore::empty().with_pem_certificate(authority(path)?),
        None => TrustStore::default(),
    };
    let context = TlsContext::builder().with_trust_store(trust).build();
    Ok(HttpBuilder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context.map_err(io::Error::other)?)
        .build_https())
}

/// The text of a file with certificates: the client library takes it for granted that they can be read.
fn authority(path: &Path) -> io::Result<Vec<u8>> {
    let text = std::fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display())))?;
    match roadstead_pki::certificate::parse_certificates(&text) {
        Ok(found) if !found.is_empty() => Ok(text),
        _ => Err(io::Error::other(format!(
            "{} holds no certificate in PEM",
            path.display()
        ))),
    }
}

/// As a store writes it in the `Date` of an answer.
pub(super) fn date(text: &str) -> Option<SystemTime> {
    use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
    let date = DateTime::from_str(text, DateTimeFormat::HttpDate).ok()?;
    SystemTime::try_from(date).ok()
}
