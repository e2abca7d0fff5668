//! What an agent needs at the bounds of an installation: alone in its process, so that the kernel's figure is its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::runtime::watcher::Event;
use roadstead_agent::converge::{Pass, converge};
use roadstead_agent::desired::Desired;
use roadstead_agent::host::HostRoot;
use roadstead_agent::prover::Prover;
use roadstead_api::trust::{MAX_CA, Proof, RegistryReference, TrustBundle, TrustBundleSpec};

const REGISTRIES: usize = 1000;
const INSTALLATION: &str = "roadstead-system/roadstead";
/// The chart's limit is 64 MiB; what serves the rest of the agent (TLS, the runtime of tasks) takes less than 14.
const MOST: u64 = 50;

/// The two names of one Registry, with the largest CA there is.
fn bundles(registry: usize) -> [TrustBundle; 2] {
    let namespace = format!("namespace-{}", registry / 20);
    let name = format!("registry-{registry:04}");
    let mut ca = format!("-----BEGIN CERTIFICATE-----\n{registry}\n");
    ca.push_str(&"A".repeat(MAX_CA - ca.len()));
    [".svc", ".svc.cluster.local"].map(|end| {
        let host = format!("{name}.{namespace}{end}:5000");
        let spec = TrustBundleSpec {
            installation: INSTALLATION.into(),
            ca: ca.clone(),
            server: Some("10.96.12.34:5000".into()),
            registry: RegistryReference {
                namespace: namespace.clone(),
                name: name.clone(),
                uid: "u".into(),
            },
            proof: Proof::Required,
            host: host.clone(),
        };
        TrustBundle::new(&host.replace(':', "."), spec)
    })
}

fn read_a_list(desired: &mut Desired) {
    desired.apply(Event::Init);
    for registry in 0..REGISTRIES {
        for bundle in bundles(registry) {
            desired.apply(Event::InitApply(bundle));
        }
    }
    desired.apply(Event::InitDone);
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .expect("a peak");
    let kib: u64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("a number");
    kib / 1024
}

#[test]
fn an_agent_at_every_bound_stays_within_its_memory() {
    let memory = std::path::Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let folder = folder.expect("a folder");
    for path in ["var/lib", "etc/containerd"] {
        std::fs::create_dir_all(folder.path().join(path)).expect("a folder");
    }
    let host = HostRoot::open(folder.path()).expect("the root");
    let before = peak_mib();
    let mut desired = Desired::new(INSTALLATION);
    let mut prover = Prover::default();
    // Twice: a watch that breaks off reads the whole list again beside what is known.
    for _ in 0..2 {
        read_a_list(&mut desired);
        let pass = Pass {
            installation: INSTALLATION.into(),
            root: Some("/etc/containerd/certs.d".parse().expect("a path")),
            wanted: desired.wanted().expect("a list"),
            proofs: BTreeMap::new(),
        };
        let report = converge(&host, &pass).expect("a pass");
        assert_eq!(report.in_force.len(), 2 * REGISTRIES);
        let in_force: Vec<Arc<_>> = report.in_force;
        prover.update("start", &in_force, |_| false, tokio::time::Instant::now());
    }
    let used = peak_mib() - before;
    assert!(used <= MOST, "{used} MiB for {} hosts", 2 * REGISTRIES);
    #[expect(clippy::print_stdout, reason = "the figure is for whoever runs this")]
    {
        println!("{used} MiB for {} hosts", 2 * REGISTRIES);
    }
}
