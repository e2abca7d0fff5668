//! What the end-to-end tests share: a real cluster with Roadstead installed, and stock programs run in it; and, without
//! a cluster, the registry and its peers on loopback.
//!
//! Everything goes through the programs that people use (kubectl, helm, curl, crane …), so a test reads like what
//! a person would type. `scripts/test.sh` starts the cluster and takes it down; the tests find it by the
//! environment variable `ROADSTEAD_CLUSTER_STATE`.

// Tests talk to the person who runs them.
#![allow(clippy::print_stdout)]

mod api;
mod bucket;
mod command;
mod docker;
mod documents;
mod installation;
mod openssl;
mod parts;
mod registry;
mod sandbox;
mod server;
mod wire;

pub use api::{Answer, Api, sha256, sha512};
pub use bucket::Bucket;
pub use command::{Finished, wait_until};
pub use docker::DockerHost;
pub use documents::commands;
pub use installation::Cluster;
pub use openssl::{Authority, Pair};
pub use parts::{libraries, part};
pub use registry::{Client, HOST, curl_status};
pub use sandbox::{REGISTRY, Sandbox};
pub use server::{Server, Software, checkout, stock_config};
pub use wire::{Way, Wire};
