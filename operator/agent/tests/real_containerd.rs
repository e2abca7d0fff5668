//! Canaries through a real containerd, to servers that answer as they like. It needs root and names the program:
//!
//! ```sh
//! ROADSTEAD_CONTAINERD=/usr/bin/containerd cargo test -p roadstead-agent --test real_containerd -- --ignored
//! ```

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roadstead_agent::bundle::Bundle;
use roadstead_agent::canary::Canaries;
use roadstead_agent::cri::{Client, Version};
use roadstead_agent::host::HostRoot;
use roadstead_agent::layout;
use roadstead_agent::runtime::{Reads, Runtime};
use roadstead_agent::verdict::Verdict;
use roadstead_api::trust::{Proof, RegistryReference, TrustBundleSpec};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a server says to whatever it is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answers {
    Unauthorized,
    NotFound,
    /// Everything is here, and it never ends.
    Flood,
    /// Everything is here, and larger than containerd takes.
    Huge,
    /// Everything is here, and it is something else.
    Another,
    /// It is here, and then it is forbidden.
    Both,
}

type Asked = Arc<Mutex<Vec<String>>>;

struct Containerd(Child);

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "it needs root and a containerd: scripts/test.sh runs it with each that there is"]
async fn whatever_a_server_answers_nothing_of_it_stays_in_a_real_containerd() {
    let program = std::env::var("ROADSTEAD_CONTAINERD").expect("ROADSTEAD_CONTAINERD names the program");
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    openssl(folder);
    let containerd = start(&program, folder);
    let socket = folder.join("containerd.sock");
    let runtime = runtime(&socket, folder);
    let certs = folder.join("certs.d").to_string_lossy().into_owned();
    for answers in [
        Answers::Unauthorized,
        Answers::NotFound,
        Answers::Flood,
        Answers::Huge,
        Answers::Another,
        Answers::Both,
    ] {
        let (port, asked) = serve(folder, answers);
        let bundle = Arc::new(bundle(folder, port));
        for files in layout::host_files("a/b", &certs.parse().expect("a path"), &bundle) {
            fs::create_dir_all(files.folder.as_str()).expect("a folder");
            for (path, text) in files.files {
                fs::write(path.as_str(), &*text).expect("a file");
            }
        }
        let mut canaries = Canaries::default();
        canaries.send(&runtime, [bundle]);
        let verdict = canaries.landed().await.expect("no panic").verdict;
        let honest = matches!(answers, Answers::Unauthorized | Answers::NotFound);
        assert_eq!(verdict == Verdict::Proved, honest, "{answers:?}: {verdict:?}");
        let asked = asked.lock().expect("a lock").clone();
        assert!(
            !asked.is_empty() && asked.iter().all(|line| line.contains("sha256:")),
            "{answers:?}: {asked:?}"
        );
        assert_eq!(ingests(folder), Vec::<String>::new(), "{answers:?}");
    }
    drop(containerd);
    let blobs = folder.join("root/io.containerd.content.v1.content/blobs/sha256");
    assert_eq!(
        fs::read_dir(blobs).map_or(0, Iterator::count),
        0,
        "content was kept"
    );
}

/// Content that was begun. Closing one takes containerd a moment, and may leave a folder with nothing in it but a date.
fn ingests(folder: &Path) -> Vec<String> {
    let ingest = folder.join("root/io.containerd.content.v1.content/ingest");
    let list = || -> Vec<String> {
        let entries = fs::read_dir(&ingest).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.path().join("data").exists())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    };
    for _ in 0..50 {
        if list().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    list()
}

