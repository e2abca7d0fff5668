//! What paths ask for, and what becomes of the bad ones.

use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ID: &str = "0b0e8b8e-6d2c-4d0e-9f5a-2f4a1c9e7d31";

fn route(method: &str, path: &str) -> Result<Route, RouteError> {
    parse("/", &method.parse().unwrap(), &path.parse().unwrap())
}

fn name(path: &str) -> String {
    match route("GET", path).unwrap().need() {
        Need::Right(repository, _) => repository.to_string(),
        other => panic!("{path} needs {other:?}"),
    }
}

#[test]
fn a_repository_may_be_called_like_a_part_of_the_api() {
    for (path, expected) in [
        ("/v2/a/manifests/latest".to_owned(), "a"),
        (format!("/v2/a/b/c/manifests/{DIGEST}"), "a/b/c"),
        ("/v2/tags/tags/list".to_owned(), "tags"),
        ("/v2/a/blobs/uploads/tags/list".to_owned(), "a/blobs/uploads"),
        ("/v2/a/manifests/b/manifests/c".to_owned(), "a/manifests/b"),
        (format!("/v2/blobs/blobs/{DIGEST}"), "blobs"),
        (format!("/v2/blobs/uploads/blobs/uploads/{ID}"), "blobs/uploads"),
        (format!("/v2/v2/referrers/{DIGEST}"), "v2"),
        (format!("/v2/a/blobs/{}", DIGEST.replace(':', "%3A")), "a"),
    ] {
        assert_eq!(name(&path), expected, "{path}");
    }
}

#[test]
fn every_route_has_its_method_and_its_need() {
    let digest = DIGEST.parse::<Digest>().unwrap();
    let uploads = "/v2/a/blobs/uploads";
    for (method, path, needs) in [
        ("GET", "/".to_owned(), "nothing"),
        ("GET", "/v2/".to_owned(), "identity"),
        ("GET", "/v2/_catalog?n=5".to_owned(), "catalog"),
        ("GET", "/v2/a/tags/list".to_owned(), "pull"),
        ("HEAD", "/v2/a/manifests/latest".to_owned(), "pull"),
        ("PUT", "/v2/a/manifests/latest".to_owned(), "push"),
        ("DELETE", "/v2/a/manifests/latest".to_owned(), "delete"),
        ("GET", format!("/v2/a/referrers/{digest}"), "pull"),
        ("HEAD", format!("/v2/a/blobs/{digest}"), "pull"),
        ("DELETE", format!("/v2/a/blobs/{digest}"), "delete"),
        ("POST", format!("{uploads}/"), "push"),
        ("POST", uploads.to_owned(), "push"),
        ("PATCH", format!("{uploads}/{ID}"), "push"),
        ("PUT", format!("{uploads}/{ID}?digest={digest}"), "push"),
        ("GET", format!("{uploads}/{ID}"), "push"),
        ("DELETE", format!("{uploads}/{ID}"), "push"),
    ] {
        let route = route(method, &path).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let need = match route.need() {
            Need::Nothing => "nothing",
            Need::Identity => "identity",
            Need::Catalog => "catalog",
            Need::Right(_, action) => action.as_str(),
        };
        assert_eq!(need, needs, "{method} {path}");
    }
}

#[test]
fn a_push_begins_in_one_of_the_ways_of_the_specification() {
    let start = |query: &str| match route("POST", &format!("/v2/a/blobs/uploads/{query}")).unwrap() {
        Route::StartUpload { start, .. } => start,
        other => panic!("{other:?}"),
    };
    let digest: Digest = DIGEST.parse().unwrap();
    assert_eq!(start(""), Start::Session(None));
    assert_eq!(
        start("?digest-algorithm=sha512"),
        Start::Session(Some(Algorithm::Sha512))
    );
    assert_eq!(start(&format!("?digest={digest}")), Start::Whole(digest));
    assert_eq!(
        start(&format!("?mount={digest}")),
        Start::Mount { digest, from: None }
    );
    let from = Some("team/app".parse().unwrap());
    assert_eq!(
        start(&format!("?from=team%2Fapp&mount={digest}")),
        Start::Mount { digest, from }
    );
}

