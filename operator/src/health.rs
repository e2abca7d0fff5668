//! Probes and metrics, on a port of their own. An operator that waits for its turn is as well as the one that acts.

use crate::metrics::Metrics;
use anyhow::Context as _;
use axum::Router;
use axum::http::{HeaderName, header};
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serves until the program ends.
pub async fn serve(address: SocketAddr, metrics: Arc<Metrics>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} for probes and metrics"))?;
    axum::serve(listener, routes(metrics))
        .await
        .context("the port of probes and metrics broke off")
}

fn routes(metrics: Arc<Metrics>) -> Router {
    const TEXT: (HeaderName, &str) = (
        header::CONTENT_TYPE,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(async || "ok\n"))
        .route("/metrics", get(async move || ([TEXT], metrics.text())))
}
