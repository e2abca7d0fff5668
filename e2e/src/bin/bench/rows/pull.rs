//! Pull a large blob: one client, one connection.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use super::in_turn;
use crate::bench::Bench;
use crate::client::Payload;
use crate::content::Blob;
use crate::distribution::blob_path;
use crate::measure::{Samples, measured};
use crate::table::{DOCKER_REGISTRY, NGINX, ROADSTEAD, Row};

const REPOSITORY: &str = "bench/pull";

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Row> {
    let blob = Blob::random(bench.sizes.blob);
    let registry_path = blob_path(REPOSITORY, blob.digest());
    let mut servers = [
        (&bench.roadstead, registry_path.as_str(), Samples::default()),
        (&bench.nginx, "/blob", Samples::default()),
        (&bench.docker_registry, registry_path.as_str(), Samples::default()),
    ];
    for server in [&bench.roadstead, &bench.docker_registry] {
        let mut connection = server.target.connect().await?;
        connection
            .push_blob(REPOSITORY, blob.digest(), Payload::blob(&blob))
            .await?;
    }
    write_file(&bench.nginx.data.join("blob"), &blob)?;
    // Warms the page cache for all, and shows that what they send is right.
    for (server, path, _) in &servers {
        server.target.connect().await?.verify(path, &blob).await?;
        let mut connection = server.target.connect().await?;
        connection.download(path, blob.size(), |_| ()).await?;
    }
    rustix::fs::sync();
    for round in 0..bench.sizes.rounds {
        for (server, path, samples) in in_turn(round, servers.iter_mut().collect()) {
            let mut connection = server.target.connect().await?;
            let work = connection.download(path, blob.size(), |_| ());
            samples.push(measured(server, work).await?.0);
        }
    }
    bench.roadstead.forget(blob.digest())?;
    bench.docker_registry.forget(blob.digest())?;
    std::fs::remove_file(bench.nginx.data.join("blob"))?;
    let [(_, _, ours), (_, _, nginx), (_, _, theirs)] = &servers;
    Ok(Row::new(format!("pull a {} blob", bench.sizes.blob_text()))
        .cell(ROADSTEAD, ours.text())
        .cell(DOCKER_REGISTRY, theirs.text())
        .cell(NGINX, nginx.text())
        .at_most("CPU of nginx", ours.cpu() / nginx.cpu(), 1.05, "×")
        .at_most("time of nginx", ours.wall() / nginx.wall(), 1.0, "×"))
}

fn write_file(path: &Path, blob: &Blob) -> anyhow::Result<()> {
    let mut file = File::create(path)?;
    let mut written = 0;
    while written < blob.size() {
        let piece = blob.piece(written);
        file.write_all(&piece)?;
        written += piece.len() as u64;
    }
    Ok(())
}
