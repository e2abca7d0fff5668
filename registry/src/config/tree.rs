//! YAML nodes → a tree in which each value has the type that the schema asks for, by registry:2's rules.
//!
//! registry:2 reads a file into Go's structures, and they decide what a word means (`0123` is text below `realm` and 83
//! below `threshold`) and what becomes of a key that is written twice: sections and names are taken together, anything
//! else counts as it is written last.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_yaml::{Mapping, Value};

use super::problem::{Problem, Warning};
use super::schema::{self, Node};
use super::yaml::{self, Kind, Scalar, words};

/// Where each key was set: `line 7`, or a variable's name.
#[derive(Debug, Default)]
pub(super) struct Origins(BTreeMap<String, String>);

impl Origins {
    pub(super) fn set(&mut self, path: &str, origin: String) {
        self.0.insert(path.to_owned(), origin);
    }

    /// Of the key, or of the nearest section around it.
    pub(super) fn of(&self, path: &str) -> Option<&str> {
        let mut path = path;
        loop {
            if let Some(origin) = self.0.get(path) {
                return Some(origin);
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}

/// What is found on the way.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
    pub(super) origins: Origins,
}

/// More nodes than any configuration has, with what aliases repeat.
const LARGEST: usize = 20_000;

/// Makes values of nodes.
pub(super) struct Builder<'a> {
    pub(super) findings: &'a mut Findings,
    /// Where the nodes are from, if not from the file.
    pub(super) variable: Option<&'a str>,
    nodes: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(findings: &'a mut Findings, variable: Option<&'a str>) -> Self {
        Builder {
            findings,
            variable,
            nodes: 0,
        }
    }

    /// The value of a node, for the place of the tree that `path` names.
    pub(super) fn value(&mut self, schema: &Node, node: &yaml::Node, path: &str) -> Value {
        if self.is_too_much() {
            return Value::Null;
        }
        self.set_origin(path, node.line);
        if matches!(&node.kind, Kind::Scalar(scalar) if scalar.is_null()) {
            return Value::Null;
        }
        match (schema.inner(), &node.kind) {
            (Node::Group(known) | Node::Choice(known), Kind::Map(entries)) => {
                let child = |key: &str| known.iter().find(|(name, _)| *name == key).map(|(_, node)| node);
                self.mapping(schema, &child, entries, path)
            }
            (Node::Choice(_), Kind::Scalar(scalar)) => Value::String(scalar.text.clone()),
            (Node::Group(_) | Node::Choice(_), _) => self.wrong(path, "expected keys with values"),
            (Node::Names(item), Kind::Map(entries)) => self.mapping(schema, &|_| Some(item), entries, path),
            (Node::Names(_), _) => self.wrong(path, "expected keys with values"),
            (Node::List(item) | Node::TextOrList(item), Kind::List(items)) => self.list(item, items, path),
            (Node::TextOrList(item), _) => self.value(item, node, path),
            (Node::List(item), Kind::Scalar(scalar)) if matches!(item.inner(), Node::Text) => {
                let what = format!("a list is expected; write [{}]", shown(scalar));
                self.wrong(path, &what)
            }
            (Node::List(_), _) => self.wrong(
                path,
                "a list is expected, each entry on a line that begins with a dash",
            ),
            (Node::Text, Kind::Scalar(scalar)) => Value::String(scalar.text.clone()),
            (Node::Text, _) => self.wrong(path, "text is expected here, not a list or a section"),
            (Node::Flag, Kind::Scalar(scalar)) => self.flag(scalar, path),
            (Node::Flag, _) => self.wrong(path, "true or false is expected here"),
            (Node::Number, Kind::Scalar(scalar)) => self.number(scalar, path),
            (Node::Number, _) => self.wrong(path, "a number is expected here"),
            (Node::Duration, Kind::Scalar(scalar)) => self.duration(scalar, path),
            (Node::Duration, _) => self.wrong(path, "a duration is expected here, such as 30s"),
            // Nobody asks what stands in these, only whether something does.
            (Node::Any | Node::Silent | Node::Harmless | Node::Refused(_) | Node::RefusedKind(_), _) => {
                self.anything(node, path)
            }
            (Node::Gate(_) | Node::Guarded(_), _) => unreachable!("the inner node is none of them"),
        }
    }

    fn mapping<'s>(
        &mut self,
        schema: &Node,
        child: &dyn Fn(&str) -> Option<&'s Node>,
        entries: &[yaml::Entry],
        path: &str,
    ) -> Value {
        let mut made = Mapping::new();
        for (key, value) in entries {
            let Kind::Scalar(name) = &key.kind else {
                self.problem(path, "a key is text, not a list or a section");
                continue;
            };
            if name.plain && name.text == "<<" {
                self.merge(schema, child, value, path, &mut made);
                continue;
            }
            let at = super::judge::join(path, &name.text);
            let before = made.remove(name.text.as_str());
            let first = before
                .as_ref()
                .and_then(|_| self.findings.origins.of(&at).map(str::to_owned));
            let node = child(&name.text);
            let mut new = self.value(node.unwrap_or(&Node::Any), value, &at);
            self.set_origin(&at, key.line);
            if let Some(before) = before {
                self.twice(node, &at, first, (&before, &new));
                new = together(node, before, new);
            }
            made.insert(name.text.as_str().into(), new);
        }
        Value::Mapping(made)
    }

