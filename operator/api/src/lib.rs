//! The custom resources of Roadstead: types and their rules only; no client, no I/O.
//!
//! - [`registry`]: `Registry`, what a person asks for and what they are told about it
//! - [`trust`]: `TrustBundle` and `NodeTrust`, what the operator and the node agents tell one another
//! - [`definitions`]: the three as CustomResourceDefinitions

pub mod definitions;
pub mod registry;
pub mod trust;
