//! An API server that knows TrustBundles and NodeTrusts: list, watch, get and server-side apply.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use roadstead_api::trust::{NodeTrust, TrustBundle, TrustBundleSpec};
use serde_json::{Value, json};

type Answer = UnsyncBoxBody<Bytes, Infallible>;

#[derive(Clone, Default)]
pub(crate) struct ApiServer {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    bundles: BTreeMap<String, TrustBundle>,
    watches: Vec<UnboundedSender<Bytes>>,
    namespace_watches: Vec<UnboundedSender<Bytes>>,
    node_trusts: BTreeMap<String, Value>,
    writes: usize,
    is_down: bool,
    namespace_is_going: bool,
    daemon_set_is_gone: bool,
    account_is_gone: bool,
    definition_is_gone: bool,
    kind_is_unknown: bool,
}

impl ApiServer {
    pub(crate) fn client(&self) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        kube::Client::new(service, "roadstead-system-nodes")
    }

    pub(crate) fn put(&self, spec: TrustBundleSpec) {
        let name = spec.host.replace(':', ".");
        let mut bundle = TrustBundle::new(&name, spec);
        bundle.metadata.resource_version = Some("2".to_owned());
        let mut state = self.state();
        state.tell("MODIFIED", &bundle);
        state.bundles.insert(name, bundle);
    }

    pub(crate) fn delete(&self, host: &str) {
        let mut state = self.state();
        let bundle = state.bundles.remove(&host.replace(':', ".")).expect("a bundle");
        state.tell("DELETED", &bundle);
    }

    /// From now on every request fails, and running watches end.
    pub(crate) fn go_down(&self) {
        let mut state = self.state();
        state.is_down = true;
        state.watches.clear();
        state.namespace_watches.clear();
    }

    /// As while the namespace of the agents is being deleted.
    pub(crate) fn delete_namespace(&self) {
        let mut state = self.state();
        state.namespace_is_going = true;
        let line = format!("{}\n", json!({"type": "MODIFIED", "object": state.namespace()}));
        for watch in &state.namespace_watches {
            // An agent that has ended hears of nothing.
            let _ = watch.unbounded_send(Bytes::from(line.clone()));
        }
    }

    pub(crate) fn delete_daemon_set(&self) {
        self.state().daemon_set_is_gone = true;
    }

    /// From now on every request is refused; running watches go on.
    pub(crate) fn delete_account(&self) {
        self.state().account_is_gone = true;
    }

    /// The kind is not there any more; whether the definition is, nobody can tell if `is_certain` is not given.
    pub(crate) fn delete_definition(&self, is_certain: bool) {
        let mut state = self.state();
        state.bundles.clear();
        state.definition_is_gone = is_certain;
        state.watches.clear();
        state.kind_is_unknown = true;
    }

    pub(crate) fn node_trust(&self, node: &str) -> Option<NodeTrust> {
        let value = self.state().node_trusts.get(node).cloned()?;
        Some(serde_json::from_value(value).expect("a NodeTrust"))
    }

    /// How often a NodeTrust was written.
    pub(crate) fn writes(&self) -> usize {
        self.state().writes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a lock")
    }

    async fn answer(&self, request: Request<Body>) -> Response<Answer> {
        let (parts, body) = request.into_parts();
        let name = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        let body = body
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default();
        let mut state = self.state();
        if state.is_down {
            return failure(StatusCode::INTERNAL_SERVER_ERROR);
        }
        if state.account_is_gone {
            return failure(StatusCode::UNAUTHORIZED);
        }
        let is_watch = parts.uri.query().unwrap_or_default().contains("watch=true");
        match (parts.method, name.as_str()) {
            (Method::GET, "trustbundles") if state.kind_is_unknown => failure(StatusCode::NOT_FOUND),
            (Method::GET, "roadstead-system-nodes") => success(&state.namespace()),
            (Method::GET, "namespaces") if is_watch => {
                let (sender, receiver) = unbounded();
                state.namespace_watches.push(sender);
                Response::new(streamed(receiver))
            }
            (Method::GET, "namespaces") => success(&json!({
                "apiVersion": "v1", "kind": "NamespaceList", "metadata": {"resourceVersion": "1"}, "items": [state.namespace()],
            })),
            (Method::GET, "roadstead-agent") => match state.daemon_set_is_gone {
                true => failure(StatusCode::NOT_FOUND),
                false => success(&json!({"metadata": {"name": name}})),
            },
            (Method::GET, "trustbundles.roadstead.dev") => match state.definition_is_gone {
                true => failure(StatusCode::NOT_FOUND),
                false => failure(StatusCode::FORBIDDEN),
            },
            (Method::GET, "trustbundles") if is_watch => {
                let (sender, receiver) = unbounded();
                state.watches.push(sender);
                Response::new(streamed(receiver))
            }
            (Method::GET, "trustbundles") => success(&json!({
                "apiVersion": "roadstead.dev/v1alpha1",
                "kind": "TrustBundleList",
                "metadata": {"resourceVersion": "1"},
                "items": state.bundles.values().collect::<Vec<_>>(),
            })),
            (Method::PATCH, node) => {
                let applied: Value = serde_json::from_slice(&body).expect("JSON");
                state.writes += 1;
                state.node_trusts.insert(node.to_owned(), applied.clone());
                success(&applied)
            }
            (_, node) => state
                .node_trusts
                .get(node)
                .map_or_else(|| failure(StatusCode::NOT_FOUND), success),
        }
    }
}

impl State {
    fn namespace(&self) -> Value {
        let going = self.namespace_is_going.then_some("2026-11-28T00:00:00Z");
        let metadata =
            json!({"name": "roadstead-system-nodes", "resourceVersion": "1", "deletionTimestamp": going});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    }

    fn tell(&mut self, kind: &str, bundle: &TrustBundle) {
        let line = format!("{}\n", json!({"type": kind, "object": bundle}));
        self.watches
            .retain(|watch| watch.unbounded_send(Bytes::from(line.clone())).is_ok());
    }
}

fn success(value: &Value) -> Response<Answer> {
    Response::new(Full::from(value.to_string()).boxed_unsync())
}

fn failure(status: StatusCode) -> Response<Answer> {
    let text = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": status.as_u16(),
        "reason": if status == StatusCode::NOT_FOUND { "NotFound" } else { "InternalError" }, "message": "no",
    });
    let mut response = success(&text);
    *response.status_mut() = status;
    response
}

fn streamed(lines: UnboundedReceiver<Bytes>) -> Answer {
    // A watch's answer begins before there is an event: without an empty first frame none would arrive.
    let start = stream::once(async { Bytes::new() });
    let frames = start
        .chain(lines)
        .map(|line| Ok::<_, Infallible>(Frame::data(line)));
    StreamBody::new(frames).boxed_unsync()
}
