//! YAML text as registry:2 reads it: the first document of a stream, with the line of each node, and each scalar as it
//! was written. What a word means is for `words` to say, where the schema knows what is asked for.
//!
//! granit-parser: kept well, in the lock file anyway, and as lenient as libyaml, which registry:2's parser is a copy of.

pub(super) mod words;

use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag, options};

/// A place of the text, and what stands there. Aliases share what they name.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

/// A key and its value.
pub(super) type Entry = (Rc<Node>, Rc<Node>);

#[derive(Debug)]
pub(super) enum Kind {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

#[derive(Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Without quotes or with a tag that says so: it may be a flag, a number or nothing.
    pub(super) plain: bool,
}

impl Scalar {
    pub(super) fn is_null(&self) -> bool {
        self.plain && words::is_null(&self.text)
    }
}

/// One document.
#[derive(Debug)]
pub(super) struct Document {
    /// Absent: it is empty.
    pub(super) root: Option<Rc<Node>>,
    /// Where a second document begins, which nobody reads.
    pub(super) second: Option<usize>,
}

/// Why a text is not YAML.
#[derive(Debug)]
pub(super) struct Syntax {
    pub(super) line: usize,
    pub(super) what: String,
}

/// Reads the first document. What comes after it is only looked at for whether something is there.
pub(super) fn read(text: &str) -> Result<Document, Syntax> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = options! { emit_comments: false, block_scalar_eof_without_line_feed: true };
    let mut composer = Composer {
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
    };
    composer.document().map_err(|error| explain(text, &error))
}

struct Composer<I> {
    events: I,
    anchors: HashMap<usize, Rc<Node>>,
}

impl<'t, I: Iterator<Item = Result<(Event<'t>, Span), ScanError>>> Composer<I> {
    fn document(&mut self) -> Result<Document, ScanError> {
        let mut root = None;
        while let Some(event) = self.events.next() {
            let (event, span) = event?;
            match event {
                Event::DocumentEnd => break,
                Event::StreamEnd => return Ok(Document { root, second: None }),
                event => root = root.or(self.node(event, &span)?),
            }
        }
        let second = self.events.find_map(|event| match event {
            Ok((Event::Scalar(text, ..), _)) if words::is_null(&text) => None,
            Ok((event, span)) if event.is_node() => Some(span.start.line()),
            Ok(_) => None,
            Err(error) => Some(error.marker().line()),
        });
        Ok(Document { root, second })
    }

    /// The node that begins with this event; none if it begins no node.
    fn node(&mut self, event: Event<'t>, span: &Span) -> Result<Option<Rc<Node>>, ScanError> {
        let line = span.start.line();
        let (anchor, kind) = match event {
            Event::Alias(anchor) => {
                // Not there yet while it is being read: then it would contain itself.
                let known = self.anchors.get(&anchor).cloned();
                return known
                    .map(Some)
                    .ok_or_else(|| ScanError::new(span.start, "the anchor contains itself"));
            }
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, Kind::Scalar(scalar(&text, style, tag.as_deref())))
            }
            Event::SequenceStart(_, anchor, _) => (anchor, Kind::List(self.items()?)),
            Event::MappingStart(_, anchor, _) => (anchor, Kind::Map(self.entries()?)),
            _ => return Ok(None),
        };
        let node = Rc::new(Node { line, kind });
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(Some(node))
    }

    fn items(&mut self) -> Result<Vec<Rc<Node>>, ScanError> {
        let mut items = Vec::new();
        while let Some(event) = self.events.next() {
            let (event, span) = event?;
            if matches!(event, Event::SequenceEnd | Event::MappingEnd) {
                break;
            }
            items.extend(self.node(event, &span)?);
        }
        Ok(items)
    }

    fn entries(&mut self) -> Result<Vec<Entry>, ScanError> {
        let mut nodes = self.items()?.into_iter();
        let mut entries = Vec::new();
        while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
            entries.push((key, value));
        }
        Ok(entries)
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Scalar {
    let name = tag.map(|tag| tag.core_suffix().unwrap_or_default());
    Scalar {
        text: text.to_owned(),
        plain: match name {
            None => style == ScalarStyle::Plain,
            Some(name) => matches!(name, "bool" | "int" | "float" | "null"),
        },
    }
}

