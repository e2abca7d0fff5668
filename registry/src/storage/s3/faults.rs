//! Against a server that does what real ones do now and then: each of its answers is written down in the test.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::TryStreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::contract::all_of;
use super::super::{Error, Key, Objects, Opened, Wanted};
use super::S3Storage;
use super::settings::{Credentials, Settings};

/// What a request gets: the bytes, and whether the connection is closed after them.
type Answer = (Vec<u8>, bool);
/// Of the requests so far, by their first line and `Range`.
type Asked = Arc<Mutex<Vec<String>>>;

/// A store whose requests are answered by `answer`, with the number of each.
async fn store(answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> (S3Storage, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, answer) = (Asked::default(), Arc::new(answer));
    tokio::spawn({
        let asked = Arc::clone(&asked);
        async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                tokio::spawn(serve(stream, asked, answer));
            }
        }
    });
    let settings = Settings {
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        path_style: true,
        credentials: Some(Credentials {
            access_key: "someone".to_owned(),
            secret_key: "something".to_owned(),
            session_token: None,
        }),
        ..Settings::new("images", "us-east-1")
    };
    (S3Storage::open(settings).await.unwrap(), asked)
}

async fn serve(mut stream: TcpStream, asked: Asked, answer: Arc<impl Fn(usize, &str) -> Answer>) {
    while let Some(head) = head(&mut stream).await {
        let line = head.lines().next().unwrap_or_default().to_owned();
        let range = head
            .lines()
            .find(|line| line.to_lowercase().starts_with("range:"));
        let number = {
            let mut asked = asked.lock().unwrap();
            asked.push(format!("{line} {}", range.unwrap_or_default()));
            asked.len() - 1
        };
        let (bytes, is_last) = answer(number, &line);
        if stream.write_all(&bytes).await.is_err() || is_last {
            return;
        }
    }
}

/// Of a request, whose body is taken in too.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}

fn answered(status: &str, headers: &str, body: &str) -> Answer {
    let text = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    (text.into_bytes(), false)
}

fn refused(status: &str, headers: &str, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>told</Message></Error>");
    answered(
        status,
        &format!("{headers}Content-Type: application/xml\r\n"),
        &body,
    )
}

fn key() -> Key {
    "a".parse().unwrap()
}

#[tokio::test]
async fn an_answer_that_breaks_off_goes_on_where_it_broke() {
    let (storage, asked) = store(|number, _| {
        let tag = "ETag: \"one\"\r\n";
        match number {
            0 => {
                let text = format!("HTTP/1.1 200 OK\r\n{tag}Content-Length: 10\r\n\r\n0123");
                (text.into_bytes(), true)
            }
            _ => {
                let range = format!("{tag}Content-Range: bytes 4-9/10\r\n");
                answered("206 Partial Content", &range, "456789")
            }
        }
    })
    .await;
    let Opened::Found(reading) = storage.open(&key(), Wanted::All).await.unwrap() else {
        panic!("it is there");
    };
    assert_eq!(all_of(reading.pieces).await, b"0123456789");
    let asked = asked.lock().unwrap();
    assert!(
        asked.len() == 2 && asked[1].to_lowercase().contains("bytes=4-9"),
        "{asked:?}"
    );
}

/// The rest of other bytes is worse than no rest.
#[tokio::test]
async fn an_answer_never_goes_on_with_another_version() {
    let (storage, _) = store(|number, _| match number {
        0 => (
            b"HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: 10\r\n\r\n0123".to_vec(),
            true,
        ),
        _ => answered(
            "206 Partial Content",
            "ETag: \"two\"\r\nContent-Range: bytes 4-9/10\r\n",
            "xxxxxx",
        ),
    })
    .await;
    let Opened::Found(reading) = storage.open(&key(), Wanted::All).await.unwrap() else {
        panic!("it is there");
    };
    let error = reading.pieces.try_collect::<Vec<Bytes>>().await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
}

