//! Every set of authenticators, in every order, and everything that can be sent to them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use roadstead_pki::htpasswd::hash_line;
use serde_json::json;

use self::authenticator::{Answering, at_once};
use super::token::tests::{Signer, claims, settings, write_set};
use super::*;

/// What the answer is about, in words.
fn told(outcome: &Result<Identity, Refusal>) -> String {
    match outcome {
        Ok(Identity::Anonymous) => "anonymous".to_owned(),
        Ok(Identity::User(name)) => format!("user {name}"),
        Ok(Identity::Bearer(bearer)) => format!("token of {}", bearer.subject.as_deref().unwrap_or("nobody")),
        Err(refusal) => format!("{refusal:?}"),
    }
}

struct Sent {
    what: &'static str,
    authorization: Option<String>,
    certificate: Option<&'static str>,
}

/// Files of users and keys, and a token that they vouch for.
struct Files {
    folder: tempfile::TempDir,
    signer: Signer,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signers = [Signer::ec()];
        write_set(&folder.path().join("jwks.json"), &signers);
        let line = hash_line("alice", "secret", 4).unwrap();
        std::fs::write(folder.path().join("htpasswd"), line).unwrap();
        let [signer] = signers;
        Files { folder, signer }
    }

    fn auth(&self, names: &[&str]) -> Auth {
        let path = |name| self.folder.path().join(name);
        let login = Login {
            htpasswd: names.contains(&"htpasswd").then(|| Htpasswd {
                path: path("htpasswd"),
                realm: "r".to_owned(),
            }),
            token: names
                .contains(&"token")
                .then(|| settings(None, Some(path("jwks.json")))),
        };
        Auth::new(&login, names.contains(&"certificate"), None).unwrap().0
    }

    fn token(&self) -> String {
        self.signer.token(&json!({"kid": "kid-0"}), &claims(json!([])))
    }

    fn sent(&self) -> Vec<Sent> {
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        let forged = Signer::ec().token(&json!({"kid": "kid-0"}), &claims(json!([])));
        let headers = [
            ("nothing", None),
            ("an empty header", Some(String::new())),
            ("the right password", Some(basic("alice:secret"))),
            ("a wrong password", Some(basic("alice:wrong"))),
            ("a stranger's password", Some(basic("mallory:secret"))),
            (
                "a token as a password",
                Some(basic(&format!("alice:{}", self.token()))),
            ),
            ("a damaged password", Some("Basic !".to_owned())),
            ("a good token", Some(format!("Bearer {}", self.token()))),
            ("a forged token", Some(format!("Bearer {forged}"))),
            ("a password as a token", Some("Bearer secret".to_owned())),
            ("a scheme alone", Some("Bearer".to_owned())),
            ("another scheme", Some("Negotiate abc".to_owned())),
        ];
        let with = |certificate| {
            headers.clone().map(|(what, authorization)| Sent {
                what,
                authorization,
                certificate,
            })
        };
        // The certificate has the name of a user of the file.
        with(None).into_iter().chain(with(Some("alice"))).collect()
    }
}

async fn answers(auth: &Auth, sent: &Sent) -> (String, Option<&'static str>) {
    let presented = Presented {
        authorization: sent.authorization.as_deref().map(str::as_bytes),
        certificate: sent.certificate,
        ..Presented::default()
    };
    let outcome = auth.authenticate(presented).await;
    let challenge = auth.challenge(&presented).filter(|_| outcome.is_err());
    (told(&outcome), challenge.map(|challenge| challenge.scheme()))
}

#[tokio::test]
async fn what_is_sent_to_which_authenticators_is_answered_by_this_table() {
    let files = Files::new();
    let mut table = String::new();
    for names in [
        &["htpasswd"][..],
        &["token"],
        &["certificate", "htpasswd"],
        &["certificate", "token"],
        &["htpasswd", "token"],
        &["certificate", "htpasswd", "token"],
        &["certificate"],
        &[],
    ] {
        let auth = files.auth(names);
        table.push_str(&format!(
            "{}\n",
            if names.is_empty() {
                "nobody".to_owned()
            } else {
                names.join(", ")
            }
        ));
        for sent in files.sent() {
            let (told, challenge) = answers(&auth, &sent).await;
            let with = sent.certificate.map_or("", |_| " and a certificate");
            let challenge = challenge.map_or(String::new(), |scheme| format!(" ({scheme})"));
            let what = format!("{}{with}", sent.what);
            table.push_str(&format!("  {what:<44} {told}{challenge}\n"));
        }
    }
    insta::assert_snapshot!(table);
}

