//! What a plain scalar means to registry:2, whose parser is Go's yaml.v2: YAML 1.1's flags, Go's numbers.

use serde_yaml::Value;

/// Nothing at all.
pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// YAML 1.1's words, in lower case, with a capital, or in capitals.
pub(crate) fn flag(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A whole number: decimal, `0x10`, `0b11`, `010` and `0o10` (octal), `1_000`; what stands behind a point is cut off.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let digits = match text.as_bytes().first()? {
        b'0'..=b'9' | b'+' | b'-' => text.replace('_', ""),
        b'.' => text.to_owned(),
        _ => return None,
    };
    go_integer(&digits).or_else(|| whole(&digits))
}

fn go_integer(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let lower = rest.to_ascii_lowercase();
    let (digits, radix) = if let Some(digits) = lower.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (digits, 2)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (digits, 8)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (&lower[1..], 8)
    } else {
        (&lower[..], 10)
    };
    let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    is_number
        .then(|| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok())
        .flatten()
}

/// What a word is where nobody says what it should be.
pub(crate) fn value(text: &str) -> Value {
    if is_null(text) {
        return Value::Null;
    }
    if let Some(flag) = flag(text) {
        return Value::Bool(flag);
    }
    let digits = text.replace('_', "");
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    let number = || -> Option<Value> {
        let integer = go_integer(&digits).map(Value::from);
        let large = || digits.parse::<u64>().ok().map(Value::from);
        integer
            .or_else(large)
            .or_else(|| Some(Value::from(float(&digits)?)))
    };
    match text.trim_start_matches(['+', '-']) {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => f64::NEG_INFINITY.into(),
        ".inf" | ".Inf" | ".INF" => f64::INFINITY.into(),
        _ if matches!(text, ".nan" | ".NaN" | ".NAN") => f64::NAN.into(),
        _ => is_number.then(number).flatten().unwrap_or_else(|| text.into()),
    }
}

fn float(text: &str) -> Option<f64> {
    let is_number = text.contains(|c: char| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    is_number.then(|| text.parse().ok()).flatten()
}

fn whole(text: &str) -> Option<i64> {
    let number = float(text)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "as Go does, within its range"
    )]
    let whole = (number.abs() < i64::MAX as f64).then_some(number as i64);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each was tried with registry:2's parser.
    #[test]
    fn numbers_are_go_s() {
        for (text, expected) in [
            ("3", Some(3)),
            ("-1", Some(-1)),
            ("+5", Some(5)),
            ("0x10", Some(16)),
            ("010", Some(8)),
            ("0o10", Some(8)),
            ("0777", Some(511)),
            ("08", Some(8)),
            ("0b11", Some(3)),
            ("1_000", Some(1000)),
            ("1__0", Some(10)),
            ("0x_1", Some(1)),
            ("3.7", Some(3)),
            ("3.0", Some(3)),
            (".5", Some(0)),
            ("1e3", Some(1000)),
            ("_1", None),
            ("1,000", None),
            ("10M", None),
            ("three", None),
            ("99999999999999999999", None),
            ("2001-01-01", None),
            (".inf", None),
            ("-", None),
            ("", None),
        ] {
            assert_eq!(integer(text), expected, "{text}");
        }
    }

    #[test]
    fn flags_are_the_words_of_yaml_1_1() {
        for (text, expected) in [
            ("yes", Some(true)),
            ("Y", Some(true)),
            ("ON", Some(true)),
            ("True", Some(true)),
            ("n", Some(false)),
            ("Off", Some(false)),
            ("NO", Some(false)),
            ("yEs", None),
            ("tRue", None),
            ("t", None),
            ("1", None),
            ("enabled", None),
        ] {
            assert_eq!(flag(text), expected, "{text}");
        }
    }

    /// Each was tried with registry:2's parser.
    #[test]
    fn a_word_that_may_be_anything_is_what_it_looks_like() {
        for (text, expected) in [
            ("b", Value::from("b")),
            ("3", 3.into()),
            ("+5", 5.into()),
            ("0123", 83.into()),
            ("0x1f", 31.into()),
            ("-0x10", (-16).into()),
            ("0b101", 5.into()),
            ("0o17", 15.into()),
            ("1_000", 1000.into()),
            ("18446744073709551615", u64::MAX.into()),
            ("99999999999999999999", 1e20.into()),
            ("1.5", 1.5.into()),
            ("-.5", (-0.5).into()),
            ("1e3", 1000.0.into()),
            ("08", 8.into()),
            ("-.inf", f64::NEG_INFINITY.into()),
            ("yes", true.into()),
            ("Off", false.into()),
            ("~", Value::Null),
            ("", Value::Null),
            ("2001-01-01", "2001-01-01".into()),
            ("12:30:45", "12:30:45".into()),
            ("1.2.3", "1.2.3".into()),
            ("-", "-".into()),
            (".", ".".into()),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }
}
