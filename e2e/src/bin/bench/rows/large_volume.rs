//! A large volume that registry:2 might have written: how long a start takes on it, the first answers after it, and
//! then the answers that come again and again.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use http::{Method, StatusCode};
use serde_json::Value;

use crate::bench::Bench;
use crate::client::{Connection, Payload};
use crate::distribution::manifest_path;
use crate::measure::median;
use crate::servers::Server;
use crate::table::{DOCKER_REGISTRY, ROADSTEAD, Row, number};
use crate::volume::{self, LargeTags, Referrers, Shape};

/// A page of a list.
const PAGE: usize = 1000;
/// Answers of which the median is taken, once everything is warm.
const REPEATS: usize = 20;

/// Milliseconds of each thing.
#[derive(Debug, Default)]
struct Times {
    ready: Vec<f64>,
    first_referrers: Vec<f64>,
    first_of_many: Vec<f64>,
    first_catalog: Vec<f64>,
    first_delete: Vec<f64>,
    tags: Vec<f64>,
    referrers: Vec<f64>,
    delete: Vec<f64>,
}

pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Row>> {
    let shape = bench.sizes.volume.clone();
    let data = bench.registries.setting.make_folder("volume/data")?;
    let started = Instant::now();
    volume::write(&data, &shape)?;
    rustix::fs::sync();
    println!(
        "the volume was written in {:.0} s",
        started.elapsed().as_secs_f64()
    );
    let mut asked = Asked {
        shape: &shape,
        deleted_ordinary: 0,
        deleted_tagged: 0,
    };
    let (mut ours, mut theirs) = (Times::default(), Times::default());
    let rounds = bench.sizes.long_rounds();
    for round in 0..rounds {
        for (name, times) in [(ROADSTEAD, &mut ours), (DOCKER_REGISTRY, &mut theirs)] {
            forget_what_is_derived(&data)?;
            let (server, ready) = bench.registries.start(name, &data).await?;
            times.ready.push(milliseconds(ready));
            asked.first_answers(&server, times).await?;
            if round + 1 == rounds {
                asked.warm_answers(&server, times).await?;
            }
            bench.retire(server)?;
        }
    }
    Ok(vec![
        started_row(&shape, &ours, &theirs),
        warm_row(&shape, &ours, &theirs),
    ])
}

fn started_row(shape: &Shape, ours: &Times, theirs: &Times) -> Row {
    let text = |times: &Times| {
        let mut parts = vec![format!("ready {}", text_of(&times.ready))];
        if !times.first_referrers.is_empty() {
            parts.push(format!("referrers {}", text_of(&times.first_referrers)));
            parts.push(format!(
                "none among {} manifests {}",
                shape.tags.0,
                text_of(&times.first_of_many)
            ));
        }
        parts.push(format!("catalog {}", text_of(&times.first_catalog)));
        parts.push(format!("delete {}", text_of(&times.first_delete)));
        parts.join(", ")
    };
    let (manifests, blobs) = (shape.manifests, shape.manifests * (shape.blobs_per_manifest + 1));
    Row::new(format!(
        "start on {manifests} manifests, {blobs} blobs; the first referrers (of {}), catalog page and delete",
        shape.referrers.0
    ))
    .cell(ROADSTEAD, text(ours))
    .cell(DOCKER_REGISTRY, text(theirs))
    .at_most("ready", middle(&ours.ready), 100.0, " ms")
}

fn warm_row(shape: &Shape, ours: &Times, theirs: &Times) -> Row {
    let text = |times: &Times| {
        let mut parts = vec![format!("tags {}", text_of(&times.tags))];
        parts.push(format!("delete {}", text_of(&times.delete)));
        if !times.referrers.is_empty() {
            parts.push(format!("referrers {}", text_of(&times.referrers)));
        }
        parts.join(", ")
    };
    Row::new(format!(
        "warm: first {PAGE} of {} tags, delete a manifest beside them, first referrers of {}",
        shape.tags.0, shape.referrers.0
    ))
    .cell(ROADSTEAD, text(ours))
    .cell(DOCKER_REGISTRY, text(theirs))
    .at_most("tags", middle(&ours.tags), 10.0, " ms")
    .at_most("delete", middle(&ours.delete), 10.0, " ms")
    .at_most("referrers", middle(&ours.referrers), 10.0, " ms")
}

/// What has been asked for so far: nothing can be deleted twice.
struct Asked<'a> {
    shape: &'a Shape,
    deleted_ordinary: usize,
    deleted_tagged: usize,
}

