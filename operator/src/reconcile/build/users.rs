//! The htpasswd file, and the Secrets of the two users that the operator makes.

use super::BuildError;
use crate::names::{Host, PULL_USER, PUSH_USER};
use crate::reconcile::validate::{Account, SEAL, Validated, seal};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use roadstead_pki::{htpasswd, password};
use serde_json::{Map, Value, json};

/// bcrypt's least useful cost: a password of 128 random bits needs no slowness.
const COST: u32 = 5;

pub(super) struct Secrets {
    pub(super) push: Secret,
    pub(super) pull: Secret,
    pub(super) htpasswd: Secret,
}

pub(super) fn users(validated: &Validated) -> Result<Secrets, BuildError> {
    let id = &validated.id;
    let hosts = &validated.hosts;
    let push = credentials(PUSH_USER, &validated.users.push)?;
    let pull = credentials(PULL_USER, &validated.users.pull)?;
    let mut lines = validated.users.people.clone();
    lines.extend(
        [&push, &pull]
            .into_iter()
            .filter_map(|account| account.line.clone()),
    );
    let mut metadata = id.owned(&id.htpasswd());
    metadata.annotations = Some([(SEAL.to_owned(), seal(&push, &pull))].into());
    // Kubelets send the password to whatever a node resolves a name to, and outside the cluster `images.dev` may be
    // somebody's: the short name, which nodes do not trust anyway, is for pods that push.
    let on_nodes = [&hosts.service, &hosts.qualified];
    Ok(Secrets {
        push: login(validated, &id.push(), PUSH_USER, &push, &hosts.derived()),
        pull: login(validated, &id.pull(), PULL_USER, &pull, &on_nodes),
        htpasswd: Secret {
            metadata,
            data: Some([bytes("htpasswd", &(lines.join("\n") + "\n"))].into()),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        },
    })
}

fn credentials(user: &str, account: &Account) -> Result<Account, BuildError> {
    if account.taken {
        return Ok(account.clone());
    }
    let password = account.password.clone().unwrap_or_else(password::generate);
    let line = match &account.line {
        Some(line) => line.clone(),
        None => htpasswd::hash_line(user, &password, COST)?,
    };
    Ok(Account {
        password: Some(password),
        line: Some(line),
        taken: false,
    })
}

/// A Secret that serves as `imagePullSecrets` and, by its other keys, for everything else.
fn login(validated: &Validated, name: &str, user: &str, account: &Account, hosts: &[&Host]) -> Secret {
    let password = account.password.as_deref().unwrap_or_default();
    let auth = json!({
        "username": user,
        "password": password,
        "auth": base64(format!("{user}:{password}").as_bytes()),
    });
    let auths: Map<String, Value> = hosts
        .iter()
        .copied()
        .chain(&validated.hosts.external)
        .map(|host| (host.to_string(), auth.clone()))
        .collect();
    let config = json!({ "auths": auths }).to_string();
    Secret {
        metadata: validated.id.owned(name),
        type_: Some("kubernetes.io/dockerconfigjson".to_owned()),
        data: Some(
            [
                bytes(".dockerconfigjson", &config),
                bytes("username", user),
                bytes("password", password),
            ]
            .into(),
        ),
        ..Secret::default()
    }
}

fn bytes(key: &str, text: &str) -> (String, ByteString) {
    (key.to_owned(), ByteString(text.as_bytes().to_vec()))
}

/// As Secrets carry it: what serialises bytes for them serves here too.
fn base64(bytes: &[u8]) -> String {
    match serde_json::to_value(ByteString(bytes.to_vec())) {
        Ok(Value::String(text)) => text,
        other => unreachable!("bytes of a Secret are written as text, not {other:?}"),
    }
}
