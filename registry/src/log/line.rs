//! One line of the log.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use tracing::Level;
use tracing::field::{Field, Visit};

use super::settings::Format;
use crate::go;

/// What the line of a request takes, so that it is not moved while it grows.
const CAPACITY: usize = 768;

/// A line that is being written. The message comes when it comes; readers find fields by their names.
pub(super) struct Line {
    format: Format,
    text: String,
}

impl Line {
    pub(super) fn begin(format: Format, level: &Level, now: Timestamp) -> Self {
        let level = match *level {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut text = String::with_capacity(CAPACITY);
        // Writing to a string cannot fail; the same holds below.
        let _ = match format {
            Format::Json => write!(text, "{{\"time\":\"{now:.6}\",\"level\":\"{level}\""),
            Format::Text => write!(text, "time=\"{now:.6}\" level={level}"),
        };
        Line { format, text }
    }

    /// A name and a text.
    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        match self.format {
            Format::Json => quote(&mut self.text, value),
            Format::Text => text_value(&mut self.text, value),
        }
    }

    pub(super) fn end(mut self, ending: &str) -> String {
        self.text.push_str(ending);
        if self.format == Format::Json {
            self.text.push('}');
        }
        self.text.push('\n');
        self.text
    }

    fn number(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        let _ = write!(self.text, "{value}");
    }

    /// The only fractions are seconds; more than a microsecond of them says nothing. JSON has no infinity.
    fn float(&mut self, name: &str, value: f64) {
        if value.is_finite() {
            self.number(name, (value * 1e6).round() / 1e6);
        }
    }

    fn name(&mut self, name: &str) {
        let name = if name == "message" { "msg" } else { name };
        match self.format {
            Format::Json => {
                self.text.push(',');
                quote(&mut self.text, name);
                self.text.push(':');
            }
            Format::Text => {
                self.text.push(' ');
                self.text.push_str(name);
                self.text.push('=');
            }
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field.name(), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.float(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field.name(), &value.to_string());
    }
}

/// Letters, digits, and what registry:2's log library leaves without quotes besides.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        plain[byte] = matches!(byte as u8, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
            || matches!(byte as u8, b'-' | b'.' | b'_' | b'/' | b'@' | b'^' | b'+');
        byte += 1;
    }
    plain
};

/// A value in a line of text: in quotes where registry:2 has them, and with Go's escapes in them.
pub(super) fn text_value(text: &mut String, value: &str) {
    if value.bytes().all(|byte| PLAIN[usize::from(byte)]) {
        text.push_str(value);
    } else {
        quote_with(text, value, go::escape);
    }
}

/// JSON's quoting. What a client sends ends up here: no line may be broken by it, no terminal steered.
pub(super) fn quote(text: &mut String, value: &str) {
    quote_with(text, value, escape);
}

fn quote_with(text: &mut String, value: &str, escape: fn(&mut String, char)) {
    text.push('"');
    // Nearly every text has nothing to be escaped and is copied whole.
    if value
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
    {
        text.push_str(value);
    } else {
        value.chars().for_each(|c| escape(text, c));
    }
    text.push('"');
}

fn escape(text: &mut String, c: char) {
    match c {
        '"' => text.push_str("\\\""),
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        c if c.is_control() => {
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        }
        c => text.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: Format) -> String {
        let now = "2026-06-01T12:00:00.123456Z".parse().unwrap();
        let mut line = Line::begin(format, &Level::WARN, now);
        line.text("message", "a \"quoted\" word");
        line.text("path", "/v2/a");
        line.text("agent", "evil\n\u{1b}[31m");
        line.number("status", 200);
        line.end("")
    }

    #[test]
    fn a_line_of_text_is_one_line_and_cannot_steer_a_terminal() {
        assert_eq!(
            line(Format::Text),
            "time=\"2026-06-01T12:00:00.123456Z\" level=warning msg=\"a \\\"quoted\\\" word\" path=/v2/a \
             agent=\"evil\\n\\x1b[31m\" status=200\n"
        );
    }

    /// Each as registry:2's log library wrote it.
    #[test]
    fn values_stand_in_quotes_where_registry_2_has_them() {
        for (value, written) in [
            ("", ""),
            ("a-b_c.d/e@f^g+h", "a-b_c.d/e@f^g+h"),
            ("127.0.0.1:5000", "\"127.0.0.1:5000\""),
            ("a,b", "\"a,b\""),
            ("a=b", "\"a=b\""),
            ("a b", "\"a b\""),
            ("c:\\d \"e\"", "\"c:\\\\d \\\"e\\\"\""),
            ("\u{7}\t\u{7f}", "\"\\a\\t\\x7f\""),
            ("é ✓", "\"é ✓\""),
            ("\u{85}\u{202e}\u{e0001}", "\"\\u0085\\u202e\\U000e0001\""),
        ] {
            let mut text = String::new();
            text_value(&mut text, value);
            assert_eq!(text, written);
        }
    }

    #[test]
    fn fractions_have_the_digits_that_they_need() {
        for (number, written) in [(1000.0, "1000"), (0.25, "0.25"), (0.123_456_7, "0.123457")] {
            let mut line = Line::begin(Format::Text, &Level::INFO, Timestamp::UNIX_EPOCH);
            line.text.clear();
            line.float("seconds", number);
            assert_eq!(line.text, format!(" seconds={written}"));
        }
    }

    #[test]
    fn a_line_of_json_reads_back() {
        let value: serde_json::Value = serde_json::from_str(&line(Format::Json)).unwrap();
        assert_eq!(value["msg"], "a \"quoted\" word");
        assert_eq!(value["agent"], "evil\n\u{1b}[31m");
        assert_eq!(value["status"], 200);
        assert_eq!(value["level"], "warning");
    }
}
