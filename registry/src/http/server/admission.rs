//! How many connections may be open, in all and from one address: whoever opens more is turned away at once, at the cost of
//! nothing but the accepting.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use crate::source::source_of;

/// How many connections may be open. Absent: as many as come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    pub in_all: Option<usize>,
    pub per_address: Option<usize>,
}

/// What one port lets in.
#[derive(Debug)]
pub struct Admission {
    limits: ConnectionLimits,
    /// Proxies, which come for many.
    for_many: Vec<IpNet>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    in_all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    InAll,
    FromAddress,
}

impl Excess {
    /// One word, for metrics.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Excess::InAll => "connections",
            Excess::FromAddress => "peraddress",
        }
    }
}

impl Admission {
    /// `for_many`: addresses that are limited in all only.
    pub fn new(limits: ConnectionLimits, for_many: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Admission {
            limits,
            for_many,
            open: Mutex::default(),
        })
    }

    /// Counted until the guard is dropped. Without an address it is counted in all only.
    pub(super) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Admitted, Excess> {
        let source = address.map(|address| address.to_canonical());
        let source = source.filter(|address| !self.for_many.iter().any(|network| network.contains(address)));
        let source = source.map(source_of);
        let mut open = self.open();
        if self.limits.in_all.is_some_and(|limit| open.in_all >= limit) {
            return Err(Excess::InAll);
        }
        if let Some(source) = source {
            let from_there = open.by_address.entry(source).or_default();
            if self.limits.per_address.is_some_and(|limit| *from_there >= limit) {
                return Err(Excess::FromAddress);
            }
            *from_there += 1;
        }
        open.in_all += 1;
        drop(open);
        Ok(Admitted {
            admission: Arc::clone(self),
            source,
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection that may be open.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Arc<Admission>,
    source: Option<IpAddr>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.admission.open();
        open.in_all -= 1;
        if let Some(source) = self.source
            && let Some(from_there) = open.by_address.get_mut(&source)
        {
            *from_there -= 1;
            if *from_there == 0 {
                open.by_address.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(in_all: usize, per_address: usize) -> Arc<Admission> {
        let limits = ConnectionLimits {
            in_all: Some(in_all),
            per_address: Some(per_address),
        };
        Admission::new(limits, vec!["10.9.0.0/16".parse().unwrap()])
    }

    #[test]
    fn each_address_has_its_share_and_gets_it_back() {
        let admission = admission(100, 2);
        let admit = |address: &str| admission.admit(Some(address.parse().unwrap()));
        let (first, _second) = (admit("10.0.0.1").unwrap(), admit("::ffff:10.0.0.1").unwrap());
        assert_eq!(admit("10.0.0.1").unwrap_err(), Excess::FromAddress);
        admit("10.0.0.2").unwrap();
        drop(first);
        admit("10.0.0.1").unwrap();
        assert_eq!(admission.open().by_address.len(), 1, "who has gone is forgotten");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let admission = admission(100, 1);
        let admit = |address: &str| admission.admit(Some(address.parse().unwrap()));
        let _one = admit("2001:db8:0:1::1").unwrap();
        assert_eq!(admit("2001:db8:0:1:ffff::2").unwrap_err(), Excess::FromAddress);
        admit("2001:db8:0:2::1").unwrap();
    }

    #[test]
    fn proxies_that_are_trusted_and_sockets_without_an_address_are_limited_in_all_only() {
        let admission = admission(4, 1);
        let proxy = Some("10.9.1.1".parse().unwrap());
        let _open: Vec<_> = [proxy, proxy, None, None]
            .map(|address| admission.admit(address).unwrap())
            .into();
        assert_eq!(admission.admit(proxy).unwrap_err(), Excess::InAll);
        assert_eq!(admission.admit(None).unwrap_err(), Excess::InAll);
    }

    #[test]
    fn without_limits_everybody_comes_in() {
        let limits = ConnectionLimits {
            in_all: None,
            per_address: None,
        };
        let admission = Admission::new(limits, Vec::new());
        let address = Some("10.0.0.1".parse().unwrap());
        let open: Vec<_> = (0..1000).map(|_| admission.admit(address).unwrap()).collect();
        assert_eq!(open.len(), admission.open().in_all);
    }
}
