//! Many requests with one head.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use push_http::{
    Answers, Client, Head, HttpClient, HttpConfig, HttpError, HttpErrorKind, Item, Processed,
};

use crate::support::{Event, Server, client, config, echo_server, soon, stats, until};

type Answer = Result<Response<Bytes>, HttpError>;

/// Answers by position; a second answer for a position is a failure.
#[derive(Default)]
struct Collected(Mutex<HashMap<usize, Answer>>);

impl Answers for Collected {
    fn take(&self, position: usize, answer: Answer) {
        let before = self.0.lock().expect("a map").insert(position, answer);
        assert!(before.is_none(), "{position} was answered twice");
    }
}

impl Collected {
    fn len(&self) -> usize {
        self.0.lock().expect("a map").len()
    }

    fn all(self) -> HashMap<usize, Answer> {
        self.0.into_inner().expect("a map")
    }
}

fn head(base: &str) -> Arc<Head> {
    let mut headers = HeaderMap::new();
    headers.insert("x-topic", HeaderValue::from_static("com.example"));
    headers.insert("authorization", HeaderValue::from_static("bearer secret"));
    let origin: Uri = base.parse().expect("a URL");
    Arc::new(Head::new(Method::POST, &origin, headers).expect("a head"))
}

/// Items 100, 101, … whose bodies are their positions.
fn items(count: usize) -> Vec<Item> {
    (100..100 + count)
        .map(|position| {
            Item::new(
                position,
                format!("/3/device/{position}").parse().expect("a path"),
                vec![(
                    HeaderName::from_static("x-request-id"),
                    HeaderValue::from(position),
                )],
                Bytes::from(position.to_string()),
            )
        })
        .collect()
}

/// A client that has only `send`, and so the default batch.
#[derive(Debug)]
struct OneByOne(Client);

#[async_trait]
impl HttpClient for OneByOne {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.0.send(request).await
    }
}

#[tokio::test]
async fn every_item_of_a_batch_gets_its_own_answer_once() {
    let server = echo_server().await;
    let (client, _clock) = client(HttpConfig::default());
    let one_by_one = OneByOne(client.clone());
    for client in [&client as &dyn HttpClient, &one_by_one] {
        let answers = Collected::default();
        // More than are under way at the same time.
        soon(client.send_many(head(&server.url()), items(2500), &answers)).await;
        let answers = answers.all();
        assert_eq!(answers.len(), 2500);
        for (position, answer) in answers {
            assert_eq!(answer.unwrap().body(), position.to_string().as_bytes());
        }
    }
    let stats = stats(&client);
    assert_eq!((stats.in_flight, stats.waiting), (0, 0));
}

#[tokio::test]
async fn an_item_adds_its_headers_to_those_of_the_head() {
    let (blocks, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |_, mut peer| {
        let blocks = blocks.clone();
        async move {
            peer.writer().stream_limit(10).await;
            while let Some((stream, _)) = peer.request().await {
                blocks.send(peer.header_blocks[&stream].clone()).unwrap();
                peer.writer().answer(stream, 200, b"").await;
            }
        }
    })
    .await;
    let head = head(&server.url());
    let whole = head.whole(&items(1)[0]);
    assert_eq!(
        whole.uri().to_string(),
        format!("{}/3/device/100", server.url())
    );
    assert_eq!(whole.method(), Method::POST);
    assert_eq!(whole.headers()["x-topic"], "com.example");
    assert_eq!(whole.headers()["x-request-id"], "100");
    assert!(whole.headers()["authorization"].is_sensitive());
    assert!(!format!("{head:?} {:?}", items(1)).contains("secret"));
    let (client, _clock) = client(HttpConfig::default());
    let answers = Collected::default();
    soon(client.send_many(head, items(1), &answers)).await;
    assert_eq!(answers.len(), 1);
    let block = seen.recv().await.unwrap();
    // RFC 7541 §6.2.3: a literal that is never indexed, with the name of static entry 23 (15 + 8).
    assert!(
        block.windows(2).any(|pair| pair == [0x1f, 8]),
        "{block:02x?}"
    );
}