    /// `<<`: the keys of other sections, as if they stood here. Go takes them in the order of the text.
    fn merge<'s>(
        &mut self,
        schema: &Node,
        child: &dyn Fn(&str) -> Option<&'s Node>,
        node: &yaml::Node,
        path: &str,
        made: &mut Mapping,
    ) {
        let origin = |key: &Value| {
            let at = super::judge::join(path, key.as_str()?);
            self.findings.origins.of(&at).map(str::to_owned)
        };
        let mut first: Vec<_> = made.keys().map(|key| (key.clone(), origin(key))).collect();
        for (key, mut new) in self.merged(schema, child, node, path) {
            if let (Some(before), Some(name)) = (made.remove(&key), key.as_str()) {
                let first = first.iter_mut().find(|(known, _)| *known == key);
                let first = first.and_then(|(_, origin)| origin.take());
                let child = child(name);
                self.twice(child, &super::judge::join(path, name), first, (&before, &new));
                new = together(child, before, new);
            }
            made.insert(key, new);
        }
    }

    fn merged<'s>(
        &mut self,
        schema: &Node,
        child: &dyn Fn(&str) -> Option<&'s Node>,
        node: &yaml::Node,
        path: &str,
    ) -> Mapping {
        let mut made = Mapping::new();
        if self.is_too_much() {
            return made;
        }
        match &node.kind {
            Kind::Map(entries) => {
                if let Value::Mapping(entries) = self.mapping(schema, child, entries, path) {
                    made = entries;
                }
            }
            // The first counts most.
            Kind::List(items) if items.iter().all(|item| matches!(item.kind, Kind::Map(_))) => {
                for item in items.iter().rev() {
                    for (key, mut new) in self.merged(schema, child, item, path) {
                        if let Some(before) = made.remove(&key) {
                            new = together(key.as_str().and_then(child), before, new);
                        }
                        made.insert(key, new);
                    }
                }
            }
            Kind::List(_) | Kind::Scalar(_) => self.problem(path, "<< takes a section or a list of sections"),
        }
        made
    }

    /// Counts a node.
    fn is_too_much(&mut self) -> bool {
        self.nodes += 1;
        if self.nodes == LARGEST + 1 {
            self.problem(
                "configuration",
                "the aliases repeat too much; write out what is meant",
            );
        }
        self.nodes > LARGEST
    }

    fn list(&mut self, item: &Node, items: &[Rc<yaml::Node>], path: &str) -> Value {
        let values = items.iter().enumerate().map(|(index, node)| {
            match (
                self.value(item, node, &super::judge::join(path, &index.to_string())),
                item.inner(),
            ) {
                (Value::Null, Node::Text) => Value::String(String::new()),
                (Value::Null, Node::Any) => Value::Null,
                (Value::Null, _) => Value::Mapping(Mapping::new()),
                (value, _) => value,
            }
        });
        Value::Sequence(values.collect())
    }

    fn flag(&mut self, scalar: &Scalar, path: &str) -> Value {
        match words::flag(&scalar.text) {
            Some(flag) => {
                self.note_quotes(scalar, path, &flag.to_string());
                Value::Bool(flag)
            }
            None => {
                let what = format!(
                    "\"{}\" is neither true nor false; write one of them",
                    shown(scalar)
                );
                self.wrong(path, &what)
            }
        }
    }

    fn number(&mut self, scalar: &Scalar, path: &str) -> Value {
        match words::integer(&scalar.text) {
            Some(number) => {
                self.note_quotes(scalar, path, &number.to_string());
                Value::Number(number.into())
            }
            None => {
                let what = format!("\"{}\" is not a number; write one like 10", shown(scalar));
                self.wrong(path, &what)
            }
        }
    }

    /// Go counts durations in nanoseconds, and takes a bare number for so many of them.
    fn duration(&mut self, scalar: &Scalar, path: &str) -> Value {
        match words::integer(&scalar.text).filter(|_| scalar.plain) {
            Some(0) => Value::String("0".to_owned()),
            Some(number) => {
                let what = format!(
                    "{number} without a unit are nanoseconds, as for registry:2; write {number}s if seconds are meant"
                );
                self.note(path, &what);
                Value::String(format!("{number}ns"))
            }
            None => Value::String(scalar.text.clone()),
        }
    }

    fn anything(&mut self, node: &yaml::Node, path: &str) -> Value {
        match &node.kind {
            Kind::Scalar(scalar) if scalar.plain => words::value(&scalar.text),
            Kind::Scalar(scalar) => Value::String(scalar.text.clone()),
            Kind::List(items) => self.list(&Node::Any, items, path),
            Kind::Map(entries) => self.mapping(&Node::Any, &|_| Some(&Node::Any), entries, path),
        }
    }

    /// A key is there for the second time.
    fn twice(&mut self, node: Option<&Node>, path: &str, first: Option<String>, values: (&Value, &Value)) {
        let (before, new) = values;
        let is_lost = super::judge::is_unset(new) && !super::judge::is_unset(before);
        let first = first
            .map(|origin| format!(" (first: {origin})"))
            .unwrap_or_default();
        if is_lost && node.is_some_and(Node::is_guarded) {
            let what = format!(
                "written twice{first}, and the second, which counts, says nothing; remove one of them"
            );
            self.problem(path, &what);
            return;
        }
        // registry:2 does not know this section, so that nothing relies on it.
        if path.starts_with("access") {
            let what = format!("written twice{first}, and only the last would count; remove one of them");
            self.problem(path, &what);
            return;
        }
        self.findings.warnings.push(Warning::Twice {
            key: path.to_owned(),
            at: None,
            first,
            together: node.is_some_and(is_taken_together),
        });
    }

    fn note_quotes(&mut self, scalar: &Scalar, path: &str, value: &str) {
        if !scalar.plain {
            self.note(path, &format!("registry:2 takes no quotes here; write {value}"));
        }
    }

    fn note(&mut self, path: &str, what: &str) {
        self.findings.warnings.push(Warning::Note {
            key: path.to_owned(),
            at: None,
            what: what.to_owned(),
        });
    }

    fn wrong(&mut self, path: &str, what: &str) -> Value {
        self.problem(path, what);
        Value::Null
    }

    fn problem(&mut self, path: &str, what: &str) {
        let path = if path.is_empty() { "configuration" } else { path };
        self.findings.problems.push(Problem::new(path, what));
    }

    fn set_origin(&mut self, path: &str, line: usize) {
        let origin = match self.variable {
            Some(name) => name.to_owned(),
            None => format!("line {line}"),
        };
        self.findings.origins.set(path, origin);
    }
}

