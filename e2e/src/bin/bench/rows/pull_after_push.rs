//! Many clients pull a large blob right after it was pushed: what a deployment does, and where a push that leaves
//! nothing in the page cache would show.

use tokio::task::JoinSet;

use super::in_turn;
use crate::bench::Bench;
use crate::client::Payload;
use crate::content::Blob;
use crate::distribution::blob_path;
use crate::measure::{Sample, Samples, measured};
use crate::servers::Server;
use crate::table::{DOCKER_REGISTRY, ROADSTEAD, Row};

const REPOSITORY: &str = "bench/deploy";

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Row> {
    let clients = bench.sizes.pullers;
    let mut servers = [&bench.roadstead, &bench.docker_registry].map(|server| (server, Samples::default()));
    for round in 0..bench.sizes.long_rounds() {
        let blob = Blob::random(bench.sizes.blob);
        for (server, samples) in in_turn(round, servers.iter_mut().collect()) {
            samples.push(push_and_pull(server, clients, &blob).await?);
            server.forget(blob.digest())?;
        }
    }
    let [(_, ours), (_, theirs)] = &servers;
    let size = bench.sizes.blob_text();
    Ok(Row::new(format!(
        "{clients} clients pull a {size} blob right after its push"
    ))
    .cell(ROADSTEAD, ours.text())
    .cell(DOCKER_REGISTRY, theirs.text())
    .at_most("time of docker-registry", ours.wall() / theirs.wall(), 1.0, "×"))
}

/// What the pulls took.
pub(super) async fn push_and_pull(server: &Server, clients: usize, blob: &Blob) -> anyhow::Result<Sample> {
    rustix::fs::sync();
    let mut connection = server.target.connect().await?;
    connection
        .push_blob(REPOSITORY, blob.digest(), Payload::blob(blob))
        .await?;
    Ok(measured(server, pull(server, clients, blob)).await?.0)
}

async fn pull(server: &Server, clients: usize, blob: &Blob) -> anyhow::Result<()> {
    let path = blob_path(REPOSITORY, blob.digest());
    let mut pulls = JoinSet::new();
    for _ in 0..clients {
        let (target, path, size) = (server.target.clone(), path.clone(), blob.size());
        pulls.spawn(async move {
            let mut connection = target.connect().await?;
            connection.download(&path, size, |_| ()).await
        });
    }
    while let Some(outcome) = pulls.join_next().await {
        outcome??;
    }
    Ok(())
}
