//! How often a server waits for its disk: `strace -c`, in a run of its own that is not timed.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::programs::Program;

/// The calls that make something durable.
const CALLS: [&str; 6] = ["fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "msync"];

/// The same command, counted. What it does not count runs at full speed.
pub(crate) fn traced(strace: &Program, command: &Command, counts: &Path) -> Command {
    let mut traced = strace.command();
    traced
        .args(["-f", "--seccomp-bpf", "-c", "-U", "calls,name"])
        // It hands a SIGTERM on; with `-o` alone it would ignore it.
        .args(["-I", "2"])
        .args(["-e", &format!("trace={}", CALLS.join(","))])
        .arg("-o")
        .arg(counts)
        .arg(command.get_program())
        .args(command.get_args());
    traced
}

/// How many of these calls there were, after the command has ended.
pub(crate) fn count(counts: &Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(counts).context("strace counted nothing")?;
    Ok(sum(&text))
}

fn sum(text: &str) -> u64 {
    text.lines()
        .filter_map(|line| {
            let (calls, name) = line.trim().split_once(' ')?;
            CALLS.contains(&name.trim()).then(|| calls.parse::<u64>().ok())?
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_are_added_up_without_their_total() {
        let text = "    calls syscall\n--------- -------\n       12 fsync\n        3 fdatasync\n--------- -------\n       15 total\n";
        assert_eq!(sum(text), 15);
    }
}
