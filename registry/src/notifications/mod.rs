//! Tells others what happened: `notifications` of registry:2, with queues on disk.
//!
//! ```text
//! http ─► record ─► writer ─► queue of each endpoint, on disk ─► sender ─► POST
//!                                ▲
//!        queues of processes that are gone, taken over
//! ```
//! Whoever pushes waits until the event is in the queues, never for an endpoint. It knows no routes and no content.

mod client;
mod endpoint;
mod event;
mod instance;
mod queue;
mod settings;
#[cfg(test)]
pub(crate) mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

pub use self::client::ClientError;
use self::endpoint::Endpoint;
pub use self::endpoint::Status;
pub use self::event::{Action, ActorRecord, Event, RequestRecord, Target};
use self::event::{EventRecord, SourceRecord};
use self::instance::Instance;
use self::queue::{Limits, Queue};
pub use self::settings::{EndpointSettings, Settings};

/// How many events may be on their way to the disk.
const ON_THE_WAY: usize = 4096;
/// A disk that takes longer than this to take a line holds up no answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often queues of processes that are gone are looked for.
const LOOK: Duration = Duration::from_secs(30);

/// Why notifications cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum NotificationsError {
    #[error("notifications.endpoints: cannot keep the queue in {}: {source}", path.display())]
    Queue { path: PathBuf, source: io::Error },
    #[error("notifications.endpoints: the endpoint {name}: {source}")]
    Client { name: String, source: ClientError },
}

impl NotificationsError {
    /// Whether nothing can be written there, by anybody.
    pub fn is_for_want_of_room(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let kinds = [QuotaExceeded, ReadOnlyFilesystem, StorageFull];
        matches!(self, Self::Queue { source, .. } if kinds.contains(&source.kind()))
    }
}

/// Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Notifications(Arc<Inner>);

struct Inner {
    endpoints: Vec<Arc<Endpoint>>,
    source: SourceRecord,
    settings: Settings,
    writer: mpsc::Sender<Message>,
}

/// One event on its way to the disk.
struct Message {
    /// By the numbers of the endpoints that want it.
    wanted: Vec<usize>,
    line: Vec<u8>,
    written: oneshot::Sender<()>,
}

impl Notifications {
    /// `None`: nobody wants to be told. `folder` is where queues are kept, `port` a part of this server's name.
    pub fn start(settings: &Settings, folder: &Path, port: u16) -> Result<Option<Self>, NotificationsError> {
        if settings.endpoints.is_empty() {
            return Ok(None);
        }
        let id = uuid::Uuid::new_v4().to_string();
        let trouble = |source| NotificationsError::Queue {
            path: folder.to_owned(),
            source,
        };
        let instance = Instance::create(folder, &id).map_err(trouble)?;
        let mut endpoints = Vec::new();
        for settings in &settings.endpoints {
            let queue = Queue::open(&instance.queue(&settings.name), Limits::USUAL).map_err(trouble)?;
            let endpoint = Endpoint::new(settings.clone(), queue);
            let endpoint = endpoint.map_err(|source| NotificationsError::Client {
                name: settings.name.clone(),
                source,
            })?;
            endpoints.push(Arc::new(endpoint));
        }
        adopt(folder, &endpoints);
        for endpoint in &endpoints {
            tokio::spawn(Arc::clone(endpoint).send_all());
        }
        tokio::spawn(keep_adopting(folder.to_owned(), endpoints.clone()));
        let (writer, messages) = mpsc::channel(ON_THE_WAY);
        tokio::spawn(write(messages, endpoints.clone(), instance));
        let source = SourceRecord {
            addr: source_address(port),
            instance_id: id,
        };
        Ok(Some(Notifications(Arc::new(Inner {
            endpoints,
            source,
            settings: settings.clone(),
            writer,
        }))))
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Something was changed: returns when the event is in the queues, where `kill -9` does not reach it.
    pub async fn changed(&self, event: Event) {
        let Some((message, written)) = self.message(event) else {
            return;
        };
        let wanted = message.wanted.clone();
        let lost = || wanted.iter().for_each(|&number| self.0.endpoints[number].lose(1));
        match tokio::time::timeout(PATIENCE, self.0.writer.reserve()).await {
            Ok(Ok(place)) => place.send(message),
            // Thousands wait for the disk already, or the writer is gone, which only the end of the program brings about.
            Ok(Err(_)) | Err(_) => return lost(),
        }
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => lost(),
            // It may still be written; that it was waited for in vain is what is said.
            Err(_) => tracing::error!(endpoints = wanted.len(), "an event was not on disk in time"),
        }
    }

