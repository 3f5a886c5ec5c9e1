//! What a durable login, a search and a trace event cost: `cargo bench -p push-store-sqlite`.
//!
//! Numbers of one machine mean little on another; the ratios are what to look at.
#![allow(clippy::print_stdout)]
use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use push_core::{
    AppId, Audience, BadgeArithmetic, BadgeChange, CertificateId, Channel, DeliveryId, DeviceFacts,
    DeviceId, DeviceRef, DeviceToken, Environment, Mark, MessageId, Registration,
    RegistrationStore, Stage, TraceEvent, TraceStore, UserId,
};
use push_store_sqlite::{SqliteStore, SqliteStoreConfig};
use push_testkit::{Place, sample::NOW};

const DEVICES: usize = 100_000;

fn app() -> AppId {
    AppId::new("im").expect("an app id")
}

/// Spreads logins over the file, as real ones are.
fn scattered(number: usize) -> usize {
    number.wrapping_mul(7919) % DEVICES
}

fn user(number: usize) -> UserId {
    UserId::new(format!("user-{:08x}", scattered(number))).expect("a user id")
}

fn device(number: usize) -> DeviceId {
    DeviceId::new(format!("device-{:08x}", scattered(number))).expect("a device id")
}

async fn register(store: &SqliteStore, number: usize) {
    let owner = DeviceRef::new(app(), user(number), device(number));
    let registration = Registration::new(
        owner.clone(),
        Channel::known("sample"),
        CertificateId::new(1).expect("a certificate id"),
        Environment::Production,
        DeviceToken::new(format!("{:064x}", scattered(number))).expect("a device token"),
        NOW,
    );
    store
        .register(&owner, &DeviceFacts::default(), vec![registration])
        .await
        .expect("registers");
}

/// Registers devices, as many at once as `at_once`.
async fn register_all(store: &Arc<SqliteStore>, numbers: Range<usize>, at_once: usize) {
    for first in numbers.clone().step_by(at_once) {
        let calls = (first..numbers.end.min(first + at_once)).map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move { register(&store, number).await })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.expect("does not panic");
        }
    }
}

/// Without the limit that tests have.
fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().build();
    runtime.expect("a runtime can be made").block_on(future)
}

fn report(what: &str, rows: usize, took: Duration, base: &mut Option<f64>) {
    let rate = rows as f64 / took.as_secs_f64();
    let base = base.get_or_insert(rate);
    println!(
        "{what:<40} {rate:>9.0}/s  {:>6.1} us each  {:>6.1} x the first",
        1e6 / rate,
        rate / *base
    );
}

fn main() {
    let mut base = None;
    let place = Place::new();
    let config = SqliteStoreConfig::new(place.path("store.db"));
    let store = SqliteStore::new(config, &place.context()).expect("a right configuration");
    let store = Arc::new(store);
    block_on(async {
        store.open().await.expect("opens");
        let mut from = 0;
        for (at_once, rows) in [(1, 2_000), (100, 48_000), (1000, 50_000), (1000, DEVICES)] {
            let begin = Instant::now();
            // Every device once, and then all of them again with the token that they have.
            let what = if from < DEVICES {
                "login"
            } else {
                "login again"
            };
            register_all(&store, from..from + rows, at_once).await;
            from += rows;
            let what = format!("{what}, {at_once} at once");
            report(&what, rows, begin.elapsed(), &mut base);
        }
        for group in [1, 500] {
            let begin = Instant::now();
            for first in (0..50_000).step_by(group) {
                let users: Vec<_> = (first..first + group).map(user).collect();
                let found = store.receivers(&app(), &users).await.expect("searches");
                let devices = found.iter().flat_map(|receiver| &receiver.devices);
                assert_eq!(devices.count(), group);
            }
            let what = format!("search, {group} users in a call");
            report(&what, 50_000, begin.elapsed(), &mut base);
        }
        let begin = Instant::now();
        let (mut found, mut after) = (0, None);
        loop {
            let page = store.scan(&app(), &Audience::Everybody, after, 500).await;
            let page = page.expect("scans");
            found += page.items.len();
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, DEVICES);
        report(
            "scan, 500 users in a page",
            DEVICES,
            begin.elapsed(),
            &mut base,
        );
        // One message to 500 users, 500 messages to one each, and those again.
        for (what, messages, repeats) in [
            ("badge, a message to 500", 1, 1),
            ("badge, 500 messages in a call", 500, 1),
            ("the same badges again", 500, 0),
        ] {
            let begin = Instant::now();
            for first in (0..50_000).step_by(500) {
                let changes = (first..first + 500).map(|number| {
                    BadgeChange::new(
                        MessageId::new(format!("{messages}-{first}-{}", number % messages))
                            .expect("a message id"),
                        user(number),
                        device(number),
                        BadgeArithmetic::Add(repeats),
                    )
                });
                let changes = changes.collect();
                store.change_badges(&app(), changes).await.expect("adds");
            }
            report(what, 50_000, begin.elapsed(), &mut base);
        }
        let mut deliveries = Vec::new();
        let begin = Instant::now();
        for number in 0..25_000 {
            let message = MessageId::new(format!("message-{number:08x}")).expect("a message id");
            let delivery = DeliveryId::new(NOW);
            deliveries.push(delivery);
            let events = [
                Stage::Queued,
                Stage::Attempt,
                Stage::Answered,
                Stage::Settled,
            ]
            .map(|stage| {
                TraceEvent::new(app(), message.clone(), NOW, stage)
                    .with_delivery(delivery)
                    .with_user(user(number))
                    .with_device(device(number))
            });
            store.append(events.to_vec()).await.expect("appends");
        }
        let last = MessageId::new("last").expect("a message id");
        store
            .trace_of_message(&app(), &last)
            .await
            .expect("waits for all");
        report(
            "trace event, 4 in a call",
            100_000,
            begin.elapsed(),
            &mut base,
        );
        let begin = Instant::now();
        for group in deliveries.chunks(100) {
            let marks = group
                .iter()
                .map(|delivery| Mark::new(*delivery, None, Stage::Delivered, NOW));
            let new = store.record(&app(), marks.collect()).await;
            assert_eq!(new.expect("records"), vec![true; group.len()]);
        }
        report("mark, 100 in a call", 25_000, begin.elapsed(), &mut base);
    });
}
