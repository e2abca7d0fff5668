//! The program itself, running until a test lets go of it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub(crate) struct Program {
    pub(crate) process: Child,
    /// Where it listens, on loopback.
    pub(crate) port: u16,
}

impl Program {
    /// Starts it with these arguments and a configuration that lets it choose its port.
    pub(crate) fn start(arguments: &[&str], config: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_roadstead-registry"))
            .args(arguments)
            .arg(config)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let line = lines
            .find(|line| line.contains("msg=serving"))
            .expect("it says where it listens");
        let (_, address) = line.split_once("address=127.0.0.1:").unwrap();
        let port = address.split(' ').next().unwrap().parse().unwrap();
        // Its log must not run full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, port }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
