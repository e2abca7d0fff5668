//! What wakes a Registry up, and what happens when a round fails.
//!
//! Watches bring metadata only and keep nothing: a round reads what it needs. Kept are Registries, because a Secret
//! that changes has to find those that name it, and what [`crate::nodes`] counts.

mod backoff;
mod triggers;
mod turns;

#[cfg(test)]
mod tests;

use crate::context::{Context, Registries};
use crate::lean::Lean;
use crate::metrics::Metrics;
use crate::nodes::Nodes;
use crate::reconcile::{self, Next};
use crate::seen::Seen;
use crate::settings::Settings;
use crate::{leaving, sweep, uninstall};
use anyhow::Context as _;
use backoff::Backoff;
use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::runtime::controller::{self, Action, Config};
use kube::runtime::{
    Controller, Predicate as _, PredicateConfig, WatchStreamExt as _, predicates, reflector, watcher,
};
use kube::{Api, Client, Resource};
use roadstead_api::trust::TrustBundle;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use triggers::{labelled, marks, naming_claim, naming_secret, outdated, refusing, sharing_host};
use turns::Turns;

/// Whose turn it is, is decided in [`turns`].
const UNBOUNDED: u16 = 0;
/// How long nodes are waited for at the start.
const FIRST_LOOK: Duration = Duration::from_secs(20);
/// How long rounds that run may go on when the program is told to end.
const LAST_ROUNDS: Duration = Duration::from_secs(10);
/// While a watch is broken, what it would have told is looked for this often.
const WITHOUT_WATCH: Duration = Duration::from_secs(60);
/// How many objects are listed at once.
const PAGE: u32 = 4;
/// Events come in bunches.
const DEBOUNCE: Duration = Duration::from_millis(200);

struct Shared {
    context: Context,
    backoff: Backoff,
    turns: Turns,
}

/// Ways to the API server, with time limits of their own.
#[derive(Clone)]
pub struct Clients {
    /// For requests, whose answers come at once.
    pub requests: Client,
    /// For watches, which may be silent for minutes.
    pub watches: Client,
    /// The same, for objects of which nothing but metadata is to come.
    pub metadata: Client,
}

/// Works until `stop` comes, then ends the rounds that run.
pub async fn run(
    clients: Clients,
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    instance: &str,
    stop: impl Future<Output = ()> + Clone + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let Clients {
        requests,
        watches,
        metadata,
    } = clients;
    let (nodes, watching_nodes) = Nodes::watch(&watches, settings.clone());
    let watching_nodes = tokio::spawn(watching_nodes);
    first_look(&nodes).await?;
    let (registries, writer) = reflector::store::<Seen>();
    let (gone, broken) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let main = registries_stream(&watches, writer, gone.clone());
    let controller = Controller::for_stream(main, registries.clone())
        .with_config(Config::default().concurrency(UNBOUNDED).debounce(DEBOUNCE));
    let (client, known) = (requests.clone(), registries.clone());
    let context = Context::new(client, settings.clone(), nodes.clone(), known, metrics, instance);
    let is_leaving = context.leaving.clone();
    let shared = Arc::new(Shared {
        context,
        backoff: Backoff::default(),
        turns: Turns::default(),
    });
    let rounds = with_triggers(controller, &metadata, &settings, &registries)
        .reconcile_on(outdated(shared.clone(), nodes))
        .reconcile_on(refusing(&shared))
        .reconcile_all_on(after_each(broken.clone()))
        .reconcile_all_on(marks(&requests, &watches, &settings))
        .graceful_shutdown_on(stop.clone())
        .run(reconcile, retry, shared)
        .for_each(|outcome| {
            note(outcome.err(), &broken);
            std::future::ready(())
        });
    let late = async {
        stop.await;
        tokio::time::sleep(LAST_ROUNDS).await;
    };
    let working = async {
        tokio::select! {
            () = rounds => {}
            () = sweep::run(&requests, &settings, &gone) => {}
            () = late => tracing::warn!("ends before all rounds are done: the next one does them anew"),
        }
        last_chance(&is_leaving).await;
    };
    let take_back = async |bundles| uninstall::without_the_hook(&requests, &settings, bundles).await;
    let is_back = tokio::select! {
        () = working => false,
        () = leaving::run(&watches, &settings, &is_leaving, take_back) => true,
    };
    watching_nodes.abort();
    anyhow::ensure!(!is_back, "the operator's Deployment is there again: starts anew");
    Ok(())
}

/// What stands in their way is told in the conditions of every Registry, so the rounds begin all the same.
async fn first_look(nodes: &Nodes) -> anyhow::Result<()> {
    match tokio::time::timeout(FIRST_LOOK, nodes.ready()).await {
        Ok(seen) => seen.context("the watches of nodes ended")?,
        Err(_) => tracing::warn!("begins without having seen the nodes and their agents"),
    }
    Ok(())
}

