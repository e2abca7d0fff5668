//! The custom resources of Roadstead: types and their rules only; no client, no I/O.
//!
//! - [`trust`]: `TrustBundle` and `NodeTrust`, what the operator and the node agents tell one another

pub mod trust;
