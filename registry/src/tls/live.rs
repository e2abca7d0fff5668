//! The certificates that are served now, and the watch over their files.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::ServerConfig;
use tokio::sync::watch::{Receiver, Sender};

use super::assembly::{Assembly, AssemblyError, Entry};
use super::refused::Refused;
use super::settings::Settings;
use crate::log::Sparingly;
use crate::watch::{self, Fingerprint, Reason, Watcher};

/// Cheap to ask for the configuration of the next handshake.
#[derive(Debug)]
pub struct Live {
    settings: Settings,
    current: ArcSwap<Assembly>,
    /// Told when other client CAs hold.
    client_cas: Sender<()>,
    failures: AtomicU64,
    refusals: Sparingly,
}

/// What is served under one configured certificate, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub file: PathBuf,
    /// Absent: an optional certificate that is not there or not usable.
    pub not_after: Option<Timestamp>,
    /// The reasons of everything that is wrong with what is served or with what the files hold now.
    pub problems: Vec<&'static str>,
}

impl Live {
    /// `Watching` has to be run for changes to be seen.
    pub fn start(settings: Settings) -> Result<(Arc<Self>, Watching), AssemblyError> {
        let watcher = Watcher::new(fingerprint(&settings));
        let assembly = Assembly::start(&settings, Timestamp::now())?;
        for entry in &assembly.entries {
            tell(entry);
        }
        // An optional certificate that is not there yet is nothing to try for.
        let broken = assembly.errors().any(|error| !error.is_missing());
        let current = ArcSwap::from_pointee(assembly);
        let live = Arc::new(Live {
            settings,
            current,
            client_cas: Sender::new(()),
            failures: AtomicU64::new(0),
            refusals: Sparingly::default(),
        });
        let mut watcher = watcher;
        watcher.failed(broken);
        Ok((Arc::clone(&live), Watching { live, watcher }))
    }

    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().config)
    }

    /// The client CAs that hold now. To be asked for before the configuration of the handshake in which they count.
    pub fn client_cas(&self) -> ClientCas {
        ClientCas(self.client_cas.subscribe())
    }

    /// How often changed files could not be used.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// One line for a handshake that was refused, unless there were many.
    pub fn tell_refused(&self, peer: Option<IpAddr>, refused: &Refused) {
        let peer = peer.map(tracing::field::display);
        if matches!(refused, Refused::Gone) {
            tracing::debug!(peer, "no TLS connection: {refused}");
        } else if let Some(left_out) = self.refusals.may_write() {
            tracing::warn!(
                peer,
                reason = refused.reason(),
                left_out,
                "no TLS connection: {refused}"
            );
        }
    }

    fn tell_what_expired(&self, now: Timestamp) {
        for entry in &self.current.load().entries {
            if let Some(served) = entry
                .served
                .as_ref()
                .filter(|served| served.has_just_expired(now))
            {
                let (file, not_after) = (entry.files.certificate.display(), served.not_after);
                tracing::error!(%file, %not_after, "the certificate that is served has expired: clients refuse it, renew it");
            }
        }
    }

    /// Whether one of the certificates is for this host: a DNS name or an address, without a port.
    pub fn covers(&self, host: &str) -> bool {
        let assembly = self.current.load();
        let mut served = assembly.entries.iter().filter_map(|entry| entry.served.as_ref());
        served.any(|served| roadstead_pki::certificate::covers(&served.names, host))
    }

    pub fn status(&self) -> Vec<Status> {
        self.current.load().entries.iter().map(status).collect()
    }

    /// Whether all of it could be used.
    fn reload(&self, reason: Reason) -> bool {
        let old = self.current.load_full();
        match old.renew(&self.settings, Timestamp::now()) {
            Ok(new) => {
                let sound = new.errors().next().is_none();
                // A new configuration voids the tickets of the old one: not every half minute, for nothing.
                if reason == Reason::Changed || sound || differ(&old, &new) {
                    self.replace(&old, new);
                }
                if reason == Reason::Changed && !sound {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                }
                sound
            }
            Err(error) => {
                if reason == Reason::Changed {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "the certificates stay as they were");
                }
                false
            }
        }
    }

    fn replace(&self, old: &Assembly, new: Assembly) {
        for (before, after) in old.entries.iter().zip(&new.entries) {
            if !same(before, after) {
                tell(after);
            }
        }
        let told = |assembly: &Assembly| assembly.client_cas_error.as_ref().map(ToString::to_string);
        if let Some(error) = &new.client_cas_error
            && told(old) != told(&new)
        {
            tracing::error!(%error, "the client CAs stay as they were");
        }
        let others =
            old.client_cas.as_ref().map(|cas| &cas.roots) != new.client_cas.as_ref().map(|cas| &cas.roots);
        self.current.store(Arc::new(new));
        if others {
            self.client_cas.send_replace(());
        }
    }
}

