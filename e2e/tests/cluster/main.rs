//! Roadstead on a real cluster, with the programs that people use.

// The figures that a run shows are for the person who reads its output.
#![allow(clippy::print_stdout)]

mod access;
mod api_rules;
mod causes;
mod certificates;
mod clients;
mod docker;
mod footprint;
mod hostile;
mod idempotence;
mod liar;
mod neighbours;
mod nodes;
mod operations;
mod pods;
mod policies;
mod pulls;
mod readme;
mod remains;
mod tenants;
mod traps;
