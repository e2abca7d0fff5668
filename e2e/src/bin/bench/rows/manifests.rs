//! GET of a manifest by its tag, over connections kept open.

use super::in_turn;
use crate::bench::Bench;
use crate::content::{Image, MANIFEST};
use crate::distribution::{manifest_path, verify_small};
use crate::measure::median;
use crate::programs::Program;
use crate::servers::Server;
use crate::table::{DOCKER_REGISTRY, NGINX, ROADSTEAD, Row, number};
use crate::wrk;

pub(super) const REPOSITORY: &str = "bench/manifests";
const TAG: &str = "latest";
const CONNECTIONS: usize = 16;

/// An image whose manifest is of the usual size.
pub(super) fn image() -> Image {
    Image::random(5, 20 << 10)
}

/// Pushes an image, and gives the path of its manifest.
pub(super) async fn push(server: &Server, repository: &str, image: &Image) -> anyhow::Result<String> {
    let mut connection = server.target.connect().await?;
    connection.push_image(repository, TAG, image).await?;
    Ok(manifest_path(repository, TAG))
}

/// Requests per second, and the server's CPU for each in microseconds.
pub(super) fn rate_and_cost(
    wrk: &Program,
    server: &Server,
    path: &str,
    seconds: u64,
) -> anyhow::Result<(f64, f64)> {
    let cpu = server.process.cpu()?;
    let rate = wrk::rate(wrk, &server.target, path, MANIFEST, CONNECTIONS, seconds)?;
    let requests = rate * seconds as f64;
    Ok((rate, (server.process.cpu()? - cpu) / requests * 1e6))
}

/// Puts an image with these layers into the registries, and its manifest where nginx serves it under the same path.
pub(super) async fn put_image(bench: &Bench, repository: &str) -> anyhow::Result<(Image, String)> {
    let image = image();
    push(&bench.docker_registry, repository, &image).await?;
    let path = push(&bench.roadstead, repository, &image).await?;
    let file = bench.nginx.data.join(path.trim_start_matches('/'));
    std::fs::create_dir_all(file.parent().expect("the path has folders"))?;
    std::fs::write(file, &image.manifest)?;
    for server in [&bench.roadstead, &bench.docker_registry, &bench.nginx] {
        let mut connection = server.target.connect().await?;
        verify_small(&mut connection, &path, &image.manifest).await?;
    }
    Ok((image, path))
}

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Row> {
    let (_, path) = put_image(bench, REPOSITORY).await?;
    let measured = |server: &Server, seconds| rate_and_cost(&bench.wrk, server, &path, seconds);
    let mut servers = [&bench.roadstead, &bench.nginx, &bench.docker_registry]
        .map(|server| (server, Vec::new(), Vec::new()));
    for (server, ..) in &servers {
        measured(server, 1)?;
    }
    for round in 0..bench.sizes.rounds {
        for (server, rates, costs) in in_turn(round, servers.iter_mut().collect()) {
            let (rate, cost) = measured(server, bench.sizes.seconds)?;
            rates.push(rate);
            costs.push(cost);
        }
    }
    let [ours, nginx, theirs] = servers.map(|(_, rates, costs)| (median(rates), median(costs)));
    let text = |(rate, cost): (f64, f64)| format!("{rate:.0} /s, {} µs CPU each", number(cost));
    Ok(Row::new(format!(
        "manifest GET by tag, {CONNECTIONS} connections kept open"
    ))
    .cell(ROADSTEAD, text(ours))
    .cell(DOCKER_REGISTRY, text(theirs))
    .cell(NGINX, text(nginx))
    .at_least("rate of nginx", ours.0 / nginx.0, 1.0, "×")
    .at_least("rate of docker-registry", ours.0 / theirs.0, 100.0, "×"))
}
