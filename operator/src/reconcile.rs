//! One Registry, from what it asks for to what is there: observe → validate → build → apply → status.
//!
//! - `observe` reads the cluster; `validate` judges what people gave; `build` says what shall be
//! - `apply` makes it so; `causes` asks why it does not work; `status` tells
//! - `live`: objects by kind and name; `bounded`: reads of what others can make large; `finalizer` and `delete`: a Registry that goes
//! - `limits`: how many there may be; `error`: why a round fails; `failure`: what is told then; `namespace`: where agents
//!   have theirs
//!
//! It is told that something may have changed, never what: each round looks at everything and does what is left to
//! do. A second round on the same cluster writes nothing.

pub mod apply;
mod bounded;
pub mod build;
mod causes;
mod delete;
mod error;
pub mod failure;
mod finalizer;
mod hash;
mod limits;
pub mod live;
mod namespace;
pub mod observe;
mod plain;
mod quantity;
mod read;
pub mod status;
pub mod validate;

#[cfg(test)]
mod examples;
#[cfg(test)]
pub(crate) mod tests;

use crate::context::Context;
use crate::mark;
use apply::{Applied, ApplyError};
use build::Plan;
pub use error::Error;
use error::TIME_LIMIT;
use jiff::{SignedDuration, Timestamp};
use live::Kind;
use observe::{Observed, observe};
use read::read;
use roadstead_api::registry::{Registry, RegistryStatus};
use status::Facts;
use std::time::Duration;
use tokio::time::timeout;
use validate::{Validated, validate};

/// New objects need an address and a CA, which come in one round each.
const ROUNDS: usize = 3;
/// Nothing is missed for longer than this, whatever happens to watches.
const AT_LEAST: SignedDuration = SignedDuration::from_hours(6);
/// A watch tells when the mark of an uninstall goes.
const MARK_RETRY: Duration = Duration::from_secs(60);

/// When to look again if nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    After(Duration),
    /// Only a change can bring something new.
    OnChange,
}

/// Makes one Registry so, and tells it if that fails.
pub async fn reconcile(context: &Context, namespace: &str, name: &str) -> Result<Next, Error> {
    let outcome = match timeout(TIME_LIMIT, work(context, namespace, name)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::TimedOut),
    };
    let Err(error) = outcome else { return outcome };
    failure::tell(context, namespace, name, &error).await;
    match error {
        Error::TooLarge | Error::Unreadable(_) => Ok(Next::OnChange),
        error => Err(error),
    }
}

async fn work(context: &Context, namespace: &str, name: &str) -> Result<Next, Error> {
    // What is written while somebody takes Roadstead away would be left behind.
    let why = match context.leaving.why() {
        Some(why) => Some(why),
        None => mark::standing(&context.client, &context.settings).await?,
    };
    if let Some(why) = why {
        return stand_still(context, namespace, name, why).await;
    }
    let Some(registry) = read(context, namespace, name).await? else {
        context.forget(namespace, name);
        return Ok(Next::OnChange);
    };
    if registry.metadata.deletion_timestamp.is_some() {
        delete::clean_up(context, &registry).await?;
        return Ok(Next::OnChange);
    }
    limits::check(context, &registry).await?;
    // A paused one too: what it has on nodes would stay there for good.
    let mut registry = finalizer::with_finalizer(context, registry).await?;
    if registry.spec.paused {
        return look(context, registry).await;
    }
    for _ in 1..ROUNDS {
        match round(context, registry).await? {
            Round::Done(next) => return Ok(next),
            Round::Again(same) => registry = *same,
        }
    }
    match round(context, registry).await? {
        Round::Done(next) => Ok(next),
        Round::Again(_) => Ok(Next::After(Duration::from_secs(1))),
    }
}

/// Says on the Registry that nothing is done for it, and does nothing.
async fn stand_still(context: &Context, namespace: &str, name: &str, why: String) -> Result<Next, Error> {
    if let Some(registry) = read(context, namespace, name).await? {
        let status = status::standing_still(&registry, why, context.now());
        status::write(context, &registry, status).await?;
    }
    Ok(Next::After(MARK_RETRY))
}

enum Round {
    Done(Next),
    /// Something was written that more can be built on.
    Again(Box<Registry>),
}

async fn round(context: &Context, registry: Registry) -> Result<Round, Error> {
    let observed = observe(context, registry).await?;
    let (mut observed, validated) = judge(context, observed).await?;
    let plan = build::build(&validated, &context.settings, observed.now)?;
    let plan = with_prunings(plan, &observed, &validated);
    let complete = plan.complete;
    // Taken, not copied: people can make some of these objects large.
    let mut live = std::mem::take(&mut observed.live);
    let had_one = live.contains(&validated.keys.internal_tls);
    let applied = apply::apply(context, &observed.id, &mut live, plan).await?;
    tell_of_new_authority(context, &observed.registry, &validated, &applied, had_one).await;
    if !complete && !applied.writes.is_empty() {
        return Ok(Round::Again(Box::new(observed.registry)));
    }
    let done = Done {
        live: &live,
        complete,
        refused: &applied.refused,
    };
    let status = tell(context, &observed, &validated, done).await?;
    Ok(Round::Done(next(&validated, &status, observed.now)))
}

