//! What a durable login, a search and a trace event cost: `cargo bench -p push-store-sqlite`.
//!
//! Numbers of one machine mean little on another; the ratios are what to look at.
#![allow(clippy::print_stdout)]
use std::time::{Duration, Instant};

use push_core::{
    AppId, BadgeArithmetic, BadgeChange, CertificateId, Channel, DeliveryId, DeviceId, DeviceToken,
    Environment, MessageId, Registration, RegistrationStore, Slot, Stage, TraceEvent, TraceStore,
    UserId,
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

fn registration(number: usize) -> Registration {
    Registration {
        app: app(),
        user: user(number),
        device: device(number),
        slot: Slot::Alert,
        channel: Channel::APNS,
        certificate: CertificateId::new(1).expect("a certificate id"),
        environment: Environment::Production,
        token: DeviceToken::new(format!("{:064x}", scattered(number))).expect("a device token"),
        told_at: NOW,
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
    block_on(async {
        store.open().await.expect("opens");
        let mut from = 0;
        for (group, rows) in [(1, 2_000), (100, 48_000), (1000, 50_000)] {
            let begin = Instant::now();
            for first in (from..from + rows).step_by(group) {
                let batch = (first..first + group).map(registration).collect();
                store.register(batch).await.expect("registers");
            }
            from += rows;
            let what = format!("login, {group} in a call");
            report(&what, rows, begin.elapsed(), &mut base);
        }
        for group in [1, 500] {
            let begin = Instant::now();
            for first in (0..50_000).step_by(group) {
                let users: Vec<_> = (first..first + group).map(user).collect();
                let found = store.devices_of(&app(), &users).await.expect("searches");
                assert_eq!(found.iter().flatten().count(), group);
            }
            let what = format!("search, {group} users in a call");
            report(&what, 50_000, begin.elapsed(), &mut base);
        }
        let begin = Instant::now();
        for first in (0..50_000).step_by(500) {
            let changes = (first..first + 500).map(|it| BadgeChange {
                user: user(it),
                device: device(it),
                change: BadgeArithmetic::Add(1),
            });
            let changes = changes.collect();
            store.change_badges(&app(), changes).await.expect("adds");
        }
        report("badge, 500 in a call", 50_000, begin.elapsed(), &mut base);
        let begin = Instant::now();
        for number in 0..25_000 {
            let message = MessageId::new(format!("message-{number:08x}")).expect("a message id");
            let delivery = DeliveryId::new(NOW);
            let events = [
                Stage::Queued,
                Stage::Attempt,
                Stage::Answered,
                Stage::Settled,
            ]
            .map(|stage| TraceEvent {
                delivery: Some(delivery),
                user: Some(user(number)),
                ..TraceEvent::new(app(), message.clone(), NOW, stage)
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
    });
}
