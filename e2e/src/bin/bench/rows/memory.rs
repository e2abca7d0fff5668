//! Very many large transfers at once, by clients that are slower than the server: whatever it keeps for each of them,
//! it keeps then.

use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::client::Payload;
use crate::content::Blob;
use crate::distribution::blob_path;
use crate::sizes::bytes_text;
use crate::table::{ROADSTEAD, Row};

const REPOSITORY: &str = "bench/memory";
/// Bytes per second of each client: together they ask for about what two cores can do.
const PACE: u64 = 2 << 20;

pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Row> {
    let (pulls, pushes) = (bench.sizes.parallel_pulls, bench.sizes.parallel_pushes);
    let size = bench.sizes.parallel_blob;
    let row = Row::new(format!(
        "{pulls} pulls and {pushes} pushes of {} at once",
        bytes_text(size)
    ));
    let data = bench.registries.setting.make_folder("memory/data")?;
    let free = rustix::fs::statvfs(&data)?;
    let free = free.f_bavail * free.f_frsize;
    let needed = (pushes as u64 + 4) * size;
    if free < needed {
        let text = format!(
            "not measured: it needs {} GiB of disk, {} are free",
            needed >> 30,
            free >> 30
        );
        return Ok(row.cell(ROADSTEAD, text));
    }
    let (server, _) = bench.registries.start(ROADSTEAD, &data).await?;
    let pulled = Blob::random(size);
    let mut connection = server.target.connect().await?;
    connection
        .push_blob(REPOSITORY, pulled.digest(), Payload::blob(&pulled))
        .await?;
    // Before, so that all transfers begin at once.
    let pushed: Vec<Blob> = (0..pushes).map(|_| Blob::random(size)).collect();
    let mut transfers = JoinSet::new();
    let path = blob_path(REPOSITORY, pulled.digest());
    for _ in 0..pulls {
        let (target, path) = (server.target.clone(), path.clone());
        transfers.spawn(async move { target.connect().await?.download_at(&path, size, PACE).await });
    }
    for blob in pushed {
        let target = server.target.clone();
        transfers.spawn(async move {
            let mut connection = target.connect().await?;
            let bytes = Payload::paced(&blob, PACE);
            connection.push_blob(REPOSITORY, blob.digest(), bytes).await
        });
    }
    while let Some(outcome) = transfers.join_next().await {
        outcome??;
    }
    let peak = server.process.peak_memory()? as f64 / 1024.0;
    // It has a target of its own: it is not one of those whose memory is compared.
    drop(server);
    std::fs::remove_dir_all(&data)?;
    Ok(row
        .cell(ROADSTEAD, format!("{peak:.1} MiB resident at most"))
        .at_most("resident", peak, 64.0, " MiB"))
}
