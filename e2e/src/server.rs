//! Registries on loopback, without a cluster: Roadstead's and its peers, from the same configuration file.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::command::Finished;
use crate::parts::part;

/// A program that serves registry:2's configuration and data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Software {
    /// `target/release/roadstead-registry`, or what `ROADSTEAD_REGISTRY_BIN` names.
    Roadstead,
    /// registry:2, as Debian packs it: 2.8.2.
    Registry2,
    /// registry:3: distribution 3.1.
    Registry3,
}

impl Software {
    /// Where the program lies.
    pub fn program(self) -> PathBuf {
        match self {
            Self::Roadstead => match std::env::var_os("ROADSTEAD_REGISTRY_BIN") {
                Some(program) => program.into(),
                None => checkout().join("target/release/roadstead-registry"),
            },
            Self::Registry2 => part("peers").join("usr/bin/docker-registry"),
            Self::Registry3 => part("distribution").join("registry"),
        }
    }

    /// The program, without what the caller's environment would change in its configuration.
    fn command(self) -> Command {
        let mut command = Command::new(self.program());
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy();
            if ["REGISTRY_", "AWS_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
            {
                command.env_remove(&variable);
            }
        }
        // registry:3 looks for a collector of traces on this machine, unless it is told not to.
        command.env("OTEL_TRACES_EXPORTER", "none");
        command
    }

    /// A peer's own, offline garbage collection of what a configuration serves; gives what it printed.
    pub fn garbage_collect(self, config: &str) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("config.yml");
        std::fs::write(&path, config).expect("the temporary folder can be written");
        Finished::run(self.command().arg("garbage-collect").arg(&path), "").ok()
    }
}

/// A running registry. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    port: u16,
    admin: u16,
    log: PathBuf,
    _folder: TempDir,
}

impl Server {
    /// Starts Roadstead with a configuration, on ports of the server's own choice, and waits until it is ready.
    pub fn start(config: &str) -> Self {
        Self::of(Software::Roadstead, config)
    }

    /// The same with any of the programs.
    pub fn of(software: Software, config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("config.yml");
        std::fs::write(&path, config).expect("the temporary folder can be written");
        let log = folder.path().join("log");
        let (port, admin) = (free_port(), free_port());
        let output = File::create(&log).expect("the temporary folder can be written");
        let mut command = software.command();
        command.arg("serve").arg(&path);
        command.env("REGISTRY_HTTP_ADDR", format!("127.0.0.1:{port}"));
        if software == Software::Roadstead {
            command.env("REGISTRY_HTTP_DEBUG_ADDR", format!("127.0.0.1:{admin}"));
        }
        let process = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file can be cloned"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", software.program().display()));
        let mut server = Self {
            process,
            port,
            admin,
            log,
            _folder: folder,
        };
        server.await_ready(software);
        server
    }

    /// The port of the API.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of Roadstead's probes and metrics.
    pub fn admin_port(&self) -> u16 {
        self.admin
    }

    /// The name and port by which clients on this machine reach it.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// All that it has said so far.
    pub fn log(&self) -> String {
        let log = std::fs::read(&self.log).expect("the log is there as long as the server");
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Ends it as Kubernetes, systemd and docker do, and waits until it has ended.
    pub fn stop(mut self) {
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let status = self.process.wait().expect("a child can be awaited");
        // registry:2 has no end of its own for the signal.
        assert!(
            status.success() || status.code().is_none(),
            "ended with {status}: {}",
            self.log()
        );
    }

    /// Ends it as a power cut does.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Roadstead says on its admin port when it is ready; the peers are, once they listen.
    fn await_ready(&mut self, software: Software) {
        // A bound for a server that hangs, no assertion about how long one takes.
        const LIMIT: Duration = Duration::from_secs(60);
        let started = Instant::now();
        let ready = |port: u16| match software {
            Software::Roadstead => ureq::get(format!("http://127.0.0.1:{port}/readyz"))
                .call()
                .is_ok(),
            Software::Registry2 | Software::Registry3 => TcpStream::connect(("127.0.0.1", port)).is_ok(),
        };
        let port = match software {
            Software::Roadstead => self.admin,
            Software::Registry2 | Software::Registry3 => self.port,
        };
        while !ready(port) {
            let ended = self.process.try_wait().expect("a child can be asked");
            assert!(
                ended.is_none() && started.elapsed() < LIMIT,
                "{software:?} does not come up (ended: {ended:?}): {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// registry:2's image has this configuration, with another folder, and with deletes, which everyone adds.
pub fn stock_config(root: &Path) -> String {
    format!(
        "version: 0.1\n\
         log: {{accesslog: {{disabled: true}}, level: warn, fields: {{service: registry}}}}\n\
         storage:\n  \
           cache: {{blobdescriptor: inmemory}}\n  \
           filesystem: {{rootdirectory: {}}}\n  \
           delete: {{enabled: true}}\n\
         http:\n  headers: {{X-Content-Type-Options: [nosniff]}}\n\
         health: {{storagedriver: {{enabled: true, interval: 10s, threshold: 3}}}}\n",
        root.display()
    )
}

/// The folder of the repository.
pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("e2e stands in the repository")
}

/// A port that nobody has at this moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("loopback has free ports")
        .port()
}