#[test]
fn what_the_query_asks_for_is_decoded() {
    let path = format!("/v2/a/referrers/{DIGEST}?artifactType=application/vnd.x%2Bjson&n=3&last=b%20c");
    let Ok(Route::Referrers {
        artifact_type,
        paging,
        ..
    }) = route("GET", &path)
    else {
        panic!()
    };
    assert_eq!(artifact_type.unwrap(), "application/vnd.x+json");
    assert_eq!(
        paging,
        Paging {
            n: Some(3),
            last: Some("b c".to_owned())
        }
    );
    let Ok(Route::PutManifest { tags, .. }) = route("PUT", &format!("/v2/a/manifests/{DIGEST}?tag=a&tag=b"))
    else {
        panic!()
    };
    assert_eq!(tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn tricks_with_paths_lead_nowhere() {
    let long = "a".repeat(300);
    for path in [
        "/v2/a%00/manifests/latest".to_owned(),
        "/v2/a%ff/manifests/latest".to_owned(),
        "/v2/a%0A/manifests/latest".to_owned(),
        "/v2/a%252Fb/manifests/latest".to_owned(),
        "/v2/a%5C..%5Cb/manifests/latest".to_owned(),
        "/v2/A/manifests/latest".to_owned(),
        "/v2/a./manifests/latest".to_owned(),
        "/v2/manifests/latest".to_owned(),
        format!("/v2/{long}/manifests/latest"),
    ] {
        assert!(
            matches!(route("GET", &path), Err(RouteError::Name(_))),
            "{path}: {:?}",
            route("GET", &path)
        );
    }
    let longest = format!("/v2/{}/manifests/latest", "a/".repeat(5000));
    assert_eq!(route("GET", &longest), Err(RouteError::TooLong(LONGEST)));
}

#[test]
fn one_place_has_one_address_and_the_others_lead_there() {
    for (path, place) in [
        ("//", "/"),
        ("/v2", "/v2/"),
        ("//v2/", "/v2/"),
        ("/v2//", "/v2/"),
        ("/./v2/", "/v2/"),
        ("/v2/_catalog/", "/v2/_catalog"),
        ("//v2/_catalog?n=1", "/v2/_catalog?n=1"),
        ("//v2/_catalog?last=ä%20b", "/v2/_catalog?last=%C3%A4%20b"),
        ("/v2/a/tags/list/", "/v2/a/tags/list"),
        ("/v2/a//b/tags/list", "/v2/a/b/tags/list"),
        ("/v2/a/%2e%2e/b/tags/list", "/v2/b/tags/list"),
        ("/v2/a%2F%2Fb/tags/list", "/v2/a/b/tags/list"),
        ("/v2/a%2F..%2Fb/manifests/1", "/v2/b/manifests/1"),
        ("/v2/../../etc/passwd", "/etc/passwd"),
        ("/v2/a/manifests/1/", "/v2/a/manifests/1"),
        ("/v2/a/blobs/uploads//", "/v2/a/blobs/uploads/"),
        // No address of another server: neither two slashes nor what browsers take for them.
        ("//r.example/%2e%2e/v2/", "/v2/"),
        ("//r.example/", "/r.example/"),
        ("/%5Cr.example//", "/%5Cr.example/"),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
            let moved = RouteError::Moved {
                to: place.to_owned(),
                is_read: matches!(method, "GET" | "HEAD"),
            };
            assert_eq!(route(method, path), Err(moved), "{method} {path}");
        }
    }
}

#[test]
fn an_encoded_slash_is_a_slash() {
    for path in [
        "/v2/a%2Fb/tags/list",
        "/v2/a%2fb/manifests/1",
        "/v2%2Fa/b/tags%2Flist",
    ] {
        assert_eq!(name(path), "a/b", "{path}");
    }
    let upload = route("POST", "/v2/a%2Fb/blobs/uploads/").unwrap();
    assert!(matches!(upload.need(), Need::Right(name, Action::Push) if name.as_str() == "a/b"));
}

#[test]
fn options_say_what_can_be_done_anywhere() {
    for (path, expected) in [
        ("/", "GET, HEAD"),
        ("*", "GET, HEAD"),
        ("/v2/", "GET, HEAD"),
        ("//v2/_catalog/", "GET, HEAD"),
        ("/v2/a/tags/list", "GET, HEAD"),
        ("/v2/a%2Fb/manifests/1", "DELETE, GET, HEAD, PUT"),
        ("/v2/a/blobs/uploads", "POST"),
        ("/v2/a/blobs/uploads/7", "DELETE, GET, HEAD, PATCH, PUT"),
        ("/v2/a/blobs/sha256:0", "DELETE, GET, HEAD"),
    ] {
        let Ok(Route::Options { allowed, .. }) = route("OPTIONS", path) else {
            panic!("{path}")
        };
        assert_eq!(allowed, expected, "{path}");
        let refused = route("TRACE", path);
        let is_there = !matches!(refused, Err(RouteError::NoSuchPlace(_)));
        assert!(is_there || path == "*", "{path}: {refused:?}");
    }
    assert!(matches!(
        route("OPTIONS", "/v3/"),
        Err(RouteError::NoSuchPlace(_))
    ));
}

#[test]
fn what_cannot_be_mounted_is_uploaded() {
    for query in [
        format!("mount={DIGEST}&from="),
        format!("mount={DIGEST}&from=UPPER"),
        format!("mount={DIGEST}&from=r.example:5000/a"),
        format!("mount={DIGEST}&from=https://r.example/a"),
        "mount=&from=a".to_owned(),
        "mount=sha256:0&from=a".to_owned(),
        "mount=latest&from=a".to_owned(),
        "from=a".to_owned(),
    ] {
        let route = route("POST", &format!("/v2/a/blobs/uploads/?{query}"));
        let Ok(Route::StartUpload { start, .. }) = route else {
            panic!("{query}: {route:?}")
        };
        assert_eq!(start, Start::Session(None), "{query}");
    }
}

#[test]
fn what_is_not_there_is_not_guessed() {
    for path in [
        "/v1/",
        "/v2x/",
        "/v2/a",
        "/v2/a/b/c",
        "/v2/_catalog/x",
        "/etc/passwd",
        "/v2/a/tags",
        "/v2/a/tags/list/x",
    ] {
        assert!(
            matches!(route("GET", path), Err(RouteError::NoSuchPlace(_))),
            "{path}"
        );
    }
}

#[test]
fn a_prefix_stands_before_everything() {
    let route = |path: &str| parse("/registry/", &Method::GET, &path.parse().unwrap());
    assert_eq!(route("/registry/v2/"), Ok(Route::Base));
    assert_eq!(route("/registry/"), Ok(Route::Root));
    assert!(route("/v2/").is_err());
    assert!(route("/registryv2/").is_err());
}

#[test]
fn addresses_in_answers_lead_back_here() {
    let repository: RepositoryName = "team/app".parse().unwrap();
    let digest: Digest = DIGEST.parse().unwrap();
    let links = Links::new(None, "/registry/");
    let back = |path: &str| parse("/registry/", &Method::GET, &path.parse().unwrap());
    let expected = Route::ReadBlob {
        repository: repository.clone(),
        digest,
    };
    assert_eq!(back(&links.blob(&repository, &digest)), Ok(expected));
    let link = links.referrers(&repository, &digest, Some("a/b+json"), Some(2), "sha256:00&n=9");
    let path = link
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""))
        .unwrap();
    let Ok(Route::Referrers {
        artifact_type,
        paging,
        ..
    }) = back(path)
    else {
        panic!("{link}")
    };
    assert_eq!(artifact_type.unwrap(), "a/b+json");
    assert_eq!(
        paging,
        Paging {
            n: Some(2),
            last: Some("sha256:00&n=9".to_owned())
        }
    );
}

