//! The command line of the node agent.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use roadstead_agent::agent::{self, Settings};
use roadstead_agent::host::HostRoot;
use roadstead_agent::{clean, heartbeat};
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Brings registry CAs to this node's container runtime and proves that they work.
#[derive(Parser)]
#[command(name = "roadstead-agent", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Keep this node as the TrustBundles say. Runs as a DaemonSet.
    Run(Run),
    /// Exit 0 if the agent of this pod is alive.
    Probe {
        #[arg(long, default_value = HEARTBEAT)]
        heartbeat: PathBuf,
    },
    /// Remove everything that the agent wrote on this node, for a node that missed the uninstall.
    Clean {
        /// Where the node's / is.
        #[arg(long, default_value = "/")]
        host_root: PathBuf,
    },
}

#[derive(Args)]
struct Run {
    /// Where the node's / is mounted.
    #[arg(long, default_value = "/host")]
    host_root: PathBuf,
    /// The namespace of the agents and of the TrustBundles.
    #[arg(long, env = "NAMESPACE")]
    namespace: String,
    /// The installation that this agent belongs to, as <release namespace>/<release name>.
    #[arg(long, env = "INSTALLATION")]
    installation: String,
    /// The DaemonSet of the agents: where it is deleted, they remove what they wrote.
    #[arg(long, env = "DAEMON_SET", default_value = "")]
    daemon_set: String,
    /// The service account token, which names the node.
    #[arg(long, default_value = "/var/run/secrets/kubernetes.io/serviceaccount/token")]
    token_file: PathBuf,
    /// The file that is touched while the agent is alive.
    #[arg(long, default_value = HEARTBEAT)]
    heartbeat: PathBuf,
    /// error, warn, info, debug or trace.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    log_level: LevelFilter,
}

const HEARTBEAT: &str = "/run/roadstead/heartbeat";

fn main() -> ExitCode {
    // What we make on the node is readable there, whatever we were started with.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let result = match Arguments::parse().command {
        Command::Run(arguments) => run(arguments),
        Command::Probe { heartbeat } => heartbeat::check(&heartbeat).map_err(Into::into),
        Command::Clean { host_root } => clean(&host_root),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("roadstead-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Run) -> anyhow::Result<()> {
    log_to_stderr(arguments.log_level);
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok()
        .context("TLS is set up twice")?;
    // One thread is plenty for a few files and a few calls a minute, and small.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Not `infer`: reading kubeconfigs would make the program a tenth larger, for no one.
        let config = kube::Config::incluster().context("cannot find the API server: this runs in a pod")?;
        let client =
            kube::Client::try_from(config).context("cannot set up the connection to the API server")?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let settings = Settings {
            host_root: arguments.host_root,
            namespace: arguments.namespace,
            installation: arguments.installation,
            heartbeat: arguments.heartbeat,
            token_file: arguments.token_file,
            daemon_set: arguments.daemon_set,
        };
        agent::run(settings, client, stop).await
    })
}

/// Of the libraries only warnings: at `debug` they tell every frame of every connection.
fn log_to_stderr(level: LevelFilter) {
    let lines = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(false)
        .with_writer(std::io::stderr);
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("roadstead_agent", level);
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .init();
}

#[expect(
    clippy::print_stdout,
    reason = "what it removed is what this command is asked for"
)]
fn clean(host_root: &std::path::Path) -> anyhow::Result<()> {
    let host = HostRoot::open(host_root)
        .with_context(|| format!("cannot open the node's root at {}", host_root.display()))?;
    let cleaned = clean::clean(&host)?;
    for path in &cleaned.removed {
        println!("removed {path}");
    }
    if cleaned.removed.is_empty() {
        println!("nothing of Roadstead's was on this node");
    }
    anyhow::ensure!(
        cleaned.problems.is_empty(),
        "not everything could be removed: {}",
        cleaned.problems.join("; ")
    );
    Ok(())
}
