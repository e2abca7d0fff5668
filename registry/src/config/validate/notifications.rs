//! The section `notifications`: who is told of what happens.

use std::collections::BTreeSet;
use std::time::Duration;

use ::http::uri::{Authority, PathAndQuery};
use ::http::{HeaderValue, Uri};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;

use super::Check;
use crate::config::raw;
use crate::notifications::{Action, EndpointSettings, Settings};

/// registry:2's, for what is not given or not more than nothing.
const TIMEOUT: Duration = Duration::from_secs(1);
const BACKOFF: Duration = Duration::from_secs(1);
const THRESHOLD: u32 = 10;

impl Check<'_> {
    pub(super) fn notifications(&mut self, raw: raw::Notifications) -> Settings {
        let mut endpoints = Vec::new();
        for (index, endpoint) in raw.endpoints.into_iter().enumerate() {
            if !endpoint.disabled {
                endpoints.extend(self.endpoint(index, endpoint));
            }
        }
        let mut names = BTreeSet::new();
        for endpoint in &endpoints {
            if !names.insert(&endpoint.name) {
                let what = format!(
                    "two are called \"{}\"; a queue is kept by the name, so give each its own",
                    endpoint.name
                );
                self.problem("notifications.endpoints", what);
            }
        }
        Settings {
            endpoints,
            include_references: raw.events.includereferences,
        }
    }

    fn endpoint(&mut self, index: usize, raw: raw::Endpoint) -> Option<EndpointSettings> {
        let at = format!("notifications.endpoints.{index}");
        let key = |name: &str| format!("{at}.{name}");
        let name = raw.name.filter(|name| !name.is_empty());
        let mut ignored_actions = Vec::new();
        for action in raw.ignore.actions {
            match Action::ALL.into_iter().find(|known| known.as_str() == action) {
                Some(action) => ignored_actions.push(action),
                None => self.problem(
                    &key("ignore.actions"),
                    format!("\"{action}\" is not one of pull, push, mount, delete"),
                ),
            }
        }
        let mut headers = self.headers(&key("headers"), raw.headers);
        for value in headers.values_mut() {
            value.set_sensitive(true);
        }
        let timeout = self.duration(&key("timeout"), raw.timeout, TIMEOUT);
        let backoff = self.duration(&key("backoff"), raw.backoff, BACKOFF);
        let (url, login) = self.endpoint_url(&key("url"), raw.url)?;
        Some(EndpointSettings {
            name: name.unwrap_or_else(|| index.to_string()),
            url,
            login,
            headers,
            timeout: if timeout.is_zero() { TIMEOUT } else { timeout },
            threshold: raw
                .threshold
                .and_then(|count| u32::try_from(count).ok())
                .filter(|count| *count > 0)
                .unwrap_or(THRESHOLD),
            backoff: if backoff.is_zero() { BACKOFF } else { backoff },
            ignored_media_types: [raw.ignoredmediatypes, raw.ignore.mediatypes].concat(),
            ignored_actions,
            root_cert_bundle: raw.rootcertbundle.filter(|path| !path.is_empty()).map(Into::into),
        })
    }

    /// The address, and the login that was in it. No complaint repeats it: passwords stand in such addresses.
    fn endpoint_url(&mut self, key: &str, text: Option<String>) -> Option<(Uri, Option<HeaderValue>)> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            self.problem(
                key,
                "missing: where to send events, like https://hooks.example.com/registry",
            );
            return None;
        };
        let parsed = text
            .parse::<Uri>()
            .ok()
            .filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let parsed = parsed.and_then(without_login);
        if parsed.is_none() {
            self.problem(
                key,
                "not a URL; write one like https://hooks.example.com/registry",
            );
        }
        parsed
    }
}

fn without_login(uri: Uri) -> Option<(Uri, Option<HeaderValue>)> {
    let mut parts = uri.into_parts();
    parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    let authority = parts.authority.take()?;
    let (login, host) = match authority.as_str().rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority.as_str()),
    };
    let header = match login {
        None => None,
        Some(login) => {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            let decode = |text| percent_decode_str(text).collect::<Vec<u8>>();
            let login = [decode(user), b":".to_vec(), decode(password)].concat();
            let mut header =
                HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(login))).ok()?;
            header.set_sensitive(true);
            Some(header)
        }
    };
    parts.authority = Some(host.parse::<Authority>().ok()?);
    Some((Uri::from_parts(parts).ok()?, header))
}
