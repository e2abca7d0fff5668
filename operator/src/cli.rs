//! The command line.

use crate::controller::{self, Clients};
use crate::election::Election;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::{check, crds, health, lean, uninstall};
use anyhow::Context as _;
use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use clap::{Args, Parser, Subcommand, ValueEnum};
use futures::FutureExt as _;
use kube::Config;
use kube::client::ClientBuilder;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tower::util::MapRequestLayer;
use tracing_subscriber::EnvFilter;

/// How long the API server may take to answer a request.
const ANSWER: Duration = Duration::from_secs(15);
/// How long a watch may be silent: the API server ends each one before.
const SILENCE: Duration = Duration::from_secs(330);

/// Makes Registry objects so.
#[derive(Parser)]
#[command(version, about)]
pub struct Cli {
    /// How much is logged of the operator's own work; of its libraries, warnings alone.
    #[arg(long, global = true, env = "LOG_LEVEL", value_enum, default_value = "info")]
    log_level: LogLevel,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Subcommand)]
enum Command {
    /// Work for as long as this one leads.
    Run(Run),
    /// Print the definitions of the custom resources.
    Crds {
        /// Write one file each into this folder instead.
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Take back what nodes and Registries would be left with; before Roadstead itself is deleted.
    Uninstall(Uninstall),
    /// Look whether this installation works: the definitions are there, an operator leads, agents run.
    Check(Patient),
    /// Wait until the agents' namespace of an earlier installation is gone.
    AwaitNamespace(Patient),
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    installation: Installation,
    /// Where probes are answered, which name nobody.
    #[arg(long, default_value = "0.0.0.0:8080")]
    probes: SocketAddr,
    /// Where metrics are served, which name Registries and their namespaces.
    #[arg(long, default_value = "0.0.0.0:8081")]
    metrics: SocketAddr,
}

#[derive(Args)]
struct Uninstall {
    #[command(flatten)]
    installation: Installation,
    /// The Job that this runs as: it is for the installation that was there when the Job was made.
    #[arg(long, default_value = "roadstead-uninstall")]
    job: String,
    /// The revision of the release that is uninstalled.
    #[arg(long, default_value = "")]
    revision: String,
    /// How long to wait for nodes, such as 60s.
    #[arg(long, default_value = "60s", value_parser = duration)]
    timeout: Duration,
    /// Leave the nodes as they are: what they have can go on being pulled.
    #[arg(long)]
    keep: bool,
}

#[derive(Args)]
struct Patient {
    #[command(flatten)]
    installation: Installation,
    /// How long to wait, such as 2m.
    #[arg(long, default_value = "2m", value_parser = duration)]
    timeout: Duration,
}

#[derive(Args)]
struct Installation {
    /// The file of this installation's settings.
    #[arg(long, required_unless_present = "settings")]
    config: Option<PathBuf>,
    /// The settings themselves, where there is no file.
    #[arg(long, env = "SETTINGS", hide_env_values = true)]
    settings: Option<String>,
    /// The name of this pod: who it is among several.
    #[arg(long, env = "POD_NAME")]
    pod_name: String,
    /// The namespace of this pod.
    #[arg(long, env = "POD_NAMESPACE")]
    pod_namespace: String,
}

impl Cli {
    /// Does what the command line says.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Run(run) => {
                log(self.log_level);
                run.run().await
            }
            Command::Crds { output: None } => crds::print(std::io::stdout().lock()),
            Command::Crds { output: Some(folder) } => crds::write(&folder),
            Command::Uninstall(uninstall) => {
                log(self.log_level);
                uninstall.run().await
            }
            Command::Check(check) => {
                log(self.log_level);
                let (settings, clients) = check.installation.open().await?;
                check::check(clients.requests, &settings, check.timeout).await
            }
            Command::AwaitNamespace(wait) => {
                log(self.log_level);
                let (settings, clients) = wait.installation.open().await?;
                check::await_namespace(clients.requests, &settings, wait.timeout).await
            }
        }
    }
}

