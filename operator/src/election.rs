//! Which of several operators acts: the one that holds the Lease.
//!
//! A Lease counts as left when it has not changed for its whole term by this machine's own clock, so clocks need not
//! agree. Each write names the version that it builds on: of two that try, one gets it. Who cannot renew in time ends
//! its process, for by then another may act.

use anyhow::bail;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, PostParams};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const NAME: &str = "roadstead-operator";
const TERM: Duration = Duration::from_secs(15);
/// Well before the term ends, so that nobody else acts yet.
const GIVE_UP: Duration = Duration::from_secs(10);
const RENEW: Duration = Duration::from_secs(4);
const RETRY: Duration = Duration::from_secs(2);
const ONE_CALL: Duration = Duration::from_secs(5);

/// One candidate.
pub struct Election {
    api: Api<Lease>,
    identity: String,
}

/// What is to be done about a Lease as it stands.
#[derive(Debug, PartialEq, Eq)]
enum Claim {
    Take,
    Renew,
    Wait,
}

impl Election {
    pub fn new(client: Client, namespace: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            identity: identity.to_owned(),
        }
    }

    /// Waits until this one leads.
    pub async fn win(&self) {
        let mut seen: Option<(Option<String>, Instant)> = None;
        loop {
            match self.attempt(&mut seen).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "cannot reach the Lease and tries again"),
            }
            sleep(RETRY).await;
        }
    }

    /// Keeps leading; returns when that cannot be said any longer.
    pub async fn hold(&self) -> anyhow::Error {
        let mut renewed = Instant::now();
        loop {
            sleep(RENEW).await;
            match timeout(ONE_CALL, self.renew()).await {
                Ok(Ok(())) => renewed = Instant::now(),
                Ok(Err(Renewal::Lost(holder))) => {
                    return anyhow::anyhow!("{holder} holds the Lease {NAME} now");
                }
                Ok(Err(Renewal::Failed(error))) => tracing::warn!(%error, "cannot renew the Lease"),
                Err(_) => tracing::warn!("renewing the Lease takes too long"),
            }
            if renewed.elapsed() > GIVE_UP {
                return anyhow::anyhow!("the Lease {NAME} could not be renewed for {GIVE_UP:?}");
            }
        }
    }

    /// Lets the next one begin at once.
    pub async fn release(&self) -> anyhow::Result<()> {
        let Some(mut lease) = self.api.get_opt(NAME).await? else {
            return Ok(());
        };
        if holder(&lease) != Some(&self.identity) {
            bail!("the Lease {NAME} is not held any longer");
        }
        lease.spec.get_or_insert_default().holder_identity = None;
        self.api.replace(NAME, &PostParams::default(), &lease).await?;
        Ok(())
    }

    async fn attempt(&self, seen: &mut Option<(Option<String>, Instant)>) -> Result<bool, kube::Error> {
        let Some(lease) = self.api.get_opt(NAME).await? else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(NAME.to_owned()),
                    ..ObjectMeta::default()
                },
                spec: Some(self.term(None)),
            };
            return won(self.api.create(&PostParams::default(), &lease).await);
        };
        let version = lease.metadata.resource_version.clone();
        let since = match seen {
            Some((known, since)) if *known == version => *since,
            _ => seen.insert((version, Instant::now())).1,
        };
        match self.claim(&lease, since.elapsed()) {
            Claim::Wait => Ok(false),
            Claim::Take | Claim::Renew => won(self.put(lease).await),
        }
    }

    fn claim(&self, lease: &Lease, unchanged: Duration) -> Claim {
        let term = lease
            .spec
            .as_ref()
            .and_then(|spec| u64::try_from(spec.lease_duration_seconds?).ok())
            .map_or(TERM, Duration::from_secs);
        match holder(lease) {
            None => Claim::Take,
            Some(holder) if holder == self.identity => Claim::Renew,
            Some(_) if unchanged >= term => Claim::Take,
            Some(_) => Claim::Wait,
        }
    }

    async fn renew(&self) -> Result<(), Renewal> {
        let lease = self.api.get(NAME).await.map_err(Renewal::Failed)?;
        if holder(&lease) != Some(&self.identity) {
            return Err(Renewal::Lost(holder(&lease).unwrap_or("nobody").to_owned()));
        }
        self.put(lease).await.map(drop).map_err(Renewal::Failed)
    }

    async fn put(&self, mut lease: Lease) -> Result<Lease, kube::Error> {
        lease.spec = Some(self.term(lease.spec.take()));
        self.api.replace(NAME, &PostParams::default(), &lease).await
    }

    fn term(&self, before: Option<LeaseSpec>) -> LeaseSpec {
        let now = Some(MicroTime(Timestamp::now()));
        let before = before.unwrap_or_default();
        let mine = before.holder_identity.as_deref() == Some(&self.identity);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(TERM.as_secs()).ok(),
            acquire_time: if mine { before.acquire_time } else { now.clone() },
            renew_time: now,
            lease_transitions: Some(before.lease_transitions.unwrap_or_default() + i32::from(!mine)),
            ..before
        }
    }
}

enum Renewal {
    Lost(String),
    Failed(kube::Error),
}

/// Who leads now: holds the Lease and renewed it lately.
pub async fn leader(client: &Client, namespace: &str) -> Result<Option<String>, kube::Error> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let Some(lease) = leases.get_opt(NAME).await? else {
        return Ok(None);
    };
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    // Clocks need not agree to the second.
    let lately = renewed
        .is_some_and(|renewed| Timestamp::now().duration_since(renewed.0).abs().unsigned_abs() < 4 * TERM);
    Ok(holder(&lease).filter(|_| lately).map(str::to_owned))
}

/// An empty holder is none: that is how client-go lets go.
fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref();
    holder.filter(|holder| !holder.is_empty())
}

fn won(written: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(holder: Option<&str>, unchanged: Duration) -> Claim {
        let service = tower::service_fn(|_: http::Request<kube::client::Body>| async {
            Ok::<_, std::convert::Infallible>(http::Response::new(kube::client::Body::empty()))
        });
        let election = Election::new(Client::new(service, "ns"), "ns", "me");
        let lease = Lease {
            spec: Some(LeaseSpec {
                holder_identity: holder.map(Into::into),
                lease_duration_seconds: Some(15),
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        };
        election.claim(&lease, unchanged)
    }

    #[tokio::test]
    async fn a_lease_is_taken_when_nobody_holds_it_or_its_term_is_over() {
        let soon = Duration::from_secs(14);
        assert_eq!(claim(None, Duration::ZERO), Claim::Take);
        assert_eq!(claim(Some(""), Duration::ZERO), Claim::Take);
        assert_eq!(claim(Some("me"), Duration::ZERO), Claim::Renew);
        assert_eq!(claim(Some("other"), soon), Claim::Wait);
        assert_eq!(claim(Some("other"), TERM), Claim::Take);
    }
}
