//! The registry beside its peers and among stock clients, without a cluster.

// The figures that a run shows are for the person who reads its output.
#![allow(clippy::print_stdout)]

mod accept;
mod beside;
mod browser;
mod client_certificates;
mod conformance;
mod cosign;
mod dashboard;
mod docker_current;
mod documented;
mod events;
mod field_guide;
mod health;
mod microk8s;
mod old_certificates;
mod proxies;
mod refusals;
mod resume;
mod scripts;
mod settings;
mod sharing;
mod site;
mod token_server;
mod tokens;
