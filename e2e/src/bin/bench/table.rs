//! Rows of the table: what was measured, what was aimed at, and whether it was reached.

use std::fmt;

/// The columns with figures, in this order.
pub(crate) const SERVERS: [&str; 4] = [ROADSTEAD, DOCKER_REGISTRY, NGINX, FLOOR];
pub(crate) const ROADSTEAD: &str = "Roadstead";
pub(crate) const DOCKER_REGISTRY: &str = "docker-registry";
pub(crate) const NGINX: &str = "nginx";
pub(crate) const FLOOR: &str = "floor";

/// A workload with its figures.
#[derive(Debug)]
pub(crate) struct Row {
    work: String,
    cells: Vec<(&'static str, String)>,
    checks: Vec<Check>,
}

/// A target and what came of it.
#[derive(Debug)]
struct Check {
    target: String,
    measured: String,
    met: bool,
}

impl Row {
    pub(crate) fn new(work: impl Into<String>) -> Self {
        Self {
            work: work.into(),
            cells: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// A server's figures.
    pub(crate) fn cell(mut self, server: &'static str, figures: impl Into<String>) -> Self {
        self.cells.push((server, figures.into()));
        self
    }

    /// `what` is at most `bound`.
    pub(crate) fn at_most(self, what: &str, measured: f64, bound: f64, unit: &str) -> Self {
        self.check(what, '≤', measured, bound, unit, measured <= bound)
    }

    /// `what` is at least `bound`.
    pub(crate) fn at_least(self, what: &str, measured: f64, bound: f64, unit: &str) -> Self {
        self.check(what, '≥', measured, bound, unit, measured >= bound)
    }

    fn check(mut self, what: &str, sign: char, measured: f64, bound: f64, unit: &str, met: bool) -> Self {
        self.checks.push(Check {
            target: format!("{what} {sign} {}{unit}", number(bound)),
            measured: format!("{}{unit}", number(measured)),
            met,
        });
        self
    }

    /// How the figure of a server is written; a dash where it was not measured.
    fn figures(&self, server: &str) -> &str {
        let cell = self.cells.iter().find(|(name, _)| *name == server);
        cell.map_or("–", |(_, figures)| figures)
    }

    fn joined(&self, text: impl Fn(&Check) -> String) -> String {
        match self.checks.is_empty() {
            true => "–".to_owned(),
            false => self.checks.iter().map(text).collect::<Vec<_>>().join("<br>"),
        }
    }
}

/// Three digits that mean something.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    match text.split_once('.') {
        Some((whole, rest)) if rest.chars().all(|digit| digit == '0') => whole.to_owned(),
        _ => text,
    }
}

/// The row as Markdown.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} |", self.work)?;
        for server in SERVERS {
            write!(f, " {} |", self.figures(server))?;
        }
        let verdict = |check: &Check| {
            let word = if check.met { "met" } else { "**missed**" };
            format!("{word}: {}", check.measured)
        };
        write!(
            f,
            " {} | {} |",
            self.joined(|check| check.target.clone()),
            self.joined(verdict)
        )
    }
}

/// The two lines above the rows.
pub(crate) fn heading() -> String {
    let names = SERVERS.join(" | ");
    format!(
        "| work | {names} | target | verdict |\n|---|{}---|---|",
        "---|".repeat(SERVERS.len())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_was_aimed_at_and_whether_it_was_reached() {
        let row = Row::new("pull")
            .cell(ROADSTEAD, "0.70 s")
            .cell(NGINX, "0.60 s")
            .at_most("CPU of nginx", 1.17, 1.05, "×")
            .at_least("rate", 3.0, 3.0, "×");
        assert_eq!(
            row.to_string(),
            "| pull | 0.70 s | – | 0.60 s | – | CPU of nginx ≤ 1.05×<br>rate ≥ 3× | **missed**: 1.17×<br>met: 3× |"
        );
    }

    #[test]
    fn the_heading_has_as_many_columns_as_a_row() {
        let columns = |line: &str| line.matches('|').count();
        let row = Row::new("pull").to_string();
        for line in heading().lines() {
            assert_eq!(columns(line), columns(&row), "{line}");
        }
    }
}
