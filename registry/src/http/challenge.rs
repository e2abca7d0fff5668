//! The header `WWW-Authenticate`: how to log in, and for what.

use http::request::Parts;

use super::caller::host;
use super::route::{Need, Route, Start};
use crate::auth::access::Action;
use crate::auth::{Challenge, Refusal};

/// What somebody is told who is not let in.
pub(super) fn text(challenge: Challenge<'_>, route: &Route, refusal: Refusal, parts: &Parts) -> String {
    let settings = match challenge {
        Challenge::Basic { realm } => return format!("Basic realm={}", quote(realm)),
        Challenge::Bearer(settings) => settings,
    };
    let realm = match &settings.redirect_path {
        None => settings.realm.clone(),
        Some(path) => here(parts, path),
    };
    let mut text = format!(
        "Bearer realm={},service={}",
        quote(&realm),
        quote(&settings.service)
    );
    if let Some(scope) = scope(route) {
        text.push_str(&format!(",scope={}", quote(&scope)));
    }
    // RFC 6750 §3.1. Without credentials there is no error to speak of.
    match refusal {
        Refusal::InvalidToken => text.push_str(",error=\"invalid_token\""),
        Refusal::InsufficientScope => text.push_str(",error=\"insufficient_scope\""),
        Refusal::NoCredentials
        | Refusal::Unreadable
        | Refusal::WrongCredentials
        | Refusal::VoidCertificate
        | Refusal::Busy => {}
    }
    text
}

/// `auth.token.autoredirect`: the token server stands behind the same name.
fn here(parts: &Parts, path: &str) -> String {
    let scheme = parts
        .headers
        .get("x-forwarded-proto")
        .and_then(|value| value.to_str().ok());
    let scheme = scheme.filter(|scheme| !scheme.is_empty()).unwrap_or("https");
    format!("{scheme}://{}{path}", host(parts))
}

/// What a token must grant for this, as registry:2 asks for it.
fn scope(route: &Route) -> Option<String> {
    let of = |repository: &dyn std::fmt::Display, actions: &str| format!("repository:{repository}:{actions}");
    let scope = match route.need() {
        Need::Nothing | Need::Identity => return None,
        Need::Catalog => "registry:catalog:*".to_owned(),
        Need::Right(repository, Action::Pull) => of(repository, "pull"),
        Need::Right(repository, Action::Push) => of(repository, "pull,push"),
        Need::Right(repository, Action::Delete) => of(repository, "delete"),
    };
    // A client that asks for all of it at once can mount; one that does not may still upload.
    let mount = match route {
        Route::StartUpload {
            start: Start::Mount { from: Some(from), .. },
            ..
        } => format!(" {}", of(from, "pull")),
        _ => String::new(),
    };
    Some(scope + &mount)
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
