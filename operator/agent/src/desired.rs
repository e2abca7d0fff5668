//! What the operator wants on every node, as the watch tells it. Knows nothing of this node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::watcher::Event;
use roadstead_api::trust::{TrustBundle, TrustBundleSpec};
use tracing::warn;

use crate::bundle::{Bundle, Host, Refused};

/// The TrustBundles of one installation, by object name.
#[derive(Debug)]
pub struct Desired {
    installation: String,
    /// `None` until a list has been read to its end: until then nothing may be taken for absent.
    known: Option<BTreeMap<String, Known>>,
    /// The list that is being read.
    arriving: BTreeMap<String, Known>,
    /// Each CA once: all names of a Registry have the same, and a list that is read again brings it again.
    cas: BTreeSet<Arc<str>>,
}

type Known = Result<Arc<Bundle>, RefusedBundle>;

/// All that a node shall carry, from a complete list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub bundles: BTreeMap<Host, Arc<Bundle>>,
    pub refused: Vec<RefusedBundle>,
}

/// A bundle that must not be written: what is on the node for its host stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedBundle {
    pub host: String,
    pub content: String,
    pub namespace: String,
    pub why: String,
}

impl Desired {
    pub fn new(installation: &str) -> Self {
        Self {
            installation: installation.to_owned(),
            known: None,
            arriving: BTreeMap::new(),
            cas: BTreeSet::new(),
        }
    }

    /// Takes in one event of the watch.
    pub fn apply(&mut self, event: Event<TrustBundle>) {
        match event {
            Event::Init => self.arriving.clear(),
            Event::InitApply(bundle) => {
                if let Some((name, known)) = self.take(&bundle) {
                    self.arriving.insert(name, known);
                }
            }
            Event::InitDone => self.known = Some(std::mem::take(&mut self.arriving)),
            Event::Apply(bundle) => {
                if let Some((name, taken)) = self.take(&bundle)
                    && let Some(known) = &mut self.known
                {
                    known.insert(name, taken);
                }
            }
            Event::Delete(bundle) => {
                if let Some(known) = &mut self.known {
                    known.remove(&bundle.name_any());
                }
            }
        }
        self.cas.retain(|ca| Arc::strong_count(ca) > 1);
    }

    /// It is certain that there is nothing any more.
    pub fn clear(&mut self) {
        self.arriving.clear();
        self.known = Some(BTreeMap::new());
    }

    /// What one object says, checked; `None`: it is another installation's.
    fn take(&mut self, bundle: &TrustBundle) -> Option<(String, Known)> {
        let (name, spec) = (bundle.name_any(), &bundle.spec);
        let (theirs, ours) = (&spec.installation, &self.installation);
        if theirs != ours {
            warn!(
                "TrustBundle {name} belongs to installation {theirs}, this agent to {ours}: it is left alone"
            );
            return None;
        }
        let cas = &mut self.cas;
        let checked = Bundle::new(spec, |ca| share(cas, ca)).map(Arc::new);
        let known = checked.map_err(|why| refuse(&name, spec, &why));
        Some((name, known))
    }

    /// The namespace of the Registry that a host is wanted for; empty: none does.
    pub fn namespace(&self, host: &str) -> String {
        let known = self
            .known
            .as_ref()
            .and_then(|known| known.get(&host.replace(':', ".")));
        match known {
            Some(Ok(bundle)) => bundle.namespace().to_owned(),
            Some(Err(refused)) => refused.namespace.clone(),
            None => String::new(),
        }
    }

    /// What is wanted now; `None`: no complete list yet.
    pub fn wanted(&self) -> Option<Wanted> {
        let mut wanted = Wanted::default();
        for known in self.known.as_ref()?.values() {
            match known {
                Ok(bundle) => drop(wanted.bundles.insert(bundle.host().clone(), bundle.clone())),
                Err(refused) => wanted.refused.push(refused.clone()),
            }
        }
        Some(wanted)
    }
}

fn share(cas: &mut BTreeSet<Arc<str>>, ca: &str) -> Arc<str> {
    if let Some(known) = cas.get(ca) {
        return known.clone();
    }
    let new: Arc<str> = ca.into();
    cas.insert(new.clone());
    new
}

impl Wanted {
    /// Whether what lies on the node for `host` has to stay.
    pub fn keeps(&self, host: &str) -> bool {
        self.bundles.keys().any(|wanted| wanted.as_str() == host)
            || self.refused.iter().any(|refused| refused.host == host)
    }

