//! What was asked of the registry and when it was acknowledged, and so: what may be found after an accident.
//!
//! Everything that can be asked for is a register: it is absent, or it holds a digest. A write has a beginning and an
//! end, when it was acknowledged or its server died. Found may be the value of any write that had begun, unless
//! another write began after that one's end and was acknowledged.

use std::collections::BTreeMap;
use std::fmt;

/// A moment: the number of what has happened before it.
pub(crate) type Moment = u64;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Register {
    Tag { repository: String, tag: String },
    Manifest { repository: String, digest: String },
    Blob { repository: String, digest: String },
}

impl fmt::Display for Register {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Register::Tag { repository, tag } => write!(formatter, "tag {repository}:{tag}"),
            Register::Manifest { repository, digest } => write!(formatter, "manifest {repository}@{digest}"),
            Register::Blob { repository, digest } => write!(formatter, "blob {digest} of {repository}"),
        }
    }
}

/// A digest, or nothing.
pub(crate) type Value = Option<String>;

#[derive(Debug)]
struct Write {
    begun: Moment,
    ended: Option<Moment>,
    is_acknowledged: bool,
    value: Value,
}

/// One request's writes, until they are acknowledged.
#[derive(Debug)]
#[must_use]
pub(crate) struct Ticket(Vec<(Register, usize)>);

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    registers: BTreeMap<Register, Vec<Write>>,
    acknowledged: usize,
}

impl Ledger {
    pub(crate) fn begin(&mut self, now: Moment, writes: Vec<(Register, Value)>) -> Ticket {
        let tickets = writes.into_iter().map(|(register, value)| {
            let history = self.registers.entry(register.clone()).or_default();
            history.push(Write {
                begun: now,
                ended: None,
                is_acknowledged: false,
                value,
            });
            (register, history.len() - 1)
        });
        Ticket(tickets.collect())
    }

    pub(crate) fn end(&mut self, now: Moment, ticket: Ticket) {
        self.acknowledged += 1;
        for (register, number) in ticket.0 {
            if let Some(write) = self
                .registers
                .get_mut(&register)
                .and_then(|all| all.get_mut(number))
            {
                write.ended = Some(now);
                write.is_acknowledged = true;
            }
        }
    }

    /// The server is dead: what it had begun and not acknowledged has happened by now, or never will.
    pub(crate) fn end_all(&mut self, now: Moment) {
        for write in self.registers.values_mut().flatten() {
            write.ended.get_or_insert(now);
        }
    }

    /// What was found is what is, from now on.
    pub(crate) fn found(&mut self, now: Moment, register: &Register, value: Value) {
        let ticket = self.begin(now, vec![(register.clone(), value)]);
        self.end(now, ticket);
        self.acknowledged -= 1;
    }

    /// What may be found if only what happened before this moment has happened.
    pub(crate) fn possible(&self, register: &Register, at: Moment) -> Vec<Value> {
        let mut values = Vec::new();
        // The latest beginning of a write that is acknowledged: what had ended by then is history.
        let mut settled = None;
        let history = self.registers.get(register).map_or(&[][..], Vec::as_slice);
        for write in history.iter().rev().filter(|write| write.begun <= at) {
            let ended = write.ended.filter(|ended| *ended <= at);
            if ended.is_none_or(|ended| settled.is_none_or(|settled| settled < ended)) {
                values.push(write.value.clone());
            }
            if ended.is_some() && write.is_acknowledged {
                settled = settled.max(Some(write.begun));
            }
        }
        if settled.is_none() {
            values.push(None);
        }
        values
    }

    pub(crate) fn registers(&self) -> impl Iterator<Item = &Register> {
        self.registers.keys()
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag() -> Register {
        Register::Tag {
            repository: "app".to_owned(),
            tag: "v1".to_owned(),
        }
    }

    /// Writes as (begun, ended, value), and what may be found at a moment.
    #[test]
    fn what_may_be_found_is_the_last_that_ended_or_whatever_ran_beside_it() {
        type Writes = &'static [(Moment, Option<Moment>, &'static str)];
        let cases: [(Writes, Moment, &[&str]); 8] = [
            (&[], 9, &[""]),
            (&[(1, None, "a")], 9, &["", "a"]),
            (&[(1, None, "a")], 0, &[""]),
            (&[(1, Some(2), "a")], 9, &["a"]),
            (&[(1, Some(5), "a")], 4, &["", "a"]),
            (&[(1, Some(2), "a"), (3, Some(4), "b")], 9, &["b"]),
            (&[(1, Some(4), "a"), (2, Some(3), "b")], 9, &["a", "b"]),
            (
                &[(1, Some(2), "a"), (2, Some(3), ""), (3, None, "c")],
                9,
                &["", "c"],
            ),
        ];
        for (writes, at, expected) in cases {
            let mut ledger = Ledger::default();
            for (begun, ended, value) in writes {
                let value = Some((*value).to_owned()).filter(|value| !value.is_empty());
                let ticket = ledger.begin(*begun, vec![(tag(), value)]);
                if let Some(ended) = ended {
                    ledger.end(*ended, ticket);
                }
            }
            let mut found: Vec<String> = ledger
                .possible(&tag(), at)
                .into_iter()
                .map(Option::unwrap_or_default)
                .collect();
            found.sort();
            assert_eq!(found, expected, "{writes:?} at {at}");
        }
    }

    #[test]
    fn what_a_dead_server_left_open_is_possible_until_something_newer_is_acknowledged() {
        let mut ledger = Ledger::default();
        let value = |text: &str| Some(text.to_owned());
        let ticket = ledger.begin(1, vec![(tag(), value("old"))]);
        ledger.end(2, ticket);
        let _never_answered = ledger.begin(3, vec![(tag(), value("open"))]);
        ledger.end_all(4);
        assert_eq!(ledger.possible(&tag(), 9), [value("open"), value("old")]);
        ledger.found(5, &tag(), value("old"));
        assert_eq!(ledger.possible(&tag(), 9), [value("old")]);
    }
}
