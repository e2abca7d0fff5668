//! A request's way: route, caller, right, handler. There is no other way to a handler.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt as _;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use ipnet::IpNet;
use tokio_util::task::TaskTracker;

use super::body::{RequestBody, ResponseBody};
use super::caller::{Caller, Client};
use super::carried_through::CarriedThrough;
use super::challenge;
use super::error::Error;
use super::events::{self, Events};
use super::handlers::{Handlers, ManifestMemory, RequestContext};
use super::locations::Locations;
use super::observe::{AccessLines, Observation};
use super::request_id::{REQUEST_ID, RequestId};
use super::route::{self, Links, Need, Route};
use crate::auth::access::{Action, Identity};
use crate::auth::{Auth, Decision, Presented, Refusal};
use crate::content::Content;
use crate::metrics::Metrics;
use crate::notifications::Notifications;
use crate::tls;

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// What the configuration says about answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Begins and ends with a slash.
    pub prefix: String,
    pub locations: Locations,
    /// Added to every answer.
    pub headers: HeaderMap,
    pub access_log: bool,
    /// Where a line in Apache's combined format goes, if one is wanted.
    pub combined: Option<AccessLines>,
    /// Whose word is taken for the address of a client.
    pub trusted_proxies: Vec<IpNet>,
    /// The most repositories that one page of the catalog lists.
    pub catalog_page: usize,
}

/// Everything that answers are made of.
pub struct State {
    pub content: Content,
    pub auth: Arc<Auth>,
    pub metrics: Arc<Metrics>,
    /// Absent: nobody is told of what happens.
    pub notifications: Option<Notifications>,
    /// What this server proves its name with. Absent: nothing.
    pub certificates: Option<Arc<tls::Live>>,
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
    /// What is done to its end, also when the client is gone.
    changes: TaskTracker,
}

impl App {
    pub fn new(state: State) -> Self {
        let State {
            content,
            auth,
            metrics,
            notifications,
            certificates,
            settings,
        } = state;
        let handlers = Handlers {
            content,
            pages: Links::new(None, &settings.prefix),
            prefix: settings.prefix.clone(),
            locations: settings.locations.clone(),
            certificates,
            auth: Arc::clone(&auth),
            metrics: Arc::clone(&metrics),
            memory: ManifestMemory::default(),
            catalog_page: settings.catalog_page,
        };
        App(Arc::new(Inner {
            handlers,
            auth,
            metrics,
            notifications,
            settings,
            changes: TaskTracker::new(),
        }))
    }

    /// Answers; whatever goes wrong is an answer too. What changes something is carried through even if the client
    /// hangs up and this future is dropped: else a tag could move and nobody be told of it. Who is asking is found out
    /// before that, so that a stranger leaves nothing behind.
    pub async fn respond(&self, request: Request<RequestBody>, caller: &Caller) -> Response<ResponseBody> {
        let (parts, body) = request.into_parts();
        let id = RequestId::of(&parts.headers);
        let log = self.0.settings.access_log;
        let client = Client::of(&parts.headers, caller.address, &self.0.settings.trusted_proxies);
        let mut observation = Box::new(Observation::begin(
            &self.0.metrics,
            &parts,
            client,
            id.clone(),
            log,
        ));
        if let Some(lines) = &self.0.settings.combined {
            observation.combined(lines, &parts);
        }
        let mut exchange = Exchange {
            parts,
            id,
            observation,
        };
        let admitted = match caught(self.0.admit(&mut exchange, caller)).await {
            Ok(admitted) => admitted,
            Err(error) => return self.end(exchange, Err(error)),
        };
        if matches!(exchange.parts.method, Method::GET | Method::HEAD) {
            return self.carry_out(exchange, admitted, body, caller).await;
        }
        let (app, caller) = (self.clone(), caller.clone());
        let work = async move { app.carry_out(exchange, admitted, body, &caller).await };
        CarriedThrough::new(work, &self.0.changes).await
    }

    /// Returns when all that changes something is done, also for clients who hung up.
    pub async fn carried_through(&self) {
        self.0.changes.close();
        self.0.changes.wait().await;
    }

