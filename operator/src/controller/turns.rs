//! Whose turn it is: rounds of many Registries run side by side, and no namespace takes all the places.
//!
//! A round that takes long gives its places back and goes on without them: one that is stuck, as far as its time limit
//! lets it, delays nobody, and waiting costs next to nothing.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How many rounds run at once.
const IN_ALL: usize = 16;
/// How many of one namespace.
const PER_NAMESPACE: usize = 2;
/// A usual round is over by then.
const USUAL: Duration = Duration::from_secs(3);

pub(super) struct Turns {
    all: Arc<Semaphore>,
    namespaces: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(IN_ALL)),
            namespaces: Mutex::default(),
        }
    }
}

impl Turns {
    /// Does this work when it is the namespace's turn.
    pub(super) async fn take<T>(&self, namespace: &str, work: impl Future<Output = T>) -> T {
        // The namespace's place first: so each waits in the common queue with no more than its share.
        let own = place(self.namespace(namespace)).await;
        let common = place(self.all.clone()).await;
        let mut work = pin!(work);
        if let Ok(done) = timeout(USUAL, &mut work).await {
            return done;
        }
        drop((own, common));
        work.await
    }

    fn namespace(&self, name: &str) -> Arc<Semaphore> {
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = namespaces.get(name).and_then(Weak::upgrade) {
            return places;
        }
        namespaces.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(PER_NAMESPACE));
        namespaces.insert(name.to_owned(), Arc::downgrade(&places));
        places
    }
}

async fn place(places: Arc<Semaphore>) -> OwnedSemaphorePermit {
    places.acquire_owned().await.expect("nobody closes it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::{join_all, pending};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn stuck_rounds_delay_neither_another_namespace_nor_their_own() {
        let turns = Turns::default();
        let stuck = (0..20).map(|_| turns.take("evil", pending::<()>()));
        let mut done = 0;
        tokio::select! {
            _ = join_all(stuck) => unreachable!("they are stuck"),
            () = async {
                for namespace in ["good", "evil", "good"] {
                    turns.take(namespace, async { done += 1 }).await;
                }
            } => {}
        }
        assert_eq!(done, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_with_much_to_do_has_its_share_of_the_places() {
        let turns = Turns::default();
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || async {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_secs(1)).await;
            running.fetch_sub(1, Ordering::SeqCst);
        };
        join_all((0..10).map(|_| turns.take("busy", work()))).await;
        assert_eq!(most.swap(0, Ordering::SeqCst), PER_NAMESPACE);
        join_all((0..100).map(|number| {
            let namespace = format!("team-{number}");
            let (turns, work) = (&turns, work());
            async move { turns.take(&namespace, work).await }
        }))
        .await;
        assert_eq!(most.load(Ordering::SeqCst), IN_ALL);
        assert!(
            turns.namespaces.lock().expect("no panic").len() <= IN_ALL * 8,
            "what is empty goes"
        );
    }
}
