//! What the operator wants on every node, as the watch tells it. Knows nothing of this node.

use std::collections::BTreeMap;

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
    known: Option<BTreeMap<String, TrustBundleSpec>>,
    /// The list that is being read.
    arriving: BTreeMap<String, TrustBundleSpec>,
}

/// All that a node shall carry, from a complete list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub bundles: BTreeMap<Host, Bundle>,
    pub refused: Vec<RefusedBundle>,
}

/// A bundle that must not be written: what is on the node for its host stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedBundle {
    pub host: String,
    pub content: String,
    pub why: String,
}

impl Desired {
    pub fn new(installation: &str) -> Self {
        Self {
            installation: installation.to_owned(),
            known: None,
            arriving: BTreeMap::new(),
        }
    }

    /// Takes in one event of the watch.
    pub fn apply(&mut self, event: Event<TrustBundle>) {
        match event {
            Event::Init => self.arriving.clear(),
            Event::InitApply(bundle) => {
                self.warn_of_strangers(&bundle);
                self.arriving.insert(bundle.name_any(), bundle.spec);
            }
            Event::InitDone => self.known = Some(std::mem::take(&mut self.arriving)),
            Event::Apply(bundle) => {
                self.warn_of_strangers(&bundle);
                if let Some(known) = &mut self.known {
                    known.insert(bundle.name_any(), bundle.spec);
                }
            }
            Event::Delete(bundle) => {
                if let Some(known) = &mut self.known {
                    known.remove(&bundle.name_any());
                }
            }
        }
    }

    fn warn_of_strangers(&self, bundle: &TrustBundle) {
        let (name, theirs, ours) = (bundle.name_any(), &bundle.spec.installation, &self.installation);
        if theirs != ours {
            warn!(
                "TrustBundle {name} belongs to installation {theirs}, this agent to {ours}: it is left alone"
            );
        }
    }

    /// What is wanted now; `None`: no complete list yet.
    pub fn wanted(&self) -> Option<Wanted> {
        let mut wanted = Wanted::default();
        for (name, spec) in self.known.as_ref()? {
            if spec.installation != self.installation {
                continue;
            }
            match Bundle::try_from(spec) {
                Ok(bundle) => {
                    wanted.bundles.insert(bundle.host().clone(), bundle);
                }
                Err(why) => wanted.refused.push(refuse(name, spec, &why)),
            }
        }
        Some(wanted)
    }
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