fn start(program: &str, folder: &Path) -> Containerd {
    let at = folder.display();
    // Versions from 2.0 on read this as well.
    let config = format!(
        "version = 2\nroot = \"{at}/root\"\nstate = \"{at}/state\"\ndisabled_plugins = [\"io.containerd.internal.v1.opt\"]\n\
         [grpc]\naddress = \"{at}/containerd.sock\"\n[ttrpc]\naddress = \"{at}/ttrpc.sock\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"{at}/certs.d\"\n"
    );
    fs::write(folder.join("config.toml"), config).expect("a file");
    let log = fs::File::create(folder.join("log")).expect("a file");
    let child = Command::new(program)
        .arg("--config")
        .arg(folder.join("config.toml"))
        .stderr(log)
        .stdout(Stdio::null())
        .spawn()
        .expect("containerd starts");
    let containerd = Containerd(child);
    for _ in 0..200 {
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        if log.contains("containerd successfully booted") {
            return containerd;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{}", fs::read_to_string(folder.join("log")).unwrap_or_default());
}

fn runtime(socket: &Path, folder: &Path) -> Runtime {
    let host = Arc::new(HostRoot::open(Path::new("/")).expect("the root"));
    let path = |path: &Path| path.to_string_lossy().parse().expect("a path");
    Runtime {
        client: Client::new(host, path(socket)),
        version: Version {
            name: "containerd".into(),
            version: "any".into(),
        },
        socket: path(socket),
        start: "start".into(),
        root: path(&folder.join("certs.d")),
        reads: Reads::Yes,
    }
}

fn bundle(folder: &Path, port: u16) -> Bundle {
    let spec = TrustBundleSpec {
        installation: "a/b".into(),
        host: format!("liar.tenant.svc:{port}"),
        ca: fs::read_to_string(folder.join("tls.crt")).expect("openssl wrote it"),
        server: Some(format!("127.0.0.1:{port}")),
        registry: RegistryReference {
            namespace: "tenant".into(),
            name: "liar".into(),
            uid: "u".into(),
        },
        proof: Proof::Required,
    };
    Bundle::try_from(&spec).expect("a bundle")
}

fn openssl(folder: &Path) {
    let arguments = "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout tls.key -out tls.crt -subj /CN=liar \
                     -addext subjectAltName=DNS:liar.tenant.svc,IP:127.0.0.1";
    let made = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn serve(folder: &Path, answers: Answers) -> (u16, Asked) {
    let pem = |name: &str| fs::read(folder.join(name)).expect("openssl wrote it");
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem("tls.crt")).collect();
    let key = PrivateKeyDer::from_pem_slice(&pem("tls.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(chain.expect("certificates"), key)
        .expect("a pair");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let asked = Asked::default();
    let log = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, log) = (config.clone(), log.clone());
            std::thread::spawn(move || answer(stream, config, answers, &log));
        }
    });
    (port, asked)
}

fn answer(stream: TcpStream, config: Arc<rustls::ServerConfig>, answers: Answers, log: &Asked) -> Option<()> {
    let mut stream = rustls::StreamOwned::new(rustls::ServerConnection::new(config).ok()?, stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let line = head.lines().next()?.to_owned();
    log.lock().ok()?.push(line.clone());
    let digest = line.find("sha256:").map_or("", |at| &line[at..]);
    let digest = digest.split([' ', '?']).next()?;
    let here = |length: u64| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n\
             Docker-Content-Digest: {digest}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )
    };
    let nothing = "Content-Length: 0\r\nConnection: close\r\n\r\n";
    let unauthorized =
        format!("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n{nothing}");
    let is_get = line.starts_with("GET ");
    match answers {
        Answers::Unauthorized => stream.write_all(unauthorized.as_bytes()).ok()?,
        Answers::NotFound => stream
            .write_all(format!("HTTP/1.1 404 Not Found\r\n{nothing}").as_bytes())
            .ok()?,
        Answers::Both if is_get => stream
            .write_all(format!("HTTP/1.1 403 Forbidden\r\n{nothing}").as_bytes())
            .ok()?,
        Answers::Flood => {
            // Just less than the largest manifest that containerd takes.
            stream.write_all(here(4_000_000).as_bytes()).ok()?;
            stream.flush().ok()?;
            if !is_get {
                return Some(());
            }
            loop {
                stream.write_all(&[0; 16 * 1024]).ok()?;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Answers::Huge => stream.write_all(here(1 << 32).as_bytes()).ok()?,
        Answers::Another | Answers::Both => {
            stream.write_all(here(2).as_bytes()).ok()?;
            if is_get {
                stream.write_all(b"{}").ok()?;
            }
        }
    }
    stream.flush().ok()
}