/// What there is to tell of a Registry for which nothing is done.
async fn look(context: &Context, registry: Registry) -> Result<Next, Error> {
    let observed = observe(context, registry).await?;
    let (observed, validated) = judge(context, observed).await?;
    let done = Done {
        live: &observed.live,
        complete: observed.live.contains(&validated.keys.deployment),
        refused: &[],
    };
    let status = tell(context, &observed, &validated, done).await?;
    Ok(next(&validated, &status, observed.now))
}

/// Validates off the threads that all other Registries and the probes wait for: how long it takes lies with what people
/// put into their Secrets.
async fn judge(context: &Context, mut observed: Observed) -> Result<(Observed, Validated), Error> {
    let (nodes, settings) = (context.nodes.clone(), context.settings.clone());
    let judging = tokio::task::spawn_blocking(move || {
        let now = observed.now;
        let tally = |hosts: &[_]| nodes.tally(hosts, now);
        let validated = validate(&mut observed, &settings, &tally)?;
        Ok((observed, validated))
    });
    judging.await.unwrap_or(Err(Error::Panicked))
}

/// Bundles for hosts that it no longer has.
fn with_prunings(mut plan: Plan, observed: &Observed, validated: &Validated) -> Plan {
    if !plan.complete {
        return plan;
    }
    let wanted = |key: &live::Key| plan.desired.iter().any(|desired| desired.key == *key);
    let is_ours = |object: &serde_json::Value| {
        let of = &object["spec"]["registry"];
        of["namespace"] == *observed.id.namespace && of["name"] == *observed.id.name
    };
    let left: Vec<_> = observed
        .live
        .iter()
        .filter(|(key, object)| key.kind == Kind::TrustBundle && is_ours(object) && !wanted(key))
        .filter(|(key, _)| !validated.taken.contains(key))
        .map(|(key, _)| key.clone())
        .collect();
    plan.absent.extend(left);
    plan
}

/// What a round came to.
#[derive(Clone, Copy)]
struct Done<'a> {
    /// The objects as they stand now.
    live: &'a live::Live,
    complete: bool,
    refused: &'a [ApplyError],
}

async fn tell(
    context: &Context,
    observed: &Observed,
    validated: &Validated,
    done: Done<'_>,
) -> Result<RegistryStatus, Error> {
    let contents = build::node_contents(validated);
    let tally = context
        .nodes
        .tally(&contents, observed.now)
        .filter(|_| validated.node_trust);
    context.reports.remember(&observed.id, contents, tally.clone());
    let claim = observed
        .claim_source
        .as_ref()
        .and_then(|source| source.object.as_ref());
    let causes = causes::look(context, validated, done.live, claim, tally.as_ref()).await?;
    let facts = Facts {
        validated,
        live: done.live,
        claim,
        complete: done.complete,
        paused: observed.registry.spec.paused,
        refused: done.refused,
        tally: tally.as_ref(),
        causes: &causes,
        agent_namespace: &context.settings.agent_namespace,
        now: observed.now,
    };
    let conditions = status::conditions(&facts);
    let status = status::with_conditions(
        status::status(&facts),
        &conditions,
        &observed.registry,
        observed.now,
    );
    context.metrics.certificates(&observed.id, &status.certificates);
    status::write(context, &observed.registry, status.clone()).await?;
    Ok(status)
}

/// Clients that trust the CA of before have to take the new one, and nothing else tells them.
async fn tell_of_new_authority(
    context: &Context,
    registry: &Registry,
    validated: &Validated,
    applied: &Applied,
    had_one: bool,
) {
    let Validated { keys, id, .. } = validated;
    if !applied.writes.contains(&keys.authority) {
        return;
    }
    let bundle = &keys.ca_bundle.name;
    let note = if had_one {
        format!(
            "a new CA was made, because the Secret of the one before was gone: clients outside the cluster need it too, from \
             kubectl -n {} get configmap {bundle}",
            id.namespace
        )
    } else {
        format!("a CA was made: ConfigMap {bundle} has it for clients")
    };
    status::tell(context, registry, "AuthorityCreated", had_one, note).await;
}

fn next(validated: &Validated, status: &RegistryStatus, now: Timestamp) -> Next {
    let due = validated
        .certificates
        .next_change
        .map(|at| at.duration_since(now))
        .unwrap_or(AT_LEAST)
        .min(status::look_again(status, now).unwrap_or(AT_LEAST))
        .clamp(SignedDuration::from_secs(1), AT_LEAST);
    Next::After(due.unsigned_abs())
}
