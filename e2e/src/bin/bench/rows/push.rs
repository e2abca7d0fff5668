//! Push a large blob that nobody has, until it is said to be kept: one client, one connection.

use http::{Method, StatusCode};

use super::in_turn;
use crate::bench::Bench;
use crate::client::Payload;
use crate::content::Blob;
use crate::distribution::blob_path;
use crate::measure::{Samples, measured};
use crate::servers::Server;
use crate::table::{DOCKER_REGISTRY, FLOOR, ROADSTEAD, Row};

const REPOSITORY: &str = "bench/push";

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Row> {
    let mut servers =
        [&bench.roadstead, &bench.docker_registry, &bench.floor].map(|server| (server, Samples::default()));
    for round in 0..=bench.sizes.rounds {
        let blob = Blob::random(bench.sizes.blob);
        for (server, samples) in in_turn(round, servers.iter_mut().collect()) {
            // What others left to be written is not this one's work.
            rustix::fs::sync();
            let mut connection = server.target.connect().await?;
            let sample = measured(server, push(server, &mut connection, &blob)).await?.0;
            // The first round warms up, and shows that what is kept is right.
            match round {
                0 => check(server, &blob).await?,
                _ => samples.push(sample),
            }
            remove(server, &blob)?;
        }
    }
    let [(_, ours), (_, theirs), (_, floor)] = &servers;
    Ok(
        Row::new(format!("push a {} blob, durable", bench.sizes.blob_text()))
            .cell(ROADSTEAD, ours.text())
            .cell(DOCKER_REGISTRY, theirs.text())
            .cell(FLOOR, floor.text())
            .at_most("CPU of docker-registry", ours.cpu() / theirs.cpu(), 0.33, "×")
            .at_most("CPU of floor", ours.cpu() / floor.cpu(), 1.25, "×"),
    )
}

async fn push(
    server: &Server,
    connection: &mut crate::client::Connection,
    blob: &Blob,
) -> anyhow::Result<()> {
    let bytes = Payload::blob(blob);
    if server.name != FLOOR {
        return connection.push_blob(REPOSITORY, blob.digest(), bytes).await;
    }
    connection
        .expect(StatusCode::OK, Method::PUT, "/blob", &[], bytes)
        .await?;
    Ok(())
}

async fn check(server: &Server, blob: &Blob) -> anyhow::Result<()> {
    if server.name != FLOOR {
        let path = blob_path(REPOSITORY, blob.digest());
        return server.target.connect().await?.verify(&path, blob).await;
    }
    let written = std::fs::metadata(server.data.join("blob"))?.len();
    anyhow::ensure!(written == blob.size(), "the floor program wrote {written} bytes");
    Ok(())
}

/// So that the next round has as much room on the disk as this one.
fn remove(server: &Server, blob: &Blob) -> anyhow::Result<()> {
    match server.name {
        FLOOR => Ok(std::fs::remove_file(server.data.join("blob"))?),
        _ => server.forget(blob.digest()),
    }
}
