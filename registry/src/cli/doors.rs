//! registry:2 lets anyone in who can reach it, and so does this with its configuration; but not in silence.

use crate::config::Config;

/// What stands open, and how to close it.
pub(super) fn open(config: &Config) -> Vec<&'static str> {
    let mut open = Vec::new();
    if config.http.listen.is_local() {
        return open;
    }
    if config.http.tls.is_none() {
        open.push(
            "this is plain HTTP: passwords and images can be read and changed on their way. Set \
             REGISTRY_HTTP_TLS_CERTIFICATE and REGISTRY_HTTP_TLS_KEY, or run \"roadstead-registry serve\" without a \
             configuration, which makes a certificate and a password",
        );
    }
    if config.login.is_none() && config.client_auth().is_none_or(|client| !client.required) {
        open.push(
            "whoever can reach this address may pull and push everything: set REGISTRY_AUTH=htpasswd and \
             REGISTRY_AUTH_HTPASSWD_PATH",
        );
    }
    open
}
