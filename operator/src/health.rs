//! Probes and metrics, each on a port of its own: the one names nobody, the other says whose Registries there are. An
//! operator that waits for its turn is as well as the one that acts.

use crate::metrics::Metrics;
use crate::port::{self, Limits};
use anyhow::Context as _;
use axum::Router;
use axum::http::{HeaderName, header};
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

const PROBES: Limits = Limits {
    in_all: 64,
    per_address: 8,
};
/// An answer is as long as there are Registries.
const METRICS: Limits = Limits {
    in_all: 16,
    per_address: 4,
};

/// Answers probes until the program ends.
pub async fn serve_probes(address: SocketAddr) -> anyhow::Result<()> {
    let routes = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(async || "ok\n"));
    serve(address, routes, PROBES).await.context("for probes")
}

/// Serves metrics until the program ends.
pub async fn serve_metrics(address: SocketAddr, metrics: Arc<Metrics>) -> anyhow::Result<()> {
    const TEXT: (HeaderName, &str) = (
        header::CONTENT_TYPE,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
    let routes = Router::new().route("/metrics", get(async move || ([TEXT], metrics.text())));
    serve(address, routes, METRICS).await.context("for metrics")
}

async fn serve(address: SocketAddr, routes: Router, limits: Limits) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    port::serve(listener, routes, limits).await;
    Ok(())
}
