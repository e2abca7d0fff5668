//! The real program on a folder, to be killed.

use std::path::Path;
use std::process::Command;

use crate::program::{PROGRAM, Program};

pub(crate) struct Server {
    program: Program,
    _settings: tempfile::TempDir,
}

impl Server {
    /// Serves this folder; returns when it listens.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    pub(crate) fn start_with(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let program = Command::new(PROGRAM);
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
        program.arg(PROGRAM);
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
        let command = program.arg("serve").arg(&config).envs(variables.iter().copied());
        Server {
            program: Program::serving(command),
            _settings: settings,
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.program.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.process.id()
    }

    /// SIGKILL, now. Returns when nothing of it runs any more.
    pub(crate) fn kill(mut self) {
        self.program.process.kill().unwrap();
        self.program.process.wait().unwrap();
    }
}
