//! The real program on a folder, to be killed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

pub(crate) struct Server {
    process: Child,
    port: u16,
    _settings: tempfile::TempDir,
}

impl Server {
    /// Serves this folder; returns when it listens.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    pub(crate) fn start_with(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_roadstead-registry"));
        Self::start_program(program, folder, variables)
    }

    /// Serves with another version of the program.
    pub(crate) fn start_other(program: &Path, folder: &Path) -> Self {
        Self::start_program(Command::new(program), folder, &[])
    }

    /// Serves as a superuser whom the modes of files bind like anybody else.
    pub(crate) fn start_bound_by_modes(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let mut program = Command::new("setpriv");
        program.arg("--bounding-set=-dac_override,-dac_read_search");
        program.arg(env!("CARGO_BIN_EXE_roadstead-registry"));
        Self::start_program(program, folder, variables)
    }

    fn start_program(mut program: Command, folder: &Path, variables: &[(&str, &str)]) -> Self {
        let settings = tempfile::tempdir().unwrap();
        let config = settings.path().join("config.yml");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '127.0.0.1:0'}}\nlog: {{accesslog: {{disabled: true}}}}\n",
            folder.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut process = program
            .arg("serve")
            .arg(&config)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // Reads to the end: a full pipe would stop the server.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut server = Server {
            process,
            port: 0,
            _settings: settings,
        };
        let mut said = String::new();
        while server.port == 0 {
            let line = lines.recv_timeout(Duration::from_secs(30));
            let line = line.unwrap_or_else(|_| panic!("the server does not start:\n{said}"));
            if let Some((_, address)) = line.split_once("address=127.0.0.1:") {
                server.port = address.split(' ').next().unwrap().parse().unwrap();
            }
            said.push_str(&line);
            said.push('\n');
        }
        server
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL, now. Returns when nothing of it runs any more.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
