//! Which calls a faulty store fails, and how.

use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;

use super::super::{Answer, Error, Key};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Call {
    Stat,
    Read,
    ReadVersion,
    ReadMany,
    Open,
    Write,
    WriteLazily,
    Confirm,
    List,
    Walk,
    Delete,
    DeleteMany,
    DeleteIfSame,
    DeleteFolder,
    Begin,
    Load,
    Piece,
    Put,
    Keep,
    Seal,
    ReadSealed,
    Publish,
    Forget,
    Abandon,
    Purge,
    PurgeRemains,
}

/// The five kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Missing,
    Full,
    ReadOnly,
    Busy,
    Failed,
}

impl Trouble {
    pub(crate) const ALL: [Self; 5] = [
        Trouble::Missing,
        Trouble::Full,
        Trouble::ReadOnly,
        Trouble::Busy,
        Trouble::Failed,
    ];

    fn error(self, key: &Key) -> Error {
        let (action, key) = ("reach", key.clone());
        let source = io::Error::other("a fault of the test").into();
        match self {
            Trouble::Missing => Error::Missing(key),
            Trouble::Full => Error::Full { action, key, source },
            Trouble::ReadOnly => Error::ReadOnly { action, key, source },
            Trouble::Busy => Error::Busy {
                action,
                key,
                retry_after: Duration::from_secs(7),
                source,
            },
            Trouble::Failed => Error::Failed { action, key, source },
        }
    }
}

/// What becomes of a call.
pub(crate) enum Befalls {
    /// It does nothing.
    Failure(Trouble),
    /// It takes effect, and nobody is told.
    LostAnswer(Trouble),
    Delay(Duration),
    /// This happens just before.
    Interruption(BoxFuture<'static, ()>),
}

/// Something that befalls certain calls.
#[derive(Debug)]
pub(crate) struct Fault {
    call: Call,
    /// A part of the key.
    at: String,
    spared: usize,
    times: usize,
    what: Befalls,
}

impl Fault {
    /// Each such call whose key has `at` in it.
    pub(crate) fn of(call: Call, at: &str, what: Befalls) -> Self {
        Fault {
            call,
            at: at.to_owned(),
            spared: 0,
            times: usize::MAX,
            what,
        }
    }

    /// Spares the first ones.
    pub(crate) fn after(self, spared: usize) -> Self {
        Fault { spared, ..self }
    }

    pub(crate) fn times(self, times: usize) -> Self {
        Fault { times, ..self }
    }
}

/// All faults of a store, with a record of its calls.
#[derive(Debug, Default)]
pub(crate) struct Script(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    /// After so many calls nothing answers any more.
    life: Option<usize>,
    calls: Vec<(Call, Key)>,
}

enum Fate {
    Well,
    Failure(Trouble),
    LostAnswer(Trouble),
    Delay(Duration),
    Interruption(BoxFuture<'static, ()>),
}

impl Script {
    pub(crate) fn add(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    pub(crate) fn die_after(&self, calls: usize) {
        self.state().life = Some(calls);
    }

    /// No faults any more, and no record.
    pub(crate) fn clear(&self) {
        *self.state() = State::default();
    }

    /// All calls so far, in order.
    pub(crate) fn calls(&self) -> Vec<(Call, Key)> {
        self.state().calls.clone()
    }

    pub(super) async fn run<'a, T: Send>(
        &self,
        call: Call,
        key: &Key,
        inner: impl FnOnce() -> Answer<'a, T> + Send,
    ) -> Result<T, Error> {
        match self.fate(call, key) {
            Fate::Well => {}
            Fate::Failure(trouble) => return Err(trouble.error(key)),
            Fate::LostAnswer(trouble) => {
                inner().await?;
                return Err(trouble.error(key));
            }
            Fate::Delay(time) => tokio::time::sleep(time).await,
            Fate::Interruption(then) => then.await,
        }
        inner().await
    }

    fn fate(&self, call: Call, key: &Key) -> Fate {
        let mut state = self.state();
        state.calls.push((call, key.clone()));
        if let Some(life) = &mut state.life {
            match life.checked_sub(1) {
                Some(left) => *life = left,
                None => return Fate::Failure(Trouble::Failed),
            }
        }
        let is_meant = |fault: &mut Fault| {
            if fault.call != call || !key.as_str().contains(&fault.at) || fault.times == 0 {
                return false;
            }
            let is_spared = fault.spared > 0;
            fault.spared = fault.spared.saturating_sub(1);
            !is_spared
        };
        let Some(fault) = state
            .faults
            .iter_mut()
            .find_map(|fault| is_meant(fault).then_some(fault))
        else {
            return Fate::Well;
        };
        fault.times -= 1;
        match &mut fault.what {
            Befalls::Failure(trouble) => Fate::Failure(*trouble),
            Befalls::LostAnswer(trouble) => Fate::LostAnswer(*trouble),
            Befalls::Delay(time) => Fate::Delay(*time),
            Befalls::Interruption(then) => {
                fault.times = 0;
                Fate::Interruption(std::mem::replace(then, Box::pin(std::future::ready(()))))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Befalls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Befalls::Failure(_) => "Failure",
            Befalls::LostAnswer(_) => "LostAnswer",
            Befalls::Delay(_) => "Delay",
            Befalls::Interruption(_) => "Interruption",
        })
    }
}
