//! `serve`: everything is put together here, runs, and comes to its end.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustix::fs::Mode;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::open_files;
use crate::auth::{self, Auth};
use crate::config::{self, Config, Loaded, UploadPurging};
use crate::content::{Content, MissingReferences, Options};
use crate::http::server::{self, Admin, Admission, Listener, Readiness, Server};
use crate::http::{AccessLines, App, Settings, State};
use crate::metrics::{Metrics, Names, Sources, StorageTimes};
use crate::notifications::Notifications;
use crate::standalone::{Served, Standalone};
use crate::storage::{FilesystemStorage, S3Storage, Storage, Timed};
use crate::{log, tls};

/// As a configuration says.
pub(super) fn with_config(path: &Path) -> anyhow::Result<()> {
    let loaded = config::load(path).map_err(|problems| super::files::with_files(&problems))?;
    run(loaded, None)
}

/// A private registry for this machine, with everything it needs made by itself.
pub(super) fn standalone(data: Option<PathBuf>) -> anyhow::Result<()> {
    let standalone = Standalone::prepare(data)?;
    // Images are for those who log in, not for everyone on this machine.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let loaded = config::parse(&standalone.config(), std::env::vars())?;
    run(loaded, Some(standalone))
}

fn run(loaded: Loaded, standalone: Option<Standalone>) -> anyhow::Result<()> {
    super::allocator::keep_little();
    let Loaded { config, warnings, .. } = loaded;
    let guard = log::start(&config.log);
    let combined = config.log.combined.then(|| AccessLines::new(guard.lines()));
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for warning in super::doors::open(&config) {
        tracing::warn!("{warning}");
    }
    open_files::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(config, standalone, combined));
    // A read that hangs in a dead disk must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// What is set up before anything is served, so that whatever is wrong is said at once.
struct Parts {
    server: Server,
    listener: Listener,
    content: Content,
    readiness: Arc<Readiness>,
    admin: Option<(Admin, TcpListener)>,
    users: auth::Watching,
    certificates: Option<tls::Watching>,
    notifications: Option<Notifications>,
}

async fn serve(
    config: Config,
    standalone: Option<Standalone>,
    combined: Option<AccessLines>,
) -> anyhow::Result<()> {
    let parts = prepare(&config, combined).await?;
    let Parts {
        server,
        listener,
        content,
        readiness,
        admin,
        users,
        certificates,
        notifications,
    } = parts;
    let address = listener.local_addr()?;
    tokio::spawn(users.run());
    if let Some(certificates) = certificates {
        tokio::spawn(certificates.run());
    }
    if let Some(standalone) = standalone {
        let to_a_person = std::io::stdout().is_terminal();
        if let Some(address) = address {
            super::say(&standalone.instructions(&served(&config, address), to_a_person))?;
        }
        tokio::spawn(standalone.keep_certificate_fresh());
    }
    if let Some(health) = config.health {
        let (readiness, content) = (Arc::clone(&readiness), content.clone());
        let metrics = Arc::clone(&server.metrics);
        tokio::spawn(async move { readiness.watch(content, health, metrics).await });
    }
    if let Some(purging) = config
        .storage
        .upload_purging
        .filter(|_| !config.storage.read_only)
    {
        tokio::spawn(purge_uploads(content, purging));
    }
    let (stop, stopping) = watch::channel(false);
    let (stop_admin, admin_stopping) = watch::channel(false);
    if let Some((admin, listener)) = admin {
        tokio::spawn(server::serve_admin(admin, listener, admin_stopping));
    }
    tokio::spawn(stop_on_signal(stop, Arc::clone(&readiness)));
    let address = address.map_or_else(|| config.http.listen.to_string(), |address| address.to_string());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %address, tls = server.tls.is_some(), "serving");
    server.run(listener, stopping, config.http.drain_timeout).await;
    if let Some(notifications) = notifications {
        notifications.flush().await;
    }
    stop_admin.send_replace(true);
    tracing::info!("stopped");
    Ok(())
}

fn served(config: &Config, address: SocketAddr) -> Served<'_> {
    let tls = config.http.tls.as_ref();
    let htpasswd = config.login.htpasswd.as_ref();
    Served {
        address,
        prefix: &config.http.prefix,
        data: &config.storage.root,
        certificate: tls.map(|tls| tls.primary.certificate.as_path()),
        users: htpasswd.map(|htpasswd| htpasswd.path.as_path()),
    }
}

async fn prepare(config: &Config, combined: Option<AccessLines>) -> anyhow::Result<Parts> {
    let fatal = super::files::look_at(config).fatal;
    anyhow::ensure!(fatal.is_empty(), "{}", fatal.join("\n"));
    let storage = StorageTimes::default();
    let content = open_content(config, &storage).await?;
    let (auth, users) = Auth::new(
        &config.login,
        config.client_auth().is_some_and(|client| client.logs_in),
        config.access.clone(),
    )?;
    let auth = Arc::new(auth);
    let tls = config.http.tls.clone().map(tls::Live::start).transpose()?;
    let (live, certificates) = tls.unzip();
    let notifications = start_notifications(config)?;
    let metrics = Metrics::new(Sources {
        names: metrics_names(config),
        storage,
        content: Some(content.clone()),
        tls: live.clone(),
        auth: Some(Arc::clone(&auth)),
        notifications: notifications.clone(),
    });
    let app = App::new(State {
        content: content.clone(),
        auth,
        metrics: Arc::clone(&metrics),
        notifications: notifications.clone(),
        certificates: live.clone(),
        settings: settings(config, combined),
    });
    let readiness = Readiness::new();
    let admin = open_admin(config, &metrics, &readiness).await?;
    let listener = Listener::bind(&config.http.listen).await?;
    let limits = open_files::fitting(config.http.limits);
    let server = Server {
        app,
        metrics,
        tls: live,
        admission: Admission::new(limits, config.http.trusted_proxies.clone()),
    };
    Ok(Parts {
        server,
        listener,
        content,
        readiness,
        admin,
        users,
        certificates,
        notifications,
    })
}

