//! The `REGISTRY_*` variables, by registry:2's rules: each `_` goes one level down, a number is a place in a list,
//! values are YAML, and shorter names come first (`REGISTRY_AUTH` before `REGISTRY_AUTH_HTPASSWD_PATH`).

use serde_yaml::{Mapping, Value};

use super::judge::{expand_choice, is_unset, slip};
use super::problem::{Problem, Warning};
use super::schema::{self, Node};
use super::tree::{Builder, Findings};
use super::{guards, services, yaml};

/// Writes the variables into the tree. Unknown ones are warnings only, for other programs may have such variables; but
/// a slip in one that says who gets in is a problem. Those of Services are nobody's setting.
pub(super) fn apply(
    tree: &mut Value,
    variables: impl Iterator<Item = (String, String)>,
    findings: &mut Findings,
) {
    let mut variables: Vec<_> = variables
        .filter(|(name, _)| name.starts_with("REGISTRY_") && name != super::CONFIGURATION_PATH)
        .collect();
    variables.sort();
    let links = services::links(&variables);
    variables.retain(|(name, value)| !services::is_of_a_service(name, value, &links));
    for (name, value) in variables {
        let path = path(&name);
        // What cannot be written whole leaves nothing behind.
        let mut changed = tree.clone();
        let mut setter = Setter {
            name: &name,
            payload: &value,
            path: String::new(),
            in_gate: false,
            findings,
        };
        match setter.set(&schema::ROOT, &mut changed, &path) {
            Ok(()) => *tree = changed,
            Err(Failure::Unknown) => unknown(name, &path, findings),
            Err(Failure::Broken(what)) => findings.problems.push(Problem::new(&name, what)),
        }
    }
}

/// By the names that Go's fields have, where the keys are called something else.
fn path(name: &str) -> Vec<String> {
    const RENAMED: [([&str; 2], &str); 4] = [
        (["notifications", "eventconfig"], "events"),
        (["health", "filecheckers"], "file"),
        (["health", "httpcheckers"], "http"),
        (["health", "tcpcheckers"], "tcp"),
    ];
    let mut path: Vec<String> = name.split('_').skip(1).map(str::to_lowercase).collect();
    for (field, key) in RENAMED {
        if path.len() > 1 && field == [path[0].as_str(), path[1].as_str()] {
            key.clone_into(&mut path[1]);
        }
    }
    path
}

/// The dotted key that a variable is for.
pub(super) fn key_of(name: &str) -> Option<String> {
    name.starts_with("REGISTRY_").then(|| path(name).join("."))
}

fn unknown(name: String, path: &[String], findings: &mut Findings) {
    let nearest = nearest(&schema::ROOT, path, false);
    let is_guarded = nearest.as_ref().is_some_and(|(_, is_guarded)| *is_guarded) || guards::is_of_tls(path);
    let nearest = nearest.map(|(path, _)| format!("REGISTRY_{}", path.join("_").to_uppercase()));
    if is_guarded {
        let hint = nearest
            .map(|nearest| format!("; did you mean {nearest}?"))
            .unwrap_or_default();
        let what = format!("names no key, and everyone might get in{hint}");
        findings.problems.push(Problem::new(&name, what));
    } else {
        findings.warnings.push(Warning::UnknownVariable { name, nearest });
    }
}

/// The path that was most likely meant: each unknown part replaced by the known one that is a slip away, if the whole
/// then names a key. And whether losing it would open a door.
fn nearest(node: &Node, path: &[String], in_gate: bool) -> Option<(Vec<String>, bool)> {
    let in_gate = in_gate || matches!(node, Node::Gate(_));
    let Some((first, rest)) = path.split_first() else {
        return Some((Vec::new(), in_gate || node.is_guarded()));
    };
    let (name, (below, is_guarded)) = match node.inner() {
        Node::Group(known) | Node::Choice(known) => {
            let names = || known.iter().map(|(name, _)| *name);
            let name = names()
                .find(|name| name == first)
                .or_else(|| slip(first, names()))?;
            let (_, child) = known.iter().find(|(known, _)| *known == name)?;
            (name, nearest(child, rest, in_gate)?)
        }
        Node::Names(child) | Node::List(child) | Node::TextOrList(child) => {
            (first.as_str(), nearest(child, rest, in_gate)?)
        }
        // Whatever stands below these is as good as anything else, so that no slip can be told there.
        Node::Harmless
        | Node::Refused(_)
        | Node::RefusedKind(_)
        | Node::Silent
        | Node::Text
        | Node::Flag
        | Node::Number
        | Node::Duration
        | Node::Any
        | Node::Gate(_)
        | Node::Guarded(_) => return None,
    };
    Some(([vec![name.to_owned()], below].concat(), is_guarded))
}

enum Failure {
    Unknown,
    Broken(String),
}

/// Writes one variable. Goes down the schema and the tree side by side; both say whether a list or a map has to be made.
struct Setter<'a> {
    name: &'a str,
    payload: &'a str,
    /// As far as it is gone down.
    path: String,
    in_gate: bool,
    findings: &'a mut Findings,
}

