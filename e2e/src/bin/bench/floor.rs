//! The least that a durable push can cost: TLS received, SHA-256, written, synced; and nothing else of a registry.
//!
//! One thread a connection, one buffer: records are decrypted into it, hashed while they are in the processor's cache,
//! and written past the page cache, a MiB at a time. `PUT /NAME` is answered with the digest, anything else with 200.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rustix::fs::OFlags;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest as _, Sha256};

use crate::content::digest_text;

/// What the benchmark tells it.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    certificate: PathBuf,
    #[arg(long)]
    key: PathBuf,
    #[arg(long)]
    folder: PathBuf,
}

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

/// What is written at once, and a multiple of what any disk wants to be aligned to.
const BLOCK: usize = 1 << 20;
const ALIGNMENT: usize = 4096;

/// Serves until it is killed.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let chain = CertificateDer::pem_file_iter(&arguments.certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&arguments.key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let config = Arc::new(config);
    let listener = TcpListener::bind(arguments.listen)?;
    for stream in listener.incoming() {
        let (stream, config) = (stream?, Arc::clone(&config));
        let folder = arguments.folder.clone();
        std::thread::spawn(move || {
            if let Err(error) = serve(stream, config, &folder) {
                eprintln!("{error:#}");
            }
        });
    }
    Ok(())
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, folder: &Path) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    // Small, so that a body is read past it.
    let mut stream = BufReader::with_capacity(1024, StreamOwned::new(ServerConnection::new(config)?, stream));
    while let Some(request) = read_head(&mut stream)? {
        let digest = match request.file {
            Some(name) => receive(&mut stream, &folder.join(name), request.length)?,
            None => String::new(),
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{digest}",
            digest.len()
        );
        stream.get_mut().write_all(answer.as_bytes())?;
        stream.get_mut().flush()?;
    }
    Ok(())
}

struct Head {
    file: Option<String>,
    length: u64,
}

fn read_head(stream: &mut Stream) -> anyhow::Result<Option<Head>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let file = line
        .strip_prefix("PUT /")
        .and_then(|rest| rest.split(' ').next())
        .map(str::to_owned);
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let field = line.trim().to_ascii_lowercase();
        if let Some(value) = field.strip_prefix("content-length:") {
            length = value.trim().parse().context("no number in content-length")?;
        }
        if field.is_empty() {
            return Ok(Some(Head { file, length }));
        }
    }
}

/// The body, durable, and its digest.
fn receive(stream: &mut Stream, path: &Path, length: u64) -> anyhow::Result<String> {
    let file = create(path)?;
    let mut memory = vec![0; BLOCK + ALIGNMENT];
    let start = memory.as_ptr().align_offset(ALIGNMENT);
    let buffer = &mut memory[start..start + BLOCK];
    let mut hasher = Sha256::new();
    let mut written = 0;
    while written < length {
        let wanted = (length - written).min(BLOCK as u64) as usize;
        let mut filled = 0;
        while filled < wanted {
            let count = stream.read(&mut buffer[filled..wanted])?;
            ensure!(count > 0, "the client left");
            hasher.update(&buffer[filled..filled + count]);
            filled += count;
        }
        // The last block is written whole as well; what is too much is cut off below.
        file.write_all_at(&buffer[..wanted.next_multiple_of(ALIGNMENT)], written)?;
        written += wanted as u64;
    }
    file.set_len(length)?;
    file.sync_all()?;
    // A name is durable when its folder is.
    File::open(path.parent().context("a file lies in a folder")?)?.sync_all()?;
    Ok(digest_text(hasher))
}

/// Past the page cache where the file system can do that.
fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    let direct = OFlags::DIRECT.bits() as i32;
    match options.clone().custom_flags(direct).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => options.open(path),
        outcome => outcome,
    }
}
