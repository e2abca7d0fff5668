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
use futures::{FutureExt, StreamExt};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use roadstead_api::trust::{NodeTrust, Problem, TrustBundle, set_hash};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, error, info, warn};

use crate::acknowledge::node_trust;
use crate::bundle::Bundle;
use crate::canary::{Canaries, Landed};
use crate::converge::{Pass, Report, converge};
use crate::desired::Desired;
use crate::gone::Ending;
use crate::host::{HostPath, HostRoot, Watcher};
use crate::identity::Identity;
use crate::prover::Prover;
use crate::runtime::{self, Found};
use crate::runtime_watch::RuntimeWatch;
use crate::teller::{Teller, delay};
use crate::verdict::Verdict;
use crate::{gone, heartbeat, problems, room};

#[derive(Debug, Clone)]
pub struct Settings {
    pub host_root: PathBuf,
    pub namespace: String,
    pub installation: String,
    pub heartbeat: PathBuf,
    /// The token that says which node this is.
    pub token_file: PathBuf,
    /// The DaemonSet that agents belong to; empty: nobody said.
    pub daemon_set: String,
}

/// Two bundles of one Registry arrive together: one pass serves both.
const SETTLE: Duration = Duration::from_millis(50);
const BETWEEN_PASSES: Duration = Duration::from_millis(500);
/// The net under inotify.
const FULL_CHECK: Duration = Duration::from_secs(60);
/// How long an agent that ends looks on where it may not ask why; a pod has 30 seconds to end.
const LOOK_ON: Duration = Duration::from_secs(15);
/// One page of a list is in memory three times: as text, as objects, and as what is kept of them.
const PAGE: u32 = 20;

/// Runs until `stop` or a failure that a restart of the agent may mend.
pub async fn run(settings: Settings, client: Client, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let identity = Identity::of(&settings.token_file)?;
    let host = HostRoot::open(&settings.host_root)
        .with_context(|| format!("cannot open the host's root at {}", settings.host_root.display()))?;
    let bundles: Api<TrustBundle> = Api::namespaced(client.clone(), &settings.namespace);
    let watch = watcher(bundles, watcher::Config::default().page_size(PAGE)).default_backoff();
    let mut watch = std::pin::pin!(watch);
    let mut namespace = gone::namespace_goes(client.clone(), settings.namespace.clone()).boxed();
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
            () = &mut stop => return agent.leave(namespace).await,
            () = &mut namespace, if !agent.leaving => agent.take_leave(),
            event = watch.next() => match event.context("the watch of TrustBundles ended")? {
                Ok(event) => agent.take_event(event),
                Err(error) => agent.take_watch_error(&error).await,
            },
            result = changed(agent.watcher.as_ref()) => agent.take_disk_event(result),
            landed = agent.canaries.landed() => agent.take_canary(landed?),
            () = wake => {}
            _ = beat.tick() => agent.beat()?,
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
    canaries: Canaries,
    report: Option<Report>,
    /// Passes that failed in a row, and why the last one did.
    failures: (u32, String),
    client: Client,
    teller: Teller,
    watcher: Option<Watcher>,
    passed_at: Instant,
    pass_at: Instant,
    /// The namespace of the agents goes: nothing is wanted any more, whatever bundles still say.
    leaving: bool,
}

impl Agent {
    fn new(settings: Settings, identity: Identity, host: HostRoot, client: Client) -> Self {
        let now = Instant::now();
        let watcher = Watcher::new()
            .map_err(|error| warn!("no inotify: changes on the node are seen once a minute only: {error}"))
            .ok();
        Self {
            desired: Desired::new(&settings.installation),
            teller: Teller::new(client.clone(), &settings.namespace),
            client,
            host: Arc::new(host),
            settings,
            identity,
            runtime: RuntimeWatch::default(),
            prover: Prover::default(),
            canaries: Canaries::default(),
            report: None,
            failures: (0, String::new()),
            watcher,
            passed_at: now,
            pass_at: now,
            leaving: false,
        }
    }

    fn take_event(&mut self, event: watcher::Event<TrustBundle>) {
        if !self.leaving {
            self.desired.apply(event);
            self.pass_soon();
        }
    }

    /// It can be neither taken back nor outlived, and the right to hear of it may go in the next moment.
    fn take_leave(&mut self) {
        info!(
            "namespace {} is being deleted: what was written on this node is removed",
            self.settings.namespace
        );
        self.leaving = true;
        self.desired.clear();
        self.pass_within(Duration::ZERO);
    }