#[test]
fn an_origin_makes_addresses_absolute() {
    let repository: RepositoryName = "a".parse().unwrap();
    let id = ID.parse().unwrap();
    for (origin, prefix, expected) in [
        ("https://r.example", "/", "https://r.example/v2/a/blobs/uploads/"),
        (
            "https://r.example",
            "/reg/",
            "https://r.example/reg/v2/a/blobs/uploads/",
        ),
        (
            "https://r.example/reg",
            "/reg/",
            "https://r.example/reg/v2/a/blobs/uploads/",
        ),
    ] {
        assert_eq!(
            Links::new(Some(origin), prefix).upload(&repository, &id),
            format!("{expected}{ID}?_state={ID}")
        );
    }
}

#[test]
fn whatever_is_written_is_a_route_or_an_error_and_names_stay_names() {
    let fragments = [
        "v2",
        "a",
        "B",
        "..",
        ".",
        "",
        "%2e",
        "%2f",
        "%",
        "%zz",
        "blobs",
        "uploads",
        "manifests",
        "tags",
        "list",
        ID,
        DIGEST,
    ];
    let mut state: u64 = 7;
    let mut pick = || {
        // A small generator with a fixed start: the same paths in every run.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        fragments[usize::try_from(state >> 33).unwrap() % fragments.len()]
    };
    for length in (1..9).cycle().take(20_000) {
        let tail: Vec<_> = (0..length).map(|_| pick()).collect();
        let path = format!("/v2/{}", tail.join("/"));
        for method in ["GET", "POST", "PATCH"] {
            let Ok(uri) = path.parse() else { continue };
            let method = method.parse().unwrap();
            let mut parsed = parse("/", &method, &uri);
            // To where it lies, and from there no further.
            for _ in 0..2 {
                let Err(RouteError::Moved { to, .. }) = &parsed else {
                    break;
                };
                assert!(to.starts_with('/') && !to.starts_with("//"), "{path}: {to}");
                parsed = parse("/", &method, &to.parse().unwrap());
            }
            assert!(
                !matches!(parsed, Err(RouteError::Moved { .. })),
                "{path}: {parsed:?}"
            );
            let Ok(route) = parsed else { continue };
            if let Need::Right(repository, _) = route.need() {
                assert!(!repository.as_str().contains(".."), "{path}");
                assert_eq!(repository.as_str().parse().as_ref(), Ok(repository), "{path}");
            }
        }
    }
}
