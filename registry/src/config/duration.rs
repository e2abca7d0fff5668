//! Durations as Go writes them: `168h`, `1h30m`, `1.5s`, `0`. What is less than nothing is nothing.

use std::time::Duration;

pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let complaint = || format!("\"{text}\" is not a duration; write one like 30s, 10m or 168h");
    let (is_negative, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(complaint());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(complaint)?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let number: f64 = number.parse().map_err(|_| complaint())?;
        total += number * seconds(unit).ok_or_else(complaint)?;
        rest = after;
    }
    // Go counts in 64 bits of nanoseconds.
    if total * 1e9 >= i64::MAX as f64 {
        return Err(complaint());
    }
    let total = if is_negative { 0.0 } else { total };
    Duration::try_from_secs_f64(total).map_err(|_| complaint())
}

fn seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_writes() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1500),
            ("0", 0),
            ("168h", 604_800_000),
            ("5ms", 5),
            (".5s", 500),
            ("1.s", 1000),
            ("+5s", 5000),
            ("-1s", 0),
            ("-0", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "", "30", "s", "1d", "10 s", "10S", "1e3s", "1m1", "1..5s", "1h 30m", "9e99h", "3000000h", "-",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
