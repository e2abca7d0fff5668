//! What the rows share: the servers that run all the time, how to start more of them, and the sizes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::programs::Program;
use crate::servers::{Server, Setting};
use crate::sizes::Sizes;
use crate::table::{DOCKER_REGISTRY, ROADSTEAD};

/// A run with its servers.
pub(crate) struct Bench {
    pub(crate) sizes: Sizes,
    pub(crate) roadstead: Server,
    pub(crate) docker_registry: Server,
    pub(crate) nginx: Server,
    pub(crate) floor: Server,
    pub(crate) wrk: Program,
    pub(crate) strace: Program,
    /// KiB that servers which have ended had held at most.
    peaks: Vec<(&'static str, u64)>,
    pub(crate) registries: Registries,
}

/// The two registries as programs, and where they are set up. Dropped last: it removes their folder.
pub(crate) struct Registries {
    roadstead: PathBuf,
    docker_registry: Program,
    pub(crate) setting: Setting,
}

impl Bench {
    /// Starts the servers, each with an empty folder.
    pub(crate) async fn start(server: &Path, folder: &Path, sizes: Sizes) -> anyhow::Result<Self> {
        let registries = Registries::new(server, folder)?;
        let data = |name: &str| registries.setting.make_folder(&format!("{name}/data"));
        Ok(Self {
            sizes,
            roadstead: registries.start(ROADSTEAD, &data("roadstead")?).await?.0,
            docker_registry: registries
                .start(DOCKER_REGISTRY, &data("docker-registry")?)
                .await?
                .0,
            nginx: Server::nginx(&registries.setting, &Program::find("nginx")).await?,
            floor: Server::floor(&registries.setting).await?,
            wrk: Program::find("wrk"),
            strace: Program::find("strace"),
            peaks: Vec::new(),
            registries,
        })
    }

    /// Ends a server that was started for a row, and remembers what memory it took.
    pub(crate) fn retire(&mut self, server: Server) -> anyhow::Result<()> {
        self.peaks.push((server.name, server.process.peak_memory()?));
        server.process.stop();
        Ok(())
    }

    /// KiB that any server of this kind held at most.
    pub(crate) fn peak_memory(&self, server: &Server) -> anyhow::Result<u64> {
        let ended = self.peaks.iter().filter(|(name, _)| *name == server.name);
        let ended = ended.map(|(_, peak)| *peak).max().unwrap_or(0);
        Ok(ended.max(server.process.peak_memory()?))
    }
}

impl Registries {
    /// With a fresh folder below `folder`.
    pub(crate) fn new(server: &Path, folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            roadstead: server
                .canonicalize()
                .with_context(|| format!("no server at {}: run 'make build'", server.display()))?,
            docker_registry: Program::find("docker-registry"),
            setting: Setting::create(folder)?,
        })
    }

    /// Starts a registry on this data, and gives the time that it took until it answered.
    pub(crate) async fn start(&self, name: &str, data: &Path) -> anyhow::Result<(Server, Duration)> {
        self.start_as(name, self.command(name), data).await
    }

    /// What starts a registry, but for its arguments.
    pub(crate) fn command(&self, name: &str) -> Command {
        match name {
            DOCKER_REGISTRY => self.docker_registry.command(),
            _ => Command::new(&self.roadstead),
        }
    }

    /// As [`Registries::start`], by a command that starts the registry in its own way.
    pub(crate) async fn start_as(
        &self,
        name: &str,
        command: Command,
        data: &Path,
    ) -> anyhow::Result<(Server, Duration)> {
        match name {
            DOCKER_REGISTRY => Server::docker_registry(&self.setting, command, data).await,
            _ => Server::roadstead(&self.setting, command, data).await,
        }
    }
}
