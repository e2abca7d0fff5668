//! What was acknowledged is kept: with the server killed at any moment, with the machine's power cut at any moment.
//!
//! ```text
//! workload ─► client ─► server (the real program)
//!    │                     └─► a folder (kill.rs) or a filesystem of ours that records (crash/)
//!    └─► ledger ◄── check ◄── what is there after the accident
//! ```
//! Counts and the seed come from the environment (see settings.rs); scripts/soak.sh runs this at full size.

// Helpers of tests are tests too, but the lint sees only what stands inside of #[test].
// Figures are what a soak is for.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod check;
mod client;
mod costs;
mod crash;
mod faults;
mod images;
mod kill;
mod ledger;
mod mounts;
#[path = "../program/mod.rs"]
mod program;
mod server;
mod settings;
mod turns;
mod workload;
