//! Pull many small images, each over a connection of its own: what a cluster does when it starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::{in_turn, push_images};
use crate::bench::Bench;
use crate::client::Target;
use crate::content::Image;
use crate::measure::{Samples, measured};
use crate::table::{DOCKER_REGISTRY, ROADSTEAD, Row};

pub(super) const PREFIX: &str = "start";
const CLIENTS: usize = 50;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Row> {
    let count = bench.sizes.pulled_images;
    let images = push_images::random(count);
    let mut servers = [&bench.roadstead, &bench.docker_registry].map(|server| (server, Samples::default()));
    for (server, _) in &servers {
        push_images::push(&server.target, PREFIX, &images).await?;
    }
    rustix::fs::sync();
    for round in 0..bench.sizes.rounds {
        for (server, samples) in in_turn(round, servers.iter_mut().collect()) {
            samples.push(measured(server, pull(&server.target, &images)).await?.0);
        }
    }
    let [(_, ours), (_, theirs)] = &servers;
    let rate = |samples: &Samples| count as f64 / samples.wall();
    let text = |samples: &Samples| format!("{:.0} /s; {}", rate(samples), samples.text());
    Ok(Row::new(format!("pull {count} small images, {CLIENTS} clients"))
        .cell(ROADSTEAD, text(ours))
        .cell(DOCKER_REGISTRY, text(theirs))
        .at_least("rate of docker-registry", rate(ours) / rate(theirs), 5.0, "×"))
}

pub(super) async fn pull(target: &Target, images: &Arc<[Image]>) -> anyhow::Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (target, images, next) = (target.clone(), Arc::clone(images), Arc::clone(&next));
        clients.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(image) = images.get(number) else {
                    return anyhow::Ok(());
                };
                let (repository, tag) = push_images::name_of(number, PREFIX);
                let mut connection = target.connect().await?;
                connection.pull_image(&repository, &tag, image).await?;
            }
        });
    }
    while let Some(outcome) = clients.join_next().await {
        outcome??;
    }
    Ok(())
}
