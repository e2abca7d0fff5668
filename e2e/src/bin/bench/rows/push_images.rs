//! Push many small images, each of blobs that the registry has not: what a build farm does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::in_turn;
use crate::bench::Bench;
use crate::client::Target;
use crate::content::Image;
use crate::measure::{Samples, measured};
use crate::table::{DOCKER_REGISTRY, ROADSTEAD, Row, number};
use crate::trace;

pub(super) const LAYERS: usize = 5;
pub(super) const LAYER_SIZE: usize = 20 << 10;
const CLIENTS: usize = 16;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Row> {
    let count = bench.sizes.pushed_images;
    let mut servers = [&bench.roadstead, &bench.docker_registry].map(|server| (server, Samples::default()));
    for round in 0..bench.sizes.long_rounds() {
        let images = random(count);
        for (server, samples) in in_turn(round, servers.iter_mut().collect()) {
            rustix::fs::sync();
            let prefix = format!("farm-{round}");
            let work = push(&server.target, &prefix, &images);
            samples.push(measured(server, work).await?.0);
        }
    }
    let [(_, ours), (_, theirs)] = &servers;
    let rate = |samples: &Samples| count as f64 / samples.wall();
    let text = async |name, samples: &Samples| {
        let flushes = flushes_per_image(bench, name, count.min(160)).await;
        let flushes = flushes.map_or_else(|error| format!("not counted: {error:#}"), number);
        format!(
            "{:.0} /s; {}; fsyncs per image: {flushes}",
            rate(samples),
            samples.text()
        )
    };
    let work = format!("push {count} small images ({LAYERS} layers of 20 KiB, durable), {CLIENTS} clients");
    Ok(Row::new(work)
        .cell(ROADSTEAD, text(ROADSTEAD, ours).await)
        .cell(DOCKER_REGISTRY, text(DOCKER_REGISTRY, theirs).await)
        .at_least("rate of docker-registry", rate(ours) / rate(theirs), 3.0, "×"))
}

/// How often the server waits for its disk, by another server that does the same and is watched.
async fn flushes_per_image(bench: &Bench, name: &'static str, count: usize) -> anyhow::Result<f64> {
    let registries = &bench.registries;
    let folder = registries.setting.make_folder(&format!("traced-{name}"))?;
    let data = registries.setting.make_folder(&format!("traced-{name}/data"))?;
    let counts = folder.join("calls");
    let command = trace::traced(&bench.strace, &registries.command(name), &counts);
    let (server, _) = registries.start_as(name, command, &data).await?;
    push(&server.target, "traced", &random(count)).await?;
    server.process.stop();
    Ok(trace::count(&counts)? as f64 / count as f64)
}

/// Small images, no two of which share a blob.
pub(super) fn random(count: usize) -> Arc<[Image]> {
    (0..count).map(|_| Image::random(LAYERS, LAYER_SIZE)).collect()
}

/// The repository and the tag of an image.
pub(super) fn name_of(number: usize, prefix: &str) -> (String, String) {
    (
        format!("{prefix}/app-{}", number % 20),
        format!("build-{}", number / 20),
    )
}

/// Each client takes the next image as soon as it is done with one.
pub(super) async fn push(target: &Target, prefix: &str, images: &Arc<[Image]>) -> anyhow::Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (target, images, next) = (target.clone(), Arc::clone(images), Arc::clone(&next));
        let prefix = prefix.to_owned();
        clients.spawn(async move {
            let mut connection = target.connect().await?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(image) = images.get(number) else {
                    return anyhow::Ok(());
                };
                let (repository, tag) = name_of(number, &prefix);
                connection.push_image(&repository, &tag, image).await?;
            }
        });
    }
    while let Some(outcome) = clients.join_next().await {
        outcome??;
    }
    Ok(())
}
