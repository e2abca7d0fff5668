//! What one of our servers uses of the processors for a row's work: for pairs of programs.

use anyhow::bail;

use super::large_blob::Client;
use super::{RowName, manifests, pull_after_push, pull_images, push_images};
use crate::client::Protocol;
use crate::content::Blob;
use crate::measure::{Sample, measured};
use crate::programs::Program;
use crate::servers::Server;
use crate::sizes::Sizes;

const REPOSITORY: &str = "bench/pairs";

/// A figure's name, and seconds of CPU, or microseconds for each request.
pub(crate) type Cost = (&'static str, f64);

impl RowName {
    /// The rows whose costs can be compared.
    pub(crate) fn comparable() -> Vec<Self> {
        vec![
            Self::Pull,
            Self::PullHttp2,
            Self::Push,
            Self::PushHttp2,
            Self::FirstPull,
            Self::PullAfterPush,
            Self::Manifests,
            Self::PushImages,
            Self::PullImages,
        ]
    }

    /// Does the work once.
    pub(crate) async fn costs(self, server: &Server, sizes: &Sizes) -> anyhow::Result<Vec<Cost>> {
        match self {
            Self::Pull => one_layer(server, sizes, Protocol::Http1, "pull", pull).await,
            Self::PullHttp2 => one_layer(server, sizes, Protocol::Http2, "pull by HTTP/2", pull).await,
            Self::Push => one_layer(server, sizes, Protocol::Http1, "push", push).await,
            Self::PushHttp2 => one_layer(server, sizes, Protocol::Http2, "push by HTTP/2", push).await,
            Self::FirstPull => first_pull(server, sizes).await,
            Self::PullAfterPush => {
                let blob = Blob::random(sizes.blob);
                let many = pull_after_push::push_and_pull(server, sizes.pullers, &blob).await?;
                server.forget(blob.digest())?;
                Ok(vec![("many pulls right after the push", many.cpu)])
            }
            Self::Manifests => {
                let wrk = Program::find("wrk");
                let image = manifests::image();
                let path = manifests::push(server, manifests::REPOSITORY, &image).await?;
                let (_, cost) = manifests::rate_and_cost(&wrk, server, &path, sizes.seconds)?;
                Ok(vec![("a manifest by tag, µs", cost)])
            }
            Self::PushImages | Self::PullImages => small_images(self, server, sizes).await,
            _ => bail!("'{self}' is not compared with a baseline"),
        }
    }
}

async fn push(client: Client<'_>, blob: &Blob) -> anyhow::Result<Sample> {
    client.push(blob).await
}

/// The third pull: the first goes past the page cache, and the second brings the layer into it.
async fn pull(client: Client<'_>, blob: &Blob) -> anyhow::Result<Sample> {
    client.push_and_pull(blob).await?;
    client.pull(blob).await?;
    client.pull(blob).await
}

/// Does something with a layer of its own, by one of the protocols.
async fn one_layer(
    server: &Server,
    sizes: &Sizes,
    protocol: Protocol,
    figure: &'static str,
    work: impl AsyncFnOnce(Client<'_>, &Blob) -> anyhow::Result<Sample>,
) -> anyhow::Result<Vec<Cost>> {
    let blob = Blob::random(sizes.blob);
    let target = server.target.over(protocol);
    let sample = work(client(server, &target), &blob).await?;
    server.forget(blob.digest())?;
    Ok(vec![(figure, sample.cpu)])
}

async fn first_pull(server: &Server, sizes: &Sizes) -> anyhow::Result<Vec<Cost>> {
    let blob = Blob::random(sizes.blob);
    let both = client(server, &server.target).push_and_pull(&blob).await?;
    server.forget(blob.digest())?;
    Ok(vec![
        ("first pull", both.pull.cpu),
        ("push and first pull", both.together().cpu),
        ("first pull, time", both.pull.wall),
    ])
}

async fn small_images(row: RowName, server: &Server, sizes: &Sizes) -> anyhow::Result<Vec<Cost>> {
    let images = push_images::random(sizes.pulled_images);
    let work = push_images::push(&server.target, pull_images::PREFIX, &images);
    let (pushed, ()) = measured(server, work).await?;
    if row == RowName::PushImages {
        return Ok(vec![("push small images", pushed.cpu)]);
    }
    let (pulled, ()) = measured(server, pull_images::pull(&server.target, &images)).await?;
    Ok(vec![("pull small images", pulled.cpu)])
}

fn client<'a>(server: &'a Server, target: &'a crate::client::Target) -> Client<'a> {
    Client {
        server,
        target,
        repository: REPOSITORY,
    }
}
