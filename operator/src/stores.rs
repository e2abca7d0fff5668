//! Whether registries can write their volumes, by their own word.
//!
//! A volume that takes nothing any longer changes neither a pod nor any other object: pulls go on, so its pods stay ready.
//! The admin port of each pod says it beside `ok`; it is asked again and again, and a Registry is woken when the answer
//! changes.

use crate::names::RegistryId;
use futures::{Stream, StreamExt, stream};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The admin port of the registry's pods.
pub const ADMIN_PORT: u16 = 5001;

const AGAIN: Duration = Duration::from_secs(20);
/// Pods are one hop away; what takes longer says nothing this time.
const PATIENCE: Duration = Duration::from_secs(2);
const AT_ONCE: usize = 16;
/// As much as is read of an answer, and told of a reason.
const LONGEST_ANSWER: u64 = 4096;
const LONGEST_REASON: usize = 300;
/// What the registry puts before the reason.
const REFUSES: &str = "storage: not writable: ";

/// By namespace and name.
type Name = (String, String);

/// What was last heard of each Registry's pods.
#[derive(Default)]
pub struct Stores(Mutex<HashMap<Name, Store>>);

#[derive(Default, Clone, PartialEq, Eq)]
struct Store {
    pods: Vec<SocketAddr>,
    refusal: Option<String>,
}

impl Stores {
    /// Why its pods cannot write; asks them where they are others than before.
    pub async fn refusal(&self, id: &RegistryId, pods: Vec<SocketAddr>) -> Option<String> {
        let name = (id.namespace.clone(), id.name.clone());
        let known = self.lock().get(&name).cloned();
        if let Some(known) = known.filter(|known| known.pods == pods) {
            return known.refusal;
        }
        let refusal = ask(&pods, None).await;
        let store = Store {
            pods,
            refusal: refusal.clone(),
        };
        self.lock().insert(name, store);
        refusal
    }

    pub fn forget(&self, namespace: &str, name: &str) {
        self.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// Asks all pods for ever; gives the Registries whose pods answer something else than before.
    pub fn changes(self: Arc<Self>) -> impl Stream<Item = Name> + Send {
        stream::unfold(self, |stores| async move {
            tokio::time::sleep(AGAIN).await;
            Some((stores.ask_all().await, stores))
        })
        .flat_map(stream::iter)
    }

    async fn ask_all(&self) -> Vec<Name> {
        let all: Vec<_> = self
            .lock()
            .iter()
            .map(|(name, store)| (name.clone(), store.clone()))
            .collect();
        let asked = stream::iter(all).map(|(name, store)| async move {
            let refusal = ask(&store.pods, store.refusal.clone()).await;
            (refusal != store.refusal).then_some((name, store, refusal))
        });
        let changed: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
        let mut stores = self.lock();
        let mut names = Vec::new();
        for (name, before, refusal) in changed.into_iter().flatten() {
            // Unless a round has learnt of other pods meanwhile.
            if let Some(store) = stores.get_mut(&name).filter(|store| **store == before) {
                store.refusal = refusal;
                names.push(name);
            }
        }
        names
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Name, Store>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first reason that one of the pods gives. Where none of them answers, what was known stays.
async fn ask(pods: &[SocketAddr], known: Option<String>) -> Option<String> {
    let answers = pods
        .iter()
        .map(|pod| tokio::time::timeout(PATIENCE, readiness(*pod)));
    let answers = futures::future::join_all(answers).await;
    let mut answers = answers
        .into_iter()
        .filter_map(|answer| answer.ok()?.ok())
        .peekable();
    if answers.peek().is_none() && !pods.is_empty() {
        return known;
    }
    answers.find_map(|answer| refusal(&answer))
}

async fn readiness(pod: SocketAddr) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(pod).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {pod}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    connection.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn refusal(answer: &str) -> Option<String> {
    let reason = answer.lines().find_map(|line| line.strip_prefix(REFUSES))?;
    Some(
        reason
            .chars()
            .filter(|character| !character.is_control())
            .take(LONGEST_REASON)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A pod that answers each connection with the next of these.
    async fn pod(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move {
            for answer in answers {
                let (mut connection, _) = listener.accept().await.expect("somebody asks");
                let mut request = [0; 256];
                let _ = connection.read(&mut request).await;
                let body = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}",
                    answer.len()
                );
                connection.write_all(body.as_bytes()).await.expect("it listens");
            }
        });
        address
    }

    fn id() -> RegistryId {
        RegistryId {
            namespace: "registry".into(),
            name: "images".into(),
            uid: "u".into(),
        }
    }

    const FULL: &str = "ok\nstorage: not writable: no space left\n";

    #[tokio::test]
    async fn a_volume_that_fills_up_and_is_emptied_wakes_its_registry_twice() {
        let stores = Stores::default();
        let pods = vec![pod(&["ok\n", "ok\n", FULL, FULL, "ok\n"]).await];
        let images = ("registry".to_owned(), "images".to_owned());
        assert_eq!(stores.refusal(&id(), pods.clone()).await, None);
        assert!(stores.ask_all().await.is_empty());
        assert_eq!(stores.ask_all().await, vec![images.clone()]);
        assert_eq!(
            stores.refusal(&id(), pods.clone()).await.as_deref(),
            Some("no space left")
        );
        assert!(stores.ask_all().await.is_empty(), "nothing new");
        assert_eq!(stores.ask_all().await, [images]);
        // It answers no more, so what was known stays.
        assert!(stores.ask_all().await.is_empty());
        assert_eq!(stores.refusal(&id(), pods).await, None);
    }

    #[tokio::test]
    async fn one_pod_of_many_that_cannot_write_is_enough() {
        let stores = Stores::default();
        let pods = vec![pod(&["ok\n"]).await, pod(&[FULL]).await];
        assert_eq!(
            stores.refusal(&id(), pods).await.as_deref(),
            Some("no space left")
        );
        assert_eq!(
            stores.refusal(&id(), Vec::new()).await,
            None,
            "without pods nothing is known"
        );
    }

    #[test]
    fn whatever_a_pod_answers_is_told_in_one_short_line() {
        let long = format!("ok\n{REFUSES}\u{7}{}\n", "x".repeat(1000));
        assert_eq!(refusal(&long).map(|reason| reason.len()), Some(LONGEST_REASON));
        assert_eq!(refusal("storage: fine"), None);
    }
}