    fn take_disk_event(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            warn!("inotify failed, changes on the node are seen once a minute only: {error}");
            self.watcher = None;
        }
        self.pass_soon();
    }

    /// At once after a while of quiet; whoever changes things all the time keeps us no busier than this.
    fn pass_soon(&mut self) {
        let rest = BETWEEN_PASSES.saturating_sub(self.passed_at.elapsed());
        self.pass_within(rest.max(SETTLE));
    }

    /// Everything on the node stays, and the watch starts over by itself; unless it is certain that nothing will come.
    async fn take_watch_error(&mut self, error: &watcher::Error) {
        warn!(
            "cannot watch TrustBundles in {}: {error}",
            self.settings.namespace
        );
        if gone::is_not_found(error) && gone::definition_is_gone(&self.client).await {
            warn!("there is no such kind as TrustBundle any more: what was written on this node is removed");
            self.desired.clear();
            self.pass_within(SETTLE);
        }
    }

    /// A node that was deleted and registered again under its name has another UID, and so has the next token.
    fn beat(&mut self) -> anyhow::Result<()> {
        heartbeat::beat(&self.settings.heartbeat).context("cannot write the heartbeat")?;
        match Identity::of(&self.settings.token_file) {
            Ok(identity) if identity == self.identity => {}
            Ok(identity) => {
                info!(
                    "node {} has been registered again: its UID is {}",
                    identity.node, identity.node_uid
                );
                self.identity = identity;
                self.teller.news();
            }
            Err(error) => warn!("this node's identity cannot be read again: {error}"),
        }
        Ok(())
    }

    /// Whoever deletes the agents' namespace or DaemonSet sends none after this one; then what is written here goes as well.
    /// Every other end is a replacement, and takes nothing away.
    async fn leave(&mut self, namespace_goes: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Settings {
            namespace,
            daemon_set,
            ..
        } = &self.settings;
        let for_good = match gone::ending(&self.client, namespace, daemon_set).await {
            _ if self.leaving => true,
            Ending::Replaced => false,
            Ending::ForGood => true,
            // Where everything is deleted at once its rights go first, but a watch that is open goes on.
            Ending::Refused => {
                info!("the API server refuses to say why this agent ends: looks on for a moment");
                timeout(LOOK_ON, namespace_goes).await.is_ok()
            }
        };
        if for_good {
            info!("no agent comes after this one: what was written on this node is removed");
            self.desired.clear();
            self.pass_over_files().await;
        }
        Ok(())
    }

    fn take_canary(&mut self, landed: Landed) {
        let Landed {
            start,
            bundle,
            verdict,
        } = landed;
        let text = match &verdict {
            Verdict::Proved => format!("{} is proved: the runtime reaches and trusts it", bundle.host()),
            Verdict::NotProved { reason, message } => {
                format!("{} is not proved ({}): {message}", bundle.host(), reason.as_str())
            }
        };
        let proved = verdict == Verdict::Proved;
        if self.prover.judged(&start, &bundle, verdict, Instant::now()) {
            info!("{text}");
            self.teller.news();
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
        let canary = self.next_canary().unwrap_or(self.pass_at);
        self.pass_at.min(self.teller.wake()).min(canary)
    }

    fn next_canary(&self) -> Option<Instant> {
        let can_send = matches!(self.runtime.found(), Found::Runtime(_)) && self.canaries.room() > 0;
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
        if let Found::Runtime(runtime) = self.runtime.found() {
            let due = self.prover.take_due(Instant::now(), self.canaries.room());
            self.canaries.send(runtime, due);
        }
        if self.teller.is_due(self.prover.is_undecided()) {
            let node_trust = self.node_trust();
            self.teller.work(node_trust).await;
        }
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
        self.teller.news();
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

    /// What there is to say; `None`: nothing yet.
    fn node_trust(&self) -> Option<NodeTrust> {
        // One failed pass may be an agent that is just being replaced; the first look at a runtime may come too early.
        if self.report.is_none() && self.failures.0 < 3 {
            return None;
        }
        let mut problems: Vec<Problem> = problems::of_runtime(self.runtime.found()).into_iter().collect();
        if self.failures.0 >= 3 && !self.failures.1.is_empty() {
            problems.push(problems::of_failed_passes(&self.failures.1));
        }
        let (mut set, mut hosts) = (set_hash::<&str, &str>([]), &[][..]);
        if let Some(report) = &self.report {
            problems.extend(report.problems.iter().cloned());
            (set, hosts) = (report.set.clone(), &report.hosts);
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
        let told = room::told(problems, hosts, |host| self.desired.namespace(host));
        let installation = &self.settings.installation;
        Some(node_trust(&self.identity, installation, &set, runtime, told))
    }
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