impl Run {
    async fn run(self) -> anyhow::Result<()> {
        let (settings, clients) = self.installation.open().await?;
        let client = &clients.requests;
        let metrics = Arc::new(Metrics::default());
        let election = Election::new(client.clone(), &settings.namespace, &self.installation.pod_name);
        let stop = stop_signal()?.shared();
        let probes = health::serve_probes(self.probes);
        let telling = health::serve_metrics(self.metrics, metrics.clone());
        let work = async {
            tokio::select! {
                () = election.win() => {}
                () = stop.clone() => return Ok(()),
            }
            tracing::info!(pod = self.installation.pod_name, "leads");
            metrics.leads(true);
            let worked = tokio::select! {
                worked = controller::run(clients.clone(), settings, metrics.clone(), &self.installation.pod_name, stop) => worked,
                // Whoever leads now must not find this one at work.
                lost = election.hold() => return Err(lost),
            };
            if let Err(error) = election.release().await {
                tracing::warn!(%error, "cannot release the Lease; the next one waits for its term to end");
            }
            worked
        };
        tokio::select! {
            done = work => done,
            broken = probes => broken,
            broken = telling => broken,
        }
    }
}

impl Uninstall {
    /// Never fails: an uninstall that stops half-way helps nobody.
    async fn run(self) -> anyhow::Result<()> {
        let done = async {
            let (settings, clients) = self.installation.open().await?;
            let order = uninstall::Order {
                job: self.job,
                revision: self.revision,
                patience: self.timeout,
                keep: self.keep,
            };
            uninstall::uninstall(clients.requests, &settings, &order).await
        };
        if let Err(error) = done.await {
            tracing::error!(error = format!("{error:#}"), "could not take everything back");
        }
        Ok(())
    }
}

impl Installation {
    async fn open(&self) -> anyhow::Result<(Arc<Settings>, Clients)> {
        let settings = match (&self.config, &self.settings) {
            (Some(file), _) => Settings::read(file, &self.pod_namespace)?,
            (None, settings) => {
                let text = settings.as_deref().unwrap_or_default();
                Settings::parse(text, &self.pod_namespace).context("in the settings of the environment")?
            }
        };
        let mut config = Config::infer().await.context("no way to the API server")?;
        // Whose request it is, in the audit log.
        let agent = HeaderValue::from_static(concat!("roadstead-operator/", env!("CARGO_PKG_VERSION")));
        config.headers.push((USER_AGENT, agent));
        config.connect_timeout = Some(ANSWER);
        config.write_timeout = Some(ANSWER);
        config.reset_reader_on_write = true;
        let with_limit = |limit| {
            let mut config = config.clone();
            config.read_timeout = Some(limit);
            ClientBuilder::try_from(config)
        };
        let only_metadata = MapRequestLayer::new(lean::only_metadata);
        let clients = Clients {
            requests: with_limit(ANSWER)?.build(),
            watches: with_limit(SILENCE)?.build(),
            metadata: with_limit(SILENCE)?.with_layer(&only_metadata).build(),
        };
        Ok((Arc::new(settings), clients))
    }
}

fn log(level: LogLevel) {
    let filter = EnvFilter::new(directives(level));
    // Each line says what it is about; the controller's spans would say it twice more.
    tracing_subscriber::fmt()
        .json()
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .init();
}

/// The client library warns with the whole of an answer that it cannot read, which may hold what Secrets hold.
fn directives(level: LogLevel) -> String {
    let own = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    format!("warn,kube_client::client=error,roadstead_operator={own}")
}

fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + Sync> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(duration).map_err(|_| "it must not be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_level_of_the_log_is_ours_and_one_that_is_none_is_named() {
        assert!(EnvFilter::try_new(directives(LogLevel::Debug)).is_ok());
        let parse = |level| Cli::try_parse_from(["roadstead-operator", "--log-level", level, "crds"]);
        assert!(parse("debug").is_ok());
        let Err(refused) = parse("verbose") else {
            panic!("it is no level");
        };
        let said = refused.to_string();
        assert!(said.contains("verbose") && said.contains("debug"), "{said}");
    }

    #[test]
    fn durations_are_written_as_everyone_writes_them() {
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("60").is_err());
    }
}
