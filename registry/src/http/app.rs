//! A request's way: route, caller, right, handler. There is no other way to a handler.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;

use super::body::{RequestBody, ResponseBody};
use super::carried_through::CarriedThrough;
use super::challenge::challenge;
use super::error::Error;
use super::handlers::{Asked, Handlers, PARSED_AT_ONCE};
use super::news::News;
use super::observe::{Observation, RequestId};
use super::route::{self, Links, Need, Route};
use crate::auth::access::{Action, Identity};
use crate::auth::{Auth, Decision, Presented, Refusal};
use crate::content::Content;
use crate::metrics::Metrics;
use crate::notifications::Notifications;

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the configuration says about answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Begins and ends with a slash.
    pub prefix: String,
    pub origin: Option<String>,
    /// Added to every answer.
    pub headers: HeaderMap,
    pub access_log: bool,
    /// The most repositories that one page of the catalog lists.
    pub catalog_page: usize,
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub address: Option<SocketAddr>,
    /// Whom the client's certificate names, if it showed one and `tls` found it good.
    pub certificate: Option<Arc<str>>,
    /// Whether the connection is TLS.
    pub secure: bool,
}

/// Everything that answers are made of.
pub struct State {
    pub content: Content,
    pub auth: Arc<Auth>,
    pub metrics: Arc<Metrics>,
    /// Absent: nobody is told of what happens.
    pub notifications: Option<Notifications>,
    pub settings: Settings,
}

/// The API. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    handlers: Handlers,
    auth: Arc<Auth>,
    metrics: Arc<Metrics>,
    notifications: Option<Notifications>,
    settings: Settings,
}

impl App {
    pub fn new(state: State) -> Self {
        let State {
            content,
            auth,
            metrics,
            notifications,
            settings,
        } = state;
        let links = Links::new(settings.origin.as_deref(), &settings.prefix);
        let handlers = Handlers {
            content,
            links,
            auth: Arc::clone(&auth),
            metrics: Arc::clone(&metrics),
            parsing: Semaphore::new(PARSED_AT_ONCE),
            catalog_page: settings.catalog_page,
        };
        App(Arc::new(Inner {
            handlers,
            auth,
            metrics,
            notifications,
            settings,
        }))
    }

    /// Answers; whatever goes wrong is an answer too. What changes something is carried through even if the client
    /// hangs up and this future is dropped: else a tag could move and nobody be told of it.
    pub async fn respond(&self, request: Request<RequestBody>, caller: &Caller) -> Response<ResponseBody> {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return self.respond_here(request, caller).await;
        }
        let (app, caller) = (self.clone(), caller.clone());
        CarriedThrough::new(async move { app.respond_here(request, &caller).await }).await
    }

    async fn respond_here(&self, request: Request<RequestBody>, caller: &Caller) -> Response<ResponseBody> {
        let (parts, body) = request.into_parts();
        let id = RequestId::of(&parts.headers);
        let log = self.0.settings.access_log;
        let peer = caller.address.map(|address| address.ip());
        let mut observation = Box::new(Observation::begin(&self.0.metrics, &parts, peer, id.clone(), log));
        let answer = AssertUnwindSafe(self.0.answer((&parts, &id), body, caller, &mut observation))
            .catch_unwind()
            .await;
        let mut response = answer.unwrap_or(Err(Error::Panic)).unwrap_or_else(|error| {
            if let Some(cause) = error.cause() {
                tracing::error!(http.request.id = id.as_str(), cause, "a request failed");
            }
            error.into_response(id.as_str())
        });
        self.finish(&parts, &id, &mut response);
        observation.answered(response.status());
        response.map(|body| {
            let body = if parts.method == Method::HEAD {
                ResponseBody::empty()
            } else {
                body
            };
            body.observed(observation)
        })
    }

    /// What every answer has.
    fn finish(&self, parts: &Parts, id: &RequestId, response: &mut Response<ResponseBody>) {
        // The length of the body that GET would send; handlers that know better have said so. A 304 has none.
        if parts.method == Method::HEAD && response.status() != StatusCode::NOT_MODIFIED {
            let length = response.body().length();
            response
                .headers_mut()
                .entry(CONTENT_LENGTH)
                .or_insert_with(|| length.into());
        }
        let headers = response.headers_mut();
        headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        headers.insert(REQUEST_ID, id.header());
        for (name, value) in &self.0.settings.headers {
            headers.append(name, value.clone());
        }
    }
}

impl Inner {
    async fn answer(
        &self,
        (parts, id): (&Parts, &RequestId),
        body: RequestBody,
        caller: &Caller,
        observation: &mut Observation,
    ) -> Result<Response<ResponseBody>, Error> {
        let route = route::parse(&self.settings.prefix, &parts.method, &parts.uri)?;
        observation.routed(route.name());
        let identity = self.admit(&route, parts, caller, observation).await?;
        let pieces = body.pieces(observation);
        let news = self.notifications.as_ref().map(|notifications| {
            let place = (self.settings.origin.as_deref(), self.settings.prefix.as_str());
            News::of(notifications, (parts, id.as_str()), (caller, &identity), place)
        });
        let asked = Asked {
            head: parts.method == Method::HEAD,
            headers: &parts.headers,
            identity,
            news,
            body: pieces,
        };
        self.handlers.handle(route, asked).await
    }

    /// Lets the caller through, or says why not.
    async fn admit(
        &self,
        route: &Route,
        parts: &Parts,
        caller: &Caller,
        observation: &mut Observation,
    ) -> Result<Identity, Error> {
        let need = route.need();
        if need == Need::Nothing {
            return Ok(Identity::Anonymous);
        }
        let presented = Presented {
            authorization: parts.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes),
            certificate: caller.certificate.as_deref(),
            peer: caller.address.map(|address| address.ip()),
        };
        let refused = |refusal| self.refused(refusal, route, parts);
        let identity = self.auth.authenticate(presented).await.map_err(refused)?;
        if let Some(user) = identity.user() {
            observation.user(user);
        }
        let decision = match need {
            Need::Nothing | Need::Identity => Decision::Allowed,
            Need::Catalog => self.auth.authorize_catalog(&identity),
            Need::Right(repository, action) => self.auth.authorize(&identity, repository, action),
        };
        match (decision, need) {
            (Decision::Allowed, _) => Ok(identity),
            (Decision::Denied, Need::Right(repository, action)) => {
                Err(self.denied(&identity, repository.as_str(), action))
            }
            (Decision::OutOfScope | Decision::Denied, _) => Err(refused(Refusal::InsufficientScope)),
        }
    }

    fn refused(&self, refusal: Refusal, route: &Route, parts: &Parts) -> Error {
        self.metrics.refused(refusal);
        let scheme = self.auth.scheme();
        let challenge = scheme.map(|scheme| challenge(scheme, route, refusal, parts));
        Error::Refused {
            refusal,
            challenge: challenge.unwrap_or_default(),
        }
    }

    fn denied(&self, identity: &Identity, repository: &str, action: Action) -> Error {
        self.metrics.denied();
        Error::Denied {
            user: identity.user().map(str::to_owned),
            action: action.as_str(),
            repository: repository.to_owned(),
        }
    }
}
