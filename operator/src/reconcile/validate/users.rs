//! Who may use the registry: the people's lines, and the two users that the operator makes.

use super::{Finding, some_of};
use crate::names::{PULL_USER, PUSH_USER};
use crate::reconcile::hash::hash;
use crate::reconcile::live::Key;
use crate::reconcile::observe::{Keys, Observed, Source};
use k8s_openapi::api::core::v1::Secret;
use roadstead_api::registry::ConditionType;
use roadstead_pki::htpasswd::check_line;

/// The shortest password of a generated user that is left as it is.
const SHORTEST: usize = 16;
/// How many bad lines are told. A file may have half a million.
const TOLD: usize = 3;
/// On the htpasswd Secret: [`seal`].
pub(in crate::reconcile) const SEAL: &str = "roadstead.dev/generated-users";

/// Everything that the htpasswd file is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// The people's lines, checked.
    pub people: Vec<String>,
    pub push: Account,
    pub pull: Account,
}

/// A generated user, as far as there is one already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    pub password: Option<String>,
    /// The line of htpasswd that goes with the password. Kept, because each hashing gives another one.
    pub line: Option<String>,
    /// Somebody else's object stands where its Secret belongs. What runs keeps running: its line stays, and no new
    /// password is made, which nobody could learn.
    pub taken: bool,
}

pub(super) fn users(observed: &Observed, keys: &Keys, taken: &[Key], findings: &mut Vec<Finding>) -> Users {
    let merged = merged_lines(observed, keys);
    let people = match &observed.htpasswd_source {
        None => Vec::new(),
        Some(source) => people(source, &observed.id.namespace).unwrap_or_else(|(reason, message)| {
            // What runs keeps running.
            let people: Vec<_> = merged.iter().filter(|line| is_theirs(line)).cloned().collect();
            let message = format!("{message}; {}", still_in(&people));
            findings.push(Finding::failure(ConditionType::AuthReady, reason, message));
            people
        }),
    };
    let account = |key: &Key, user| Account {
        taken: taken.contains(key),
        ..account(observed, key, user, &merged)
    };
    let mut push = account(&keys.push, PUSH_USER);
    let mut pull = account(&keys.pull, PULL_USER);
    if !is_sealed(observed, keys, &push, &pull) {
        for account in [&mut push, &mut pull]
            .into_iter()
            .filter(|account| !account.taken)
        {
            account.line = None;
        }
    }
    Users { people, push, pull }
}

/// Shows that these lines were made for these passwords, without a verification, which takes as long as whoever wrote a
/// line wants it to. It tells nobody a password: each line has random salt.
pub(in crate::reconcile) fn seal(push: &Account, pull: &Account) -> String {
    let line = |account: &Account| account.line.clone().filter(|_| !account.taken);
    hash(&[&push.password, &line(push), &pull.password, &line(pull)])
}

fn is_sealed(observed: &Observed, keys: &Keys, push: &Account, pull: &Account) -> bool {
    let annotations = observed
        .live
        .value(&keys.htpasswd)
        .map(|secret| &secret["metadata"]["annotations"]);
    annotations.is_some_and(|annotations| annotations[SEAL] == *seal(push, pull))
}

fn merged_lines(observed: &Observed, keys: &Keys) -> Vec<String> {
    let secret: Option<Secret> = observed.live.get(&keys.htpasswd);
    let text = secret
        .and_then(|secret| text(&secret, "htpasswd"))
        .unwrap_or_default();
    lines(&text).map(|(_, line)| line.to_owned()).collect()
}

/// Who gets in while the Secret cannot be used, and how to change that.
fn still_in(people: &[String]) -> String {
    if people.is_empty() {
        return "until then nobody but the two users that the operator makes can log in".to_owned();
    }
    let names: Vec<_> = people
        .iter()
        .filter_map(|line| user_of(line).map(str::to_owned))
        .collect();
    format!(
        "until then the users of before can still log in ({}); to shut them out, remove spec.auth.htpasswd from the Registry",
        some_of(&names)
    )
}

fn people(source: &Source<Secret>, namespace: &str) -> Result<Vec<String>, (&'static str, String)> {
    let name = &source.name;
    if let Some(unusable) = &source.unusable {
        return Err((
            unusable.reason(),
            format!("spec.auth.htpasswd.secretRef.name {unusable}"),
        ));
    }
    let Some(secret) = &source.object else {
        return Err((
            "SecretNotFound",
            format!(
                "Secret {name} (spec.auth.htpasswd.secretRef) does not exist: \
                 kubectl -n {namespace} create secret generic {name} --from-file=htpasswd=FILE"
            ),
        ));
    };
    let Some(text) = text(secret, "htpasswd") else {
        return Err((
            "KeyMissing",
            format!(
                "Secret {name} has no text under the key htpasswd: add it: kubectl -n {namespace} create secret generic {name} \
                 --from-file=htpasswd=FILE --dry-run=client -o yaml | kubectl replace -f -"
            ),
        ));
    };
    let mut problems =
        lines(&text).filter_map(|(number, line)| Some(format!("line {number}: {}", check_line(line).err()?)));
    let told: Vec<_> = problems.by_ref().take(TOLD).collect();
    if !told.is_empty() {
        let more = match problems.count() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        return Err((
            "InvalidHtpasswd",
            format!("Secret {name}, key htpasswd: {}{more}", told.join("; ")),
        ));
    }
    if let Some((number, line)) = lines(&text).find(|(_, line)| is_ours(line)) {
        let user = line.split(':').next().unwrap_or_default();
        return Err((
            "ReservedUser",
            format!(
                "Secret {name}, key htpasswd: line {number}: the user {user} is made by the operator; choose another name"
            ),
        ));
    }
    Ok(lines(&text).map(|(_, line)| line.to_owned()).collect())
}

