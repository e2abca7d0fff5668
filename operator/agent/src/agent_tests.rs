//! The whole agent against a containerd and an API server that stand in for the real ones.

use std::path::Path;

use roadstead_api::trust::{NodeTrustSpec, ProblemReason};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::bundle::tests::{CA, spec};
use crate::identity::tests::token;
use crate::testing::api_server::ApiServer;
use crate::testing::containerd::{Answer, Containerd};

const HOST: &str = "images.registry.svc:5000";
const CA_FILE: &str = "etc/containerd/certs.d/images.registry.svc:5000/ca.crt";

struct World {
    folder: TempDir,
    api: ApiServer,
    containerd: Containerd,
}

struct Running {
    stop: oneshot::Sender<()>,
    agent: JoinHandle<anyhow::Result<()>>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for path in ["var/lib", "etc/containerd"] {
            std::fs::create_dir_all(folder.path().join(path)).expect("a folder");
        }
        let containerd = Containerd::start(folder.path(), CA);
        Self {
            folder,
            api: ApiServer::default(),
            containerd,
        }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    fn start_agent(&self) -> Running {
        start_agent(self.folder.path(), &self.api)
    }

    fn want(&self, ca: &str) -> String {
        let mut spec = spec(HOST, Some("10.96.0.1:5000"));
        spec.ca = ca.to_owned();
        let content = spec.content_hash();
        self.api.put(spec);
        set_hash([(HOST, content.as_str())])
    }

    /// Waits until the NodeTrust of the node is as `expected` says.
    async fn until(&self, what: &str, expected: impl Fn(&NodeTrustSpec) -> bool) -> NodeTrustSpec {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let told = self.api.node_trust("node1").map(|object| object.spec);
            if let Some(told) = told.clone().filter(&expected) {
                return told;
            }
            assert!(Instant::now() < deadline, "not {what}: {told:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn until_trusted(&self, set: &str) {
        self.until("trusted", |told| told.set == set && told.problems.is_empty())
            .await;
    }

    async fn until_uid(&self, uid: &str) -> NodeTrustSpec {
        self.until("under its new UID", |told| told.node_uid == uid).await
    }

    async fn until_problem(&self, reason: ProblemReason) -> NodeTrustSpec {
        self.until(reason.as_str(), |told| {
            told.problems.iter().any(|problem| problem.reason == reason)
        })
        .await
    }
}

fn start_agent(root: &Path, api: &ApiServer) -> Running {
    let settings = Settings {
        host_root: root.to_owned(),
        namespace: "roadstead-system-nodes".into(),
        installation: "roadstead-system/roadstead".into(),
        heartbeat: root.join("heartbeat"),
        token_file: root.join("token"),
        daemon_set: "roadstead-agent".to_owned(),
    };
    if !settings.token_file.exists() {
        register(root, "u-1");
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        let _ = stopped.await;
    };
    Running {
        stop,
        agent: tokio::spawn(run(settings, api.client(), stopped)),
    }
}

/// Registers the node under this UID: the next token has it.
fn register(root: &Path, uid: &str) {
    let claims = format!(r#"{{"kubernetes.io":{{"node":{{"name":"node1","uid":"{uid}"}}}}}}"#);
    std::fs::write(root.join("token"), token(&claims)).expect("a token");
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).expect("a running agent");
        self.agent.await.expect("no panic").expect("no failure");
    }
}

#[tokio::test]
async fn a_bundle_is_written_proved_and_acknowledged_and_goes_again() {
    let world = World::new();
    let agent = world.start_agent();
    let nothing = set_hash::<&str, &str>([]);
    world.until_trusted(&nothing).await;
    let before = Instant::now();
    world.until_trusted(&world.want(CA)).await;
    assert!(
        before.elapsed() < Duration::from_secs(2),
        "{:?}",
        before.elapsed()
    );
    world.api.delete(HOST);
    world.until_trusted(&nothing).await;
    assert!(!world.path("etc/containerd/certs.d").exists());
    assert!(!world.path("var/lib/roadstead").exists());
    heartbeat::check(&world.path("heartbeat")).expect("a heartbeat");
    agent.stop().await;
}