    /// Every host with the hash of what is wanted for it.
    pub fn contents(&self) -> impl Iterator<Item = (&str, &str)> {
        let bundles = self
            .bundles
            .values()
            .map(|bundle| (bundle.host().as_str(), bundle.content()));
        let refused = self
            .refused
            .iter()
            .map(|refused| (refused.host.as_str(), refused.content.as_str()));
        bundles.chain(refused)
    }
}

fn refuse(name: &str, spec: &TrustBundleSpec, why: &Refused) -> RefusedBundle {
    RefusedBundle {
        host: spec.host.clone(),
        content: spec.content_hash(),
        namespace: spec.registry.namespace.clone(),
        why: format!("TrustBundle {name} is not written: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::tests::spec;

    fn object(host: &str) -> TrustBundle {
        TrustBundle::new(&host.replace(':', "."), spec(host, None))
    }

    fn hosts(desired: &Desired) -> Option<Vec<String>> {
        Some(
            desired
                .wanted()?
                .bundles
                .keys()
                .map(ToString::to_string)
                .collect(),
        )
    }

    #[test]
    fn nothing_is_wanted_before_a_list_is_complete() {
        let mut desired = Desired::new("roadstead-system/roadstead");
        desired.apply(Event::Init);
        desired.apply(Event::InitApply(object("a:1")));
        assert_eq!(hosts(&desired), None);
        desired.apply(Event::InitDone);
        assert_eq!(hosts(&desired), Some(vec!["a:1".into()]));
    }

    #[test]
    fn a_list_that_breaks_off_takes_nothing_away() {
        let mut desired = Desired::new("roadstead-system/roadstead");
        for event in [
            Event::Init,
            Event::InitApply(object("a:1")),
            Event::InitApply(object("b:1")),
            Event::InitDone,
        ] {
            desired.apply(event);
        }
        desired.apply(Event::Init);
        desired.apply(Event::InitApply(object("b:1")));
        assert_eq!(hosts(&desired), Some(vec!["a:1".into(), "b:1".into()]));
        // The watch starts over after an error; only a whole list counts.
        desired.apply(Event::Init);
        desired.apply(Event::InitDone);
        assert_eq!(hosts(&desired), Some(vec![]));
    }

    #[test]
    fn single_events_add_and_remove() {
        let mut desired = Desired::new("roadstead-system/roadstead");
        desired.apply(Event::Init);
        desired.apply(Event::InitDone);
        desired.apply(Event::Apply(object("a:1")));
        assert_eq!(hosts(&desired), Some(vec!["a:1".into()]));
        desired.apply(Event::Delete(object("a:1")));
        assert_eq!(hosts(&desired), Some(vec![]));
    }

    #[test]
    fn bundles_of_another_installation_are_left_alone() {
        let mut desired = Desired::new("other/other");
        for event in [Event::Init, Event::InitApply(object("a:1")), Event::InitDone] {
            desired.apply(event);
        }
        assert_eq!(desired.wanted(), Some(Wanted::default()));
    }

    #[test]
    fn hosts_with_the_same_ca_share_one_copy_and_it_goes_with_the_last_of_them() {
        let mut desired = Desired::new("roadstead-system/roadstead");
        let list = [
            Event::Init,
            Event::InitApply(object("a:1")),
            Event::InitApply(object("b:1")),
            Event::InitDone,
        ];
        // Also when the list is read again.
        for event in list.iter().chain(&list) {
            desired.apply(event.clone());
        }
        assert_eq!(desired.cas.len(), 1);
        let first = desired.cas.first().expect("a CA").clone();
        assert_eq!(Arc::strong_count(&first), 1 + 1 + 2);
        drop(first);
        for host in ["a:1", "b:1"] {
            desired.apply(Event::Delete(object(host)));
        }
        assert_eq!(desired.cas.len(), 0);
    }

    #[test]
    fn a_refused_bundle_keeps_what_the_node_has() {
        let mut desired = Desired::new("roadstead-system/roadstead");
        let mut broken = object("a:1");
        broken.spec.ca = "nothing".into();
        for event in [Event::Init, Event::InitApply(broken), Event::InitDone] {
            desired.apply(event);
        }
        let wanted = desired.wanted().expect("a complete list");
        assert!(wanted.bundles.is_empty() && wanted.keeps("a:1"));
        assert_eq!(
            wanted.refused[0].why,
            "TrustBundle a.1 is not written: the CA holds no certificate"
        );
    }
}
