//! Reads the tree and judges each of its keys by the schema: what is unknown or without effect is reported and taken
//! out, so that the typed fields see only what they know.

use serde_yaml::{Mapping, Value};

use super::problem::{Problem, Warning};
use super::schema::{self, Node};

/// The tree of a configuration file. An empty file is an empty tree.
pub(super) fn read(text: &str) -> Result<Value, Problem> {
    let mut tree: Value = serde_yaml::from_str(text)?;
    tree.apply_merge()?;
    match tree {
        Value::Null => Ok(Value::Mapping(Mapping::new())),
        Value::Mapping(_) => {
            check_version(&tree)?;
            Ok(tree)
        }
        _ => Err(Problem::new(
            "configuration",
            "keys and values are expected, as in \"version: 0.1\"",
        )),
    }
}

fn check_version(tree: &Value) -> Result<(), Problem> {
    let version = match tree.get("version") {
        None => return Ok(()),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(_) => String::new(),
    };
    match version.as_str() {
        "0.1" => Ok(()),
        _ => Err(Problem::new(
            "version",
            "only version 0.1 of the format is known; write \"version: 0.1\"",
        )),
    }
}

/// What registry:2 does not start without, and a way to log in where one was begun. A file that lacks it may be a
/// mistake, or not the file that was meant.
pub(super) fn missing(tree: &Value) -> Vec<Warning> {
    // What a store has beside the one that it is.
    const BESIDE: [&str; 5] = ["cache", "delete", "maintenance", "redirect", "tag"];
    let has_driver = match tree.get("storage") {
        Some(Value::String(name)) => !name.is_empty(),
        Some(Value::Mapping(entries)) => entries.keys().any(|key| !BESIDE.contains(&text_of(key).as_str())),
        _ => false,
    };
    let mut missing = Vec::new();
    if tree.get("version").is_none() {
        missing.push(Warning::Missing {
            key: "version",
            what: "write \"version: 0.1\", or registry:2 will not start with this file",
        });
    }
    if !has_driver {
        missing.push(Warning::Missing {
            key: "storage",
            what: "images are kept in /var/lib/registry; to say so, write storage: {filesystem: {rootdirectory: /var/lib/registry}}",
        });
    }
    if tree.get("auth").is_some_and(is_empty) {
        missing.push(Warning::Missing {
            key: "auth",
            what: "no way to log in is named, and everyone is let in; write \"auth: none\" if that is meant",
        });
    }
    missing
}

/// Whether nothing stands there at all.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Mapping(entries) => entries.is_empty(),
        other => is_unset(other),
    }
}

/// Takes out of the tree what the typed fields do not know.
pub(super) fn keys(tree: &mut Value, warnings: &mut Vec<Warning>) -> Vec<Problem> {
    let mut judge = Judge {
        warnings,
        without_effect: Vec::new(),
        problems: Vec::new(),
    };
    judge.visit(&schema::ROOT, tree, "");
    let Judge {
        warnings,
        without_effect,
        problems,
    } = judge;
    if !without_effect.is_empty() {
        warnings.push(Warning::WithoutEffect { keys: without_effect });
    }
    problems
}

/// Whether a key with this value says anything: `endpoints: []` does not ask for notifications.
pub(super) fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(entries) => entries.values().all(is_unset),
        Value::Bool(_) | Value::Number(_) | Value::Tagged(_) => false,
    }
}

/// `auth: htpasswd` is the short form of `auth: {htpasswd: {}}`.
pub(super) fn expand_choice(value: &mut Value) {
    if let Value::String(name) = value {
        let mut entries = Mapping::new();
        if !name.is_empty() {
            entries.insert(std::mem::take(name).into(), Value::Mapping(Mapping::new()));
        }
        *value = Value::Mapping(entries);
    }
}

struct Judge<'a> {
    warnings: &'a mut Vec<Warning>,
    without_effect: Vec<String>,
    problems: Vec<Problem>,
}

