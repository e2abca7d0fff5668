//! How Go writes numbers and texts: dashboards and log readers for registry:2 know nothing else.

use std::fmt::Write as _;
use std::io;

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// A number as `fmt` and Prometheus' client write it: the fewest digits that read back, an exponent from a million on.
pub(crate) fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse().unwrap_or(0) {
        -4..6 => number.to_string(),
        exponent if exponent < 0 => format!("{digits}e-{:02}", -exponent),
        exponent => format!("{digits}e+{exponent:02}"),
    }
}

/// A value as `encoding/json` writes it: a whole number without a fraction.
pub(crate) fn json(value: &Value) -> String {
    let mut text = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut text, Json));
    written.expect("a value of JSON has a form in JSON, and memory takes it");
    String::from_utf8(text).expect("JSON is text")
}

struct Json;

impl Formatter for Json {
    fn write_f64<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let size = value.abs();
        if value == 0.0 || (1e-6..1e21).contains(&size) {
            write!(writer, "{value}")
        } else {
            let sign = if size < 1.0 { "e" } else { "e+" };
            writer.write_all(format!("{value:e}").replace('e', sign).as_bytes())
        }
    }
}

/// A character as `%q` writes it.
pub(crate) fn escape(text: &mut String, c: char) {
    let code = u32::from(c);
    // Writing to a string cannot fail.
    let _ = match c {
        '"' => text.write_str("\\\""),
        '\\' => text.write_str("\\\\"),
        '\u{7}' => text.write_str("\\a"),
        '\u{8}' => text.write_str("\\b"),
        '\t' => text.write_str("\\t"),
        '\n' => text.write_str("\\n"),
        '\u{b}' => text.write_str("\\v"),
        '\u{c}' => text.write_str("\\f"),
        '\r' => text.write_str("\\r"),
        '\0'..' ' | '\u{7f}' => write!(text, "\\x{code:02x}"),
        // Rust writes as an escape what cannot be printed.
        c if c == '\'' || c.escape_debug().len() == 1 => text.write_char(c),
        _ if code < 0x1_0000 => write!(text, "\\u{code:04x}"),
        _ => write!(text, "\\U{code:08x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each as Go printed it.
    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (number, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-0.5, "-0.5"),
            (0.1, "0.1"),
            (1e-7, "1e-07"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (524_288.0, "524288"),
            (1_048_576.0, "1.048576e+06"),
            (123_456_789.5, "1.234567895e+08"),
            (1e30, "1e+30"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(float(number), text);
        }
    }

    #[test]
    fn values_are_written_as_go_writes_json() {
        let value =
            serde_json::json!([1000.0, 1.5, 1e20, 1e21, 1e-7, -0.000_001, 0.0, 3, "a", null, {"b": [2.0]}]);
        let text = "[1000,1.5,100000000000000000000,1e+21,1e-7,-0.000001,0,3,\"a\",null,{\"b\":[2]}]";
        assert_eq!(json(&value), text);
    }
}