#[tokio::test]
async fn a_registry_that_comes_up_later_is_proved_then() {
    let world = World::new();
    world.containerd.registry(false);
    let set = world.want(CA);
    let agent = world.start_agent();
    let told = world.until_problem(ProblemReason::ConnectionFailed).await;
    assert_eq!((told.set, told.problems[0].host.as_str()), (set.clone(), HOST));
    world.containerd.registry(true);
    world.until_trusted(&set).await;
    agent.stop().await;
}

#[tokio::test]
async fn an_outage_takes_no_proof_away_not_even_over_a_restart_of_the_agent() {
    let world = World::new();
    let set = world.want(CA);
    let agent = world.start_agent();
    world.until_trusted(&set).await;
    // The proof reaches the record with the next pass.
    let record = world.path("var/lib/roadstead/agent.json");
    let proved = || std::fs::read_to_string(&record).is_ok_and(|record| record.contains("proved_for"));
    while !proved() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    agent.stop().await;
    assert!(
        world.path(CA_FILE).exists(),
        "an agent that ends cleans nothing up"
    );
    world.containerd.registry(false);
    let (writes, pulls) = (world.api.writes(), world.containerd.pulls());
    let agent = world.start_agent();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!((world.api.writes(), world.containerd.pulls()), (writes, pulls));
    agent.stop().await;
}

#[tokio::test]
async fn a_runtime_that_was_restarted_is_asked_again() {
    let mut world = World::new();
    let set = world.want(CA);
    let agent = world.start_agent();
    world.until_trusted(&set).await;
    world.containerd.registry(false);
    world.containerd.restart();
    world.until_problem(ProblemReason::ConnectionFailed).await;
    world.containerd.registry(true);
    world.until_trusted(&set).await;
    agent.stop().await;
}

