//! The loop: what happened → a pass over the files → canaries → the acknowledgement.
//!
//! It never cleans up when it ends: an agent that is replaced must not take trust away in between.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use roadstead_api::trust::{NodeTrust, Problem, TrustBundle, set_hash};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use crate::acknowledge::{Acknowledger, node_trust};
use crate::bundle::Bundle;
use crate::converge::{Pass, Report, converge};
use crate::desired::Desired;
use crate::heartbeat;
use crate::host::{self, HostPath, HostRoot, Watcher};
use crate::identity::Identity;
use crate::problems;
use crate::prover::Prover;
use crate::runtime::{self, Found};
use crate::runtime_watch::RuntimeWatch;
use crate::verdict::{self, Verdict};

#[derive(Debug, Clone)]
pub struct Settings {
    pub host_root: PathBuf,
    pub namespace: String,
    pub installation: String,
    pub heartbeat: PathBuf,
}

/// Two bundles of one Registry arrive together: one pass serves both.
const SETTLE: Duration = Duration::from_millis(50);
const BETWEEN_PASSES: Duration = Duration::from_millis(500);
/// The net under inotify.
const FULL_CHECK: Duration = Duration::from_secs(60);
/// Someone may have deleted our NodeTrust.
const LOOK_AT_NODE_TRUST: Duration = Duration::from_secs(300);
/// A registry that is up answers faster; longer, and the operator had better know what we wait for.
const FIRST_ANSWER: Duration = Duration::from_secs(2);
const API_CALL: Duration = Duration::from_secs(15);
const CANARIES: usize = 8;
const MAX_DELAY: Duration = Duration::from_secs(30);

/// Runs until `stop` or a failure that a restart of the agent may mend.
pub async fn run(
    settings: Settings,
    identity: Identity,
    client: Client,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let host = HostRoot::open(&settings.host_root)
        .with_context(|| format!("cannot open the host's root at {}", settings.host_root.display()))?;
    let bundles: Api<TrustBundle> = Api::namespaced(client.clone(), &settings.namespace);
    let watch = watcher(bundles, watcher::Config::default()).default_backoff();
    let mut watch = std::pin::pin!(watch);
    let mut stop = std::pin::pin!(stop);
    let mut beat = tokio::time::interval(heartbeat::BEAT);
    let mut agent = Agent::new(settings, identity, host, client);
    info!(
        "agent of node {} (installation {})",
        agent.identity.node, agent.settings.installation
    );
    loop {
        let wake = sleep_until(agent.next_wake());
        tokio::select! {
            () = &mut stop => return Ok(()),
            event = watch.next() => match event.context("the watch of TrustBundles ended")? {
                Ok(event) => agent.take_event(event),
                // Everything on the node stays; the watch starts over by itself.
                Err(error) => warn!("cannot watch TrustBundles in {}: {error}", agent.settings.namespace),
            },
            result = changed(agent.watcher.as_ref()) => agent.take_disk_event(result),
            Some(canary) = agent.canaries.join_next() => agent.take_canary(canary?),
            () = wake => {}
            _ = beat.tick() => heartbeat::beat(&agent.settings.heartbeat).context("cannot write the heartbeat")?,
        }
        agent.work().await;
    }
}

async fn changed(watcher: Option<&Watcher>) -> io::Result<()> {
    match watcher {
        Some(watcher) => watcher.changed().await,
        None => std::future::pending().await,
    }
}

struct Agent {
    settings: Settings,
    identity: Identity,
    host: Arc<HostRoot>,
    desired: Desired,
    runtime: RuntimeWatch,
    prover: Prover,
    canaries: JoinSet<(String, Bundle, Verdict)>,
    report: Option<Report>,
    /// Passes that failed in a row, and why the last one did.
    failures: (u32, String),
    acknowledger: Acknowledger,
    watcher: Option<Watcher>,
    passed_at: Instant,
    pass_at: Instant,
    tell_at: Option<Instant>,
    /// Until when we wait for first answers before we acknowledge.
    hold_until: Option<Instant>,
    refresh_at: Instant,
    tell_failures: u32,
}

impl Agent {
    fn new(settings: Settings, identity: Identity, host: HostRoot, client: Client) -> Self {
        let now = Instant::now();
        let watcher = Watcher::new()
            .map_err(|error| warn!("no inotify: changes on the node are seen once a minute only: {error}"))
            .ok();
        Self {
            desired: Desired::new(&settings.installation),
            acknowledger: Acknowledger::new(client, &settings.namespace),
            host: Arc::new(host),
            settings,
            identity,
            runtime: RuntimeWatch::default(),
            prover: Prover::default(),
            canaries: JoinSet::new(),
            report: None,
            failures: (0, String::new()),
            watcher,
            passed_at: now,
            pass_at: now,
            tell_at: None,
            hold_until: None,
            refresh_at: now + LOOK_AT_NODE_TRUST,
            tell_failures: 0,
        }
    }