#[tokio::test]
async fn a_store_that_throttles_is_asked_again_and_then_is_busy() {
    let (storage, asked) = store(|number, _| match number {
        0 | 1 => refused("503 Slow Down", "", "SlowDown"),
        _ => answered("200 OK", "ETag: \"one\"\r\n", "hello"),
    })
    .await;
    assert_eq!(storage.read(&key(), 9).await.unwrap().unwrap(), "hello");
    assert_eq!(asked.lock().unwrap().len(), 3);
    let (storage, _) = store(|_, _| refused("503 Slow Down", "Retry-After: 7\r\n", "SlowDown")).await;
    let error = storage.read(&key(), 9).await.unwrap_err();
    let Error::Busy { retry_after, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(retry_after.as_secs(), 7);
}

#[tokio::test]
async fn a_page_that_is_cut_without_a_token_is_no_list() {
    let (storage, _) = store(|_, _| {
        let page = "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a/b</Key></Contents></ListBucketResult>";
        answered("200 OK", "Content-Type: application/xml\r\n", page)
    })
    .await;
    let error = storage.list(&key(), None, 9).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    let error = storage.walk(&key()).try_concat().await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    let error = storage.delete_folder(&key()).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
}

/// A 404 to HEAD has no body that says what is missing.
#[tokio::test]
async fn what_is_missing_from_a_bucket_that_vanished_is_not_missing() {
    let (storage, _) = store(|_, _| answered("404 Not Found", "", "")).await;
    let error = storage.stat(&key()).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    let (storage, asked) = store(|_, line| match line.contains("/a") {
        true => answered("404 Not Found", "x-amz-request-id: 1\r\n", ""),
        false => answered("200 OK", "", ""),
    })
    .await;
    for _ in 0..3 {
        assert_eq!(storage.stat(&key()).await.unwrap(), None);
    }
    // The bucket is not asked for again and again.
    assert_eq!(asked.lock().unwrap().len(), 4);
}

/// A proxy whose store is down may say 404 to everything.
#[tokio::test]
async fn what_no_store_answered_is_not_missing_though_the_bucket_was_there_just_now() {
    let (storage, _) = store(|number, _| match number {
        0 => answered("200 OK", "ETag: \"one\"\r\n", "x"),
        _ => answered("404 Not Found", "Content-Type: text/plain\r\n", "not found"),
    })
    .await;
    assert!(storage.read(&key(), 9).await.unwrap().is_some());
    let error = storage.read(&key(), 9).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    let error = storage.stat(&key()).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
}

#[tokio::test]
async fn what_is_refused_is_not_missing() {
    let (storage, _) = store(|_, _| refused("403 Forbidden", "", "AccessDenied")).await;
    let error = storage.read(&key(), 9).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    let error = storage.write(&key(), Bytes::new()).await.unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
}

/// The answer to the first attempt was lost, and the second finds no upload any more.
#[tokio::test]
async fn an_object_that_was_completed_without_an_answer_is_there() {
    let (storage, _) = store(|_, line| match line.split(' ').next() {
        Some("HEAD") => {
            let text = "HTTP/1.1 200 OK\r\nETag: \"one-1\"\r\nContent-Length: 5\r\n\r\n";
            (text.as_bytes().to_vec(), false)
        }
        _ => refused("404 Not Found", "", "NoSuchUpload"),
    })
    .await;
    let multipart = |size| super::multipart::Multipart {
        key: "a".to_owned(),
        id: "id".to_owned(),
        parts: vec!["\"part\"".to_owned()],
        size,
    };
    storage.bucket.complete(&key(), &multipart(5)).await.unwrap();
    let error = storage.bucket.complete(&key(), &multipart(6)).await.unwrap_err();
    assert!(matches!(error, Error::Missing(_)), "{error}");
}

/// A store that leaves an object out of its answer has not said that it is gone.
#[tokio::test]
async fn an_object_that_an_answer_leaves_out_is_not_known_to_be_deleted() {
    let (storage, _) = store(|_, _| {
        let told = "<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>";
        answered("200 OK", "Content-Type: application/xml\r\n", told)
    })
    .await;
    let keys: Arc<[Key]> = ["a", "b"].map(|key| key.parse().unwrap()).into();
    let answers = storage.delete_many(keys).await.unwrap();
    assert!(answers[0].is_ok() && answers[1].is_err(), "{answers:?}");
}
