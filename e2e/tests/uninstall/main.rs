//! Leaving and coming back: by helm, by a hurried helm, and without it. The last of the tests on the cluster.

// What a run did is for the person who reads its output.
#![allow(clippy::print_stdout)]

mod gitops;
mod hook;
mod sequences;
mod without_helm;

use roadstead_e2e::Cluster;

/// One test: there is one installation in a cluster, and each part takes it away.
#[test]
fn roadstead_leaves_in_every_way_and_comes_back() {
    let cluster = Cluster::installed();
    hook::everything_goes_and_the_nodes_are_as_before(cluster);
    let count = sequences::the_last_command_decides(cluster);
    // A soak has more than one.
    without_helm::what_is_deleted_by_hand_holds_nothing_up(cluster, count > 1);
}