#[tokio::test]
async fn another_ca_is_rejected_by_the_runtime_and_the_reason_says_so() {
    let world = World::new();
    let agent = world.start_agent();
    world.want("-----BEGIN CERTIFICATE-----\nother\n-----END CERTIFICATE-----\n");
    world.until_problem(ProblemReason::CertificateRejected).await;
    world.until_trusted(&world.want(CA)).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_someone_alters_is_repaired_within_seconds() {
    let world = World::new();
    let set = world.want(CA);
    let agent = world.start_agent();
    world.until_trusted(&set).await;
    std::fs::write(world.path(CA_FILE), "broken").expect("a file");
    let deadline = Instant::now() + Duration::from_secs(3);
    while std::fs::read_to_string(world.path(CA_FILE)).expect("a file") != CA {
        assert!(Instant::now() < deadline, "not repaired");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    agent.stop().await;
}

#[tokio::test]
async fn an_api_server_that_fails_takes_nothing_away() {
    let world = World::new();
    let set = world.want(CA);
    let agent = world.start_agent();
    world.until_trusted(&set).await;
    agent.stop().await;
    world.api.go_down();
    let agent = world.start_agent();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(world.path(CA_FILE).exists());
    agent.stop().await;
}

#[tokio::test]
async fn nothing_is_told_twice() {
    let world = World::new();
    let set = world.want(CA);
    let agent = world.start_agent();
    world.until_trusted(&set).await;
    let writes = world.api.writes();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(world.api.writes(), writes);
    agent.stop().await;
}

#[tokio::test]
async fn a_node_without_a_runtime_is_unsupported_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("var/lib")).expect("a folder");
    std::fs::create_dir_all(folder.path().join("etc")).expect("a folder");
    let api = ApiServer::default();
    api.put(spec(HOST, Some("10.96.0.1:5000")));
    let agent = start_agent(folder.path(), &api);
    let deadline = Instant::now() + Duration::from_secs(5);
    let told = loop {
        if let Some(told) = api.node_trust("node1") {
            break told.spec;
        }
        assert!(Instant::now() < deadline, "nothing was told");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(told.runtime, None);
    assert_eq!(
        (told.problems[0].host.as_str(), told.problems[0].reason),
        ("", ProblemReason::UnsupportedRuntime)
    );
    assert_eq!(
        std::fs::read_dir(folder.path().join("etc"))
            .expect("a folder")
            .count(),
        0
    );
    agent.stop().await;
}

#[tokio::test]
async fn whatever_a_registry_answers_nothing_is_kept_and_nothing_is_proved() {
    for answer in [Answer::Image, Answer::Flood] {
        let world = World::new();
        world.containerd.answers(answer);
        let agent = world.start_agent();
        world.want(CA);
        let told = world
            .until("judged", |told| {
                told.problems
                    .iter()
                    .any(|problem| problem.message.contains("cannot exist"))
            })
            .await;
        assert_eq!(told.problems[0].reason, ProblemReason::Unproved);
        world.containerd.answers(Answer::Refusal);
        world.until("proved", |told| told.problems.is_empty()).await;
        assert_eq!(world.containerd.kept(), Vec::<String>::new());
        agent.stop().await;
    }
}

#[tokio::test]
async fn a_node_that_is_registered_again_speaks_under_its_new_uid() {
    let world = World::new();
    let set = world.want(CA);
    let agent = world.start_agent();
    world.until_trusted(&set).await;
    register(world.folder.path(), "u-2");
    let told = world.until_uid("u-2").await;
    assert_eq!((told.set, told.problems), (set, vec![]));
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_that_is_followed_by_none_takes_back_what_it_wrote() {
    type Way = fn(&ApiServer);
    let nothing: Way = |_| {};
    let ways = [
        (nothing, true),
        (ApiServer::delete_namespace, false),
        (ApiServer::delete_daemon_set, false),
        (ApiServer::go_down, true),
    ];
    for (way, stays) in ways {
        let world = World::new();
        let set = world.want(CA);
        let agent = world.start_agent();
        world.until_trusted(&set).await;
        way(&world.api);
        agent.stop().await;
        assert_eq!(world.path(CA_FILE).exists(), stays);
    }
}

/// As when everything is deleted at once: its account first, and its namespace in the end.
#[tokio::test]
async fn an_agent_that_may_not_ask_why_it_ends_still_sees_its_namespace_go() {
    let world = World::new();
    let set = world.want(CA);
    let agent = world.start_agent();
    world.until_trusted(&set).await;
    world.api.delete_account();
    let namespace_goes = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.api.delete_namespace();
    };
    futures::join!(agent.stop(), namespace_goes);
    assert!(!world.path(CA_FILE).exists());
}

#[tokio::test]
async fn a_kind_that_is_certainly_gone_takes_its_files_along_and_an_answer_that_is_not_certain_takes_none() {
    for is_certain in [false, true] {
        let world = World::new();
        let set = world.want(CA);
        let agent = world.start_agent();
        world.until_trusted(&set).await;
        world.api.delete_definition(is_certain);
        let deadline = Instant::now() + Duration::from_secs(4);
        while world.path(CA_FILE).exists() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(world.path(CA_FILE).exists(), !is_certain);
        agent.stop().await;
    }
}

#[tokio::test]
async fn more_problems_than_fit_hide_no_host_and_touch_none_that_has_no_problem() {
    let world = World::new();
    world.containerd.registry(false);
    for number in 0..50 {
        world.api.put(spec(
            &format!("h{number:02}.evil.svc:5000"),
            Some("10.96.0.1:5000"),
        ));
    }
    let agent = world.start_agent();
    let told = world
        .until("told", |told| told.summary == "ConnectionFailed (50 hosts)")
        .await;
    assert_eq!((told.problems.len(), told.further[0].count), (32, 18));
    agent.stop().await;
}
