//! The API in process: a registry in a temporary folder, requests as values.

mod access;
mod certificates;
mod errors;
mod events;
mod image;
mod lists;
mod pull;
mod push;
mod tokens;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use roadstead_oci::Digest;
use roadstead_pki::htpasswd::hash_line;
use sha2::{Digest as _, Sha256};

use self::image::image;
use super::body::RequestBody;
use super::caller::Caller;
use super::*;
use crate::auth::Auth;
use crate::auth::access::{Rule, Rules};
use crate::auth::{Htpasswd, Login, TokenAuth};
use crate::content::{Content, MissingReferences, Options};
use crate::metrics::{Metrics, Sources};
use crate::notifications::Notifications;
use crate::storage::FilesystemStorage;

/// A registry, and the folder that it lives in.
struct Registry {
    app: App,
    metrics: Arc<Metrics>,
    folder: tempfile::TempDir,
}

/// How a registry is to be.
struct Wanted {
    options: Options,
    users: Vec<&'static str>,
    token: Option<TokenAuth>,
    notifications: Option<Notifications>,
    certificates_log_in: bool,
    catalog_page: usize,
    rules: Vec<Rule>,
    prefix: &'static str,
    locations: Locations,
    headers: HeaderMap,
    trusted_proxies: Vec<ipnet::IpNet>,
}

fn registry() -> Wanted {
    let options = Options {
        delete_enabled: true,
        ..Options::default()
    };
    Wanted {
        options,
        users: Vec::new(),
        token: None,
        notifications: None,
        certificates_log_in: false,
        catalog_page: 1000,
        rules: Vec::new(),
        prefix: "/",
        locations: Locations::WhereCertain,
        headers: [(http::header::X_CONTENT_TYPE_OPTIONS, "nosniff".parse().unwrap())]
            .into_iter()
            .collect(),
        trusted_proxies: Vec::new(),
    }
}

impl Wanted {
    /// Each has their own name as password.
    fn users(mut self, users: &[&'static str]) -> Self {
        self.users = users.to_vec();
        self
    }

    fn token(mut self, settings: TokenAuth) -> Self {
        self.token = Some(settings);
        self
    }

    fn certificates_log_in(mut self) -> Self {
        self.certificates_log_in = true;
        self
    }

    fn rule(mut self, user: &str, repositories: &str, actions: &[&str]) -> Self {
        let actions: Vec<_> = actions.iter().map(|&action| action.to_owned()).collect();
        self.rules
            .push(Rule::new(&[user.to_owned()], &[repositories.to_owned()], &actions).unwrap());
        self
    }

    fn without_delete(mut self) -> Self {
        self.options.delete_enabled = false;
        self
    }

    fn read_only(mut self) -> Self {
        self.options.read_only = true;
        self
    }

    fn allow_missing(mut self) -> Self {
        self.options.missing_references = MissingReferences::Allow;
        self
    }

    fn at(mut self, locations: Locations, prefix: &'static str) -> Self {
        (self.locations, self.prefix) = (locations, prefix);
        self
    }

    fn start(self) -> Registry {
        let folder = tempfile::tempdir().unwrap();
        let storage = FilesystemStorage::open(folder.path().join("data")).unwrap();
        let path = folder.path().join("htpasswd");
        let lines: Vec<_> = self
            .users
            .iter()
            .map(|user| hash_line(user, user, 4).unwrap())
            .collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        let login = Login {
            htpasswd: (!self.users.is_empty()).then(|| Htpasswd {
                path,
                realm: "Test \"realm\"".to_owned(),
            }),
            token: self.token,
        };
        let rules = (!self.rules.is_empty()).then(|| Rules::new(self.rules));
        let (auth, _watching) = Auth::new(&login, self.certificates_log_in, rules).unwrap();
        let metrics = Metrics::new(Sources::default());
        let app = App::new(State {
            content: Content::new(Arc::new(storage), self.options),
            auth: Arc::new(auth),
            metrics: Arc::clone(&metrics),
            notifications: self.notifications,
            certificates: None,
            settings: Settings {
                prefix: self.prefix.to_owned(),
                locations: self.locations,
                headers: self.headers,
                access_log: true,
                combined: None,
                trusted_proxies: self.trusted_proxies,
                catalog_page: self.catalog_page,
            },
        });
        Registry { app, metrics, folder }
    }
}

/// A request that is being written.
struct Asking<'a> {
    registry: &'a Registry,
    request: http::request::Builder,
    body: RequestBody,
    caller: Caller,
}

/// An answer, read to its end.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Registry {
    fn ask(&self, method: &str, path: &str) -> Asking<'_> {
        let request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(path);
        Asking {
            registry: self,
            request,
            body: RequestBody::new(Full::new(Bytes::new())),
            caller: Caller::default(),
        }
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path).send().await
    }

    async fn head(&self, path: &str) -> Reply {
        self.ask("HEAD", path).send().await
    }

    async fn delete(&self, path: &str) -> Reply {
        self.ask("DELETE", path).send().await
    }

    /// Starts an upload and gives its address.
    async fn upload(&self, repository: &str) -> String {
        let reply = self
            .ask("POST", &format!("/v2/{repository}/blobs/uploads/"))
            .send()
            .await;
        assert_eq!(reply.status, 202, "{reply:?}");
        reply.header("location").to_owned()
    }

    async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = digest(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let reply = self.ask("POST", &path).body(bytes).send().await;
        assert_eq!(reply.status, 201, "{reply:?}");
        digest
    }
}

impl Asking<'_> {
    fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Logs in as one of the users.
    fn user(self, user: &str) -> Self {
        self.credentials(user, user)
    }

    fn credentials(self, user: &str, password: &str) -> Self {
        use base64::Engine as _;
        let encoded = base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.header(AUTHORIZATION.as_str(), &format!("Basic {encoded}"))
    }

    fn body(mut self, bytes: &[u8]) -> Self {
        self.body = RequestBody::new(Full::new(Bytes::copy_from_slice(bytes)));
        self
    }

    /// A body that breaks off after these bytes.
    fn broken_body(mut self, bytes: &'static [u8]) -> Self {
        let pieces = [
            Ok(Frame::data(Bytes::from_static(bytes))),
            Err(std::io::Error::other("the client is gone")),
        ];
        self.body = RequestBody::new(StreamBody::new(stream::iter(pieces)));
        self
    }

    async fn send(self) -> Reply {
        let request = self.request.body(self.body).unwrap();
        let response = self.registry.app.respond(request, &self.caller).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the body comes whole").to_bytes();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
            .to_str()
            .unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The first error's code.
    fn code(&self) -> String {
        self.json()["errors"][0]["code"]
            .as_str()
            .expect("an error has a code")
            .to_owned()
    }

    /// Where the next page is.
    fn next(&self) -> Option<String> {
        let link = self.headers.get("link")?.to_str().unwrap();
        Some(
            link.strip_prefix('<')
                .unwrap()
                .strip_suffix(">; rel=\"next\"")
                .unwrap()
                .to_owned(),
        )
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}