#[test]
fn a_head_that_cannot_be_sent_is_refused() {
    let header = |name: &'static str| {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("x"))])
    };
    for (url, headers) in [
        ("/path", HeaderMap::new()),
        ("ftp://host", HeaderMap::new()),
        ("https://user:hunter2@host", HeaderMap::new()),
        ("https://host:99999", HeaderMap::new()),
        ("https://host", header("connection")),
        ("https://host", header("transfer-encoding")),
    ] {
        let error = Head::new(Method::POST, &url.parse().unwrap(), headers).unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::InvalidRequest, "{url}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn at_the_deadline_of_a_batch_the_rest_fails_with_what_is_known() {
    let (served, mut was_served) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |_, mut peer| {
        let served = served.clone();
        async move {
            let writer = peer.writer();
            writer.stream_limit(3).await;
            let held = peer.requests(3).await;
            writer.answer(held[0].0, 200, b"").await;
            // The head alone of the second, nothing of the third and of the one that took the place of the first.
            writer.begin_answer(held[1].0, 200, false).await;
            peer.requests(1).await;
            peer.so_far().await;
            served.send(()).unwrap();
            peer.ignore().await;
        }
    })
    .await;
    let (client, clock) = client(config(r#"{"max_connections": 1}"#));
    let answers = Arc::new(Collected::default());
    let batch = tokio::spawn({
        let (client, answers, head) = (client.clone(), Arc::clone(&answers), head(&server.url()));
        async move { client.send_many(head, items(10), &*answers).await }
    });
    soon(was_served.recv()).await.unwrap();
    until("the first is answered", || answers.len() == 1).await;
    clock.advance(Duration::from_secs(30));
    soon(batch).await.unwrap();
    let answers = Arc::into_inner(answers).unwrap().all();
    assert_eq!(answers.len(), 10);
    assert_eq!(answers[&100].as_ref().unwrap().status(), 200);
    let error = |position: usize| answers[&position].as_ref().unwrap_err();
    assert_eq!(error(101).status().unwrap(), 200);
    for position in 101..110 {
        assert_eq!(error(position).kind(), HttpErrorKind::Deadline);
        assert_eq!(error(position).origin(), Some(server.url().as_str()));
        let expected = if position < 104 {
            Processed::Unknown
        } else {
            Processed::Never
        };
        assert_eq!(error(position).processed(), expected, "{position}");
    }
    until("nothing is left", || {
        let stats = stats(&client);
        stats.in_flight == 0 && stats.waiting == 0
    })
    .await;
}

#[tokio::test]
async fn a_goaway_in_the_middle_of_a_batch_loses_and_doubles_nothing() {
    let (server, ledger) = Server::with_ledger(|_, mut peer, processed| async move {
        let writer = peer.writer();
        writer.stream_limit(100).await;
        let mut last = u32::MAX;
        let mut count = 0;
        while let Some((stream, body)) = peer.request().await {
            if stream > last {
                continue;
            }
            processed.add(&body);
            count += 1;
            if count == 200 {
                last = stream;
                writer.go_away(last, 0, b"").await;
            }
            writer.answer(stream, 200, &body).await;
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 2}"#));
    let answers = Collected::default();
    soon(client.send_many(head(&server.url()), items(1500), &answers)).await;
    let answers = answers.all();
    assert!(answers.values().all(Result::is_ok));
    assert_eq!((answers.len(), ledger.total()), (1500, 1500));
    assert!((100..1600).all(|position| ledger.count(&position.to_string()) == 1));
}

#[tokio::test]
async fn a_dropped_batch_resets_its_streams_and_answers_nothing_more() {
    let (events, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |_, mut peer| {
        let events = events.clone();
        async move {
            peer.writer().stream_limit(5).await;
            while let Some(event) = peer.next().await {
                if !matches!(event, Event::Opened { .. }) {
                    events.send(event).unwrap();
                }
            }
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 1}"#));
    let answers = Arc::new(Collected::default());
    let batch = tokio::spawn({
        let (client, answers, head) = (client.clone(), Arc::clone(&answers), head(&server.url()));
        async move { client.send_many(head, items(20), &*answers).await }
    });
    for _ in 0..5 {
        let event = soon(seen.recv()).await.unwrap();
        assert!(matches!(event, Event::Request { .. }), "{event:?}");
    }
    batch.abort();
    for _ in 0..5 {
        let event = soon(seen.recv()).await.unwrap();
        assert!(matches!(event, Event::Reset { .. }), "{event:?}");
    }
    assert_eq!(answers.len(), 0);
    until("nothing is left", || {
        let stats = stats(&client);
        stats.in_flight == 0 && stats.waiting == 0
    })
    .await;
}

#[tokio::test]
async fn a_batch_to_a_peer_that_is_not_there_fails_item_by_item() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let (client, _clock) = client(config(r#"{"max_waiting": 7}"#));
    let answers = Collected::default();
    soon(client.send_many(head(&format!("http://{closed}")), items(50), &answers)).await;
    let answers = answers.all();
    assert_eq!(answers.len(), 50);
    for answer in answers.into_values() {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Connect, "{error}");
        assert_eq!(error.processed(), Processed::Never);
    }
}
