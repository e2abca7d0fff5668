//! The custom resources of Roadstead: types and their rules only; no client, no I/O.
//!
//! - [`registry`]: `Registry`, what a person asks for and what they are told about it
//! - [`trust`]: `TrustBundle` and `NodeTrust`, what the operator and the node agents tell one another
//! - [`names`]: names of objects that people give, checked before they are used
//! - [`definitions`]: the three as CustomResourceDefinitions, and their fields that hold text

pub mod definitions;
pub mod names;
pub mod registry;
pub mod trust;
