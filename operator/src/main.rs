//! The operator's program: see `roadstead_operator`.

use clap::Parser as _;
use roadstead_operator::cli::Cli;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    Cli::parse().run().await
}
