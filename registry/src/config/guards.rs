//! Keys whose loss would let people in or take encryption away, where the schema does not expect them: a section that
//! is indented one level too little, or has another name, is lost like a misspelt one.

use serde_yaml::Value;

/// Names that say enough wherever they stand.
const TELLING: [&str; 11] = [
    "auth",
    "certificate",
    "certificates",
    "clientauth",
    "clientcas",
    "htpasswd",
    "minimumtls",
    "readonly",
    "rules",
    "tls",
    "token",
];

/// Whether an unknown key, or one right below it, is one of those. Keys that begin with `x-` are where authors keep what
/// they refer to from elsewhere.
pub(super) fn is_out_of_place(key: &str, value: &Value) -> bool {
    if key.starts_with("x-") || key.starts_with('.') {
        return false;
    }
    let below = value.as_mapping().into_iter().flat_map(|entries| entries.keys());
    is_telling(key) || below.filter_map(Value::as_str).any(is_telling)
}

/// Whether a variable is named for a certificate, and would be the only one to say so.
pub(super) fn is_of_tls(path: &[String]) -> bool {
    const OF_TLS: [&str; 5] = [
        "certificate",
        "certificates",
        "clientcas",
        "clientauth",
        "minimumtls",
    ];
    path.iter().any(|part| OF_TLS.contains(&part.as_str()))
}

fn is_telling(key: &str) -> bool {
    TELLING.contains(&key.to_lowercase().as_str())
}
