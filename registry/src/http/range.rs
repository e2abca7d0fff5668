//! `Range`, `Content-Range` and `If-None-Match`: which part, and whether at all.

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, IF_NONE_MATCH, IF_RANGE, RANGE};

use super::error::Error;
use crate::content::Wanted;

/// Which part a client asks for. Several ranges, and what is not in bytes, are answered with the whole, as RFC 9110 §14.2 allows.
pub(super) fn requested(headers: &HeaderMap, etag: &str) -> Wanted {
    let Some(range) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return Wanted::All;
    };
    // The client has a part of another version: it must have the whole of this one.
    if headers
        .get(IF_RANGE)
        .is_some_and(|version| version.as_bytes() != etag.as_bytes())
    {
        return Wanted::All;
    }
    // Empty elements of a list count for nothing (RFC 9110 §5.6.1).
    let specs = range.strip_prefix("bytes=").unwrap_or_default().split(',');
    let mut specs = specs.map(str::trim).filter(|spec| !spec.is_empty());
    let (Some(spec), None) = (specs.next(), specs.next()) else {
        return Wanted::All;
    };
    let Some((first, last)) = spec.split_once('-') else {
        return Wanted::All;
    };
    let (first, last) = (first.trim_end(), last.trim_start());
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => Wanted::Between(first, last),
        (Ok(first), Err(_)) if last.is_empty() => Wanted::From(first),
        (Err(_), Ok(length)) if first.is_empty() => Wanted::Last(length),
        _ => Wanted::All,
    }
}

/// Where the body of a part of an upload begins, if the client says so: `Content-Range: 0-99`, as the specification
/// has it, or `bytes 0-99/*`, as HTTP has it.
pub(super) fn sent_at(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let Some(value) = headers.get(CONTENT_RANGE) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let bad = || {
        Error::BadRange(format!(
            "Content-Range is \"{}\", and must be FIRST-LAST",
            super::route::excerpt(&text)
        ))
    };
    let spec = text.strip_prefix("bytes ").unwrap_or(&text);
    let spec = spec.split_once('/').map_or(spec, |(range, _)| range).trim();
    let (first, last) = spec.split_once('-').ok_or_else(bad)?;
    let (first, last): (u64, u64) = (
        first.parse().map_err(|_| bad())?,
        last.parse().map_err(|_| bad())?,
    );
    let length = last
        .checked_sub(first)
        .and_then(|length| length.checked_add(1))
        .ok_or_else(bad)?;
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced != length) {
        return Err(Error::BadRange(format!(
            "Content-Range has {length} bytes, Content-Length {}; they must be the same",
            announced.unwrap_or_default()
        )));
    }
    Ok(Some(first))
}

/// Whether the client has this version already. As registry:2, it takes the digest without quotes too.
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| {
            value.split(',').map(str::trim).any(|tag| {
                tag == "*" || tag == etag.trim_matches('"') || tag.strip_prefix("W/").unwrap_or(tag) == etag
            })
        })
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn ranges_are_read_as_http_has_them() {
        for (range, expected) in [
            ("bytes=0-0", Wanted::Between(0, 0)),
            ("bytes=2-5", Wanted::Between(2, 5)),
            ("bytes=5-2", Wanted::Between(5, 2)),
            ("bytes=0-18446744073709551615", Wanted::Between(0, u64::MAX)),
            ("bytes=5-", Wanted::From(5)),
            ("bytes=-3", Wanted::Last(3)),
            ("bytes=-0", Wanted::Last(0)),
            ("bytes=0-1,3-4", Wanted::All),
            ("bytes=,2-5", Wanted::Between(2, 5)),
            ("bytes=2-5,", Wanted::Between(2, 5)),
            ("bytes=2 - 5", Wanted::Between(2, 5)),
            ("bytes=,", Wanted::All),
            ("lines=0-1", Wanted::All),
            ("bytes=", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=a-b", Wanted::All),
        ] {
            assert_eq!(
                requested(&headers(&[(RANGE, range)]), "\"v\""),
                expected,
                "{range}"
            );
        }
    }

    #[test]
    fn a_range_of_another_version_gets_the_whole() {
        let of = |version| requested(&headers(&[(RANGE, "bytes=0-1"), (IF_RANGE, version)]), "\"v\"");
        assert_eq!(of("\"v\""), Wanted::Between(0, 1));
        assert_eq!(of("\"w\""), Wanted::All);
    }

    #[test]
    fn content_ranges_are_read_in_both_spellings_and_must_fit_the_length() {
        let at =
            |range, length: &str| sent_at(&headers(&[(CONTENT_RANGE, range), (CONTENT_LENGTH, length)])).ok();
        assert_eq!(at("0-9", "10"), Some(Some(0)));
        assert_eq!(at("bytes 10-19/*", "10"), Some(Some(10)));
        assert_eq!(sent_at(&HeaderMap::new()).ok(), Some(None));
        for (range, length) in [
            ("0-9", "9"),
            ("9-0", "10"),
            ("0", "1"),
            ("a-b", "1"),
            ("", "0"),
            ("0-18446744073709551615", "1"),
        ] {
            assert_eq!(at(range, length), None, "{range} with {length} bytes");
        }
    }

    #[test]
    fn a_version_is_known_by_any_of_its_spellings() {
        for value in ["\"v\"", "v", "W/\"v\"", "\"u\", \"v\"", "*"] {
            assert!(is_known(&headers(&[(IF_NONE_MATCH, value)]), "\"v\""), "{value}");
        }
        assert!(!is_known(&headers(&[(IF_NONE_MATCH, "\"w\"")]), "\"v\""));
        assert!(!is_known(&HeaderMap::new(), "\"v\""));
    }
}