    async fn carry_out(
        &self,
        exchange: Exchange,
        admitted: Admitted,
        body: RequestBody,
        caller: &Caller,
    ) -> Response<ResponseBody> {
        let answer = caught(self.0.answer(&exchange, admitted, body, caller)).await;
        self.end(exchange, answer)
    }

    fn end(
        &self,
        exchange: Exchange,
        answer: Result<Response<ResponseBody>, Error>,
    ) -> Response<ResponseBody> {
        let Exchange {
            parts,
            id,
            mut observation,
        } = exchange;
        let mut response = answer.unwrap_or_else(|error| {
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
        // As registry:2's: people and load balancers look there, and no other header is expected.
        if parts.uri.path() == "/" && response.status() == StatusCode::OK && parts.method != Method::OPTIONS {
            return;
        }
        let headers = response.headers_mut();
        headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        headers.insert(REQUEST_ID, id.header());
        for (name, value) in &self.0.settings.headers {
            headers.append(name, value.clone());
        }
    }
}

/// A request on its way to its answer, without its body.
struct Exchange {
    parts: Parts,
    id: RequestId,
    observation: Box<Observation>,
}

/// A request whose caller was let through.
struct Admitted {
    route: Route,
    identity: Identity,
}

/// A panic is an error like others.
async fn caught<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or(Err(Error::Panic))
}

impl Inner {
    async fn answer(
        &self,
        exchange: &Exchange,
        Admitted { route, identity }: Admitted,
        body: RequestBody,
        caller: &Caller,
    ) -> Result<Response<ResponseBody>, Error> {
        let Exchange { parts, id, .. } = exchange;
        let pieces = body.pieces(&exchange.observation);
        let client = exchange.observation.client();
        let Settings {
            locations, prefix, ..
        } = &self.settings;
        let events = self.notifications.as_ref().map(|notifications| Events {
            notifications: notifications.clone(),
            request: events::request(parts, id.as_str(), caller, client),
            actor: events::actor(&identity),
            links: events::links(parts, caller, locations, prefix),
        });
        let context = RequestContext {
            head: parts.method == Method::HEAD,
            headers: &parts.headers,
            request: (parts, caller),
            identity,
            events,
            body: pieces,
        };
        self.handlers.handle(route, context).await
    }

    /// Lets the caller through, or says why not.
    async fn admit(&self, exchange: &mut Exchange, caller: &Caller) -> Result<Admitted, Error> {
        let Exchange {
            parts, observation, ..
        } = exchange;
        let route = route::parse(&self.settings.prefix, &parts.method, &parts.uri)?;
        observation.routed(route.handler());
        let need = route.need();
        if need == Need::Nothing {
            let identity = Identity::Anonymous;
            return Ok(Admitted { route, identity });
        }
        let presented = Presented {
            authorization: authorization(&parts.headers),
            certificate: caller.certificate.as_deref(),
            is_void: caller
                .void
                .as_ref()
                .is_some_and(|void| void.load(Ordering::Relaxed)),
            peer: observation.client().counts(),
        };
        let refused = |refusal| self.refused(refusal, &presented, &route, parts);
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
            (Decision::Allowed, _) => Ok(Admitted { route, identity }),
            (Decision::Denied, Need::Right(repository, action)) => {
                Err(self.denied(&identity, repository.as_str(), action))
            }
            (Decision::OutOfScope | Decision::Denied, _) => Err(refused(Refusal::InsufficientScope)),
        }
    }

    fn refused(&self, refusal: Refusal, presented: &Presented<'_>, route: &Route, parts: &Parts) -> Error {
        self.metrics.refused(refusal);
        let challenge = self.auth.challenge(presented);
        let challenge = challenge.map(|challenge| challenge::text(challenge, route, refusal, parts));
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

/// Of several nothing is taken, for which of them counts would depend on who looks: a proxy may have verified the other.
fn authorization(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?;
    Some(values.next().map_or(value.as_bytes(), |_| b""))
}
