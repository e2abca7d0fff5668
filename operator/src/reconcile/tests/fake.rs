//! An API server in this process: it keeps objects by their path and writes down every write.
//!
//! It does what these tests lean on and no more: a Service gets an address, server-side apply replaces what it names.

use crate::context::{Context, Registries};
use crate::metrics::Metrics;
use crate::nodes::Nodes;
use crate::settings::tests::settings;
use http::{Method, Request, Response, StatusCode, Uri};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    writes: Vec<String>,
    requests: Vec<String>,
    hanging: Option<String>,
    forbidden: Option<String>,
    version: u64,
    refusal: Option<Refusal>,
}

/// What is written to a path and not taken.
pub(crate) struct Refusal {
    pub(crate) path: &'static str,
    pub(crate) code: u16,
    pub(crate) message: &'static str,
    /// Which of the objects that come.
    pub(crate) concerns: fn(&Value) -> bool,
}

impl Fake {
    pub(crate) fn context(&self) -> Context {
        self.context_with(kube::runtime::reflector::store().0)
    }

    /// With Registries that have been seen already.
    pub(crate) fn context_with(&self, registries: Registries) -> Context {
        let fake = self.clone();
        let service = tower::service_fn(move |request| {
            let fake = fake.clone();
            async move { Ok::<_, Infallible>(fake.answer(request).await) }
        });
        let settings = Arc::new(settings());
        Context::new(
            Client::new(service, "default"),
            settings.clone(),
            Nodes::none(settings),
            registries,
            Arc::new(Metrics::default()),
            "operator-0",
        )
    }

    pub(crate) fn put(&self, path: &str, object: Value) {
        self.state().store(path, object);
    }

    pub(crate) fn refuse(&self, refusal: Option<Refusal>) {
        self.state().refusal = refusal;
    }

    pub(crate) fn remove(&self, path: &str) {
        self.state().objects.remove(path);
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    /// The paths of all objects, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    /// The writes since the last call: `METHOD path`.
    pub(crate) fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.state().writes)
    }

    /// The requests since the last call: path and query.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state().requests)
    }

    /// Requests for what stands below this path are not answered any longer.
    pub(crate) fn hang(&self, path: &str) {
        self.state().hanging = Some(path.to_owned());
    }

    /// Requests for what stands below this path are refused.
    pub(crate) fn forbid(&self, path: &str) {
        self.state().forbidden = Some(path.to_owned());
    }

    /// Status, reason and message of a condition.
    pub(crate) fn condition(&self, registry: &str, kind: &str) -> (String, String, String) {
        let registry = self.get(registry).expect("it is there");
        let conditions = registry["status"]["conditions"].as_array();
        let condition = conditions
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == kind)
            .expect("every condition is told");
        let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the lock")
    }

    /// Notes a request; what comes of it, where it is not answered as usual.
    fn note(&self, uri: &Uri) -> Option<impl Future<Output = Response<Body>> + use<>> {
        let mut state = self.state();
        state
            .requests
            .push(uri.path_and_query().map(ToString::to_string).unwrap_or_default());
        let is_below = |path: &Option<String>| path.as_ref().is_some_and(|path| uri.path().starts_with(path));
        let hangs = is_below(&state.hanging);
        (hangs || is_below(&state.forbidden)).then_some(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "you may not", "reason": "Forbidden", "code": 403});
            Response::builder()
                .status(StatusCode::FORBIDDEN)
                .body(Body::from(body.to_string().into_bytes()))
                .expect("the parts are valid")
        })
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.expect("the body is in memory");
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let path = parts.uri.path().to_owned();
        if let Some(refused) = self.note(&parts.uri) {
            return refused.await;
        }
        let mut state = self.state();
        if parts.method != Method::GET {
            state.writes.push(format!("{} {path}", parts.method));
        }
        let apply = parts
            .headers
            .get(http::header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/apply-patch"));
        if let Some(refused) = state.refused(&parts.method, &path, &body) {
            return refused;
        }
        let answer = match parts.method {
            Method::GET => state.read(&path),
            Method::POST => state.create(&path, body),
            Method::PATCH => state.patch(&path, body, apply),
            Method::DELETE => state.objects.remove(&path),
            _ => None,
        };
        let (status, body) = match answer {
            Some(object) => (StatusCode::OK, object),
            None => (StatusCode::NOT_FOUND, not_found()),
        };
        Response::builder()
            .status(status)
            .body(Body::from(body.to_string().into_bytes()))
            .expect("the parts are valid")
    }
}

impl State {
    fn refused(&self, method: &Method, path: &str, body: &Value) -> Option<Response<Body>> {
        let refusal = self.refusal.as_ref()?;
        if *method == Method::GET || path != refusal.path || !(refusal.concerns)(body) {
            return None;
        }
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": refusal.message, "reason": "Invalid", "code": refusal.code});
        let answer = Response::builder().status(refusal.code);
        Some(
            answer
                .body(Body::from(status.to_string().into_bytes()))
                .expect("the parts are valid"),
        )
    }

    fn read(&self, path: &str) -> Option<Value> {
        if let Some(object) = self.objects.get(path) {
            return Some(object.clone());
        }
        let is_list = [
            "/pods",
            "/secrets",
            "/trustbundles",
            "/nodetrusts",
            "/deployments",
            "/registries",
            "/events",
            "/storageclasses",
        ]
        .iter()
        .any(|end| path.ends_with(end));
        is_list.then(|| {
            let (group, kind) = path.rsplit_once('/').expect("it ends in a kind");
            // One namespace, or all of them.
            let is_listed =
                |object: &str| object.starts_with(group) && object.rsplit('/').nth(1) == Some(kind);
            let items: Vec<_> = self.objects.iter().filter(|(path, _)| is_listed(path)).collect();
            json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"},
                "items": items.into_iter().map(|(_, object)| object).collect::<Vec<_>>()})
        })
    }

    fn create(&mut self, path: &str, object: Value) -> Option<Value> {
        let name = object["metadata"]["name"]
            .as_str()
            .unwrap_or("unnamed")
            .to_owned();
        Some(self.store(&format!("{path}/{name}"), object))
    }

    fn patch(&mut self, path: &str, patch: Value, apply: bool) -> Option<Value> {
        if let Some(parent) = path.strip_suffix("/status") {
            let mut object = self.objects.get(parent)?.clone();
            object["status"] = patch["status"].clone();
            return Some(self.store(parent, object));
        }
        let mut object = self.objects.get(path).cloned().unwrap_or(json!({}));
        merge(&mut object, patch, apply);
        Some(self.store(path, object))
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if path.contains("/services/") && object["spec"]["clusterIPs"].is_null() {
            object["spec"]["clusterIPs"] = json!(["10.96.0.7"]);
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

/// Data is replaced by an apply: what it does not name any longer goes.
fn merge(object: &mut Value, patch: Value, apply: bool) {
    for (key, value) in patch.as_object().into_iter().flatten() {
        if value.is_null() {
            // A merge patch takes away what it names as null.
            object.as_object_mut().map(|fields| fields.remove(key));
            continue;
        }
        let replace = !value.is_object() || (apply && key == "data");
        if replace {
            object[key] = value.clone();
        } else {
            if !object[key].is_object() {
                object[key] = json!({});
            }
            merge(&mut object[key], value.clone(), apply);
        }
    }
}

fn not_found() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "not found", "reason": "NotFound", "code": 404})
}
