//! Variables that Kubernetes and docker set beside a Service or a linked container, here one called `registry` or
//! `registry-something`. They are no settings, whatever key their names look like.

/// The prefixes of docker's links: `NAME_NAME=/this/that`. All of that container's variables follow as `NAME_ENV_…`.
pub(super) fn links(variables: &[(String, String)]) -> Vec<String> {
    let links = variables.iter().filter_map(|(name, value)| {
        let link = name.strip_suffix("_NAME")?;
        let is_path = value.starts_with('/') && value.trim_start_matches('/').contains('/');
        is_path.then(|| link.to_owned())
    });
    links.collect()
}

/// `…_SERVICE_HOST`, `…_SERVICE_PORT`, `…_SERVICE_PORT_HTTPS`, `…_PORT`, `…_PORT_5000_TCP`, `…_PORT_5000_TCP_ADDR` and
/// their like, and what comes of `links`.
pub(super) fn is_of_a_service(name: &str, value: &str, links: &[String]) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let of_link = links.iter().any(|link| {
        let rest = name.strip_prefix(link.as_str());
        rest.is_some_and(|rest| rest == "_NAME" || rest.starts_with("_ENV_"))
    });
    of_link
        || name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT") && is_number(value)
        || name.contains("_SERVICE_PORT_") && is_number(value)
        || name.ends_with("_PORT") && is_url(value)
        || is_of_a_port(name)
}

/// As in `tcp://10.0.0.1:5000`.
fn is_url(value: &str) -> bool {
    PROTOCOLS.iter().any(|protocol| {
        let rest = value.strip_prefix(&protocol.to_lowercase());
        rest.is_some_and(|rest| rest.starts_with("://"))
    })
}

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// `…_PORT_5000_TCP` and `…_PORT_5000_TCP_ADDR`.
fn is_of_a_port(name: &str) -> bool {
    let parts: Vec<&str> = name.split('_').collect();
    let parts = match parts.last() {
        Some(&("PROTO" | "PORT" | "ADDR" | "START" | "END")) => &parts[..parts.len() - 1],
        _ => &parts[..],
    };
    match parts {
        [.., "PORT", number, protocol] => number.parse::<u16>().is_ok() && PROTOCOLS.contains(protocol),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_services_are_told_from_settings() {
        let links = links(&[("REGISTRY_LOG_NAME".to_owned(), "/web/registry-log".to_owned())]);
        for (name, value, expected) in [
            ("REGISTRY_SERVICE_HOST", "10.0.0.1", true),
            ("REGISTRY_MIDDLEWARE_SERVICE_PORT", "80", true),
            ("REGISTRY_MIDDLEWARE_SERVICE_PORT_HTTP_ALT", "80", true),
            ("REGISTRY_LOG_FIELDS_PORT", "tcp://10.0.0.1:80", true),
            ("REGISTRY_STORAGE_S3_PORT_53_UDP", "udp://10.0.0.1:53", true),
            ("REGISTRY_PROXY_PORT_5000_TCP_ADDR", "10.0.0.1", true),
            ("REGISTRY_LOG_ENV_PATH", "/bin", true),
            ("REGISTRY_LOG_NAME", "/web/registry-log", true),
            ("REGISTRY_LOG_FIELDS_PORT", "5000", false),
            ("REGISTRY_LOG_FIELDS_NAME", "/images", false),
            ("REGISTRY_AUTH_TOKEN_SERVICE", "registry", false),
            ("REGISTRY_HTTP_ADDR", "10.0.0.1:5000", false),
            ("REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URL", "http://x", false),
        ] {
            assert_eq!(is_of_a_service(name, value, &links), expected, "{name}={value}");
        }
    }
}