impl Setter<'_> {
    fn set(&mut self, node: &Node, place: &mut Value, path: &[String]) -> Result<(), Failure> {
        self.in_gate |= matches!(node, Node::Gate(_));
        let Some((first, rest)) = path.split_first() else {
            return self.write(node, place);
        };
        let (child, entry) = match node.inner() {
            Node::Group(known) | Node::Choice(known) => {
                let (name, child) = known
                    .iter()
                    .find(|(name, _)| name == first)
                    .ok_or(Failure::Unknown)?;
                expand_choice(place);
                (child, entry(place, name))
            }
            Node::Names(child) => (*child, named_entry(place, first)),
            Node::List(child) | Node::TextOrList(child) => (*child, item(place, first)?),
            // What stands below such a key does not matter; that it was set does.
            Node::Harmless | Node::Refused(_) | Node::RefusedKind(_) => {
                *place = Value::Bool(true);
                return Ok(());
            }
            Node::Silent => return Ok(()),
            Node::Text
            | Node::Flag
            | Node::Number
            | Node::Duration
            | Node::Any
            | Node::Gate(_)
            | Node::Guarded(_) => return Err(Failure::Unknown),
        };
        self.path = super::judge::join(&self.path, first);
        self.set(child, entry, rest)
    }

    fn write(&mut self, node: &Node, place: &mut Value) -> Result<(), Failure> {
        let before = std::mem::replace(place, self.read(node)?);
        if before.is_null() {
            self.findings.origins.set(&self.path, self.name.to_owned());
        }
        // An empty variable empties a key, as for registry:2, and a section replaces the whole section; but no key may
        // be lost that keeps people out.
        let Some(lost) = lost(node, self.in_gate, &before, place, &self.path) else {
            return Ok(());
        };
        Err(Failure::Broken(if is_unset(place) {
            format!(
                "it is empty, and everyone might get in without what the file says of {lost}; write a value, or remove \
                 the variable"
            )
        } else {
            format!(
                "it replaces the whole section and leaves out {lost}, which the file sets; write that key into the \
                 variable, too, or set single keys by variables of their own"
            )
        }))
    }

    fn read(&mut self, node: &Node) -> Result<Value, Failure> {
        let document = yaml::read(self.payload)
            .map_err(|syntax| Failure::Broken(format!("not valid YAML: {}", syntax.what)))?;
        let Some(root) = document.root else {
            return Ok(match node.inner() {
                Node::Text => Value::String(String::new()),
                _ => Value::Null,
            });
        };
        let value = Builder::new(self.findings, Some(self.name)).value(node, &root, &self.path);
        // A secret must not stay in the tree, where an error message could quote it.
        let is_of_no_use = matches!(
            node.inner(),
            Node::Harmless | Node::Refused(_) | Node::RefusedKind(_)
        );
        Ok(match value {
            value if is_of_no_use && !is_unset(&value) => Value::Bool(true),
            value => value,
        })
    }
}

/// The first key that was set, is not set any more, and keeps people out or encrypts.
fn lost(node: &Node, in_gate: bool, before: &Value, now: &Value, path: &str) -> Option<String> {
    let in_gate = in_gate || matches!(node, Node::Gate(_));
    if (in_gate || node.is_guarded()) && !is_unset(before) && is_unset(now) {
        return Some(path.to_owned());
    }
    let known = match node.inner() {
        Node::Group(known) => known,
        // In a gate another choice is one that is as good.
        Node::Choice(known) if !in_gate => known,
        _ => return None,
    };
    known.iter().find_map(|(name, child)| {
        let now = now.get(name).unwrap_or(&Value::Null);
        lost(
            child,
            in_gate,
            before.get(name)?,
            now,
            &super::judge::join(path, name),
        )
    })
}

fn entry<'a>(place: &'a mut Value, name: &str) -> &'a mut Value {
    if !place.is_mapping() {
        *place = Value::Mapping(Mapping::new());
    }
    let entries = place.as_mapping_mut().expect("it was made a mapping just now");
    entries.entry(name.into()).or_insert(Value::Null)
}

/// Names that the author made up keep the letters of the file; a new one is in lower case, as with registry:2.
fn named_entry<'a>(place: &'a mut Value, name: &str) -> &'a mut Value {
    let written = place.as_mapping().and_then(|entries| {
        entries
            .keys()
            .filter_map(Value::as_str)
            .find(|key| key.eq_ignore_ascii_case(name))
            .map(str::to_owned)
    });
    entry(place, written.as_deref().unwrap_or(name))
}

fn item<'a>(place: &'a mut Value, index: &str) -> Result<&'a mut Value, Failure> {
    let index: usize = index
        .parse()
        .map_err(|_| Failure::Broken(format!("\"{index}\" is not a place in a list; count from 0")))?;
    if !place.is_sequence() {
        *place = Value::Sequence(Vec::new());
    }
    let items = place.as_sequence_mut().expect("it was made a sequence just now");
    if index > items.len() {
        return Err(Failure::Broken(format!(
            "the list has only {} entries; count on from there",
            items.len()
        )));
    }
    if index == items.len() {
        items.push(Value::Null);
    }
    Ok(&mut items[index])
}
