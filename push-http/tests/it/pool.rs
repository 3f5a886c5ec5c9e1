//! How many connections there are, and what is on which.
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use push_core::AddressPolicy;
use push_http::{HttpClient, HttpConfig, HttpErrorKind, Processed};
use push_testkit::until_idle;

use crate::support::{
    CANCEL, Event, Ledger, Peer, Server, client, config, echo_server, post, soon, spawn, stats,
    until,
};

#[tokio::test]
async fn ten_thousand_pushes_one_after_the_other_use_one_connection() {
    let server = echo_server().await;
    let (client, _clock) = client(HttpConfig::default());
    for number in 0..10_000_u32 {
        let body = Bytes::from(number.to_string());
        let response = soon(client.send(post(&server.url(), body.clone())))
            .await
            .unwrap();
        assert_eq!(response.body(), &body);
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(stats(&client).opened, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_at_once_get_each_its_own_answer() {
    let server = echo_server().await;
    let (client, _clock) = client(HttpConfig::default());
    let sends: Vec<_> = (0..1000)
        .map(|number| spawn(&client, &server.url(), format!("body {number}")))
        .collect();
    for (it, send) in sends.into_iter().enumerate() {
        let response = soon(send).await.unwrap().unwrap();
        assert_eq!(response.body(), format!("body {it}").as_bytes());
    }
    let stats = stats(&client);
    assert_eq!((stats.in_flight, stats.waiting), (0, 0));
    assert!(stats.connections <= 32);
}

/// Takes whatever comes and answers nothing.
async fn mute_server(limit: u32) -> Server {
    Server::h2(move |_, peer| async move {
        peer.writer().stream_limit(limit).await;
        peer.ignore().await;
    })
    .await
}

#[tokio::test]
async fn no_more_requests_wait_than_allowed_and_dropped_ones_do_not_count() {
    let server = mute_server(1).await;
    let (client, _clock) = client(config(r#"{"max_connections": 1, "max_waiting": 3}"#));
    let first = spawn(&client, &server.url(), "first");
    until("the first is on its way", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.in_flight == 1)
    })
    .await;
    let waiting: Vec<_> = (0..3)
        .map(|_| spawn(&client, &server.url(), "waits"))
        .collect();
    until("three wait", || stats(&client).waiting == 3).await;
    let error = soon(client.send(post(&server.url(), "too many")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Busy);
    assert_eq!(error.processed(), Processed::Never);
    assert!(error.is_transient());
    waiting.into_iter().for_each(|send| send.abort());
    until("none waits", || stats(&client).waiting == 0).await;
    let next = spawn(&client, &server.url(), "fits again");
    until("one waits", || stats(&client).waiting == 1).await;
    first.abort();
    next.abort();
}

#[tokio::test]
async fn a_dropped_request_resets_its_stream_and_makes_room_for_the_next() {
    let (events, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |_, mut peer| {
        let events = events.clone();
        async move {
            peer.writer().stream_limit(1).await;
            while let Some(event) = peer.next().await {
                if let Event::Request { stream, body } = &event
                    && body == "second"
                {
                    peer.writer().answer(*stream, 200, b"").await;
                }
                if !matches!(event, Event::Opened { .. }) {
                    events.send(event).unwrap();
                }
            }
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 1}"#));
    let first = spawn(&client, &server.url(), "first");
    let request = |stream, body: &'static str| Event::Request {
        stream,
        body: Bytes::from_static(body.as_bytes()),
    };
    assert_eq!(soon(seen.recv()).await, Some(request(1, "first")));
    let second = spawn(&client, &server.url(), "second");
    until("the second waits", || stats(&client).waiting == 1).await;
    first.abort();
    soon(second).await.unwrap().unwrap();
    let reset = Event::Reset {
        stream: 1,
        code: CANCEL,
    };
    assert_eq!(soon(seen.recv()).await, Some(reset));
    assert_eq!(soon(seen.recv()).await, Some(request(3, "second")));
    assert_eq!(stats(&client).in_flight, 0);
    assert_eq!(server.connections(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_dropped_at_any_moment_leave_the_pool_as_it_was() {
    let server = echo_server().await;
    let (client, _clock) = client(config(r#"{"max_connections": 2}"#));
    for round in 0..20_usize {
        let sends: Vec<_> = (0..200)
            .map(|_| spawn(&client, &server.url(), vec![b'x'; 700]))
            .collect();
        for _ in 0..round * 3 {
            tokio::task::yield_now().await;
        }
        for (it, send) in sends.into_iter().enumerate() {
            if it % 3 == 0 {
                soon(send).await.unwrap().unwrap();
            } else {
                send.abort();
            }
        }
    }
    until("nothing is left", || {
        let stats = stats(&client);
        stats.in_flight == 0 && stats.waiting == 0
    })
    .await;
    soon(client.send(post(&server.url(), "still works")))
        .await
        .unwrap();
    assert!(server.connections() <= 2);
}

#[tokio::test]
async fn requests_go_to_the_connection_with_the_least_on_it() {
    let counts: Arc<Mutex<Vec<usize>>> = Arc::default();
    let seen = Arc::clone(&counts);
    let server = Server::h2(move |number, mut peer| {
        let seen = Arc::clone(&seen);
        async move {
            seen.lock().unwrap().push(0);
            peer.writer().stream_limit(10).await;
            while peer.request().await.is_some() {
                seen.lock().unwrap()[number] += 1;
            }
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 2}"#));
    let arrived = |expected: [usize; 2]| {
        let counts = Arc::clone(&counts);
        async move {
            until("they arrived", || {
                *counts.lock().expect("a log") == expected
            })
            .await;
        }
    };
    let ten: Vec<_> = (0..10)
        .map(|_| spawn(&client, &server.url(), "x"))
        .collect();
    until("the first is full", || *counts.lock().unwrap() == [10]).await;
    let eleventh = spawn(&client, &server.url(), "x");
    arrived([10, 1]).await;
    ten.iter().skip(2).for_each(|send| send.abort());
    until("two and one are left", || stats(&client).in_flight == 3).await;
    let twelfth = spawn(&client, &server.url(), "x");
    arrived([10, 2]).await;
    eleventh.abort();
    twelfth.abort();
    until("two and none are left", || stats(&client).in_flight == 2).await;
    let last: Vec<_> = (0..2).map(|_| spawn(&client, &server.url(), "x")).collect();
    arrived([10, 4]).await;
    ten.iter().chain(&last).for_each(|send| send.abort());
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_the_next_request_opens_another() {
    let (closed, mut saw) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |_, mut peer| {
        let closed = closed.clone();
        async move {
            peer.writer().stream_limit(10).await;
            while let Some(event) = peer.next().await {
                match event {
                    Event::Request { stream, .. } => peer.writer().answer(stream, 200, b"").await,
                    Event::GoAway => closed.send(()).unwrap(),
                    _ => {}
                }
            }
        }
    })
    .await;
    let (client, clock) = client(config(r#"{"idle_timeout": "10m"}"#));
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    clock.advance(std::time::Duration::from_secs(599));
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    assert_eq!(server.connections(), 1);
    // It was used since the timer was set, so it lives for another round, and no longer.
    clock.advance(std::time::Duration::from_secs(2));
    until_idle().await;
    assert_eq!(stats(&client).connections, 1);
    clock.advance(std::time::Duration::from_secs(600));
    soon(saw.recv()).await.unwrap();
    until("it is gone", || stats(&client).connections == 0).await;
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn retired_connections_finish_and_new_requests_open_new_ones() {
    let (go, _) = tokio::sync::broadcast::channel::<()>(1);
    let gate = go.clone();
    let (came, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |number, mut peer| {
        let (mut gate, came) = (gate.subscribe(), came.clone());
        async move {
            peer.writer().stream_limit(10).await;
            while let Some((stream, body)) = peer.request().await {
                if body == "slow" {
                    came.send(()).unwrap();
                    gate.recv().await.unwrap();
                }
                let name = number.to_string();
                peer.writer().answer(stream, 200, name.as_bytes()).await;
            }
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let slow = spawn(&client, &server.url(), "slow");
    soon(arrived.recv()).await.unwrap();
    client.retire_connections();
    assert_eq!(stats(&client).draining, 1);
    let response = soon(client.send(post(&server.url(), "x"))).await.unwrap();
    assert_eq!(response.body(), "1");
    go.send(()).unwrap();
    assert_eq!(soon(slow).await.unwrap().unwrap().body(), "0");
    until("the retired one is closed", || stats(&client).draining == 0).await;
    assert_eq!(stats(&client).connections, 1);
}

/// The limit of pools that are kept without need, which no setting changes.
const MANY_ORIGINS: usize = 256;

#[tokio::test]
async fn pools_without_connections_are_dropped_when_there_are_many() {
    let server = echo_server().await;
    let policy = AddressPolicy::none().allow("127.0.0.1".parse().unwrap());
    let (client, _clock) = client(HttpConfig::default().with_addresses(policy));
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    for number in 0..MANY_ORIGINS + 50 {
        let base = format!("https://10.0.{}.{}", number / 250, number % 250);
        let error = soon(client.send(post(&base, "x"))).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::AddressDenied);
        assert!(client.stats().len() <= MANY_ORIGINS);
    }
    assert!(client.stats().len() >= 50, "recent pools are kept");
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    assert_eq!(server.connections(), 1, "a pool with a connection is kept");
}

#[tokio::test]
async fn connections_close_when_the_last_client_is_dropped() {
    let (gone, mut saw) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |_, peer| {
        let gone = gone.clone();
        async move {
            peer.writer().stream_limit(10).await;
            peer.echo().await;
            gone.send(()).unwrap();
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let clone = client.clone();
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    drop(client);
    soon(clone.send(post(&server.url(), "x"))).await.unwrap();
    drop(clone);
    soon(saw.recv()).await.unwrap();
}

/// A peer in a thread of its own, so that it can act while the client's runtime stands still.
#[test]
fn a_peer_that_closed_the_idle_connection_costs_no_request() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let ledger = Ledger::default();
    let (close, closing) = mpsc::channel::<()>();
    let (closed, has_closed) = mpsc::channel::<()>();
    let processed = ledger.clone();
    let peer = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            for _ in 0..2 {
                let (stream, _) = listener.accept().await.unwrap();
                let mut peer = Peer::accept(stream).await.unwrap();
                peer.writer().stream_limit(10).await;
                let (stream, body) = peer.request().await.unwrap();
                processed.add(&body);
                peer.writer().answer(stream, 200, b"").await;
                closing.recv().unwrap();
                drop(peer);
                closed.send(()).unwrap();
            }
        });
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (client, _clock) = client(HttpConfig::default());
        soon(client.send(post(&url, "first"))).await.unwrap();
        // Blocks the runtime, so that the client cannot have noticed when it is given the next request.
        close.send(()).unwrap();
        has_closed.recv().unwrap();
        assert_eq!(stats(&client).connections, 1);
        soon(client.send(post(&url, "second"))).await.unwrap();
        close.send(()).unwrap();
        assert_eq!(stats(&client).opened, 2);
    });
    peer.join().unwrap();
    assert_eq!((ledger.count("first"), ledger.count("second")), (1, 1));
    assert_eq!(ledger.total(), 2);
}

/// A runtime that is shut down drops the task that was connecting.
#[test]
fn a_connection_attempt_dropped_by_its_runtime_is_not_counted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (client, clock) = client(config(r#"{"max_connections": 1}"#));
    // The system accepts the connection, but no SETTINGS come.
    let first = runtime();
    let mut held = None;
    first.block_on(async {
        held = Some(spawn(&client, &url, "held"));
        until("it connects", || {
            client
                .stats()
                .first()
                .is_some_and(|stats| stats.connecting == 1)
        })
        .await;
    });
    drop(first);
    let held = runtime().block_on(held.unwrap());
    assert!(held.unwrap_err().is_cancelled());
    assert_eq!((stats(&client).connecting, stats(&client).waiting), (0, 0));
    clock.advance(std::time::Duration::from_millis(100));
    runtime().block_on(async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let peer = tokio::spawn(async move {
            let mut sockets = Vec::new();
            // The abandoned connection comes first.
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                sockets.push(tokio::spawn(async move {
                    if let Some(peer) = Peer::accept(stream).await {
                        peer.writer().stream_limit(10).await;
                        peer.echo().await;
                    }
                }));
            }
        });
        soon(client.send(post(&url, "x"))).await.unwrap();
        peer.abort();
    });
}
