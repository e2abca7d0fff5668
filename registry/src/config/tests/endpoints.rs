//! Who is told of events.

use super::*;
use crate::notifications::Action;

#[test]
fn endpoints_mean_what_they_mean_for_registry_2() {
    let text = "
notifications:
  events: {includereferences: true}
  endpoints:
    - name: alistener
      url: https://user:p%40ss@mylistener.example.com/event?x=1
      headers: {X-Token: [s3cr3t], X-Other: plain}
      timeout: 500ms
      threshold: 5
      backoff: 2s
      ignoredmediatypes: [application/octet-stream]
      ignore: {mediatypes: [a/b], actions: [pull]}
    - {name: off, disabled: true, url: 'not even an address'}
    - url: http://second
";
    let notifications = config(text, &[]).notifications;
    assert!(notifications.include_references);
    let [first, second] = &notifications.endpoints[..] else {
        panic!("{notifications:?}")
    };
    assert_eq!(first.url, "https://mylistener.example.com/event?x=1");
    assert_eq!(first.login.as_ref().unwrap(), "Basic dXNlcjpwQHNz");
    assert_eq!(first.headers["x-token"], "s3cr3t");
    assert_eq!(
        (first.timeout, first.threshold, first.backoff),
        (Duration::from_millis(500), 5, Duration::from_secs(2))
    );
    assert_eq!(first.ignored_media_types, ["application/octet-stream", "a/b"]);
    assert_eq!(first.ignored_actions, [Action::Pull]);
    assert_eq!(
        (second.timeout, second.threshold, second.backoff),
        (Duration::from_secs(1), 10, Duration::from_secs(1))
    );
    let printed = format!("{notifications:?}");
    assert!(
        !printed.contains("s3cr3t") && !printed.contains("p%40ss") && !printed.contains("dXNlc"),
        "{printed}"
    );
}

#[test]
fn what_is_wrong_with_an_endpoint_is_named_without_its_secrets() {
    for (endpoint, words) in [
        ("{name: a}", "notifications.endpoints.0.url: missing"),
        (
            "{url: 'ftp://s3cr3t@x'}",
            "notifications.endpoints.0.url: not a URL",
        ),
        (
            "{url: 'http://x', headers: {'bad name': [s3cr3t]}}",
            "notifications.endpoints.0.headers.bad name",
        ),
        (
            "{url: 'http://x', ignore: {actions: [look]}}",
            "\"look\" is not one of pull, push, mount, delete",
        ),
        (
            "{name: a, url: 'http://x'}, {name: a, url: 'http://y'}",
            "two are called \"a\"",
        ),
    ] {
        let found = problems(&format!("notifications: {{endpoints: [{endpoint}]}}"), &[]);
        assert!(
            found[0].contains(words) && !found[0].contains("s3cr3t"),
            "{endpoint}: {found:?}"
        );
    }
}