impl Judge<'_> {
    fn visit(&mut self, node: &Node, value: &mut Value, path: &str) {
        match node {
            Node::Group(known) => self.visit_group(known, value, path, false),
            Node::Choice(known) => {
                expand_choice(value);
                self.visit_group(known, value, path, false);
            }
            Node::Gate(known) => {
                expand_choice(value);
                // Somebody began to write it, and must not be taken for somebody who did not want it.
                if value.is_null() {
                    *value = Value::Mapping(Mapping::new());
                }
                self.visit_group(known, value, path, true);
            }
            Node::List(item) => {
                if let Value::Sequence(items) = value {
                    for (index, value) in items.iter_mut().enumerate() {
                        self.visit(item, value, &format!("{path}.{index}"));
                    }
                } else {
                    // A header with one value may be written without the list.
                    self.visit(item, value, path);
                }
            }
            Node::Names(item) => {
                if let Value::Mapping(entries) = value {
                    for (key, value) in entries.iter_mut() {
                        self.visit(item, value, &join(path, &text_of(key)));
                    }
                }
            }
            Node::Text => {
                // YAML reads `realm: 1234` as a number; the author meant text.
                if matches!(value, Value::Number(_) | Value::Bool(_)) {
                    *value = Value::String(text_of(value));
                }
            }
            Node::Value | Node::Silent | Node::Harmless | Node::Refused(_) | Node::RefusedKind(_) => {}
        }
    }

    fn visit_group(&mut self, known: &[(&str, Node)], value: &mut Value, path: &str, is_gate: bool) {
        let Value::Mapping(entries) = value else { return };
        entries.retain(|key, value| {
            let key = text_of(key);
            let path = join(path, &key);
            match known.iter().find(|(name, _)| *name == key) {
                None => {
                    let unknown = unknown(known, path, &key);
                    if is_gate {
                        self.problems.push(Problem::Slip(unknown));
                    } else {
                        self.warnings.push(unknown);
                    }
                    false
                }
                Some((_, Node::Silent)) => false,
                Some((_, Node::Harmless)) => {
                    if !is_unset(value) {
                        self.without_effect.push(path);
                    }
                    false
                }
                Some((_, Node::Refused(way_out))) => {
                    if !is_unset(value) {
                        self.problems.push(Problem::new(&path, *way_out));
                    }
                    false
                }
                Some((_, Node::RefusedKind(way_out))) => {
                    self.problems.push(Problem::new(&path, *way_out));
                    false
                }
                Some(_) if is_gate && value.is_null() => {
                    let what = "nothing is given, and everyone might get in; write what belongs there, or remove the key";
                    self.problems.push(Problem::new(&path, what));
                    false
                }
                Some((_, node)) => {
                    self.visit(node, value, &path);
                    !value.is_null()
                }
            }
        });
    }
}

fn unknown(known: &[(&str, Node)], path: String, key: &str) -> Warning {
    let parent = path.strip_suffix(key).unwrap_or_default();
    let nearest = nearest(key, known.iter().map(|(name, _)| *name)).map(|name| format!("{parent}{name}"));
    Warning::UnknownKey { key: path, nearest }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        other => format!("{other:?}"),
    }
}

/// The known name that the author most likely meant: one that is a slip away, or one that begins the same and is much
/// alike, as `adress` is `addr`.
fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    slip(key, known.clone()).or_else(|| {
        let alike = known.map(|name| (strsim::jaro_winkler(key, name), name));
        let alike =
            alike.filter(|(likeness, name)| *likeness > 0.79 && key.bytes().next() == name.bytes().next());
        alike
            .max_by(|one, other| one.0.total_cmp(&other.0))
            .map(|(_, name)| name)
    })
}

/// The known name that is a slip away.
pub(super) fn slip<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::damerau_levenshtein(key, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name)
}
