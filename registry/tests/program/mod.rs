//! The program itself, running until a test lets go of it, and what it says.

// Each test program that includes this needs some of it.
#![allow(dead_code)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_roadstead-registry");

pub(crate) struct Program {
    pub(crate) process: Child,
    /// Where it listens, on loopback; 0 where it has no port, or does not say so.
    pub(crate) port: u16,
    /// Behind a lock so that threads of a test can share the program.
    lines: Mutex<mpsc::Receiver<String>>,
    said: String,
}

impl Program {
    /// Starts it with these arguments and a configuration that lets it choose its port.
    pub(crate) fn start(arguments: &[&str], config: &Path) -> Self {
        Self::serving(Command::new(PROGRAM).args(arguments).arg(config))
    }

    /// Starts this command, and waits until it serves.
    pub(crate) fn serving(command: &mut Command) -> Self {
        let mut program = Self::spawn(command);
        let line = program.line("msg=serving");
        // Versions before wrote no quotes; turns of two versions start them too.
        let address = line
            .split_once("address=")
            .map(|(_, address)| address.trim_start_matches('"'));
        if let Some(address) = address.and_then(|address| address.strip_prefix("127.0.0.1:")) {
            let port = address.split(|c: char| !c.is_ascii_digit()).next();
            program.port = port.unwrap().parse().unwrap();
        }
        program
    }

    /// Starts this command.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // To its end, whoever listens: a full pipe would stop the program.
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .for_each(|line| drop(sender.send(line)))
        });
        Self {
            process,
            port: 0,
            lines: Mutex::new(lines),
            said: String::new(),
        }
    }

    /// Waits for a line with these words.
    pub(crate) fn line(&mut self, words: &str) -> String {
        loop {
            let line = self
                .lines
                .get_mut()
                .unwrap()
                .recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("no line with {words}:\n{}", self.said));
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Stops it as Kubernetes and systemd do, and gives all that it said.
    pub(crate) fn stop(mut self) -> String {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        self.line("msg=stopped");
        assert!(self.process.wait().unwrap().success());
        std::mem::take(&mut self.said)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
