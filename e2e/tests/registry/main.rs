//! The registry beside its peers and among stock clients, without a cluster.

// The figures that a run shows are for the person who reads its output.
#![allow(clippy::print_stdout)]

mod client_certificates;
mod conformance;
mod cosign;
mod docker_current;
mod documented;
mod events;
mod field_guide;
mod refusals;
mod resume;
mod sharing;
mod site;
mod tokens;
