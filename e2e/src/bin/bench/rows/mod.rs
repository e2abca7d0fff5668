//! The workloads, one file each: what is done to whom, and which figures come of it.

mod connections;
mod costs;
mod first_pull;
mod http2;
mod idle;
mod large_blob;
mod large_volume;
mod manifests;
mod memory;
mod pull;
mod pull_after_push;
mod pull_images;
mod push;
mod push_images;

use std::fmt;

use clap::ValueEnum;

use crate::bench::Bench;
use crate::servers::Server;
use crate::table::{DOCKER_REGISTRY, NGINX, ROADSTEAD, Row};

/// The rows in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowName {
    Pull,
    PullHttp2,
    Push,
    PushHttp2,
    FirstPull,
    PullAfterPush,
    Manifests,
    Connections,
    PushImages,
    PullImages,
    Memory,
    Idle,
    /// Last: its data stay until the end.
    Volume,
}

impl RowName {
    /// Those that were asked for; all, if none was.
    pub(crate) fn chosen(only: &[Self]) -> Vec<Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(|name| only.is_empty() || only.contains(name))
            .collect()
    }

    /// Does the work on everyone.
    pub(crate) async fn measure(self, bench: &mut Bench) -> anyhow::Result<Vec<Row>> {
        let row = match self {
            Self::Pull => pull::measure(bench).await,
            Self::PullHttp2 => http2::pull(bench).await,
            Self::Push => push::measure(bench).await,
            Self::PushHttp2 => http2::push(bench).await,
            Self::FirstPull => first_pull::measure(bench).await,
            Self::PullAfterPush => pull_after_push::measure(bench).await,
            Self::Manifests => manifests::measure(bench).await,
            Self::Connections => connections::measure(bench).await,
            Self::PushImages => push_images::measure(bench).await,
            Self::PullImages => pull_images::measure(bench).await,
            Self::Volume => return large_volume::measure(bench).await,
            Self::Memory => memory::measure(bench).await,
            Self::Idle => idle::measure(bench).await,
        };
        Ok(vec![row?])
    }
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("no row is hidden").get_name())
    }
}

/// What each server held at most, after everything else.
pub(crate) fn peak_memory(bench: &Bench) -> anyhow::Result<Row> {
    let mib = |server: &Server| anyhow::Ok(bench.peak_memory(server)? as f64 / 1024.0);
    let ours = mib(&bench.roadstead)?;
    Ok(Row::new("peak resident memory over all of it")
        .cell(ROADSTEAD, format!("{ours:.1} MiB"))
        .cell(
            DOCKER_REGISTRY,
            format!("{:.1} MiB", mib(&bench.docker_registry)?),
        )
        .cell(NGINX, format!("{:.1} MiB", mib(&bench.nginx)?))
        .at_most("Roadstead", ours, 40.0, " MiB"))
}

/// The servers in another order each round, so that none is always first.
fn in_turn<T>(round: usize, mut all: Vec<T>) -> Vec<T> {
    let length = all.len();
    all.rotate_left(round % length);
    all
}
