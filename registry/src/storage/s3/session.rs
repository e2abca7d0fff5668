//! What this process knows of an upload between its requests.
//!
//! The bytes of a request that are less than a part wait in memory for the next request, which mostly comes at once and
//! ends the upload: then they are one object and one request. If none comes they are written beside the upload's record.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::super::{Key, Saved};
use super::body::Heap;
use super::budget::Reserved;
use super::multipart::Multipart;

/// How far an upload has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) end: u64,
    pub(super) saved: Option<Saved>,
    pub(super) multipart: Option<Multipart>,
    pub(super) tail: Tail,
}

/// What follows the last whole part.
#[derive(Clone, Debug, Default)]
pub(super) enum Tail {
    #[default]
    Nothing,
    Held(Heap, Reserved),
    Stored(Key, u64),
}

/// An upload that requests of this process are about, or whose bytes wait here.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) at: Key,
    has_ended: AtomicBool,
    /// There is more of it in the store than that it began.
    is_stored: AtomicBool,
    note: OnceLock<Option<String>>,
    held: Mutex<Option<Arc<Progress>>>,
}

impl Session {
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        *self.lock() = None;
    }

    pub(super) fn is_stored(&self) -> bool {
        self.is_stored.load(Ordering::Acquire)
    }

    pub(super) fn set_stored(&self) {
        self.is_stored.store(true, Ordering::Release);
    }

    /// The word that it began with, which never changes.
    pub(super) fn note(&self) -> Option<String> {
        self.note.get().cloned().flatten()
    }

    pub(super) fn set_note(&self, note: Option<String>) {
        let _ = self.note.set(note);
    }

    pub(super) fn held(&self) -> Option<Arc<Progress>> {
        self.lock().clone()
    }

    /// Keeps the further one of two, and gives it if it is the other.
    pub(super) fn hold(&self, progress: &Arc<Progress>) -> Result<(), u64> {
        let mut held = self.lock();
        match &*held {
            Some(other) if other.end >= progress.end => Err(other.end),
            _ => {
                *held = Some(Arc::clone(progress));
                Ok(())
            }
        }
    }

    /// What is held is in the store now.
    pub(super) fn let_go(&self, progress: &Arc<Progress>) {
        let mut held = self.lock();
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, progress)) {
            *held = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Progress>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those that are in use.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<Key, Weak<Session>>>);

/// Below this many there is nothing to tidy up.
const FEW: usize = 256;

impl Sessions {
    pub(super) fn find(&self, at: &Key) -> Option<Arc<Session>> {
        self.lock().get(at).and_then(Weak::upgrade)
    }

    pub(super) fn of(&self, at: &Key) -> Arc<Session> {
        let mut sessions = self.lock();
        let known = sessions.get(at).and_then(Weak::upgrade);
        if let Some(session) = known.filter(|session| !session.has_ended()) {
            return session;
        }
        if sessions.len() >= FEW {
            sessions.retain(|_, session| session.strong_count() > 0);
        }
        let session = Arc::new(Session {
            at: at.clone(),
            has_ended: AtomicBool::new(false),
            is_stored: AtomicBool::new(false),
            note: OnceLock::new(),
            held: Mutex::default(),
        });
        sessions.insert(at.clone(), Arc::downgrade(&session));
        session
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Weak<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