/// If the order decided who gets in, then by one order somebody would get in whom another authenticator refuses.
#[tokio::test]
async fn the_order_decides_nothing_and_nobody_gets_in_whom_one_of_them_refuses() {
    let files = Files::new();
    let Auth { authenticators, .. } = files.auth(&["certificate", "htpasswd", "token"]);
    let ordered = |order: [usize; 3]| Auth {
        authenticators: order.map(|index| Arc::clone(&authenticators[index])).into(),
        is_open: false,
        rules: None,
    };
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].map(ordered);
    let mut let_in = 0;
    for sent in files.sent() {
        let (told, _) = answers(&orders[0], &sent).await;
        for auth in &orders {
            assert_eq!(answers(auth, &sent).await.0, told, "{}", sent.what);
        }
        let mut claims = Vec::new();
        for authenticator in &authenticators {
            let presented = Presented {
                authorization: sent.authorization.as_deref().map(str::as_bytes),
                certificate: sent.certificate,
                ..Presented::default()
            };
            match authenticator.authenticate(presented).await {
                Answer::NotMine => {}
                Answer::Is(identity) => claims.push(Ok(identity)),
                Answer::Refused(refusal) => claims.push(Err(refusal)),
            }
        }
        assert!(claims.len() <= 1, "{}: {claims:?}", sent.what);
        let_in += claims.iter().filter(|claim| claim.is_ok()).count();
    }
    assert_eq!(
        let_in, 5,
        "a password and a token, each without and with a certificate, and that alone"
    );
}

/// Says what it is told to, of whatever is sent.
struct Says(fn() -> Answer);

impl Authenticator for Says {
    fn authenticate<'a>(&'a self, _: Presented<'a>) -> Answering<'a> {
        at_once(self.0())
    }
}

#[tokio::test]
async fn one_that_is_busy_or_refuses_is_the_last_that_is_asked() {
    let welcome: fn() -> Answer = || Answer::Is(Identity::User("anybody".to_owned()));
    for refusal in [(|| Answer::Refused(Refusal::Busy)) as fn() -> Answer, || {
        Answer::Refused(Refusal::WrongCredentials)
    }] {
        let says =
            [|| Answer::NotMine, refusal, welcome].map(|say| Arc::new(Says(say)) as Arc<dyn Authenticator>);
        let auth = Auth {
            authenticators: says.into(),
            is_open: false,
            rules: None,
        };
        let outcome = auth.authenticate(Presented::default()).await;
        assert_eq!(Answer::Refused(outcome.unwrap_err()), refusal());
    }
}

#[tokio::test]
async fn a_void_certificate_is_refused_whatever_is_beside_it() {
    let files = Files::new();
    let auth = files.auth(&["certificate", "htpasswd", "token"]);
    for sent in files.sent() {
        let presented = Presented {
            authorization: sent.authorization.as_deref().map(str::as_bytes),
            certificate: sent.certificate,
            is_void: true,
            peer: None,
        };
        assert_eq!(
            auth.authenticate(presented).await,
            Err(Refusal::VoidCertificate),
            "{}",
            sent.what
        );
    }
}

#[tokio::test]
async fn changes_of_each_of_several_files_are_seen() {
    let files = Files::new();
    let path = |name| files.folder.path().join(name);
    let login = Login {
        htpasswd: Some(Htpasswd {
            path: path("htpasswd"),
            realm: "r".to_owned(),
        }),
        token: Some(settings(None, Some(path("jwks.json")))),
    };
    let (auth, watching) = Auth::new(&login, false, None).unwrap();
    let watching = tokio::spawn(watching.run_every(std::time::Duration::from_millis(5)));
    for name in ["jwks.json", "htpasswd"] {
        std::fs::write(path(name), "alice:broken").unwrap();
    }
    while auth.reload_failures().any(|(_, failures)| failures == 0) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(
        auth.reload_failures().collect::<Vec<_>>(),
        [("token_keys", 1), ("users", 1)]
    );
    watching.abort();
}