/// An error of a round is told by the round; one of the watches has other rounds begun.
fn note<R, Q>(error: Option<controller::Error<R, Q>>, broken: &Notify)
where
    R: std::error::Error + 'static,
    Q: std::error::Error + 'static,
{
    let Some(error) = error else { return };
    tracing::debug!(%error, "a round was not done");
    if matches!(error, controller::Error::QueueError(_)) {
        broken.notify_one();
    }
}

/// Who deletes the operator ends it as well, and then this is the last chance to take something back.
async fn last_chance(leaving: &leaving::Leaving) {
    if tokio::time::timeout(LAST_ROUNDS, leaving.settled())
        .await
        .is_err()
    {
        tracing::warn!("ends before everything was taken back");
    }
}

/// What a broken watch would have told, and why it is broken, comes out in rounds: one for every Registry, some time
/// after each sign of it.
fn after_each(broken: Arc<Notify>) -> impl Stream<Item = ()> + Send {
    futures::stream::unfold(broken, |broken| async move {
        broken.notified().await;
        tokio::time::sleep(WITHOUT_WATCH).await;
        Some(((), broken))
    })
}

/// What people write into their objects must not all be in memory at once.
fn paged() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// Registries as they change; what the operator itself writes into their status wakes nobody. `gone` is told of each
/// that is deleted.
fn registries_stream(
    client: &Client,
    writer: reflector::store::Writer<Seen>,
    gone: Arc<Notify>,
) -> impl Stream<Item = Result<Seen, watcher::Error>> + Send + use<> {
    watcher(Api::<Seen>::all(client.clone()), paged())
        .default_backoff()
        .inspect_ok(move |event| {
            if matches!(event, watcher::Event::Delete(_)) {
                gone.notify_one();
            }
        })
        .reflect(writer)
        .touched_objects()
        .predicate_filter(
            predicates::generation.combine(predicates::finalizers),
            PredicateConfig::default(),
        )
        .inspect_err(
            |error| tracing::warn!(%error, "the watch of Registries broke off and is taken up again"),
        )
}

fn with_triggers(
    controller: Controller<Seen>,
    client: &Client,
    settings: &Arc<Settings>,
    registries: &Registries,
) -> Controller<Seen> {
    let ours = || paged().labels(crate::names::OURS);
    let all = paged;
    let namespaced = |namespace: &str| Api::<Lean<TrustBundle>>::namespaced(client.clone(), namespace);
    let controller = controller
        .watches(metadata::<Deployment>(client), ours(), labelled(settings))
        // A pod says why it does not run; its Deployment does not.
        .watches(metadata::<Pod>(client), ours(), labelled(settings))
        .watches(metadata::<Service>(client), ours(), labelled(settings))
        .watches(metadata::<ServiceAccount>(client), ours(), labelled(settings))
        .watches(metadata::<ConfigMap>(client), ours(), labelled(settings))
        .watches(
            metadata::<PodDisruptionBudget>(client),
            ours(),
            labelled(settings),
        )
        .watches(namespaced(&settings.agent_namespace), ours(), {
            let (settings, registries) = (settings.clone(), registries.clone());
            move |bundle| sharing_host(&settings, &registries, &bundle)
        });
    // People's Secrets and claims carry no label of ours, and may be named before they exist.
    let controller = controller.watches(metadata::<Secret>(client), all(), {
        let (settings, registries) = (settings.clone(), registries.clone());
        move |secret| naming_secret(&settings, &registries, &secret)
    });
    controller.watches(metadata::<PersistentVolumeClaim>(client), all(), {
        let (settings, registries) = (settings.clone(), registries.clone());
        move |claim| naming_claim(&settings, &registries, &claim)
    })
}

fn metadata<K: Resource<DynamicType = ()>>(client: &Client) -> Api<Lean<K>> {
    Api::all(client.clone())
}

async fn reconcile(seen: Arc<Seen>, shared: Arc<Shared>) -> Result<Action, reconcile::Error> {
    let (namespace, name) = identity(&seen);
    let context = &shared.context;
    let started = Instant::now();
    let round = reconcile::reconcile(context, namespace, name);
    let outcome = shared.turns.take(namespace, round).await;
    let result = match &outcome {
        Ok(_) => "success",
        Err(reconcile::Error::TimedOut) => "timeout",
        Err(_) => "error",
    };
    context.metrics.reconciled(result, started.elapsed());
    let next = outcome?;
    shared.backoff.reset(namespace, name);
    Ok(match next {
        Next::After(time) => Action::requeue(time),
        Next::OnChange => Action::await_change(),
    })
}

fn retry(seen: Arc<Seen>, error: &reconcile::Error, shared: Arc<Shared>) -> Action {
    let (namespace, name) = identity(&seen);
    let pause = shared.backoff.next(namespace, name);
    tracing::warn!(registry = %format_args!("{namespace}/{name}"), %error, ?pause, "a round failed and is tried again");
    Action::requeue(pause)
}

fn identity(seen: &Seen) -> (&str, &str) {
    let metadata = seen.meta();
    (
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    )
}
