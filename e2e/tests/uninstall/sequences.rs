//! Installs and uninstalls at random: with and without hooks, broken off at any moment, two at once, too soon after one
//! another. Whatever came before, the cluster ends in what the last command said.
//!
//! `ROADSTEAD_SEED` repeats a run, `ROADSTEAD_SEQUENCES` says how many there are (1).

use fastrand::Rng;
use roadstead_e2e::{Cluster, wait_until};

/// Commands of one sequence, before the one that decides.
const COMMANDS: usize = 2;
const REGISTRY: &str = "{apiVersion: roadstead.dev/v1alpha1, kind: Registry, metadata: {name: hurried, namespace: hurry}, \
                        spec: {storage: {emptyDir: {}}}}";

/// How many sequences there were.
pub(super) fn the_last_command_decides(cluster: &Cluster) -> u64 {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().expect("it is a number"))
    };
    let seed = number("ROADSTEAD_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("installs and uninstalls: ROADSTEAD_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    install(cluster);
    cluster
        .run("kubectl create namespace hurry --dry-run=client -o yaml | kubectl apply -f -")
        .ok();
    cluster.apply(REGISTRY).ok();
    is_installed(cluster);
    a_mark_that_is_left_is_told_and_cleared(cluster);
    let count = number("ROADSTEAD_SEQUENCES").unwrap_or(1);
    for _ in 0..count {
        for _ in 0..COMMANDS {
            let script = hurried(cluster, &mut rng);
            println!("-- {script}");
            // Whether helm takes it is helm's: it refuses some of these.
            let said = cluster.run(&script).printed();
            said.lines()
                .filter(|line| line.starts_with("Error"))
                .for_each(|line| println!("{line}"));
        }
        uninstall(cluster);
        is_uninstalled(cluster);
        let script = hurried(cluster, &mut rng);
        println!("-- {script}");
        cluster.run(&script);
        install(cluster);
        is_installed(cluster);
    }
    cluster
        .run("helm test roadstead -n roadstead-system --timeout 2m")
        .ok();
    uninstall(cluster);
    cluster
        .kubectl(&["delete", "namespace", "hurry", "--timeout=90s"])
        .ok();
    count
}

/// While the mark of this installation is there, the operator stands still and says so; an upgrade removes it. One of another
/// installation holds nothing up.
fn a_mark_that_is_left_is_told_and_cleared(cluster: &Cluster) {
    let mark = |uid: &str| {
        let mark = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: roadstead-uninstall, namespace: roadstead-system, ownerReferences: \
             [{{apiVersion: apps/v1, kind: Deployment, name: roadstead-operator, uid: {uid}}}]}}}}"
        );
        cluster.apply(&mark).ok();
    };
    mark("00000000-0000-0000-0000-000000000000");
    is_installed(cluster);
    let operator = cluster
        .get("roadstead-system", "deployment", "roadstead-operator")
        .expect("it is installed");
    mark(operator["metadata"]["uid"].as_str().expect("it has a UID"));
    let (reason, message) = cluster.wait_for("hurry", "hurried", "Reconciled", "False");
    assert_eq!(reason, "Uninstalling", "{message}");
    let events = cluster
        .run("kubectl -n hurry get events -o name --field-selector reason=Uninstalling")
        .ok();
    assert!(!events.trim().is_empty(), "there is no Event");
    install(cluster);
    is_installed(cluster);
}

/// A command or two, perhaps killed in the middle.
fn hurried(cluster: &Cluster, rng: &mut Rng) -> String {
    let install = cluster.install_command();
    let mut one = || {
        let command = match rng.u8(..5) {
            0 | 1 => install.clone(),
            2 => "helm uninstall roadstead -n roadstead-system --timeout 2m".to_owned(),
            3 => "helm uninstall roadstead -n roadstead-system --no-hooks".to_owned(),
            _ => "helm rollback roadstead -n roadstead-system --timeout 1m".to_owned(),
        };
        match rng.bool() {
            true => format!("timeout -s KILL {}.{} {command}", rng.u8(..6), rng.u8(..10)),
            false => command,
        }
    };
    let (first, second) = (one(), one());
    match rng.u8(..3) {
        0 => format!("{first} & {second} & wait"),
        _ => format!("{first} || true"),
    }
}

/// As a person does it: what helm left half-done is taken away first, where helm asks for that.
fn install(cluster: &Cluster) {
    let command = format!("{} --timeout 3m", cluster.install_command());
    let first = cluster.run(&command);
    if !first.succeeded() {
        println!("helm refused: {}", first.printed());
        cluster
            .run("helm uninstall roadstead -n roadstead-system --no-hooks --ignore-not-found")
            .ok();
        cluster.run(&command).ok();
    }
}

fn uninstall(cluster: &Cluster) {
    cluster
        .run("helm uninstall roadstead -n roadstead-system --ignore-not-found --timeout 3m")
        .ok();
}

fn is_installed(cluster: &Cluster) {
    let works = || {
        no_hook_runs(cluster)?;
        for (kind, wanted) in [
            ("Reconciled", "True"),
            ("Ready", "True"),
            ("NodesTrusted", "True"),
        ] {
            match cluster.condition("hurry", "hurried", kind) {
                Some((status, _, _)) if status == wanted => {}
                other => return Err(format!("{kind}: {other:?}")),
            }
        }
        match cluster.get("roadstead-system", "configmap", "roadstead-uninstall") {
            None => Ok(()),
            Some(mark) => Err(format!("the mark is there: {mark}")),
        }
    };
    wait_until("what was installed last works", works);
    // Whatever was left over has had its chance by now.
    wait_until("it still does", works);
}

fn is_uninstalled(cluster: &Cluster) {
    wait_until("what was uninstalled last is gone", || {
        no_hook_runs(cluster)?;
        let left = cluster
            .run("kubectl get deployments,daemonsets,roles,rolebindings -A -o name -l app.kubernetes.io/name=roadstead,helm.sh/chart; \
                  kubectl get clusterroles,clusterrolebindings,validatingadmissionpolicies,namespaces -o name -l helm.sh/chart,app.kubernetes.io/name=roadstead")
            .ok();
        let registry = cluster
            .get("hurry", "registry", "hurried")
            .expect("Registries stay");
        let held = registry["metadata"]["finalizers"].to_string();
        match left.trim().is_empty() && !held.contains("roadstead.dev/trust") {
            true => Ok(()),
            false => Err(format!("{left} finalizers: {held}")),
        }
    });
}

/// Jobs that helm did not wait for go on by themselves.
fn no_hook_runs(cluster: &Cluster) -> Result<(), String> {
    let running = cluster
        .run(
            "kubectl -n roadstead-system get jobs -o jsonpath='{.items[?(@.status.active>0)].metadata.name}'",
        )
        .ok();
    match running.trim() {
        "" => Ok(()),
        name => Err(format!("Job {name} runs")),
    }
}
