//! What Roadstead costs: the memory of each of its programs, and the size of each image.

use roadstead_e2e::Cluster;

/// Resident MiB of every process of a program in the cluster's nodes.
fn resident(cluster: &Cluster, program: &str) -> Vec<u64> {
    let script = format!(
        "for pid in $(pgrep -x {program}); do awk '/^VmRSS/ {{print int($2 / 1024)}}' /proc/$pid/status; done",
        program = &program[..program.len().min(15)]
    );
    let lists = cluster
        .nodes()
        .into_iter()
        .map(|node| cluster.on_node(&node, &script).ok());
    lists
        .flat_map(|list| {
            list.lines()
                .map(|line| line.parse().expect("a number"))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn each_program_stays_within_its_memory() {
    let cluster = Cluster::installed();
    for (program, limit) in [
        ("roadstead-operator", 50),
        ("roadstead-agent", 15),
        ("roadstead-registry", 40),
    ] {
        let sizes = resident(cluster, program);
        println!("{program}: {sizes:?} MiB resident, at most {limit}");
        assert!(!sizes.is_empty(), "no {program} runs");
        assert!(
            sizes.iter().all(|size| *size <= limit),
            "{program} has {sizes:?} MiB, at most {limit} are meant"
        );
    }
}
