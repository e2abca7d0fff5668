//! Stand-ins for what the agent talks to, in the test's own process.

pub(crate) mod api_server;
pub(crate) mod containerd;
pub(crate) mod disk;
pub(crate) mod node;
