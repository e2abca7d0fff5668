//! A registry with a certificate and a password, and a room of clients that reach it over a wire.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use roadstead_e2e::{Authority, Finished, Pair, REGISTRY, Sandbox, Server, Wire, commands, stock_config};
use tempfile::TempDir;

use crate::token_server;
use crate::tokens::TokenServer;

const USER: &str = "ann";
const PASSWORD: &str = "correct horse";

/// All that clients need, and what goes wrong for them.
pub(crate) struct Site {
    pub(crate) wire: Wire,
    room: Sandbox,
    server: Mutex<Option<Server>>,
    config: String,
    _data: TempDir,
}

impl Site {
    /// The clients' folder has `ca.crt`, `password`, `client.cert` and `client.key`; and `stranger.crt` and `wrong`.
    pub(crate) fn open() -> Self {
        Self::with(None, None)
    }

    /// One that asks clients for a certificate.
    pub(crate) fn with_client_certificates(mode: &str) -> Self {
        Self::with(Some(mode), None)
    }

    /// One that has a token server beside its users.
    pub(crate) fn with_token_server() -> Self {
        Self::with(None, Some(TokenServer::new()))
    }

    fn with(client_auth: Option<&str>, tokens: Option<TokenServer>) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let certificates = Certificates::get();
        let bundle = tokens.as_ref().map(TokenServer::bundle);
        let config = config(data.path(), certificates, client_auth, bundle.as_deref());
        let server = Server::start(&config);
        let room = Sandbox::open();
        let wire = Wire::lay(room.listen(), server.port());
        if let Some(tokens) = tokens {
            token_server::serve(tokens, room.listen_on(token_server::PORT), &certificates.pair);
        }
        for (name, content) in [
            ("ca.crt", certificates.root.as_str()),
            ("client.cert", certificates.client.certificate.as_str()),
            ("client.key", certificates.client.key.as_str()),
            ("stranger.crt", certificates.stranger.as_str()),
            ("password", PASSWORD),
            ("wrong", "battery staple"),
        ] {
            std::fs::write(room.folder().join(name), content).expect("the room's folder can be written");
        }
        Self {
            wire,
            room,
            server: Mutex::new(Some(server)),
            config,
            _data: data,
        }
    }

    /// Runs a shell script among the clients.
    pub(crate) fn run(&self, script: &str) -> Finished {
        self.room.run(script)
    }

    /// Takes the server away as a power cut does and starts it anew on what it left; the wire is whole again.
    pub(crate) fn crash(&self) {
        let mut server = self.server.lock().expect("no test goes on after a panic");
        if let Some(server) = server.take() {
            server.kill();
        }
        let started = Server::start(&self.config);
        self.wire.lead_to(started.port());
        *server = Some(started);
    }
}

/// The registry's name, without its port.
fn name() -> &'static str {
    REGISTRY.split(':').next().unwrap_or_default()
}

/// Made once for all sites: keys take their time.
struct Certificates {
    root: String,
    pair: Pair,
    /// The user's own.
    client: Pair,
    /// The root of a CA that has nothing to do with it.
    stranger: String,
}

impl Certificates {
    fn get() -> &'static Self {
        static CERTIFICATES: OnceLock<Certificates> = OnceLock::new();
        CERTIFICATES.get_or_init(|| {
            let authority = Authority::create();
            Self {
                root: authority.root(),
                pair: authority.issue(name()),
                client: authority.issue_client(USER),
                stranger: Authority::create().root(),
            }
        })
    }
}

fn config(
    folder: &Path,
    certificates: &Certificates,
    client_auth: Option<&str>,
    token_bundle: Option<&str>,
) -> String {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("the temporary folder can be written");
        path.display().to_string()
    };
    let certificate = write("server.crt", &certificates.pair.certificate);
    let key = write("server.key", &certificates.pair.key);
    let asked = client_auth.map_or_else(String::new, |mode| {
        let ca = write("clients.crt", &certificates.root);
        format!(", clientcas: [{ca}], clientauth: {mode}")
    });
    let line = roadstead_pki::htpasswd::hash_line(USER, PASSWORD, 5).expect("bcrypt takes them");
    let users = write("htpasswd", &line);
    let mut config = stock_config(&folder.join("data")).replace(
        "http:\n",
        &format!("http:\n  tls: {{certificate: {certificate}, key: {key}{asked}}}\n"),
    );
    let token = token_bundle.map_or_else(String::new, |bundle| {
        let bundle = write("tokens.crt", bundle);
        let (name, port) = (name(), token_server::PORT);
        format!(
            ", token: {{realm: 'https://{name}:{port}/token', service: registry, issuer: tokens, rootcertbundle: {bundle}}}"
        )
    });
    let _ = writeln!(
        config,
        "auth: {{htpasswd: {{realm: Clients, path: {users}}}{token}}}"
    );
    config
}

/// Commands that make `layer.tar`, of bytes that no other layer has and that no compression makes fewer.
pub(crate) fn make_layer(bytes: u64) -> String {
    format!("head -c {bytes} /dev/urandom > content; tar -cf layer.tar content")
}

/// The commands that docs/clients.md shows under a heading, as a script.
pub(crate) fn documented(heading: &str) -> String {
    commands("docs/clients.md", &format!("\n## {heading}\n"), "\n## ")
}
