//! The node agent: brings registry CAs to a node's runtimes and proves that they work.
//!
//! ```text
//!  TrustBundles ──► desired ──┐
//!                             ├─► plan ──► act ──► (files on the host, manifest)
//!  the host's disk ► observe ─┘                         │
//!                                                       ▼
//!  NodeTrust ◄── acknowledge ◄── prover ◄── canary: a pull through the runtime itself
//! ```
//!
//! - [`agent`]: the loop that ties the parts together
//! - [`desired`], [`bundle`]: what the operator wants, checked once at the edge
//! - [`layout`]: which files make containerd trust a host, to the byte
//! - [`host`]: the node's file system, opened beneath one folder
//! - [`manifest`]: what we wrote and which folders we made
//! - [`observe`], `foreign`, [`plan`], [`act`], [`converge`]: from a wish to the files
//! - [`cri`], [`runtime`], [`runtime_watch`]: the container runtime and where it reads
//! - [`verdict`], [`prover`]: what a canary's answer means, and when to send the next
//! - [`problems`]: what stands between this node and its registries, for people
//! - [`canary`]: sending them, such that nothing a server answers stays on the node
//! - [`identity`], [`room`], [`acknowledge`], [`teller`]: which node this is, and what it tells the operator, and when
//! - [`gone`]: certain signs that Roadstead is being taken away
//! - [`clean`], [`heartbeat`]: the other two commands

pub mod acknowledge;
pub mod act;
pub mod agent;
pub mod bundle;
pub mod canary;
pub mod clean;
pub mod converge;
pub mod cri;
pub mod desired;
mod foreign;
pub mod gone;
pub mod heartbeat;
pub mod host;
pub mod identity;
pub mod layout;
pub mod manifest;
pub mod observe;
pub mod plan;
pub mod problems;
pub mod prover;
pub mod room;
pub mod runtime;
pub mod runtime_watch;
pub mod teller;
pub mod verdict;

#[cfg(test)]
mod testing;
