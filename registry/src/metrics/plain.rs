//! Prometheus' older text format, which registry:2 writes, from the newer one.

use std::fmt::Write as _;

use crate::go;

/// For whoever does not ask for OpenMetrics: counters are described under the name of their samples, and bounds of
/// buckets are written as Go writes numbers.
pub(super) fn from_open_metrics(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let is_counter = lines.peek().is_some_and(|next| next.ends_with(" counter"));
            let (name, help) = help.split_once(' ').unwrap_or((help, ""));
            let _ = writeln!(
                plain,
                "# HELP {name}{} {help}",
                if is_counter { "_total" } else { "" }
            );
        } else if let Some(name) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.strip_suffix(" counter"))
        {
            let _ = writeln!(plain, "# TYPE {name}_total counter");
        } else if line.starts_with("# TYPE ") {
            let _ = writeln!(plain, "{line}");
        } else if !line.starts_with('#') {
            sample(&mut plain, line);
        }
    }
    plain
}

fn sample(plain: &mut String, line: &str) {
    let bound = line
        .split_once("le=\"")
        .and_then(|(before, rest)| Some((before, rest.split_once('"')?)));
    let _ = match bound {
        Some((before, (bound, after))) => writeln!(plain, "{before}le=\"{}\"{after}", number(bound)),
        None => writeln!(plain, "{line}"),
    };
}

fn number(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), go::float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_registry_2_writes_it() {
        let open = "# HELP a_requests Requests.\n# TYPE a_requests counter\n# UNIT a_requests x\n\
                    a_requests_total{code=\"200\"} 1\n# HELP a_size Sizes.\n# TYPE a_size histogram\n\
                    a_size_bucket{handler=\"base\",le=\"0.005\"} 0\na_size_bucket{le=\"1.0\"} 0\n\
                    a_size_bucket{le=\"524288.0\"} 0\na_size_bucket{le=\"1048576.0\"} 0\n\
                    a_size_bucket{le=\"2147483648.0\"} 1\na_size_bucket{le=\"+Inf\"} 1\n# EOF\n";
        let plain = "# HELP a_requests_total Requests.\n# TYPE a_requests_total counter\n\
                     a_requests_total{code=\"200\"} 1\n# HELP a_size Sizes.\n# TYPE a_size histogram\n\
                     a_size_bucket{handler=\"base\",le=\"0.005\"} 0\na_size_bucket{le=\"1\"} 0\n\
                     a_size_bucket{le=\"524288\"} 0\na_size_bucket{le=\"1.048576e+06\"} 0\n\
                     a_size_bucket{le=\"2.147483648e+09\"} 1\na_size_bucket{le=\"+Inf\"} 1\n";
        assert_eq!(from_open_metrics(open), plain);
    }
}
