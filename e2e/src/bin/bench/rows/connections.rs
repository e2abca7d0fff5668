//! A new TLS connection and one GET of a manifest, again and again: once with a full handshake each time, once with
//! sessions resumed.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{in_turn, manifests};
use crate::bench::Bench;
use crate::client::{Target, Tls};
use crate::distribution::verify_small;
use crate::measure::median;
use crate::table::{DOCKER_REGISTRY, NGINX, ROADSTEAD, Row, number};

const REPOSITORY: &str = "bench/connections";
const CLIENTS: usize = 16;

#[derive(Default)]
struct Figures {
    rates: Vec<f64>,
    costs: Vec<f64>,
}

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Row> {
    let (image, path) = manifests::put_image(bench, REPOSITORY).await?;
    let mut servers = [&bench.roadstead, &bench.nginx, &bench.docker_registry]
        .map(|server| (server, [Figures::default(), Figures::default()]));
    let duration = Duration::from_secs(bench.sizes.seconds);
    for round in 0..bench.sizes.rounds {
        for (server, figures) in in_turn(round, servers.iter_mut().collect()) {
            for (resume, figures) in [false, true].into_iter().zip(figures) {
                let target = server.target.with(Tls::unverified(resume)?);
                let cpu = server.process.cpu()?;
                let started = Instant::now();
                let count = connect_again_and_again(&target, &path, &image.manifest, duration).await?;
                figures.rates.push(count as f64 / started.elapsed().as_secs_f64());
                figures
                    .costs
                    .push((server.process.cpu()? - cpu) / count as f64 * 1e6);
            }
        }
    }
    let [ours, nginx, theirs] =
        servers.map(|(_, figures)| figures.map(|figures| (median(figures.rates), median(figures.costs))));
    let text = |[full, resumed]: [(f64, f64); 2]| {
        let each = |(rate, cost): (f64, f64)| format!("{rate:.0} /s, {} µs CPU each", number(cost));
        format!("{}; resumed {}", each(full), each(resumed))
    };
    Ok(Row::new("new TLS connection and manifest GET each time")
        .cell(ROADSTEAD, text(ours))
        .cell(DOCKER_REGISTRY, text(theirs))
        .cell(NGINX, text(nginx))
        .at_least("rate of nginx", ours[0].0 / nginx[0].0, 1.0, "×")
        .at_least("resumed, rate of nginx", ours[1].0 / nginx[1].0, 1.0, "×"))
}

/// How many there were.
async fn connect_again_and_again(
    target: &Target,
    path: &str,
    expected: &bytes::Bytes,
    duration: Duration,
) -> anyhow::Result<u64> {
    let end = Instant::now() + duration;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (target, path, expected) = (target.clone(), path.to_owned(), expected.clone());
        clients.spawn(async move {
            let mut count = 0;
            while Instant::now() < end {
                let mut connection = target.connect().await?;
                verify_small(&mut connection, &path, &expected).await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut sum = 0;
    while let Some(count) = clients.join_next().await {
        sum += count??;
    }
    Ok(sum)
}
