//! The controller that makes Registry objects so.
//!
//! ```text
//!   main ──► cli ──► controller: watches ──► reconcile: observe → validate → build → apply → status
//!                        │ election, health                  │                       │
//!                        └ nodes: who trusts what ───────────┘            metrics, Events
//! ```
//!
//! - [`settings`]: the installation's own settings; [`names`]: what objects of a Registry are called
//! - [`reconcile`]: one Registry, from what it asks for to what is there
//! - [`nodes`]: which nodes trust which hosts, counted from what the agents acknowledge
//! - [`lean`] and [`seen`]: objects and Registries as far as watches need them
//! - [`controller`]: what wakes a Registry up; [`election`]: only one operator acts
//! - [`health`]: probes and metrics, on ports with limits
//! - [`stores`]: whether registries can write their volumes
//! - [`sweep`]: what Registries that are gone left behind
//! - [`uninstall`]: what has to go before the operator itself does; [`mark`]: by what it stands still meanwhile;
//!   [`leaving`]: when it goes without that
//! - [`check`]: whether an installation works; [`crds`]: the definitions as YAML
//!
//! It knows nothing of blobs, and nothing of how a node is made to trust: it writes objects and reads answers.

pub mod check;
pub mod cli;
pub mod context;
pub mod controller;
pub mod crds;
pub mod election;
pub mod health;
pub mod lean;
pub mod leaving;
pub mod mark;
pub mod metrics;
pub mod names;
pub mod nodes;
mod port;
pub mod reconcile;
pub mod seen;
pub mod settings;
pub mod stores;
pub mod sweep;
pub mod uninstall;