/// What is most likely wrong with the line, in words of the author's.
fn explain(text: &str, error: &ScanError) -> Syntax {
    // Where text breaks off, the mark is past its end.
    let lines: Vec<&str> = text.lines().collect();
    let line = error.marker().line().clamp(1, lines.len().max(1));
    let is_indented_by_tab = |line: &usize| {
        let text = lines.get(line - 1).copied().unwrap_or_default();
        text.trim_start_matches(' ').starts_with('\t')
    };
    let mut around = [line, line + 1, line.saturating_sub(1)]
        .into_iter()
        .filter(|line| *line > 0);
    if let Some(line) = around.find(is_indented_by_tab) {
        let what = "the line is indented with a tab, which YAML does not take; use spaces".to_owned();
        return Syntax { line, what };
    }
    let written = lines.get(line - 1).copied().unwrap_or_default();
    let hint = match written
        .split([' ', '[', ',', '{'])
        .find(|word| word.starts_with(['*', '&', '@', '%', '`']))
    {
        Some(word) => format!("; text that begins with {} must be in quotes", &word[..1]),
        None => String::new(),
    };
    Syntax {
        line,
        what: format!("{}{hint}", error.info()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(node: &Node) -> String {
        match &node.kind {
            Kind::Scalar(scalar) if scalar.plain => scalar.text.clone(),
            Kind::Scalar(scalar) => format!("{:?}", scalar.text),
            Kind::List(items) => format!("{:?}", items.iter().map(|item| shape(item)).collect::<Vec<_>>()),
            Kind::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", shape(key), shape(value)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn read_back(text: &str) -> String {
        match read(text) {
            Ok(document) => document.root.map_or_else(String::new, |root| shape(&root)),
            Err(syntax) => format!("line {}: {}", syntax.line, syntax.what),
        }
    }

    /// Each was tried with registry:2's parser.
    #[test]
    fn what_libyaml_takes_is_taken() {
        for (text, expected) in [
            ("\u{feff}a: b\n", "{a: b}"),
            ("---\na: b\n---\n", "{a: b}"),
            ("a: b\n...\n", "{a: b}"),
            ("a: b\n...\nc: d\n", "{a: b}"),
            ("a: b\n---\nc: [\n", "{a: b}"),
            ("%YAML 1.1\n---\na: b\n", "{a: b}"),
            ("a: b\r\nc: d\r\n", "{a: b, c: d}"),
            ("a:\tb\t\n", "{a: b}"),
            ("a: {\tb: c}\n", "{a: {b: c}}"),
            ("a:\n  b: [\nc,\nd\n]\n", "{a: {b: [\"c\", \"d\"]}}"),
            ("a: [http://127.0.0.1:8080]\n", "{a: [\"http://127.0.0.1:8080\"]}"),
            ("a: {\"b\":\"c\"}\n", "{a: {\"b\": \"c\"}}"),
            ("? a\n: b: c\n", "{a: {b: c}}"),
            ("a: &x b\nc: *x\n", "{a: b, c: b}"),
            (
                "a: !!str yes\nb: !!bool 'yes'\nc: !mine d\n",
                "{a: \"yes\", b: yes, c: \"d\"}",
            ),
            ("a: |\n  b", "{a: \"b\"}"),
            ("a:\nb: ''\n", "{a: ~, b: \"\"}"),
            ("", ""),
            ("# nothing\n", ""),
        ] {
            assert_eq!(read_back(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_tab_is_called_a_tab() {
        for text in ["a:\n\tb: c\n", "a:\n  b: c\n\td: e\n", "a:\n  - b\n \t- c\n"] {
            let told = read_back(text);
            assert!(told.contains("indented with a tab"), "{text:?}: {told}");
        }
        assert!(read_back("a:\n\tb: c\n").starts_with("line 2:"));
    }

    #[test]
    fn what_must_be_in_quotes_is_told_so() {
        for text in ["a: [*]\n", "a: @b\n", "a: %b\n", "a: `b`\n", "a: *b\n"] {
            let told = read_back(text);
            assert!(
                told.starts_with("line 1: ") && told.contains("must be in quotes"),
                "{text:?}: {told}"
            );
        }
    }

    #[test]
    fn a_second_document_is_noticed() {
        let second = |text: &str| read(text).unwrap().second;
        assert_eq!(second("a: b\n---\nc: d\n"), Some(3));
        for text in [
            "a: b\n---\n",
            "a: b\n...\n",
            "a: b\n---\n# nothing\n...\n",
            "a: b\n",
        ] {
            assert_eq!(second(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_anchor_cannot_contain_itself() {
        assert!(read_back("a: &x [*x]\n").contains("itself"));
    }
}