impl Asked<'_> {
    async fn first_answers(&mut self, server: &Server, times: &mut Times) -> anyhow::Result<()> {
        let mut connection = server.target.connect().await?;
        // The sum of a password of cost 12 is not the volume's doing.
        connection.get("/v2/", &[]).await?;
        if server.name == ROADSTEAD {
            times.first_referrers.push(self.referrers(&mut connection).await?);
            times
                .first_of_many
                .push(self.no_referrers(&mut connection).await?);
        }
        times.first_catalog.push(self.catalog(&mut connection).await?);
        let number = self.deleted_ordinary;
        self.deleted_ordinary += 1;
        let (repository, digest) = self
            .shape
            .ordinary_manifest(number % self.shape.repositories(), 0);
        times
            .first_delete
            .push(delete(&mut connection, &repository, &digest).await?);
        Ok(())
    }

    async fn warm_answers(&mut self, server: &Server, times: &mut Times) -> anyhow::Result<()> {
        let mut connection = server.target.connect().await?;
        connection.get("/v2/", &[]).await?;
        // docker-registry looks at every tag for each delete, which takes seconds.
        let deletes = if server.name == ROADSTEAD { REPEATS } else { 2 };
        for _ in 0..deletes.min(self.shape.tags.0 / 4) {
            let digest = self.shape.tagged(self.deleted_tagged);
            self.deleted_tagged += 1;
            times
                .delete
                .push(delete(&mut connection, LargeTags::REPOSITORY, &digest).await?);
        }
        for _ in 0..REPEATS {
            times.tags.push(self.tags(&mut connection).await?);
            if server.name == ROADSTEAD {
                times.referrers.push(self.referrers(&mut connection).await?);
            }
        }
        Ok(())
    }

    async fn catalog(&self, connection: &mut Connection) -> anyhow::Result<f64> {
        let (page, time) = ask(connection, &format!("/v2/_catalog?n={PAGE}")).await?;
        let expected = self.shape.catalog();
        let expected: Vec<&str> = expected.iter().take(PAGE).map(String::as_str).collect();
        ensure!(texts(&page["repositories"]) == expected, "the catalog is {page}");
        Ok(time)
    }

    async fn tags(&self, connection: &mut Connection) -> anyhow::Result<f64> {
        let path = format!("/v2/{}/tags/list?n={PAGE}", LargeTags::REPOSITORY);
        let (page, time) = ask(connection, &path).await?;
        let got = texts(&page["tags"]);
        let expected: Vec<String> = (self.deleted_tagged..self.shape.tags.0)
            .map(LargeTags::tag)
            .collect();
        // docker-registry 2.8 knows no pages of tags, and does not sort them.
        let sorted = || got.windows(2).all(|pair| pair[0] < pair[1]);
        let all = got.len() == expected.len();
        let first = got.iter().zip(&expected).all(|(got, expected)| got == expected);
        ensure!(
            all || (first && sorted() && got.len() == PAGE),
            "the tags are {page}"
        );
        Ok(time)
    }

    async fn referrers(&self, connection: &mut Connection) -> anyhow::Result<f64> {
        let path = format!("/v2/{}/referrers/{}", Referrers::REPOSITORY, self.shape.subject());
        let (page, time) = ask(connection, &path).await?;
        let count = page["manifests"].as_array().map_or(0, Vec::len);
        ensure!(
            count == self.shape.referrers.0.min(PAGE),
            "the first page has {count} referrers"
        );
        Ok(time)
    }

    /// Where the most manifests have to be looked at to know that none refers to this one.
    async fn no_referrers(&self, connection: &mut Connection) -> anyhow::Result<f64> {
        let last = self.shape.tagged(self.shape.tags.0 - 1);
        let path = format!("/v2/{}/referrers/{last}", LargeTags::REPOSITORY);
        let (page, time) = ask(connection, &path).await?;
        ensure!(
            page["manifests"] == serde_json::json!([]),
            "the referrers are {page}"
        );
        Ok(time)
    }
}

/// What is at a path, and the milliseconds until all of it had come.
async fn ask(connection: &mut Connection, path: &str) -> anyhow::Result<(Value, f64)> {
    let started = Instant::now();
    let body = connection.get(path, &[]).await?;
    let time = milliseconds(started.elapsed());
    let body = serde_json::from_slice(&body).with_context(|| format!("{path} is no JSON"))?;
    Ok((body, time))
}

async fn delete(connection: &mut Connection, repository: &str, digest: &str) -> anyhow::Result<f64> {
    let path = manifest_path(repository, digest);
    let started = Instant::now();
    connection
        .expect(StatusCode::ACCEPTED, Method::DELETE, &path, &[], Payload::Empty)
        .await?;
    let time = milliseconds(started.elapsed());
    connection
        .expect(StatusCode::NOT_FOUND, Method::HEAD, &path, &[], Payload::Empty)
        .await?;
    Ok(time)
}

fn texts(list: &Value) -> Vec<&str> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect()
}

/// Each start is as the first one on this volume.
fn forget_what_is_derived(data: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(data.join("roadstead")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn middle(times: &[f64]) -> f64 {
    median(times.iter().copied())
}

fn text_of(times: &[f64]) -> String {
    format!("{} ms", number(middle(times)))
}
