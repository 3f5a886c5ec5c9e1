//! How many connections there are, and what is on which.
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use push_core::AddressPolicy;
use push_http::{HttpClient, HttpConfig, HttpErrorKind, Processed};

use crate::support::{
    CANCEL, Event, Ledger, PING, Peer, SETTINGS, Server, client, config, echo_server, post, soon,
    spawn, stats, until,
};

#[tokio::test]
async fn nothing_is_sent_before_the_peers_settings() {
    let (done, checked) = tokio::sync::oneshot::channel();
    let done = Mutex::new(Some(done));
    let server = Server::h2(move |_, mut peer| {
        let done = done.lock().unwrap().take().unwrap();
        async move {
            // A PING before SETTINGS is not polite, but its answer shows that the client has sent all it will.
            assert_eq!(peer.so_far().await, []);
            peer.writer().stream_limit(10).await;
            let (stream, _) = peer.request().await.unwrap();
            peer.writer().answer(stream, 200, b"").await;
            done.send(()).unwrap();
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    soon(checked).await.unwrap();
}

#[tokio::test]
async fn the_stream_limit_is_obeyed_when_it_goes_from_1_to_1000_to_1() {
    let (step, mut steps) = tokio::sync::mpsc::unbounded_channel();
    let (go, gone) = tokio::sync::mpsc::unbounded_channel::<()>();
    let gone = Arc::new(tokio::sync::Mutex::new(gone));
    let server = Server::h2(move |_, mut peer| {
        let (step, gone) = (step.clone(), Arc::clone(&gone));
        async move {
            let writer = peer.writer();
            writer.stream_limit(1).await;
            let (first, _) = peer.request().await.unwrap();
            gone.lock().await.recv().await.unwrap();
            assert_eq!(peer.so_far().await, [], "one stream only");
            writer.stream_limit(1000).await;
            writer.answer(first, 200, b"").await;
            let open = peer.requests(49).await;
            writer.stream_limit(1).await;
            while peer.acknowledged < 4 {
                // Preface, 1, 1000 and 1 again.
                peer.so_far().await;
                if peer.acknowledged == 3 {
                    break;
                }
            }
            step.send(open.len()).unwrap();
            for (stream, _) in open {
                writer.answer(stream, 200, b"").await;
            }
            gone.lock().await.recv().await.unwrap();
            for _ in 0..20 {
                let (stream, _) = peer.request().await.unwrap();
                assert_eq!(peer.so_far().await, [], "one stream only, again");
                writer.answer(stream, 200, b"").await;
            }
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 1}"#));
    let sends: Vec<_> = (0..50)
        .map(|it| spawn(&client, &server.url(), it.to_string()))
        .collect();
    until("49 wait", || {
        client.stats().first().is_some_and(|it| it.waiting == 49)
    })
    .await;
    assert_eq!(stats(&client).stream_limit, Some(1));
    go.send(()).unwrap();
    assert_eq!(soon(steps.recv()).await, Some(49));
    assert_eq!(stats(&client).stream_limit, Some(1));
    for send in sends {
        assert_eq!(soon(send).await.unwrap().unwrap().status(), 200);
    }
    let sends: Vec<_> = (0..20)
        .map(|it| spawn(&client, &server.url(), it.to_string()))
        .collect();
    until("19 wait", || stats(&client).waiting == 19).await;
    go.send(()).unwrap();
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_peer_that_is_still_finding_out_who_we_are_is_not_flooded_with_connections() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = Mutex::new(Some(gone));
    let server = Server::h2(move |number, mut peer| {
        let gone = gone.lock().unwrap().take();
        async move {
            assert_eq!(number, 0, "one connection is enough");
            peer.writer().stream_limit(1).await;
            let (first, _) = peer.request().await.unwrap();
            gone.unwrap().await.unwrap();
            peer.writer().stream_limit(1000).await;
            peer.writer().answer(first, 200, b"").await;
            peer.echo().await;
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let sends: Vec<_> = (0..200)
        .map(|it| spawn(&client, &server.url(), it.to_string()))
        .collect();
    until("199 wait", || {
        client.stats().first().is_some_and(|it| it.waiting == 199)
    })
    .await;
    assert_eq!(stats(&client).connecting, 0);
    go.send(()).unwrap();
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn more_connections_are_opened_when_the_streams_are_used_up_and_never_more_than_allowed() {
    let (go, _) = tokio::sync::broadcast::channel::<()>(1);
    let gate = go.clone();
    let server = Server::h2(move |_, mut peer| {
        let mut gate = gate.subscribe();
        async move {
            peer.writer().stream_limit(10).await;
            let held = peer.requests(10).await;
            assert_eq!(peer.so_far().await, []);
            gate.recv().await.unwrap();
            for (stream, _) in held {
                peer.writer().answer(stream, 200, b"").await;
            }
            peer.echo().await;
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 3}"#));
    let sends: Vec<_> = (0..50)
        .map(|it| spawn(&client, &server.url(), it.to_string()))
        .collect();
    until("three connections are full", || {
        client
            .stats()
            .first()
            .is_some_and(|it| it.in_flight == 30 && it.waiting == 20)
    })
    .await;
    assert_eq!(stats(&client).connections, 3);
    assert_eq!(stats(&client).connecting, 0);
    until("all peers hold ten", || go.receiver_count() == 3).await;
    // Each peer has to be past its check before it may be let go.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    assert_eq!(server.connections(), 3);
    assert_eq!(stats(&client).opened, 3);
}

/// A peer that never gives window back: a connection can carry 65,535 bytes of bodies in all.
async fn stingy_server(got: Arc<Mutex<Vec<usize>>>) -> Server {
    Server::h2(move |number, mut peer| {
        let got = Arc::clone(&got);
        async move {
            peer.replenish = false;
            peer.writer().stream_limit(1000).await;
            got.lock().expect("a log").push(0);
            while let Some((stream, body)) = peer.request().await {
                got.lock().expect("a log")[number] += body.len();
                peer.writer().answer(stream, 200, b"").await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn more_connections_are_opened_when_the_window_is_used_up_though_streams_are_free() {
    let got = Arc::default();
    let server = stingy_server(Arc::clone(&got)).await;
    let (client, _clock) = client(config(r#"{"max_connections": 4}"#));
    // 16 bodies of 4,000 bytes fit a window, so 60 need four connections.
    let sends: Vec<_> = (0..60)
        .map(|_| spawn(&client, &server.url(), vec![b'x'; 4000]))
        .collect();
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    assert_eq!(server.connections(), 4);
    let got = got.lock().unwrap();
    assert_eq!(got.iter().sum::<usize>(), 60 * 4000);
    assert!(got.iter().all(|it| *it <= 65_535), "{got:?}");
}

#[tokio::test]
async fn a_request_waits_for_the_window_when_no_connection_can_be_added() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = Mutex::new(Some(gone));
    let server = Server::h2(move |_, mut peer| {
        let gone = gone.lock().unwrap().take().unwrap();
        async move {
            let writer = peer.writer();
            peer.replenish = false;
            writer.stream_limit(1000).await;
            // Two whole bodies fit; the third is on its way in part.
            let held = peer.requests(2).await;
            gone.await.unwrap();
            for (stream, _) in held {
                writer.answer(stream, 200, b"").await;
            }
            peer.replenish = true;
            writer.window_update(0, 65_535).await;
            peer.echo().await;
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 1}"#));
    let sends: Vec<_> = (0..6)
        .map(|_| spawn(&client, &server.url(), vec![b'x'; 30_000]))
        .collect();
    until("three are on the connection", || {
        client
            .stats()
            .first()
            .is_some_and(|it| it.in_flight == 3 && it.waiting == 3)
    })
    .await;
    go.send(()).unwrap();
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_body_larger_than_the_window_is_sent_in_parts() {
    let server = echo_server().await;
    let (client, _clock) = client(config(
        r#"{"max_connections": 1, "max_response_bytes": 1000000}"#,
    ));
    let sends: Vec<_> = (0..3)
        .map(|it| spawn(&client, &server.url(), vec![it; 200_000]))
        .collect();
    for (it, send) in sends.into_iter().enumerate() {
        let response = soon(send).await.unwrap().unwrap();
        assert_eq!(response.body().len(), 200_000);
        assert!(response.body().iter().all(|byte| usize::from(*byte) == it));
    }
}

#[tokio::test]
async fn a_window_promised_to_a_request_that_was_dropped_comes_back() {
    let server = Server::h2(|_, mut peer| async move {
        peer.replenish = false;
        peer.writer().stream_limit(1000).await;
        while let Some((stream, body)) = peer.request().await {
            if body != "hold" {
                peer.writer().answer(stream, 200, b"").await;
            }
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 1}"#));
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    for _ in 0..100 {
        // Never polled far enough to be written, so that 6 MB are promised and given back.
        let send = client.send(post(&server.url(), vec![b'x'; 60_000]));
        assert!(futures_util::FutureExt::now_or_never(send).is_none());
    }
    let response = soon(client.send(post(&server.url(), vec![b'x'; 60_000])))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

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
        .map(|it| spawn(&client, &server.url(), format!("body {it}")))
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
async fn no_more_requests_wait_than_allowed_and_those_that_are_dropped_do_not_count() {
    let server = mute_server(1).await;
    let (client, _clock) = client(config(r#"{"max_connections": 1, "max_waiting": 3}"#));
    let first = spawn(&client, &server.url(), "first");
    until("the first is on its way", || {
        client.stats().first().is_some_and(|it| it.in_flight == 1)
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
    waiting.into_iter().for_each(|it| it.abort());
    until("nobody waits", || stats(&client).waiting == 0).await;
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
async fn a_peer_that_allows_no_stream_for_a_while_is_waited_for() {
    let server = Server::h2(|_, mut peer| async move {
        peer.writer().stream_limit(0).await;
        assert_eq!(peer.so_far().await, []);
        peer.writer().stream_limit(5).await;
        peer.echo().await;
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 1}"#));
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
}

#[tokio::test]
async fn a_stream_limit_of_zero_is_waited_out_on_the_same_connection() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = Mutex::new(Some(gone));
    let server = Server::h2(move |_, mut peer| {
        let gone = gone.lock().unwrap().take();
        async move {
            peer.writer().stream_limit(0).await;
            assert_eq!(peer.so_far().await, []);
            gone.expect("no second connection").await.unwrap();
            peer.writer().stream_limit(10).await;
            peer.echo().await;
        }
    })
    .await;
    let (client, clock) = client(HttpConfig::default());
    let sends: Vec<_> = (0..20)
        .map(|number| spawn(&client, &server.url(), number.to_string()))
        .collect();
    until("all wait", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.waiting == 20 && stats.connections == 1)
    })
    .await;
    // Past the time that a connection has to warm up.
    clock.advance(std::time::Duration::from_secs(11));
    let late = spawn(&client, &server.url(), "late");
    until("21 wait", || stats(&client).waiting == 21).await;
    assert_eq!((stats(&client).connecting, server.connections()), (0, 1));
    go.send(()).unwrap();
    for send in sends.into_iter().chain([late]) {
        soon(send).await.unwrap().unwrap();
    }
    assert_eq!(stats(&client).opened, server.connections() as u64);
}

#[tokio::test]
async fn a_connection_without_streams_until_the_deadline_is_replaced() {
    let server = Server::h2(|number, peer| async move {
        peer.writer()
            .stream_limit(if number == 0 { 0 } else { 10 })
            .await;
        peer.echo().await;
    })
    .await;
    let (client, clock) = client(HttpConfig::default());
    let first = spawn(&client, &server.url(), "first");
    until("it waits for a stream", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.waiting == 1 && stats.connections == 1)
    })
    .await;
    clock.advance(std::time::Duration::from_secs(30));
    let error = soon(first).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Deadline);
    assert_eq!(error.processed(), Processed::Never);
    assert!(error.message().contains("stream limit is 0"), "{error}");
    soon(client.send(post(&server.url(), "second")))
        .await
        .unwrap();
    assert_eq!(server.connections(), 2);
}

/// The measured trap: 60 messages opened 29 connections.
#[tokio::test]
async fn a_peer_that_allows_one_stream_is_connected_to_slowly() {
    let server = Server::h2(|_, peer| async move {
        peer.writer().stream_limit(1).await;
        peer.echo().await;
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let sends: Vec<_> = (0..60)
        .map(|number| spawn(&client, &server.url(), number.to_string()))
        .collect();
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    // Four round trips on the newest connection before the next: 4 + 8 + 12 + 16 + 20 messages need five.
    let opened = server.connections();
    assert!((2..=7).contains(&opened), "{opened} connections");
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
    ten.iter().skip(2).for_each(|it| it.abort());
    until("two and one are left", || stats(&client).in_flight == 3).await;
    let twelfth = spawn(&client, &server.url(), "x");
    arrived([10, 2]).await;
    eleventh.abort();
    twelfth.abort();
    until("two and none are left", || stats(&client).in_flight == 2).await;
    let last: Vec<_> = (0..2).map(|_| spawn(&client, &server.url(), "x")).collect();
    arrived([10, 4]).await;
    ten.iter().chain(&last).for_each(|it| it.abort());
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_good_order_and_the_next_request_opens_another() {
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
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stats(&client).connections, 1);
    clock.advance(std::time::Duration::from_secs(600));
    soon(saw.recv()).await.unwrap();
    until("it is gone", || stats(&client).connections == 0).await;
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn retired_connections_finish_what_is_on_them_and_new_requests_open_new_ones() {
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
fn a_connection_attempt_that_its_runtime_drops_is_not_counted_for_ever() {
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
    let held = first.block_on(async {
        let held = spawn(&client, &url, "held");
        until("it connects", || {
            client
                .stats()
                .first()
                .is_some_and(|stats| stats.connecting == 1)
        })
        .await;
        held
    });
    drop(first);
    assert!(runtime().block_on(held).unwrap_err().is_cancelled());
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

#[tokio::test]
async fn a_settings_frame_in_pieces_is_read_all_the_same() {
    use tokio::io::AsyncWriteExt;
    let server = Server::raw(|_, mut stream| async move {
        // SETTINGS_MAX_CONCURRENT_STREAMS = 7, one byte per segment.
        for byte in [0, 0, 6, SETTINGS, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 7] {
            stream.write_all(&[byte]).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        let peer = Peer::accept(stream).await.unwrap();
        peer.writer().frame(PING, 0, 0, b"whatever").await;
        peer.echo().await;
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    assert_eq!(stats(&client).stream_limit, Some(7));
}
