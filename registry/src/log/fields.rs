//! `log.fields`: what stands at the end of every line, as registry:2's log library writes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::line::{quote, text_value};
use super::settings::Format;
use crate::go;

/// The end of a line, made once.
pub(super) fn ending(format: Format, fields: &BTreeMap<String, Value>) -> String {
    let mut ending = String::new();
    for (name, value) in fields {
        // A line's own names must not be there twice.
        let prefix = match name.as_str() {
            "msg" | "time" | "level" => "fields.",
            _ => "",
        };
        let name = format!("{prefix}{name}");
        match format {
            Format::Json => {
                ending.push(',');
                quote(&mut ending, &name);
                // Writing to a string cannot fail; the same holds below.
                let _ = write!(ending, ":{}", go::json(value));
            }
            Format::Text => {
                let _ = write!(ending, " {name}=");
                text_value(&mut ending, &text(value));
            }
        }
    }
    ending
}

/// As Go's `fmt` prints a value that it knows nothing of.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => go::float(float),
            _ => number.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(text).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(name, value)| format!("{name}:{}", text(value)))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ending_of(format: Format) -> String {
        let Value::Object(fields) = json!({
            "a": "b", "c": 3, "d": true, "e": ["f", 2], "f": 1.5, "g": {"h": "i", "j": 3}, "level": "x", "q": "a b",
            "v": 1000.0, "w": 1e30, "x": "",
        }) else {
            unreachable!()
        };
        ending(format, &fields.into_iter().collect())
    }

    /// As registry:2 writes them, but for the section `g`, at which it writes no line any more.
    #[test]
    fn numbers_flags_and_lists_stay_what_they_are() {
        let line = format!("{{\"msg\":\"x\"{}}}", ending_of(Format::Json));
        let line: Value = serde_json::from_str(&line).unwrap();
        let expected = json!({
            "msg": "x", "a": "b", "c": 3, "d": true, "e": ["f", 2], "f": 1.5, "g": {"h": "i", "j": 3},
            "fields.level": "x", "q": "a b", "v": 1000, "w": 1e30, "x": "",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn lines_of_text_have_them_as_go_prints_them() {
        assert_eq!(
            ending_of(Format::Text),
            " a=b c=3 d=true e=\"[f 2]\" f=1.5 g=\"map[h:i j:3]\" fields.level=x q=\"a b\" v=1000 w=1e+30 x="
        );
    }
}