fn account(observed: &Observed, key: &Key, user: &str, merged: &[String]) -> Account {
    let secret: Option<Secret> = observed.live.get(key);
    let password = secret
        .filter(|secret| text(secret, "username").as_deref() == Some(user))
        .and_then(|secret| text(&secret, "password"))
        .filter(|password| password.len() >= SHORTEST && !password.contains(char::is_control));
    let line = merged.iter().find(|line| user_of(line) == Some(user)).cloned();
    Account {
        password,
        line,
        taken: false,
    }
}

fn is_theirs(line: &str) -> bool {
    user_of(line).is_some() && !is_ours(line)
}

fn is_ours(line: &str) -> bool {
    user_of(line).is_some_and(|user| user == PUSH_USER || user == PULL_USER)
}

fn user_of(line: &str) -> Option<&str> {
    check_line(line).ok().map(|(user, _)| user)
}

/// The lines that count, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    // Editors of Windows begin a file with a byte order mark.
    text.trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

pub(super) fn text(secret: &Secret, key: &str) -> Option<String> {
    let bytes = &secret.data.as_ref()?.get(key)?.0;
    String::from_utf8(bytes.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    fn source(text: &str) -> Source<Secret> {
        let data = [("htpasswd".to_owned(), ByteString(text.as_bytes().to_vec()))];
        Source {
            name: "images-auth".into(),
            object: Some(Secret {
                data: Some(data.into()),
                ..Secret::default()
            }),
            unusable: None,
        }
    }

    fn people_of(source: &Source<Secret>) -> Result<Vec<String>, (&'static str, String)> {
        people(source, "registry")
    }

    fn line(user: &str) -> String {
        roadstead_pki::htpasswd::hash_line(user, "a password", 4).expect("the name is usable")
    }

    #[test]
    fn comments_and_empty_lines_do_not_travel() {
        let (ada, bob) = (line("ada"), line("bob"));
        let text = format!("# people\n\n{ada}\n  {bob}\n");
        assert_eq!(people_of(&source(&text)), Ok(vec![ada, bob]));
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        let (reason, message) =
            people_of(&source(&format!("{}\nbob:{{SHA}}x\n", line("ada")))).expect_err("SHA is refused");
        assert_eq!(reason, "InvalidHtpasswd");
        assert!(
            message.contains("images-auth") && message.contains("line 2"),
            "{message}"
        );
        assert!(
            !message.contains("{SHA}x"),
            "no part of a password is told: {message}"
        );
    }

    #[test]
    fn of_many_bad_lines_a_few_are_told_and_the_rest_counted() {
        let (_, message) = people_of(&source(&"x\n".repeat(500_000))).expect_err("no line is one");
        assert!(
            message.contains("line 3: ") && !message.contains("line 4"),
            "{message}"
        );
        assert!(message.ends_with("; and 499997 more"), "{message}");
    }

    #[test]
    fn a_user_named_like_ours_is_refused_with_its_line() {
        let text = format!("# first\n{}\n", line("roadstead-pull"));
        let (reason, message) = people_of(&source(&text)).expect_err("the name is ours");
        assert_eq!(reason, "ReservedUser");
        assert!(message.contains("line 2: the user roadstead-pull"), "{message}");
    }

    #[test]
    fn whoever_still_gets_in_is_named_with_the_way_to_shut_them_out() {
        let people: Vec<_> = (1..=7).map(|number| line(&format!("user{number}"))).collect();
        let told = still_in(&people);
        assert!(
            told.contains("(user1, user2, user3, user4, user5 and 2 more)"),
            "{told}"
        );
        assert!(told.contains("remove spec.auth.htpasswd"), "{told}");
        assert!(still_in(&[]).contains("nobody but the two users"));
    }

    #[test]
    fn a_missing_secret_and_a_missing_key_say_how_to_make_them() {
        let missing = Source {
            name: "images-auth".into(),
            object: None,
            unusable: None,
        };
        assert_eq!(
            people_of(&missing).expect_err("it is missing").0,
            "SecretNotFound"
        );
        let empty = Source {
            name: "images-auth".into(),
            object: Some(Secret::default()),
            unusable: None,
        };
        let (reason, message) = people_of(&empty).expect_err("it is empty");
        assert_eq!(reason, "KeyMissing");
        assert!(
            message.contains("-n registry") && message.contains("kubectl replace"),
            "{message}"
        );
    }
}
