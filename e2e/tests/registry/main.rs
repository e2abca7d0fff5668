//! The registry beside its peers, on loopback, without a cluster.

// The figures that a run shows are for the person who reads its output.
#![allow(clippy::print_stdout)]

mod conformance;
mod field_guide;
mod sharing;
