//! Judges each key of the tree by the schema: what is unknown or without effect is reported and taken out, so that the
//! typed fields see only what they know.

use serde_yaml::{Mapping, Value};

use super::guards;
use super::problem::{Problem, Warning};
use super::schema::{self, Node};
use super::tree::Findings;

/// Of the format of the file, as it is written.
pub(super) fn version(tree: &Value) -> Option<Problem> {
    match tree.get("version")? {
        Value::String(text) if text == "0.1" => None,
        Value::Null => None,
        _ => Some(Problem::new(
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
    if tree
        .get("http")
        .and_then(|http| http.get("tls"))
        .is_some_and(is_empty)
    {
        missing.push(Warning::Missing {
            key: "http.tls",
            what: "no certificate is named, and everything goes over plain HTTP; remove the key if that is meant",
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
pub(super) fn keys(tree: &mut Value, findings: &mut Findings) {
    let mut judge = Judge {
        findings,
        without_effect: Vec::new(),
    };
    judge.visit(&schema::ROOT, tree, "", false);
    let Judge {
        findings,
        without_effect,
    } = judge;
    if !without_effect.is_empty() {
        findings
            .warnings
            .push(Warning::WithoutEffect { keys: without_effect });
    }
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
    findings: &'a mut Findings,
    without_effect: Vec<String>,
}

impl Judge<'_> {
    /// `in_gate`: something around this place is a gate.
    fn visit(&mut self, node: &Node, value: &mut Value, path: &str, in_gate: bool) {
        let is_gate = matches!(node, Node::Gate(_));
        let in_gate = in_gate || is_gate;
        match node.inner() {
            Node::Group(known) | Node::Choice(known) => {
                if matches!(node.inner(), Node::Choice(_)) {
                    expand_choice(value);
                }
                // Somebody began to write it, and must not be taken for somebody who did not want it.
                if is_gate && value.is_null() {
                    *value = Value::Mapping(Mapping::new());
                }
                self.visit_group(known, value, path, in_gate);
            }
            Node::List(item) | Node::TextOrList(item) => {
                if let Value::Sequence(items) = value {
                    for (index, value) in items.iter_mut().enumerate() {
                        self.visit(item, value, &format!("{path}.{index}"), in_gate);
                    }
                } else {
                    // A header with one value may be written without the list.
                    self.visit(item, value, path, in_gate);
                }
            }
            Node::Names(item) => {
                if let Value::Mapping(entries) = value {
                    for (key, value) in entries.iter_mut() {
                        self.visit(item, value, &join(path, &text_of(key)), in_gate);
                    }
                }
            }
            Node::Text
            | Node::Flag
            | Node::Number
            | Node::Duration
            | Node::Any
            | Node::Silent
            | Node::Harmless
            | Node::Refused(_)
            | Node::RefusedKind(_)
            | Node::Gate(_)
            | Node::Guarded(_) => {}
        }
    }

    fn visit_group(&mut self, known: &[(&str, Node)], value: &mut Value, path: &str, in_gate: bool) {
        let Value::Mapping(entries) = value else { return };
        entries.retain(|key, value| {
            let key = text_of(key);
            let path = join(path, &key);
            let Some((_, node)) = known.iter().find(|(name, _)| *name == key) else {
                self.unknown(known, path, &key, value, in_gate);
                return false;
            };
            match node.inner() {
                Node::Silent => false,
                Node::Harmless => {
                    if !is_unset(value) {
                        self.without_effect.push(path);
                    }
                    false
                }
                Node::Refused(way_out) => {
                    if !is_unset(value) {
                        self.problem(&path, way_out);
                    }
                    false
                }
                Node::RefusedKind(way_out) => {
                    self.problem(&path, way_out);
                    false
                }
                // Only `auth` may be left so: registry:2 lets everyone in then, and files have it.
                _ if (in_gate || matches!(node, Node::Gate(_)) && path.contains('.'))
                    && self.is_nothing(value, &path) =>
                {
                    let lost = match path.starts_with("http.tls") {
                        true => "nothing might be encrypted, or everyone get in",
                        false => "everyone might get in",
                    };
                    let what =
                        format!("nothing is given, and {lost}; write what belongs there, or remove the key");
                    self.problem(&path, &what);
                    false
                }
                _ => {
                    // Whoever names a bucket's store wants no other: what is missing in it is told.
                    if value.is_null() && matches!(path.as_str(), "storage.s3" | "storage.s3aws") {
                        *value = Value::Mapping(Mapping::new());
                    }
                    self.visit(node, value, &path, in_gate);
                    !value.is_null()
                }
            }
        });
    }

    /// Whether what stands in a gate says nothing. An empty variable is as good as none where it takes nothing away:
    /// compose files have such lines. What is missing in `auth` and `access` is asked for later, by name.
    fn is_nothing(&self, value: &Value, path: &str) -> bool {
        let is_asked_for = path.starts_with("auth.") || path.starts_with("access.");
        let origin = self.findings.origins.of(path);
        let is_of_file = origin.is_some_and(|origin| origin.starts_with("line "));
        value.is_null() || is_of_file && !is_asked_for && is_empty(value)
    }

    fn unknown(&mut self, known: &[(&str, Node)], path: String, key: &str, value: &Value, in_gate: bool) {
        let near = nearest(key, known.iter().map(|(name, _)| *name));
        let is_guarded = known
            .iter()
            .any(|(name, node)| Some(*name) == near && node.is_guarded());
        let parent = path.strip_suffix(key).unwrap_or_default();
        let unknown = Warning::UnknownKey {
            nearest: near.map(|name| format!("{parent}{name}")),
            key: path.clone(),
            at: None,
        };
        if in_gate || is_guarded || guards::is_out_of_place(key, value) {
            self.findings.problems.push(Problem::Slip(unknown));
        } else {
            self.findings.warnings.push(unknown);
        }
    }

    fn problem(&mut self, path: &str, what: &str) {
        // A value that could not be read is told already, and is nothing since.
        if self
            .findings
            .problems
            .iter()
            .any(|problem| problem.key() == Some(path))
        {
            return;
        }
        self.findings.problems.push(Problem::new(path, what));
    }
}

pub(super) fn join(path: &str, key: &str) -> String {
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
    let key = key.to_lowercase();
    slip(&key, known.clone()).or_else(|| {
        let alike = known.map(|name| (strsim::jaro_winkler(&key, name), name));
        let alike =
            alike.filter(|(likeness, name)| *likeness > 0.79 && key.bytes().next() == name.bytes().next());
        alike
            .max_by(|one, other| one.0.total_cmp(&other.0))
            .map(|(_, name)| name)
    })
}

/// The known name that is a slip away: a letter or a few, or in capitals, or with dashes in it.
pub(super) fn slip<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let key = key.to_lowercase().replace(['-', '_', ' '], "");
    known
        .map(|name| (strsim::damerau_levenshtein(&key, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name)
}