    fn take_event(&mut self, event: watcher::Event<TrustBundle>) {
        self.desired.apply(event);
        self.pass_within(SETTLE);
    }

    fn take_disk_event(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            warn!("inotify failed, changes on the node are seen once a minute only: {error}");
            self.watcher = None;
        }
        // Whoever writes there all the time keeps us no busier than this.
        let rest = BETWEEN_PASSES.saturating_sub(self.passed_at.elapsed());
        self.pass_within(rest.max(SETTLE));
    }

    fn take_canary(&mut self, (start, bundle, verdict): (String, Bundle, Verdict)) {
        let text = match &verdict {
            Verdict::Proved => format!("{} is proved: the runtime reaches and trusts it", bundle.host()),
            Verdict::NotProved { reason, message } => {
                format!("{} is not proved ({}): {message}", bundle.host(), reason.as_str())
            }
        };
        let now = Instant::now();
        let proved = verdict == Verdict::Proved;
        if self.prover.judged(&start, &bundle, verdict, now) {
            info!("{text}");
            self.tell_at.get_or_insert(now);
            if proved {
                // The record keeps the proof for the next agent.
                self.pass_within(Duration::from_secs(1));
            }
        } else {
            debug!("{text}");
        }
    }

    fn pass_within(&mut self, delay: Duration) {
        self.pass_at = self.pass_at.min(Instant::now() + delay);
    }

    fn next_wake(&self) -> Instant {
        let tell = self.tell_at.map(|at| at.max(self.hold_until.unwrap_or(at)));
        let wakes = [
            Some(self.pass_at),
            Some(self.refresh_at),
            self.next_canary(),
            tell,
        ];
        wakes.into_iter().flatten().min().unwrap_or(self.pass_at)
    }

    fn next_canary(&self) -> Option<Instant> {
        let can_send = matches!(self.runtime.found(), Found::Runtime(_)) && self.canaries.len() < CANARIES;
        self.prover.next_due().filter(|_| can_send)
    }

    /// Does whatever is due.
    async fn work(&mut self) {
        if self.pass_at <= Instant::now() {
            self.passed_at = Instant::now();
            self.pass_at = self.passed_at + FULL_CHECK;
            if let Some(soon) = self.runtime.look(&self.host).await {
                self.pass_within(soon);
            }
            self.pass_over_files().await;
            self.watch_folders();
        }
        self.send_canaries();
        if self.refresh_at <= Instant::now() {
            self.refresh_at = Instant::now() + LOOK_AT_NODE_TRUST;
            self.refresh().await;
        }
        self.tell().await;
    }

    async fn pass_over_files(&mut self) {
        let Some(wanted) = self.desired.wanted() else {
            return;
        };
        let root = match self.runtime.found() {
            Found::Runtime(runtime) => Some(runtime.root.clone()),
            Found::Nothing | Found::Silent { .. } | Found::Foreign { .. } => None,
        };
        let pass = Pass {
            installation: self.settings.installation.clone(),
            root,
            wanted,
            proofs: self.prover.proofs(),
        };
        let host = self.host.clone();
        let report = tokio::task::spawn_blocking(move || converge(&host, &pass)).await;
        match report.map_err(io::Error::other).and_then(|report| report) {
            Ok(report) => self.take_report(report),
            Err(error) => {
                self.failures = (self.failures.0 + 1, error.to_string());
                error!("nothing was changed on this node: {error}");
                self.pass_within(delay(self.failures.0));
            }
        }
        self.tell_at.get_or_insert_with(Instant::now);
    }

    fn take_report(&mut self, report: Report) {
        if report.incomplete {
            self.failures.0 += 1;
            self.pass_within(delay(self.failures.0));
        } else {
            self.failures = (0, String::new());
        }
        self.log_news(&report.problems);
        if let Found::Runtime(runtime) = self.runtime.found() {
            let hosts = &report.manifest.hosts;
            let known = |bundle: &Bundle| {
                hosts.get(bundle.host().as_str()).is_some_and(|written| {
                    written.content == bundle.content()
                        && written.proved_for.as_deref() == Some(runtime.start.as_str())
                })
            };
            let reads = runtime.reads != runtime::Reads::No;
            let in_force = if reads { report.in_force.as_slice() } else { &[] };
            self.prover
                .update(&runtime.start, in_force, known, Instant::now());
        }
        self.report = Some(report);
    }

    fn log_news(&self, problems: &[Problem]) {
        let known = self.report.as_ref().map_or(&[][..], |report| &report.problems);
        for problem in problems.iter().filter(|problem| !known.contains(problem)) {
            warn!("{}: {}", problem.reason.as_str(), problem.message);
        }
    }

    fn watch_folders(&mut self) {
        let Some(watcher) = &self.watcher else { return };
        let mut folders = BTreeSet::from_iter(runtime::socket_folders());
        if let Found::Runtime(runtime) = self.runtime.found() {
            folders.extend(runtime.root.from_top().into_iter().rev().take(2));
        }
        if let Some(report) = &self.report {
            folders.extend(report.manifest.files.keys().filter_map(HostPath::parent));
        }
        for folder in folders {
            if let Err(error) = watcher.add(&self.host, &folder) {
                debug!("{folder} is not watched, changes there are seen once a minute only: {error}");
            }
        }
    }

    fn send_canaries(&mut self) {
        let Found::Runtime(runtime) = self.runtime.found() else {
            return;
        };
        let room = CANARIES.saturating_sub(self.canaries.len());
        for bundle in self.prover.take_due(Instant::now(), room) {
            let (client, start) = (runtime.client.clone(), runtime.start.clone());
            self.canaries.spawn(async move {
                let reference = verdict::reference(&bundle, host::random().unwrap_or_default());
                let verdict = match client.pull(&reference).await {
                    Ok(()) => Verdict::Proved,
                    Err(status) => {
                        debug!("the runtime said {:?}: {}", status.code(), status.message());
                        verdict::judge(&bundle, &reference, status.message())
                    }
                };
                (start, bundle, verdict)
            });
        }
    }

    async fn refresh(&mut self) {
        let node_trust = self.node_trust();
        match answered(self.acknowledger.refresh(&node_trust)).await {
            Ok(()) if self.acknowledger.is_told(&node_trust) => {}
            Ok(()) => {
                self.tell_at.get_or_insert_with(Instant::now);
            }
            Err(error) => debug!("cannot look at this node's NodeTrust: {error:#}"),
        }
    }

    async fn tell(&mut self) {
        let now = Instant::now();
        self.hold_until = match self.hold_until {
            _ if !self.prover.is_undecided() => None,
            Some(until) => Some(until),
            None => Some(now + FIRST_ANSWER),
        };
        let held = self.hold_until.is_some_and(|until| now < until);
        if held || self.tell_at.is_none_or(|at| now < at) {
            return;
        }
        if self.says_nothing_yet() {
            // The next pass will have something to say.
            self.tell_at = None;
            return;
        }
        let node_trust = self.node_trust();
        match answered(self.acknowledger.tell(&node_trust)).await {
            Ok(()) => (self.tell_at, self.tell_failures) = (None, 0),
            Err(error) => {
                warn!("cannot write the NodeTrust of this node: {error:#}");
                self.tell_failures += 1;
                self.tell_at = Some(Instant::now() + delay(self.tell_failures));
            }
        }
    }

    /// One failed pass may be an agent that is just being replaced; the first look at a runtime may come too early.
    fn says_nothing_yet(&self) -> bool {
        self.report.is_none() && self.failures.0 < 3
    }

    fn node_trust(&self) -> NodeTrust {
        let mut problems: Vec<Problem> = problems::of_runtime(self.runtime.found()).into_iter().collect();
        if self.failures.0 >= 3 && !self.failures.1.is_empty() {
            problems.push(problems::of_failed_passes(&self.failures.1));
        }
        if let Some(report) = &self.report {
            problems.extend(report.problems.iter().cloned());
        }
        let mut runtime = None;
        if let Found::Runtime(found) = self.runtime.found() {
            let unproved = self.prover.problems().into_iter();
            problems.extend(unproved.map(|problem| problems::with_advice(problem, found)));
            runtime = Some(roadstead_api::trust::Runtime {
                name: found.version.name.chars().take(64).collect(),
                version: found.version.version.chars().take(64).collect(),
            });
        }
        let set = self
            .report
            .as_ref()
            .map_or_else(|| set_hash::<&str, &str>([]), |report| report.set.clone());
        node_trust(
            &self.identity,
            &self.settings.installation,
            &set,
            runtime,
            problems,
        )
    }
}

/// An API server that hangs must not stop the loop.
async fn answered<T>(call: impl Future<Output = kube::Result<T>>) -> anyhow::Result<T> {
    let answer = tokio::time::timeout(API_CALL, call)
        .await
        .context("the API server does not answer")?;
    Ok(answer?)
}

fn delay(failures: u32) -> Duration {
    MAX_DELAY.min(Duration::from_secs(1) * 2u32.saturating_pow(failures.saturating_sub(1).min(6)))
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
