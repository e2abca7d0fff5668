//! One client pulls a large blob right after its push: a push that leaves nothing in memory pays here.

use super::in_turn;
use super::large_blob::Client;
use crate::bench::Bench;
use crate::content::Blob;
use crate::measure::{Sample, Samples};
use crate::table::{DOCKER_REGISTRY, ROADSTEAD, Row};

const REPOSITORY: &str = "bench/first";

/// A push and the first pull after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Both {
    pub(super) push: Sample,
    pub(super) pull: Sample,
}

impl Both {
    pub(super) fn together(self) -> Sample {
        Sample {
            wall: self.push.wall + self.pull.wall,
            cpu: self.push.cpu + self.pull.cpu,
        }
    }
}

#[derive(Default)]
struct Figures {
    pulls: Samples,
    together: Samples,
}

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Row> {
    let mut servers = [&bench.roadstead, &bench.docker_registry].map(|server| (server, Figures::default()));
    for round in 0..bench.sizes.rounds {
        let blob = Blob::random(bench.sizes.blob);
        for (server, figures) in in_turn(round, servers.iter_mut().collect()) {
            let client = Client {
                server,
                target: &server.target,
                repository: REPOSITORY,
            };
            let both = client.push_and_pull(&blob).await?;
            figures.pulls.push(both.pull);
            figures.together.push(both.together());
            server.forget(blob.digest())?;
        }
    }
    let [(_, ours), (_, theirs)] = &servers;
    let text = |figures: &Figures| {
        format!(
            "{}; with the push {}",
            figures.pulls.text(),
            figures.together.text()
        )
    };
    let size = bench.sizes.blob_text();
    let time = ours.pulls.wall() / theirs.pulls.wall();
    let cpu = ours.together.cpu() / theirs.together.cpu();
    Ok(
        Row::new(format!("one client pulls a {size} blob right after its push"))
            .cell(ROADSTEAD, text(ours))
            .cell(DOCKER_REGISTRY, text(theirs))
            .at_most("time of docker-registry", time, 1.0, "×")
            .at_most("with the push, CPU of docker-registry", cpu, 0.6, "×"),
    )
}
