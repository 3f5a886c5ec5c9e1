//! Places on connections, and pauses, without a network.
use push_core::{ManualClock, Timestamp};

use super::*;
use crate::{HttpConfig, frame::Frame, wire::Wire};

/// A pool with one connection that nothing drives.
fn pool() -> (Arc<Origin>, Arc<Connection>) {
    let clock = Arc::new(ManualClock::new(Timestamp::default()));
    let settings = Settings::new(HttpConfig::default(), clock).expect("the default");
    let target = Target {
        tls: false,
        host: "push.example".into(),
        port: 80,
    };
    let origin = Origin::new(target, Arc::new(settings));
    let link = Link::H2(Mutex::new(None));
    let connection = Connection::new(1, Arc::new(Wire::new()), link, 2);
    origin.lock().connections.push(Arc::clone(&connection));
    (origin, connection)
}

#[test]
fn an_undone_lease_gives_its_place_and_window_back_under_the_lock() {
    let (origin, connection) = pool();
    let state = origin.lock();
    let room = connection.wire().room();
    let lease = origin.grant(Arc::clone(&connection), 1000);
    assert_eq!(connection.load(), 1);
    assert_eq!(connection.wire().room(), room - 1000);
    // Its destructor would take the lock that is held here, and never return.
    lease.undo();
    assert_eq!(connection.load(), 0);
    assert_eq!(connection.wire().room(), room);
    drop(state);
    assert_eq!(Arc::strong_count(&origin), 1);
}

fn waiting() -> (Waiting, oneshot::Receiver<Result<Lease, HttpError>>) {
    let (give, receiver) = oneshot::channel();
    let waiting = Waiting {
        bytes: 10,
        avoid: None,
        give,
    };
    (waiting, receiver)
}

#[test]
fn a_place_for_a_request_that_was_just_dropped_is_given_back_under_the_lock() {
    let (origin, connection) = pool();
    let state = origin.lock();
    let (waiting, receiver) = waiting();
    let lease = origin.grant(Arc::clone(&connection), 10);
    drop(receiver);
    waiting.give(lease);
    assert_eq!(connection.load(), 0);
    drop(state);
}

/// Lets `count` connections, with one request each and no answer, end with a GOAWAY, and returns whether the pool pauses.
fn pauses(last_stream: u32, code: u32, count: u64, have_ended: bool) -> bool {
    let (origin, _) = pool();
    origin.lock().connections.clear();
    for id in 0..count {
        let link = Link::H2(Mutex::new(None));
        let connection = Connection::new(id, Arc::new(Wire::new()), link, 2);
        origin.lock().connections.push(Arc::clone(&connection));
        drop(origin.grant(Arc::clone(&connection), 0));
        let mut go_away = vec![0, 0, 8, crate::frame::GOAWAY, 0, 0, 0, 0, 0];
        go_away.extend(last_stream.to_be_bytes());
        go_away.extend(code.to_be_bytes());
        connection.wire().read(&mut Frame::new(), &go_away);
        Arc::clone(&origin).going_away(&connection);
        if have_ended {
            Arc::clone(&origin).ended(&connection);
        }
    }
    let mut state = origin.lock();
    assert_eq!(state.connections.is_empty(), have_ended);
    state.backoff.error().is_some()
}

/// RFC 9113 §6.8: a graceful GOAWAY still answers what it took; one that took no stream answers nothing.
#[test]
fn a_goaway_counts_as_a_failure_at_once_unless_it_took_a_request() {
    assert!(pauses(0, 0, 2, false), "it took no stream");
    assert!(pauses(1, 2, 2, false), "an error");
    assert!(!pauses(1, 0, 2, false), "it may answer yet");
    assert!(pauses(1, 0, 2, true), "it did not");
    assert!(!pauses(0, 0, 1, true), "one is free, and counts once");
}

#[test]
fn a_pool_is_unused_without_connection_attempt_and_request() {
    let (origin, connection) = pool();
    assert!(!origin.is_unused());
    origin.lock().connections.clear();
    drop(connection);
    assert!(origin.is_unused());
    origin.lock().connecting = 1;
    assert!(!origin.is_unused());
    origin.lock().connecting = 0;
    let (waiting, _receiver) = waiting();
    origin.lock().waiting.insert(0, waiting);
    assert!(!origin.is_unused());
}

#[test]
fn a_request_that_left_the_queue_gets_no_place() {
    let (origin, connection) = pool();
    let mut state = origin.lock();
    let mut receivers = Vec::new();
    for ticket in 0..3 {
        let (waiting, receiver) = waiting();
        state.waiting.insert(ticket, waiting);
        receivers.push(receiver);
    }
    drop(receivers.remove(0));
    origin.pump(&mut state);
    drop(state);
    assert_eq!(connection.load(), 2);
    assert!(origin.lock().waiting.is_empty());
    for receiver in &mut receivers {
        drop(receiver.try_recv().expect("a place"));
    }
    assert_eq!(connection.load(), 0);
}

#[test]
fn a_dropped_attempt_counts_as_a_failed_one() {
    let (origin, _) = pool();
    origin.lock().connecting = 1;
    drop(Attempt {
        origin: Some(Arc::clone(&origin)),
    });
    let mut state = origin.lock();
    assert_eq!(state.connecting, 0);
    let error = state.backoff.error().expect("a pause");
    assert_eq!(error.kind(), HttpErrorKind::Connect);
    assert_eq!(error.message(), "the runtime was shut down");
}
