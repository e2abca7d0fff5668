//! What the end-to-end tests share: a real cluster with Roadstead installed, and stock programs run in it.
//!
//! Everything goes through the programs that people use (kubectl, helm, curl, crane …), so a test reads like what
//! a person would type. `scripts/test.sh` starts the cluster and takes it down; the tests find it by the
//! environment variable `ROADSTEAD_CLUSTER_STATE`.

// Tests talk to the person who runs them.
#![allow(clippy::print_stdout)]

mod command;
mod installation;
mod openssl;
mod registry;

pub use command::{Finished, wait_until};
pub use installation::Cluster;
pub use openssl::{Authority, Pair};
pub use registry::{Client, HOST, curl_status};
