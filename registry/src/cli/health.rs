//! `health`: whether the server that this configuration is for answers. For `HEALTHCHECK`, since an image with one program
//! in it has no `wget`.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use roadstead_pki::any_certificate::AnyCertificate;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::arguments::{self, Arguments, Command};
use crate::address::{Address, Listen};
use crate::config::{self, Config, Loaded};
use crate::standalone;

/// Of one step. Docker gives a check 30 seconds by default.
const LIMIT: Duration = Duration::from_secs(5);

/// Asks the API whether it is there, and the admin port, if there is one, whether the server is ready.
pub(super) fn run(path: Option<PathBuf>) -> anyhow::Result<()> {
    let config = configuration(path)?.config;
    let api = format!("{}v2/", config.http.prefix);
    let status = ask_api(&config, &api)
        .with_context(|| format!("the registry does not answer on {}", config.http.listen))?;
    // 401 is an answer: whoever asks has no password.
    anyhow::ensure!(
        status.is_none_or(|status| matches!(status, 200 | 401)),
        "the registry answers {} on {}{api}",
        status.unwrap_or_default(),
        config.http.listen
    );
    if let Some(admin) = &config.http.admin {
        let status = dial(&admin.address)
            .and_then(|stream| ask(stream, "/readyz"))
            .with_context(|| format!("the admin port does not answer on {}", admin.address))?;
        anyhow::ensure!(
            status == 200,
            "the registry is not ready: {}/readyz answers {status}",
            admin.address
        );
    }
    super::say("healthy\n")
}

/// That of the server: named like its own, or found in the command line of the container's first process.
fn configuration(path: Option<PathBuf>) -> anyhow::Result<Loaded> {
    let path = path.or_else(super::named_by_variable);
    let (path, data) = match path {
        Some(path) => (Some(path), None),
        None => of_the_first_process().context("no configuration is named: write its path, as for serve")?,
    };
    Ok(match path {
        Some(path) => config::load(&path)?,
        None => config::parse(&standalone::config(data)?, std::env::vars())?,
    })
}

/// What `serve` was given there: a configuration, or a folder.
fn of_the_first_process() -> Option<(Option<PathBuf>, Option<PathBuf>)> {
    let line = std::fs::read("/proc/1/cmdline").ok()?;
    served_by(&line)
}

/// Before the program's name there may be an init's.
fn served_by(line: &[u8]) -> Option<(Option<PathBuf>, Option<PathBuf>)> {
    use std::os::unix::ffi::OsStringExt as _;
    let words = line.strip_suffix(b"\0").unwrap_or(line).split(|byte| *byte == 0);
    let words = words.map(|word| std::ffi::OsString::from_vec(word.to_vec()));
    let is_ours = |word: &std::ffi::OsString| {
        let name = std::path::Path::new(word).file_name();
        name.is_some_and(|name| name == "registry" || name == "roadstead-registry")
    };
    let words = words.skip_while(|word| !is_ours(word));
    match Arguments::try_parse_from(arguments::with_command(words))
        .ok()?
        .command
    {
        Command::Serve { config, data } => Some((config, data)),
        _ => None,
    }
}

/// The status; none where the server only talks to clients that show a certificate, which this one has not.
fn ask_api(config: &Config, path: &str) -> anyhow::Result<Option<u16>> {
    let stream: Box<dyn Stream> = match &config.http.listen {
        Listen::Tcp(address) => Box::new(dial(address)?),
        Listen::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.set_write_timeout(Some(LIMIT))?;
            Box::new(stream)
        }
    };
    if config.http.tls.is_none() {
        return ask(stream, path).map(Some);
    }
    let seen = Arc::new(AnyCertificate::default());
    let answer = ask(tls(stream, Arc::clone(&seen))?, path);
    match answer {
        Err(error)
            if is_refusal(&error)
                && seen.was_shown()
                && config.client_auth().is_some_and(|client| client.required) =>
        {
            Ok(None)
        }
        answer => answer.map(Some),
    }
}

/// Whether the server ended the conversation, as it does without a certificate; one that hangs does not. It may close the
/// connection before the request is written, so that its alert is lost.
fn is_refusal(error: &anyhow::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    let Some(error) = error.downcast_ref::<std::io::Error>() else {
        return false;
    };
    let tls = error
        .get_ref()
        .and_then(|source| source.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::AlertReceived(_)))
        || matches!(error.kind(), BrokenPipe | ConnectionReset)
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn dial(address: &Address) -> anyhow::Result<TcpStream> {
    let host = match address.host() {
        "" => IpAddr::V4(Ipv4Addr::LOCALHOST).to_string(),
        host => match host.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() => match ip {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.to_string(),
                IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.to_string(),
            },
            _ => host.to_owned(),
        },
    };
    let mut failed = anyhow::anyhow!("{host} has no address");
    for address in (host.as_str(), address.port()).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, LIMIT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(LIMIT))?;
                stream.set_write_timeout(Some(LIMIT))?;
                return Ok(stream);
            }
            Err(error) => failed = error.into(),
        }
    }
    Err(failed)
}

/// It asks its own machine, by an address that no certificate has, whether something answers.
fn tls<S: Read + Write>(
    stream: S,
    seen: Arc<AnyCertificate>,
) -> anyhow::Result<StreamOwned<ClientConnection, S>> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(seen)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost")?;
    Ok(StreamOwned::new(
        ClientConnection::new(Arc::new(config), name)?,
        stream,
    ))
}

/// One request, of which the status matters.
fn ask(mut stream: impl Read + Write, path: &str) -> anyhow::Result<u16> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: roadstead-registry-health/{}\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    // "HTTP/1.1 200"
    let mut line = [0; 12];
    stream.read_exact(&mut line)?;
    let status = std::str::from_utf8(&line)
        .ok()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "));
    status
        .and_then(|status| status.parse().ok())
        .context("what answers does not speak HTTP")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_hangs_is_not_one_that_asks_for_a_certificate() {
        use std::io::{Error, ErrorKind};
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
        assert!(is_refusal(&Error::new(ErrorKind::InvalidData, alert).into()));
        for silence in [
            ErrorKind::WouldBlock,
            ErrorKind::TimedOut,
            ErrorKind::UnexpectedEof,
        ] {
            assert!(!is_refusal(&Error::from(silence).into()), "{silence}");
        }
        assert!(!is_refusal(&anyhow::anyhow!("what answers does not speak HTTP")));
    }

    #[test]
    fn the_configuration_is_the_one_that_the_first_process_serves() {
        let config = |line: &[u8]| served_by(line).map(|(config, _)| config);
        let path = |path: &str| Some(Some(PathBuf::from(path)));
        assert_eq!(
            config(b"/bin/registry\0/etc/distribution/config.yml\0"),
            path("/etc/distribution/config.yml")
        );
        assert_eq!(config(b"/bin/registry\0serve\0/c.yml\0"), path("/c.yml"));
        assert_eq!(
            config(b"/sbin/docker-init\0--\0/bin/registry\0/c.yml\0"),
            path("/c.yml")
        );
        assert_eq!(config(b"/usr/bin/roadstead-registry\0serve\0"), Some(None));
        assert_eq!(config(b"/bin/sh\0-c\0sleep 1\0"), None);
        let data = served_by(b"registry\0serve\0--data\0/d\0").unwrap();
        assert_eq!(data, (None, Some("/d".into())));
    }
}