fn settings(config: &Config, combined: Option<AccessLines>) -> Settings {
    Settings {
        prefix: config.http.prefix.clone(),
        locations: config.http.locations.clone(),
        headers: config.http.headers.clone(),
        access_log: config.log.access,
        combined,
        trusted_proxies: config.http.trusted_proxies.clone(),
        catalog_page: config.catalog_page,
    }
}

async fn open_admin(
    config: &Config,
    metrics: &Arc<Metrics>,
    readiness: &Arc<Readiness>,
) -> anyhow::Result<Option<(Admin, TcpListener)>> {
    let Some(admin) = &config.http.admin else {
        return Ok(None);
    };
    let listener = server::bind(&admin.address).await?;
    let admin = Admin {
        metrics: Arc::clone(metrics),
        readiness: Arc::clone(readiness),
        metrics_path: admin.metrics_path.clone(),
    };
    Ok(Some((admin, listener)))
}

/// Queues lie beside registry:2's own folder, which ignores them there.
fn start_notifications(config: &Config) -> anyhow::Result<Option<Notifications>> {
    let folder = config.storage.root.join("roadstead/notifications");
    let port = config.http.listen.port();
    match Notifications::start(&config.notifications, &folder, port) {
        // Pulls go on from a disk like that, and matter more than being told.
        Err(error) if error.is_for_want_of_room() => {
            tracing::error!(
                %error,
                "nobody is notified of anything: make room on the volume, or make it writable, and restart"
            );
            Ok(None)
        }
        started => Ok(started?),
    }
}

/// Numbers that nobody can ask for are not kept.
fn metrics_names(config: &Config) -> Names {
    let admin = config.http.admin.as_ref();
    let shown = admin.filter(|admin| admin.metrics_path.is_some());
    shown.map_or(Names::Roadstead, |admin| admin.metrics_names)
}

async fn open_content(config: &Config, times: &StorageTimes) -> anyhow::Result<Content> {
    let missing_references = match config.validation.allow_missing {
        true => MissingReferences::Allow,
        false => MissingReferences::Reject,
    };
    let options = Options {
        missing_references,
        delete_enabled: config.storage.delete,
        read_only: config.storage.read_only,
        ..Options::default()
    };
    let storage = match &config.storage.s3 {
        Some(settings) => {
            let storage = S3Storage::open(settings.clone()).await;
            timed(
                config,
                times,
                storage.context("cannot use the bucket for storage")?,
            )
        }
        None => {
            let root = &config.storage.root;
            let storage = FilesystemStorage::open_with(root, config.storage.direct_io);
            let cannot = || format!("cannot use the folder {} for storage", root.display());
            timed(config, times, storage.with_context(cannot)?)
        }
    };
    Ok(Content::new(storage, options))
}

/// registry:2's metrics tell how long each action of the store takes.
fn timed(config: &Config, times: &StorageTimes, storage: impl Storage) -> Arc<dyn Storage> {
    if metrics_names(config) == Names::Roadstead {
        return Arc::new(storage);
    }
    let times = times.clone();
    Arc::new(Timed::new(
        storage,
        Box::new(move |action, time| times.took(action, time)),
    ))
}

/// The first signal ends gently, the second at once.
async fn stop_on_signal(stop: watch::Sender<bool>, readiness: Arc<Readiness>) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be listened to; this process can only be killed");
        return std::future::pending().await;
    };
    let mut next = async || tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} };
    next().await;
    tracing::info!("stopping: what runs may come to its end");
    readiness.stop();
    stop.send_replace(true);
    next().await;
    tracing::warn!("stopping at once");
    std::process::exit(130);
}

const FIRST_PURGE: Duration = Duration::from_secs(15 * 60);

/// Uploads that nobody finished are removed, now and then.
async fn purge_uploads(content: Content, purging: UploadPurging) {
    if purging.dry_run {
        tracing::info!("storage.maintenance.uploadpurging.dryrun is set: no upload is removed");
        return;
    }
    // Soon for the first time: a server that is restarted more often would never come to it.
    let mut wait = purging.interval.min(FIRST_PURGE);
    loop {
        tokio::time::sleep(std::mem::replace(&mut wait, purging.interval)).await;
        match content.purge_uploads(purging.age).await {
            Ok(purged) => tracing::info!(uploads = purged.uploads, "abandoned uploads were removed"),
            Err(error) => {
                tracing::error!(error = %anyhow::Error::new(error), "abandoned uploads could not be removed")
            }
        }
    }
}
