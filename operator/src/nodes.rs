//! Which nodes trust which registry hosts, counted from what the agents acknowledge.
//!
//! - `cache`: Nodes, NodeTrusts, TrustBundles and the agents' DaemonSet, stripped to what is read here
//! - `sets`: the sets of bundles that agents may be carrying
//! - `tally`: the count for the hosts of one Registry, a plain function
//!
//! It does not know how a node is made to trust, only what its agent says.

mod cache;
mod sets;
mod tally;

pub use cache::Nodes;
pub use tally::{HostContent, NodeProblem, Tally};
