//! `wrk`: some connections kept open, one address asked for again and again.

use anyhow::{Context as _, ensure};

use crate::client::Target;
use crate::programs::Program;

/// As many as there are servers' threads on two cores: one alone does not ask as fast as they answer.
const THREADS: usize = 2;

/// Requests per second over `connections` kept open.
pub(crate) fn rate(
    program: &Program,
    target: &Target,
    path: &str,
    accept: &str,
    connections: usize,
    seconds: u64,
) -> anyhow::Result<f64> {
    let output = program
        .command()
        .arg(format!("-t{THREADS}"))
        .args([format!("-c{connections}"), format!("-d{seconds}s")])
        .args(["-H", &format!("Authorization: {}", target.authorization)])
        .args(["-H", &format!("Accept: {accept}")])
        .arg(format!("https://{}{path}", target.address))
        .output()
        .with_context(|| format!("cannot start {}", program.path().display()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "wrk failed: {printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    parse(&printed)
}

fn parse(printed: &str) -> anyhow::Result<f64> {
    for trouble in ["Non-2xx", "Socket errors"] {
        ensure!(
            !printed.contains(trouble),
            "not every request was answered well:\n{printed}"
        );
    }
    printed
        .lines()
        .find_map(|line| line.trim().strip_prefix("Requests/sec:"))
        .and_then(|rate| rate.trim().parse().ok())
        .with_context(|| format!("wrk printed no rate:\n{printed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_and_bad_answers_are_not_counted() {
        let good =
            "  81234 requests in 1.00s, 93.45MB read\nRequests/sec:  81197.31\nTransfer/sec:     93.41MB\n";
        assert_eq!(parse(good).unwrap(), 81197.31);
        assert!(parse(&good.replace("Requests/sec", "  Non-2xx or 3xx responses: 5\nRequests/sec")).is_err());
        assert!(parse("").is_err());
    }
}
