//! Very many connections that have asked for something once and are kept open.

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::client::{Connection, Target, Tls};
use crate::servers::Server;
use crate::table::{NGINX, ROADSTEAD, Row};

/// Connections that are opened at once.
const AT_ONCE: usize = 50;

pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Row> {
    let count = bench.sizes.idle;
    let data = bench.registries.setting.make_folder("idle/data")?;
    let (server, _) = bench.registries.start(ROADSTEAD, &data).await?;
    let ours = kib_of_each(&server, "/v2/", count).await?;
    drop(server);
    let nginx = kib_of_each(&bench.nginx, "/up", count).await?;
    Ok(Row::new(format!("{count} idle TLS connections"))
        .cell(ROADSTEAD, format!("{ours:.1} KiB each"))
        .cell(NGINX, format!("{nginx:.1} KiB each"))
        .at_most("each", ours, 32.0, " KiB"))
}

async fn kib_of_each(server: &Server, path: &'static str, count: usize) -> anyhow::Result<f64> {
    // What the first ones need stays whatever comes.
    drop(open(&server.target, path, AT_ONCE).await?);
    let before = server.process.resident_memory()?;
    let mut connections = open(&server.target, path, count).await?;
    let after = server.process.resident_memory()?;
    for connection in &mut connections {
        let answer = connection.get(path, &[]).await;
        answer.with_context(|| format!("{} has closed an idle connection", server.name))?;
    }
    Ok(after.saturating_sub(before) as f64 / count as f64)
}

async fn open(target: &Target, path: &'static str, count: usize) -> anyhow::Result<Vec<Connection>> {
    let target = target.with(Tls::unverified(false)?);
    let mut connections = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    for number in 0..count {
        let target = target.clone();
        opening.spawn(async move {
            let mut connection = target.connect().await?;
            connection.get(path, &[]).await?;
            anyhow::Ok(connection)
        });
        if number >= AT_ONCE {
            let opened = opening.join_next().await.context("some are being opened")?;
            connections.push(opened??);
        }
    }
    while let Some(opened) = opening.join_next().await {
        connections.push(opened??);
    }
    Ok(connections)
}
