//! A server's processes: started, looked at, ended.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

/// A program and what it started itself. Ended when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Mutex<Child>,
    id: u32,
    log: PathBuf,
}

impl Process {
    /// Starts it, with everything that it prints in a file. It also ends when this program is killed.
    pub(crate) fn start(command: &Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log)?;
        let mut guarded = Command::new("setpriv");
        guarded
            .args(["--pdeathsig", "TERM", "--"])
            .arg(command.get_program())
            .args(command.get_args())
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            // A Ctrl-C is for the benchmark, which then ends its servers in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = guarded
            .spawn()
            .context("cannot start setpriv (of the package util-linux)")?;
        Ok(Self {
            id: child.id(),
            child: Mutex::new(child),
            log: log.to_owned(),
        })
    }

    /// Seconds that it and its children, workers of it, have computed.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        let ticks = self.family()?.iter().map(|process| process.ticks).sum::<u64>();
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// KiB that it and its children hold at most, each at its own worst time.
    pub(crate) fn peak_memory(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM:")
    }

    /// KiB that it and its children hold now.
    pub(crate) fn resident_memory(&self) -> anyhow::Result<u64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> anyhow::Result<u64> {
        let family = self.family()?;
        Ok(family
            .iter()
            .filter_map(|process| {
                // One that has just ended holds nothing.
                let status = fs::read_to_string(format!("/proc/{}/status", process.id)).ok()?;
                let line = status.lines().find_map(|line| line.strip_prefix(field))?;
                line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
            })
            .sum())
    }

    fn family(&self) -> anyhow::Result<Vec<Stat>> {
        let mut family = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let Ok(id) = entry?.file_name().to_string_lossy().parse::<u32>() else {
                continue;
            };
            let stat = fs::read_to_string(format!("/proc/{id}/stat"));
            family.extend(
                stat.ok()
                    .and_then(|line| Stat::parse(id, &line))
                    .filter(|stat| stat.id == self.id || stat.parent == self.id),
            );
        }
        Ok(family)
    }

    /// Whether it has not ended by itself.
    pub(crate) fn runs(&self) -> anyhow::Result<bool> {
        let mut child = self.child.lock().expect("nobody panics with it");
        Ok(child.try_wait()?.is_none())
    }

    /// The end of what it printed.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// Asks it to end, and insists after a while.
    pub(crate) fn stop(&self) {
        const GRACE: Duration = Duration::from_secs(10);
        let Ok(mut child) = self.child.lock() else { return };
        if let Some(id) = Pid::from_raw(self.id as i32)
            && matches!(child.try_wait(), Ok(None))
        {
            // It may end in this very moment.
            let _ = kill_process(id, Signal::TERM);
        }
        let asked = Instant::now();
        while matches!(child.try_wait(), Ok(None)) && asked.elapsed() < GRACE {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    id: u32,
    parent: u32,
    /// User and system time.
    ticks: u64,
}

impl Stat {
    fn parse(id: u32, line: &str) -> Option<Self> {
        // The name, in parentheses, may have blanks and parentheses of its own.
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        Some(Self {
            id,
            parent: fields.get(1)?.parse().ok()?,
            ticks: fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_parent_are_read_whatever_the_name() {
        let line = "41 (a) (b c) S 40 41 41 0 -1 4194560 1 0 0 0 120 30 7 8 20 0 1 0 5 6 7";
        let stat = Stat {
            id: 41,
            parent: 40,
            ticks: 150,
        };
        assert_eq!(Stat::parse(41, line), Some(stat));
        assert_eq!(Stat::parse(41, "41 (cut"), None);
    }
}
