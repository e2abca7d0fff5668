//! The places of a port on which whoever comes next has to get in, such as a probe: the oldest connection makes room. It
//! is one of the same address where that has its share already, and otherwise one of whoever has the most.

use std::net::IpAddr;

use tokio::task::AbortHandle;

use super::admission::Excess;
use crate::source::source_of;

/// The open connections, the oldest first.
pub(super) struct Places {
    in_all: usize,
    per_address: usize,
    open: Vec<Open>,
}

struct Open {
    source: IpAddr,
    task: AbortHandle,
}

impl Places {
    pub(super) fn new(in_all: usize, per_address: usize) -> Self {
        Places {
            in_all,
            per_address,
            open: Vec::with_capacity(in_all),
        }
    }

    /// Serves a connection from there. Gives why another one had to go for it, if one had to.
    pub(super) fn take(
        &mut self,
        address: IpAddr,
        serving: impl Future<Output = ()> + Send + 'static,
    ) -> Option<Excess> {
        let source = source_of(address);
        self.open.retain(|open| !open.task.is_finished());
        let excess = if self.count(source) >= self.per_address {
            self.close_oldest_of(source);
            Some(Excess::FromAddress)
        } else if self.open.len() >= self.in_all {
            self.close_oldest_of(self.busiest()?);
            Some(Excess::InAll)
        } else {
            None
        };
        let task = tokio::spawn(serving).abort_handle();
        self.open.push(Open { source, task });
        excess
    }

    fn busiest(&self) -> Option<IpAddr> {
        let oldest_first = self.open.iter().map(|open| open.source);
        // Of several with as many it gives the last, so the oldest has to come last.
        oldest_first.rev().max_by_key(|source| self.count(*source))
    }

    fn close_oldest_of(&mut self, source: IpAddr) {
        if let Some(index) = self.open.iter().position(|open| open.source == source) {
            self.open.remove(index).task.abort();
        }
    }

    fn count(&self, source: IpAddr) -> usize {
        self.open.iter().filter(|open| open.source == source).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_comes_gets_in_and_whoever_has_the_most_makes_room() {
        let mut places = Places::new(4, 2);
        let mut take = |address: &str| {
            let excess = places.take(address.parse().unwrap(), std::future::pending());
            let open: Vec<_> = places.open.iter().map(|open| open.source.to_string()).collect();
            (excess, open.join(" "))
        };
        take("10.0.0.1");
        take("10.0.0.2");
        assert_eq!(take("10.0.0.2"), (None, "10.0.0.1 10.0.0.2 10.0.0.2".into()));
        let full = "10.0.0.1 10.0.0.2 10.0.0.2".to_owned();
        assert_eq!(take("10.0.0.2"), (Some(Excess::FromAddress), full.clone()));
        take("10.0.0.3");
        let others = "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.9".to_owned();
        assert_eq!(take("10.0.0.9"), (Some(Excess::InAll), others));
    }
}
