//! Globs over names: `*` stands for anything within one path segment, `**` for anything at all.

use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `*`
    WithinSegment,
    /// `**`
    Anything,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a pattern must not be empty".to_owned());
        }
        if let Some(odd) = text.chars().find(|c| "?[]{}\\!".contains(*c)) {
            return Err(format!(
                "the pattern \"{text}\" has a \"{odd}\"; only * and ** are understood"
            ));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(star) = rest.find('*') {
            if star > 0 {
                parts.push(Part::Text(rest[..star].to_owned()));
            }
            let stars = rest[star..].bytes().take_while(|&byte| byte == b'*').count();
            parts.push(if stars == 1 {
                Part::WithinSegment
            } else {
                Part::Anything
            });
            rest = &rest[star + stars..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Pattern(parts))
    }
}

impl Pattern {
    pub(super) fn matches(&self, name: &str) -> bool {
        // Which parts can have been passed after the bytes so far: linear, whatever the pattern.
        let parts = &self.0;
        let mut ends = vec![false; name.len() + 1];
        ends[0] = true;
        for part in parts {
            ends = match part {
                Part::Text(text) => after_text(name, text, &ends),
                Part::WithinSegment => after_star(name, &ends, |byte| byte != b'/'),
                Part::Anything => after_star(name, &ends, |_| true),
            };
        }
        ends[name.len()]
    }
}

fn after_text(name: &str, text: &str, ends: &[bool]) -> Vec<bool> {
    let mut next = vec![false; ends.len()];
    for (start, _) in ends.iter().enumerate().filter(|(_, reached)| **reached) {
        if name.as_bytes()[start..].starts_with(text.as_bytes()) {
            next[start + text.len()] = true;
        }
    }
    next
}

fn after_star(name: &str, ends: &[bool], passes: impl Fn(u8) -> bool) -> Vec<bool> {
    let mut next = ends.to_vec();
    for (index, byte) in name.bytes().enumerate() {
        if next[index] && passes(byte) {
            next[index + 1] = true;
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_within_a_segment_and_double_stars_do_not() {
        for (pattern, name, expected) in [
            ("app", "app", true),
            ("app", "apps", false),
            ("*", "app", true),
            ("*", "team/app", false),
            ("**", "team/app/x", true),
            ("team/*", "team/app", true),
            ("team/*", "team/app/x", false),
            ("team/*", "team", false),
            ("team/**", "team/app/x", true),
            ("team/**", "teams/app", false),
            ("*/app", "team/app", true),
            ("**/app", "a/b/app", true),
            ("**/app", "app", false),
            ("a*c", "abc", true),
            ("a*c", "a/c", false),
            ("ro*-pull", "roadstead-pull", true),
        ] {
            let parsed: Pattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let pattern: Pattern = "a*".repeat(60).parse().unwrap();
        assert!(!pattern.matches(&("a".repeat(255) + "b/")));
    }

    #[test]
    fn what_looks_like_another_kind_of_glob_is_refused() {
        for text in ["", "team/?", "[ab]", "{a,b}", "!team"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