/// The client CAs that held at one time.
#[derive(Debug)]
pub struct ClientCas(Receiver<()>);

impl ClientCas {
    /// Returns when a certificate that they found good is not good any more: it has expired, or others hold now.
    pub async fn until_void(mut self, not_after: Timestamp) {
        let left = not_after.duration_since(Timestamp::now());
        tokio::select! {
            () = tokio::time::sleep(left.try_into().unwrap_or_default()) => {}
            // The other end is gone when the server is.
            _ = self.0.changed() => {}
        }
    }
}

/// Looks at the files.
#[must_use = "changes of certificates are seen only while this runs"]
pub struct Watching {
    live: Arc<Live>,
    watcher: Watcher,
}

impl Watching {
    /// Never ends.
    pub async fn run(self) {
        self.run_every(watch::INTERVAL).await;
    }

    pub(crate) async fn run_every(mut self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            self.live.tell_what_expired(Timestamp::now());
            if let Some(reason) = self.watcher.look(fingerprint(&self.live.settings)) {
                let sound = self.live.reload(reason);
                self.watcher.failed(!sound);
            }
        }
    }
}

fn fingerprint(settings: &Settings) -> Fingerprint {
    Fingerprint::of(Assembly::files(settings).iter().map(PathBuf::as_path))
}

/// Whether a second try found anything else than the first.
fn differ(old: &Assembly, new: &Assembly) -> bool {
    let cas = |assembly: &Assembly| assembly.client_cas_error.as_ref().map(ToString::to_string);
    cas(old) != cas(new)
        || old
            .entries
            .iter()
            .zip(&new.entries)
            .any(|(old, new)| !same(old, new))
}

/// Whether one look found the same as the one before: then there is nothing to say.
fn same(before: &Entry, after: &Entry) -> bool {
    let chain = |entry: &Entry| entry.served.as_ref().map(|served| served.key.cert.clone());
    let error = |entry: &Entry| entry.error.as_ref().map(ToString::to_string);
    chain(before) == chain(after) && error(before) == error(after)
}

/// One line for what is served, one for each thing that is wrong with it.
fn tell(entry: &Entry) {
    let file = entry.files.certificate.display();
    match (&entry.error, &entry.served) {
        (Some(error), Some(_)) => tracing::error!(%error, "the certificate stays as it was"),
        (Some(error), None) if error.is_missing() => {
            tracing::warn!(%error, "an optional certificate is not there yet; it is served as soon as it is");
        }
        (Some(error), None) => tracing::error!(%error, "an optional certificate cannot be served"),
        (None, Some(served)) => {
            // A private root's server certificate stands alone rightly; one of a public CA never does.
            let message = match served.is_leaf_alone() {
                true => "serving a certificate, alone: clients must trust its issuer directly",
                false => "serving a certificate",
            };
            tracing::info!(
                %file, names = served.names.join(","), issuer = served.issuer, not_after = %served.not_after, message
            );
            for problem in &served.findings {
                let reason = problem.reason();
                match problem.is_fatal() {
                    true => {
                        tracing::error!(%file, reason, "served all the same, but clients refuse it: {problem}")
                    }
                    false => tracing::warn!(%file, reason, "{problem}"),
                }
            }
        }
        (None, None) => {}
    }
}

fn status(entry: &Entry) -> Status {
    let findings = entry
        .served
        .iter()
        .flat_map(|served| &served.findings)
        .map(|problem| problem.reason());
    let mut problems: Vec<_> = findings
        .chain(entry.error.iter().map(|error| error.reason()))
        .collect();
    let not_after = entry.served.as_ref().map(|served| served.not_after);
    // It was good when it was read.
    if not_after.is_some_and(|not_after| Timestamp::now() > not_after) && !problems.contains(&"Expired") {
        problems.push("Expired");
    }
    Status {
        file: entry.files.certificate.clone(),
        not_after,
        problems,
    }
}
