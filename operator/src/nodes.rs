//! Which nodes trust which registry hosts, counted from what the agents acknowledge.
//!
//! - `cache`: Nodes, NodeTrusts, TrustBundles and the agents' DaemonSet, stripped to what is read here
//! - `broken`: what of it cannot be seen at present
//! - `sets`: the sets of bundles that agents may be carrying
//! - `agents`: the agents' pods, and since when a node has none that lives
//! - `judge`: what the word of one node means for the hosts of one Registry
//! - `tally`: the count over all nodes, a plain function
//!
//! It does not know how a node is made to trust, only what its agent says.

mod agents;
mod broken;
mod cache;
mod judge;
mod sets;
mod tally;

pub use cache::Nodes;
pub use tally::{HostContent, HostTally, NodeProblem, Silence, SilentNode, Tally};
