//! The `REGISTRY_*` variables, by registry:2's rules: each `_` goes one level down, a number is a place in a list,
//! values are YAML, and shorter names come first (`REGISTRY_AUTH` before `REGISTRY_AUTH_HTPASSWD_PATH`).

use serde_yaml::{Mapping, Value};

use super::judge::{expand_choice, is_unset, slip};
use super::problem::{Problem, Warning};
use super::schema::{self, Node};

/// Writes the variables into the tree. Unknown ones are warnings only: Kubernetes sets `REGISTRY_PORT` and the like
/// beside a Service called `registry`. But a slip in one that says who gets in is a problem.
pub(super) fn apply(
    tree: &mut Value,
    variables: impl Iterator<Item = (String, String)>,
    warnings: &mut Vec<Warning>,
) -> Vec<Problem> {
    let mut variables: Vec<_> = variables
        .filter(|(name, _)| name.starts_with("REGISTRY_") && name != super::CONFIGURATION_PATH)
        .collect();
    variables.sort();
    let mut problems = Vec::new();
    for (name, value) in variables {
        let path: Vec<String> = name.split('_').skip(1).map(str::to_lowercase).collect();
        // What cannot be written whole leaves nothing behind.
        let mut changed = tree.clone();
        match set(&schema::ROOT, &mut changed, &path, &value) {
            Ok(()) => *tree = changed,
            Err(Failure::Unknown) => {
                let nearest = nearest(&schema::ROOT, &path);
                let is_gate = nearest.as_ref().is_some_and(|path| begins_with_gate(path));
                let nearest = nearest.map(|path| format!("REGISTRY_{}", path.join("_").to_uppercase()));
                match nearest {
                    Some(nearest) if is_gate => {
                        let what =
                            format!("names no key, and everyone might get in; did you mean {nearest}?");
                        problems.push(Problem::new(&name, what));
                    }
                    nearest => warnings.push(Warning::UnknownVariable { name, nearest }),
                }
            }
            Err(Failure::Broken(what)) => problems.push(Problem::new(&name, what)),
        }
    }
    problems
}

/// The path that was most likely meant: each unknown part replaced by the known one that is a slip away, if the whole
/// then names a key.
fn nearest(node: &Node, path: &[String]) -> Option<Vec<String>> {
    let Some((first, rest)) = path.split_first() else {
        return Some(Vec::new());
    };
    let (name, below) = match node {
        Node::Group(known) | Node::Choice(known) | Node::Gate(known) => {
            let names = || known.iter().map(|(name, _)| *name);
            let name = names()
                .find(|name| name == first)
                .or_else(|| slip(first, names()))?;
            let (_, child) = known.iter().find(|(known, _)| *known == name)?;
            (name, nearest(child, rest)?)
        }
        Node::Names(child) | Node::List(child) => (first.as_str(), nearest(child, rest)?),
        // Whatever stands below these is as good as anything else, so that no slip can be told there.
        Node::Harmless
        | Node::Refused(_)
        | Node::RefusedKind(_)
        | Node::Silent
        | Node::Text
        | Node::Value => return None,
    };
    Some([vec![name.to_owned()], below].concat())
}

fn begins_with_gate(path: &[String]) -> bool {
    let Node::Group(known) = &schema::ROOT else {
        return false;
    };
    let is_gate = |(name, node): &(&str, Node)| {
        path.first().is_some_and(|first| first == name) && matches!(node, Node::Gate(_))
    };
    known.iter().any(is_gate)
}

enum Failure {
    Unknown,
    Broken(String),
}

/// Goes down the schema and the tree side by side; both say whether a list or a map has to be made.
fn set(node: &Node, place: &mut Value, path: &[String], payload: &str) -> Result<(), Failure> {
    let Some((first, rest)) = path.split_first() else {
        *place = read(node, payload)?;
        return Ok(());
    };
    match node {
        Node::Group(known) | Node::Choice(known) | Node::Gate(known) => {
            let (name, child) = known
                .iter()
                .find(|(name, _)| name == first)
                .ok_or(Failure::Unknown)?;
            expand_choice(place);
            set(child, entry(place, name), rest, payload)
        }
        Node::Names(child) => set(child, named_entry(place, first), rest, payload),
        Node::List(child) => set(child, item(place, first)?, rest, payload),
        // What stands below such a key does not matter; that it was set does.
        Node::Harmless | Node::Refused(_) | Node::RefusedKind(_) => {
            *place = Value::Bool(true);
            Ok(())
        }
        Node::Silent => Ok(()),
        Node::Text | Node::Value => Err(Failure::Unknown),
    }
}

fn read(node: &Node, payload: &str) -> Result<Value, Failure> {
    let value: Value =
        serde_yaml::from_str(payload).map_err(|error| Failure::Broken(format!("not valid YAML: {error}")))?;
    Ok(match (node, value) {
        // `0123` is text where text is expected; YAML alone would make it a number and lose the zero.
        (Node::Text, Value::Number(_) | Value::Bool(_)) => Value::String(payload.trim().to_owned()),
        // A secret must not stay in the tree, where an error message could quote it.
        (Node::Harmless | Node::Refused(_) | Node::RefusedKind(_), value) if !is_unset(&value) => {
            Value::Bool(true)
        }
        (_, value) => value,
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
