//! What a token says: whose it is and what it grants.

use std::collections::{HashMap, HashSet};

use roadstead_oci::RepositoryName;
use serde::Deserialize;

use super::Bearer;
use crate::auth::access::Action;

#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    #[serde(default)]
    sub: Option<String>,
    /// Go writes an empty list as null.
    #[serde(default)]
    access: Option<Vec<Access>>,
}

#[derive(Debug, Deserialize)]
struct Access {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    actions: Option<Vec<String>>,
}

impl From<Claims> for Bearer {
    fn from(claims: Claims) -> Self {
        let mut grants = Grants::default();
        for access in claims.access.unwrap_or_default() {
            grants.add(access);
        }
        Bearer {
            subject: claims.sub.filter(|subject| !subject.is_empty()),
            grants,
        }
    }
}

/// What a token allows. Everything else it does not.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Grants {
    repositories: HashMap<String, HashSet<String>>,
    catalog: bool,
}

/// Stands for every action.
const ANY: &str = "*";

impl Grants {
    fn add(&mut self, access: Access) {
        let actions = access.actions.unwrap_or_default();
        match access.kind.as_str() {
            "repository" => self.repositories.entry(access.name).or_default().extend(actions),
            "registry" if access.name == "catalog" => {
                self.catalog |= actions.iter().any(|action| action == ANY);
            }
            // Of something that is not here.
            _ => {}
        }
    }

    /// A push needs the right to pull as well, as it does with registry:2.
    pub(in crate::auth) fn allow(&self, repository: &RepositoryName, action: Action) -> bool {
        let Some(actions) = self.repositories.get(repository.as_str()) else {
            return false;
        };
        let has = |action: Action| actions.contains(ANY) || actions.contains(action.as_str());
        match action {
            Action::Pull | Action::Delete => has(action),
            Action::Push => has(Action::Pull) && has(Action::Push),
        }
    }

    pub(in crate::auth) fn allow_catalog(&self) -> bool {
        self.catalog
    }
}
