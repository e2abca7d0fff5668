//! `make bench`: Roadstead beside docker-registry and nginx on this machine, in one run.
//!
//! ```text
//! main ──► bench (servers started, clients' TLS) ──► rows/* (one file a workload) ──► table
//!             │                                        │
//!             └─ servers/* ── process (CPU, memory)    └─ client, content, wrk
//! ```
//! Every server has the same certificate and TLS 1.3, a fresh folder and a port of its own on loopback. Rounds are
//! interleaved, figures are medians, and CPU is what the server's processes used, not the clients. Nothing here
//! fails because something was slow: a run fails when an answer is wrong.

// It talks to the person who runs it.
#![allow(clippy::print_stdout)]

mod bench;
mod client;
mod content;
mod distribution;
mod floor;
mod machine;
mod measure;
mod pairs;
mod programs;
mod report;
mod rows;
mod servers;
mod sizes;
mod table;
mod trace;
mod volume;
mod wrk;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use crate::bench::Bench;
use crate::rows::RowName;
use crate::sizes::{Size, Sizes};

/// Measures Roadstead beside docker-registry and nginx.
#[derive(Debug, Parser)]
struct Arguments {
    /// How much of everything: the sizes of the published table, or just enough to see that all of it works.
    #[arg(long, value_enum, default_value = "full")]
    size: Size,
    /// Only this row (may be given several times).
    #[arg(long, value_enum)]
    only: Vec<RowName>,
    /// How often each thing is measured.
    #[arg(long)]
    rounds: Option<usize>,
    /// The registry to measure.
    #[arg(long, default_value = "target/release/roadstead-registry")]
    server: PathBuf,
    /// Another build of it: the two are compared, row by row in turns, by the servers' CPU, and nothing else is measured.
    #[arg(long, conflicts_with = "write")]
    baseline: Option<PathBuf>,
    /// How often the two are compared.
    #[arg(long, default_value = "5", requires = "baseline")]
    pairs: usize,
    /// Where the servers' data is put, and removed at the end. It decides which disk is measured.
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// A page whose figures are replaced by those of this run.
    #[arg(long, conflicts_with = "only")]
    write: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The least that a durable push can cost; started by the benchmark itself.
    #[command(hide = true)]
    Floor(floor::Arguments),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Command::Floor(arguments)) = arguments.command {
        return floor::run(&arguments);
    }
    machine::raise_file_limit()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            outcome = measure(&arguments) => outcome,
            // Whatever was started and written goes when its owner is dropped.
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        }
    })
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.baseline {
        Some(baseline) => compare(arguments, baseline).await,
        None => measure_all(arguments).await,
    }
}

async fn compare(arguments: &Arguments, baseline: &Path) -> anyhow::Result<()> {
    let sizes = Sizes::of(arguments.size);
    println!("{}\n", machine::describe(&arguments.folder)?);
    println!("{}", pairs::heading());
    let rows = match arguments.only.is_empty() {
        true => RowName::comparable(),
        false => arguments.only.clone(),
    };
    let programs = [baseline, arguments.server.as_path()];
    for row in rows {
        let outcomes = pairs::compare(row, programs, &arguments.folder, &sizes, arguments.pairs).await;
        for outcome in outcomes.with_context(|| format!("row {row}"))? {
            println!("{outcome}");
        }
    }
    Ok(())
}

async fn measure_all(arguments: &Arguments) -> anyhow::Result<()> {
    let mut sizes = Sizes::of(arguments.size);
    sizes.rounds = arguments.rounds.unwrap_or(sizes.rounds).max(1);
    let machine = machine::describe(&arguments.folder)?;
    println!("{machine}");
    let mut bench = Bench::start(&arguments.server, &arguments.folder, sizes).await?;
    let mut rows = Vec::new();
    for name in RowName::chosen(&arguments.only) {
        println!("== {name}");
        let measured = name
            .measure(&mut bench)
            .await
            .with_context(|| format!("row {name}"))?;
        for row in measured {
            println!("{row}");
            rows.push(row);
        }
    }
    if arguments.only.is_empty() {
        rows.push(rows::peak_memory(&bench)?);
    }
    let report = report::Report {
        machine: &machine,
        sizes: &bench.sizes,
        size: arguments.size,
        rows: &rows,
    };
    println!("\n{report}");
    match &arguments.write {
        Some(page) => report.write_into(page),
        None => Ok(()),
    }
}
