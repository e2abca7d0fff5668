//! The servers that are compared, each started as its own documentation says, with the same certificate and user.

mod floor;
mod nginx;
mod process;
mod registry;
mod setting;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use http::{Method, StatusCode};

pub(crate) use self::process::Process;
pub(crate) use self::setting::Setting;
use crate::client::{Payload, Target};

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// The column of the table.
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) target: Target,
    /// Its data, alone in its folder.
    pub(crate) data: PathBuf,
}

/// How long a server may take to start before the run is given up.
const PATIENCE: Duration = Duration::from_secs(60);

impl Server {
    /// Asks again and again until it answers, and gives the time that it took since `started`.
    async fn answers(
        self,
        started: Instant,
        path: &str,
        status: StatusCode,
    ) -> anyhow::Result<(Self, Duration)> {
        let anonymous = self.target.anonymous();
        loop {
            let outcome = async {
                let mut connection = anonymous.connect().await?;
                connection
                    .expect(status, Method::GET, path, &[], Payload::Empty)
                    .await
            };
            let error = match outcome.await {
                Ok(_) => return Ok((self, started.elapsed())),
                Err(error) => error,
            };
            ensure!(
                self.process.runs()? && started.elapsed() < PATIENCE,
                "{} did not start: {error:#}\n{}",
                self.name,
                self.process.last_words()
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Removes a blob's bytes from its disk, so that the next round has as much room as this one.
    pub(crate) fn forget(&self, digest: &str) -> anyhow::Result<()> {
        let (algorithm, hex) = digest.split_once(':').context("a digest has a colon")?;
        let folder = self
            .data
            .join("docker/registry/v2/blobs")
            .join(algorithm)
            .join(&hex[..2])
            .join(hex);
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
    }
}