    /// Something was read: nobody waits for that to be told.
    pub fn read(&self, event: Event) {
        let Some((message, _)) = self.message(event) else {
            return;
        };
        if let Err(unsent) = self.0.writer.try_send(message) {
            unsent
                .into_inner()
                .wanted
                .iter()
                .for_each(|&number| self.0.endpoints[number].lose(1));
        }
    }

    /// Returns when everything that was recorded is in the queues.
    pub async fn flush(&self) {
        let (written, receiver) = oneshot::channel();
        let nothing = Message {
            wanted: Vec::new(),
            line: Vec::new(),
            written,
        };
        let flushed = async {
            self.0.writer.send(nothing).await.map_err(drop)?;
            receiver.await.map_err(drop)
        };
        if tokio::time::timeout(PATIENCE, flushed).await.is_err() {
            tracing::error!("the last events may be lost: the disk takes them too slowly");
        }
    }

    pub fn status(&self) -> Vec<Status> {
        self.0
            .endpoints
            .iter()
            .map(|endpoint| endpoint.status())
            .collect()
    }

    fn message(&self, event: Event) -> Option<(Message, oneshot::Receiver<()>)> {
        let endpoints = self.0.endpoints.iter().enumerate();
        let wanted: Vec<_> = endpoints
            .filter(|(_, endpoint)| endpoint.wants(&event))
            .map(|(number, _)| number)
            .collect();
        if wanted.is_empty() {
            return None;
        }
        let line = EventRecord::new(event, &self.0.source).line();
        let (written, receiver) = oneshot::channel();
        Some((
            Message {
                wanted,
                line,
                written,
            },
            receiver,
        ))
    }
}

/// registry:2 calls itself by the machine's name and the port.
fn source_address(port: u16) -> String {
    let uname = rustix::system::uname();
    format!("{}:{port}", uname.nodename().to_string_lossy())
}

/// Puts events into the queues, many at a time when there are many, and holds the lock on them meanwhile.
async fn write(mut messages: mpsc::Receiver<Message>, endpoints: Vec<Arc<Endpoint>>, instance: Instance) {
    let mut batch = Vec::new();
    while messages.recv_many(&mut batch, 256).await > 0 {
        let taken = std::mem::take(&mut batch);
        let endpoints = endpoints.clone();
        let written = tokio::task::spawn_blocking(move || {
            for (number, endpoint) in endpoints.iter().enumerate() {
                let wanted = taken.iter().filter(|message| message.wanted.contains(&number));
                let lines: Vec<_> = wanted.map(|message| &message.line).collect();
                endpoint.add(&lines);
            }
            for message in taken {
                // Whoever waited may have gone away.
                let _ = message.written.send(());
            }
        });
        if let Err(error) = written.await {
            tracing::error!(%error, "events could not be written");
        }
    }
    drop(instance);
}

async fn keep_adopting(folder: PathBuf, endpoints: Vec<Arc<Endpoint>>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let (folder, endpoints) = (folder.clone(), endpoints.clone());
        let adopted = tokio::task::spawn_blocking(move || adopt(&folder, &endpoints));
        // What went wrong was said.
        let _ = adopted.await;
    }
}

fn adopt_one(orphan: Instance, endpoints: &[Arc<Endpoint>]) -> std::io::Result<u64> {
    let mut adopted = 0;
    for endpoint in endpoints {
        let path = orphan.queue(endpoint.name());
        if path.is_dir() {
            adopted += endpoint.adopt(Queue::open(&path, Limits::USUAL)?)?;
            std::fs::remove_dir_all(path)?;
        }
    }
    orphan.remove_if_empty()?;
    Ok(adopted)
}

/// Takes over what waits in the queues of processes that are gone.
fn adopt(folder: &Path, endpoints: &[Arc<Endpoint>]) {
    let adopted = Instance::orphans(folder).map(|orphans| {
        let adopted = orphans.into_iter().map(|orphan| adopt_one(orphan, endpoints));
        // One that cannot be taken over keeps none of the others waiting.
        let adopted = adopted.inspect(|adopted| {
            if let Err(error) = adopted {
                tracing::error!(%error, "the events of one process before this one cannot be taken over");
            }
        });
        adopted.flatten().sum::<u64>()
    });
    match adopted {
        Ok(0) => {}
        Ok(events) => tracing::info!(
            events,
            "took over events that a process before this one had not sent"
        ),
        Err(error) => tracing::error!(%error, "the events of a process before this one cannot be taken over"),
    }
}
