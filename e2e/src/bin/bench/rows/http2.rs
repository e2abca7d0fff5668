//! A large blob by HTTP/2, beside the same by HTTP/1.1.

use super::in_turn;
use super::large_blob::Client;
use crate::bench::Bench;
use crate::client::Protocol;
use crate::content::Blob;
use crate::measure::Samples;
use crate::table::{ROADSTEAD, Row};

const REPOSITORY: &str = "bench/http2";

pub(super) async fn push(bench: &Bench) -> anyhow::Result<Row> {
    let server = &bench.roadstead;
    let mut protocols = both();
    for round in 0..bench.sizes.rounds {
        for (protocol, samples) in in_turn(round, protocols.iter_mut().collect()) {
            let blob = Blob::random(bench.sizes.blob);
            let target = server.target.over(*protocol);
            let client = Client {
                server,
                target: &target,
                repository: REPOSITORY,
            };
            samples.push(client.push(&blob).await?);
            server.forget(blob.digest())?;
        }
    }
    let work = format!("push a {} blob by HTTP/2, durable", bench.sizes.blob_text());
    Ok(row(work, &protocols))
}

pub(super) async fn pull(bench: &Bench) -> anyhow::Result<Row> {
    let server = &bench.roadstead;
    let blob = Blob::random(bench.sizes.blob);
    let mut protocols = both();
    // The first of each is not counted: it warms the page cache.
    for round in 0..=bench.sizes.rounds {
        for (protocol, samples) in in_turn(round, protocols.iter_mut().collect()) {
            let target = server.target.over(*protocol);
            let client = Client {
                server,
                target: &target,
                repository: REPOSITORY,
            };
            if round == 0 && *protocol == Protocol::Http1 {
                client.push(&blob).await?;
            }
            let sample = client.pull(&blob).await?;
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    server.forget(blob.digest())?;
    Ok(row(
        format!("pull a {} blob by HTTP/2", bench.sizes.blob_text()),
        &protocols,
    ))
}

fn both() -> [(Protocol, Samples); 2] {
    [Protocol::Http1, Protocol::Http2].map(|protocol| (protocol, Samples::default()))
}

fn row(work: String, [(_, http1), (_, http2)]: &[(Protocol, Samples); 2]) -> Row {
    Row::new(work)
        .cell(ROADSTEAD, format!("{}; HTTP/1.1 {}", http2.text(), http1.text()))
        .at_most("CPU of HTTP/1.1", http2.cpu() / http1.cpu(), 1.25, "×")
}