/// Sections and names; what chooses a kind is one thing.
fn is_taken_together(node: &Node) -> bool {
    matches!(node.inner(), Node::Group(_) | Node::Names(_))
}

/// What two values of one key come to.
fn together(node: Option<&Node>, before: Value, new: Value) -> Value {
    let Some(node) = node.filter(|node| is_taken_together(node)) else {
        return new;
    };
    match (before, new) {
        (Value::Mapping(mut made), Value::Mapping(new)) => {
            for (key, value) in new {
                let child = match node.inner() {
                    Node::Group(known) => known.iter().find(|(name, _)| key == *name).map(|(_, node)| node),
                    _ => None,
                };
                let value = match made.remove(&key) {
                    Some(before) => together(child, before, value),
                    None => value,
                };
                made.insert(key, value);
            }
            Value::Mapping(made)
        }
        (_, new) => new,
    }
}

/// Short: it is for a message.
fn shown(scalar: &Scalar) -> String {
    const LONGEST: usize = 40;
    match scalar.text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &scalar.text[..end]),
        None => scalar.text.clone(),
    }
}

/// The tree of a configuration file. An empty file is an empty tree.
pub(super) fn read(text: &str, findings: &mut Findings) -> Result<Value, Problem> {
    let document = yaml::read(text)?;
    if let Some(line) = document.second {
        findings.warnings.push(Warning::SecondDocument { line });
    }
    let Some(root) = document.root else {
        return Ok(Value::Mapping(Mapping::new()));
    };
    let tree = match &root.kind {
        Kind::Map(_) => Builder::new(findings, None).value(&schema::ROOT, &root, ""),
        Kind::Scalar(scalar) if scalar.is_null() => Value::Null,
        Kind::Scalar(_) | Kind::List(_) => {
            return Err(Problem::new(
                "configuration",
                "keys and values are expected, as in \"version: 0.1\"",
            ));
        }
    };
    Ok(if tree.is_mapping() {
        tree
    } else {
        Value::Mapping(Mapping::new())
    })
}
