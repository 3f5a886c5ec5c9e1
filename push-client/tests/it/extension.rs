//! The notification service extension: another process, without login or ticket.
use std::{fs, path::Path, sync::Arc, time::Duration};

use push_client::{
    Acknowledged, Completion, GatewayError, GatewayErrorKind, NotificationExtension, testing::Asked,
};
use push_core::{Clock as _, DeliveryId, ReceiptKind, Slot, Timestamp, payload::Payload};
use push_testkit::Place;
use serde_json::json;

use crate::kit::{Kit, Parts, block_on, unavailable, until, until_idle};

const WITHIN: Duration = NotificationExtension::WITHIN;

/// A phone with the app and its extension.
struct Phone {
    kit: Kit,
    place: Place,
    extension: Arc<NotificationExtension>,
}

impl Phone {
    /// Starts the app, without a login.
    async fn new() -> Self {
        let place = Place::new();
        let parts = Parts::new();
        let extension = NotificationExtension::new(place.directory())
            .gateway(Arc::new(parts.gateway.clone()))
            .clock(Arc::new(parts.clock.clone()));
        let kit = parts
            .start(|it| it.extension_folder(place.directory()))
            .await;
        Self {
            kit,
            place,
            extension: Arc::new(extension),
        }
    }

    /// Starts the app, logs in and closes it; from now on only the extension runs.
    async fn asleep() -> Self {
        let phone = Self::new().await;
        phone.kit.log_in("alice").await;
        phone.key_is_there().await;
        phone.kit.client.close().await;
        phone
    }

    async fn awake(self) -> Self {
        let folder = self.place.directory().to_owned();
        Self {
            kit: self.kit.restarted(|it| it.extension_folder(folder)).await,
            ..self
        }
    }

    async fn key_is_there(&self) {
        self.kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
        until(|| self.place.path("receipts.key").exists()).await;
        until_idle().await;
    }

    async fn push(&self, number: i64) -> Acknowledged {
        self.extension.delivered(&push(number), WITHIN).await
    }

    /// Returns the numbers of the deliveries that the gateway has receipts for, in order.
    fn taken(&self) -> Vec<i64> {
        let receipts = self.kit.gateway.receipts();
        receipts
            .iter()
            .inspect(|it| assert_eq!(it.what, ReceiptKind::Delivered))
            .map(|it| number(it.delivery))
            .collect()
    }

    fn asked(&self) -> usize {
        let asked = self.kit.gateway.asked();
        asked
            .iter()
            .filter(|it| matches!(it, Asked::Receipts(..)))
            .count()
    }
}

fn id(number: i64) -> DeliveryId {
    format!("0190163d-8694-739b-aea5-{number:012x}")
        .parse()
        .expect("a good delivery id")
}

fn number(id: DeliveryId) -> i64 {
    let text = id.to_string();
    i64::from_str_radix(&text[text.len() - 12..], 16).expect("made by id()")
}

fn push(number: i64) -> Payload {
    Payload::apns(json!({ "aps": {"alert": "secret words"}, "delivery": id(number).to_string() }))
}

fn acknowledged(sent: usize, waiting: usize) -> Acknowledged {
    let mut it = Acknowledged::default();
    it.sent = sent;
    it.waiting = waiting;
    it
}

fn problem(done: &Acknowledged) -> &str {
    done.problem.as_deref().expect("there is a problem")
}

#[test]
fn a_push_is_acknowledged_while_the_app_is_closed() {
    block_on(async {
        let phone = Phone::asleep().await;
        assert_eq!(phone.push(1).await, acknowledged(1, 0));
        assert_eq!(phone.taken(), [1]);
        let receipt = &phone.kit.gateway.receipts()[0];
        assert_eq!(receipt.at, phone.kit.clock.now());
        assert_eq!(phone.push(2).await, acknowledged(1, 0));
        assert_eq!(phone.taken(), [1, 2]);
    });
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_key_and_the_waiting_receipts() {
    use std::os::unix::fs::PermissionsExt;
    block_on(async {
        let phone = Phone::asleep().await;
        phone.kit.gateway.set_down(Some(unavailable()));
        phone.push(1).await;
        let mode = |path: &Path| {
            let metadata = fs::metadata(path).expect("it is there");
            metadata.permissions().mode() & 0o777
        };
        assert_eq!(mode(&phone.place.path("receipts.key")), 0o600);
        assert_eq!(mode(&phone.place.path("receipts")), 0o700);
    });
}

/// A push may come before the app has ever registered with this version.
#[test]
fn a_receipt_that_cannot_be_signed_yet_is_sent_once_the_app_has_a_key() {
    block_on(async {
        let phone = Phone::new().await;
        let done = phone.push(1).await;
        assert_eq!((done.sent, done.waiting), (0, 1));
        assert!(problem(&done).contains("extension_folder"), "{done:?}");
        assert_eq!(phone.asked(), 0);
        phone.kit.log_in("alice").await;
        until(|| phone.taken() == [1]).await;
        until_idle().await;
        assert_eq!(phone.kit.count("receipts_reported"), 1);
        assert_eq!(phone.push(2).await, acknowledged(1, 0));
    });
}

#[test]
fn a_receipt_that_could_not_be_sent_is_sent_with_a_later_push() {
    block_on(async {
        let phone = Phone::asleep().await;
        phone.kit.gateway.set_down(Some(unavailable()));
        let done = phone.push(1).await;
        assert_eq!((done.sent, done.waiting), (0, 1));
        assert_eq!(problem(&done), "no answer");

        // The pause grows, so that pushes do not wait for a network that is down.
        let asked = phone.asked();
        let done = phone.push(2).await;
        assert_eq!((done.sent, done.waiting), (0, 2));
        assert!(problem(&done).contains("waiting another"), "{done:?}");
        assert_eq!(phone.asked(), asked);
        phone.kit.clock.advance(Duration::from_secs(15));
        phone.push(3).await;
        assert_eq!(phone.asked(), asked + 1);
        phone.kit.clock.advance(Duration::from_secs(14));
        phone.push(4).await;
        assert_eq!(phone.asked(), asked + 1, "twice as long");

        phone.kit.gateway.set_down(None);
        phone.kit.clock.advance(Duration::from_secs(16));
        assert_eq!(phone.push(5).await, acknowledged(5, 0));
        assert_eq!(phone.taken(), [1, 2, 3, 4, 5]);
        // A success ends the pause.
        phone.kit.gateway.set_down(Some(unavailable()));
        phone.push(6).await;
        phone.kit.gateway.set_down(None);
        phone.kit.clock.advance(Duration::from_secs(15));
        assert_eq!(phone.push(7).await, acknowledged(2, 0));
    });
}

#[test]
fn the_gateways_retry_after_is_kept_and_a_wrong_clock_is_not() {
    block_on(async {
        let phone = Phone::asleep().await;
        let hour = Duration::from_secs(60 * 60);
        phone
            .kit
            .gateway
            .fail_next(unavailable().with_retry_after(hour));
        phone.push(1).await;
        phone.kit.clock.advance(hour - Duration::from_secs(1));
        phone.push(2).await;
        assert!(phone.taken().is_empty());
        // The clock was far ahead when the pause was set.
        phone
            .kit
            .clock
            .jump_to(Timestamp::from_unix_seconds(1_600_000_000));
        let done = phone.push(3).await;
        assert_eq!((done.sent, done.waiting), (3, 0), "{done:?}");
    });
}

#[test]
fn the_app_sends_what_its_extension_could_not() {
    block_on(async {
        let phone = Phone::asleep().await;
        phone.kit.gateway.set_down(Some(unavailable()));
        phone.push(1).await;
        phone.kit.gateway.set_down(None);
        let phone = phone.awake().await;
        until(|| phone.taken() == [1]).await;
        // Also later, when it comes to the foreground.
        phone.kit.gateway.set_down(Some(unavailable()));
        phone.push(2).await;
        phone.kit.client.foreground();
        until(|| phone.kit.clock.sleepers() > 0).await;
        phone.kit.gateway.set_down(None);
        phone.kit.client.foreground();
        until(|| phone.taken() == [1, 2]).await;
        until_idle().await;
        // The pause has ended.
        assert_eq!(phone.push(3).await, acknowledged(1, 0));
    });
}

/// The push must be shown in time, even with a bad network.
#[test]
fn an_acknowledgement_never_takes_longer_than_its_limit() {
    block_on(async {
        let phone = Phone::asleep().await;
        phone.kit.gateway.hold(true);
        for (number, within, least) in [
            (1, WITHIN, WITHIN),
            (2, Duration::from_secs(3600), Duration::from_secs(25)),
            (3, Duration::ZERO, Duration::ZERO),
        ] {
            // After the pause of the last failure.
            phone.kit.clock.advance(Duration::from_secs(3600));
            let extension = Arc::clone(&phone.extension);
            let work =
                tokio::spawn(async move { extension.delivered(&push(number), within).await });
            if least > Duration::ZERO {
                until(|| phone.kit.clock.sleepers() > 0).await;
                until_idle().await;
                phone.kit.clock.advance(least - Duration::from_millis(1));
                until_idle().await;
                assert!(!work.is_finished());
                phone.kit.clock.advance(Duration::from_millis(1));
            }
            let done = work.await.unwrap();
            assert_eq!((done.sent, done.waiting), (0, number as usize));
            assert!(problem(&done).contains("in time"), "{done:?}");
        }
        phone.kit.gateway.hold(false);
        let phone = phone.awake().await;
        until(|| phone.taken() == [1, 2, 3]).await;
    });
}

/// The gateway's master key was changed, so the keys of all phones are invalid.
#[test]
fn receipts_survive_a_change_of_the_gateways_master_key() {
    block_on(async {
        let phone = Phone::asleep().await;
        phone.kit.gateway.rotate_receipt_keys();
        let done = phone.push(1).await;
        assert_eq!((done.sent, done.waiting), (0, 1));
        assert!(problem(&done).contains("receipt-key-refused"), "{done:?}");
        let phone = phone.awake().await;
        phone.kit.log_in("alice").await;
        until(|| phone.taken() == [1]).await;
        until_idle().await;
        // The extension has the new key, and no pause.
        assert_eq!(phone.push(2).await, acknowledged(1, 0));
        assert_eq!(phone.taken(), [1, 2]);
    });
}

#[test]
fn the_oldest_receipts_are_dropped_when_too_many_wait() {
    block_on(async {
        let phone = Phone::asleep().await;
        phone.kit.gateway.set_down(Some(unavailable()));
        let mut dropped = 0;
        for number in 1..=520 {
            phone.kit.clock.advance(Duration::from_millis(1));
            let done = phone.push(number).await;
            assert!(done.waiting <= 500, "{done:?}");
            dropped += done.dropped;
        }
        assert_eq!(dropped, 20);
        phone.kit.gateway.set_down(None);
        let asked = phone.asked();
        let phone = phone.awake().await;
        until(|| phone.taken().len() == 500).await;
        until_idle().await;
        assert_eq!(phone.taken(), (21..=520).collect::<Vec<_>>());
        assert_eq!(phone.asked(), asked + 5, "in batches of a hundred");
    });
}

#[test]
fn a_repeated_push_is_one_receipt_and_refused_receipts_are_discarded() {
    block_on(async {
        let phone = Phone::asleep().await;
        phone.kit.gateway.set_down(Some(unavailable()));
        phone.push(1).await;
        phone.kit.clock.advance(Duration::from_secs(1));
        assert_eq!(phone.push(1).await.waiting, 1);
        phone.kit.gateway.set_down(None);
        phone.kit.gateway.fail_next(GatewayError::new(
            GatewayErrorKind::Refused,
            "invalid",
            "it is not understood",
        ));
        phone.kit.clock.advance(Duration::from_secs(60));
        let done = phone.push(2).await;
        assert_eq!((done.sent, done.waiting, done.dropped), (0, 0, 2));
        assert!(problem(&done).contains("not understood"), "{done:?}");
        assert_eq!(phone.push(3).await, acknowledged(1, 0), "nothing is paused");
    });
}

/// Damaged or missing files in the folder do not keep a push from being shown.
#[test]
fn a_damaged_folder_is_reported_without_quoting_its_content() {
    block_on(async {
        let key = "0123456789abcdef0123456789abcdef";
        let newer = format!(r#"{{"version": 99, "key": "{key}"}}"#);
        let no_gateway = format!(
            r#"{{"version": 1, "app": "a", "device": "d", "key": "{key}", "gateway": null}}"#
        );
        let http = format!(
            r#"{{"version": 1, "app": "a", "device": "d", "key": "{key}", "gateway": {{"url": "http://example.com"}}}}"#
        );
        for (file, says) in [
            ("", "damaged"),
            ("{", "damaged"),
            (newer.as_str(), "newer version"),
            (no_gateway.as_str(), "no address"),
            (http.as_str(), "http://example.com"),
        ] {
            let place = Place::new();
            fs::write(place.path("receipts.key"), file).unwrap();
            fs::write(place.path("receipts.pause"), "nonsense").unwrap();
            let extension = NotificationExtension::new(place.directory());
            let done = extension.delivered(&push(1), WITHIN).await;
            assert_eq!((done.sent, done.waiting), (0, 1), "{file}");
            assert!(problem(&done).contains(says), "{done:?}");
            assert!(!format!("{done:?} {extension:?}").contains(key));
        }
        let place = Place::new();
        let nowhere = NotificationExtension::new(place.path("not/there"));
        let done = nowhere.delivered(&push(1), WITHIN).await;
        assert_eq!((done.sent, done.waiting), (0, 0));
        assert!(problem(&done).contains("cannot be kept"), "{done:?}");
        let nameless = NotificationExtension::new(place.directory());
        let done = nameless.delivered(&Payload::apns(json!({})), WITHIN).await;
        assert_eq!((done.sent, done.waiting), (0, 0));
        assert!(problem(&done).contains("no delivery"), "{done:?}");
    });
}

/// A push without a delivery still causes waiting receipts to be sent.
#[test]
fn a_push_without_a_delivery_sends_waiting_receipts() {
    block_on(async {
        let phone = Phone::asleep().await;
        phone.kit.gateway.set_down(Some(unavailable()));
        phone.push(1).await;
        phone.kit.gateway.set_down(None);
        phone.kit.clock.advance(Duration::from_secs(15));
        let nameless = Payload::apns(json!({}));
        let done = phone.extension.delivered(&nameless, WITHIN).await;
        assert_eq!((done.sent, done.waiting), (1, 0));
    });
}

/// Several instances of the extension and the app run at once.
#[test]
fn concurrent_processes_lose_no_receipt() {
    block_on(async {
        let phone = Phone::asleep().await;
        let phone = phone.awake().await;
        let pushes = (1..=40).map(|number| {
            let extension = Arc::clone(&phone.extension);
            tokio::spawn(async move { extension.delivered(&push(number), WITHIN).await })
        });
        for push in pushes.collect::<Vec<_>>() {
            let done = push.await.unwrap();
            assert_eq!(done.problem, None);
        }
        phone.kit.client.arrived(push(41), Completion::none());
        until(|| phone.taken().contains(&41)).await;
        let mut taken = phone.taken();
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken, (1..=41).collect::<Vec<_>>());
    });
}

/// iOS calls on a thread of its own; a binding may call within a runtime.
#[test]
fn acknowledging_works_on_a_plain_thread_and_inside_a_runtime() {
    let phone = block_on(Phone::asleep());
    let extension = NotificationExtension::new(phone.place.directory())
        .gateway(Arc::new(phone.kit.gateway.clone()));
    assert_eq!(
        extension.delivered_blocking(&push(1), WITHIN),
        acknowledged(1, 0)
    );
    block_on(async {
        let done = extension.delivered_blocking(&push(2), WITHIN);
        assert_eq!(done, acknowledged(1, 0));
    });
    assert_eq!(phone.taken(), [1, 2]);
}

#[test]
fn a_folder_that_the_app_cannot_use_is_reported_and_the_app_goes_on() {
    block_on(async {
        let place = Place::new();
        let missing = place.path("not/there");
        let mut kit = Parts::new().start(|it| it.extension_folder(missing)).await;
        kit.log_in("alice").await;
        let event = kit.event("shared_folder_failed").await;
        assert!(event.needs_attention());
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
    });
}

#[test]
fn a_key_file_of_a_newer_version_is_not_touched() {
    block_on(async {
        let place = Place::new();
        fs::write(place.path("receipts.key"), r#"{"version": 99}"#).unwrap();
        let mut kit = Parts::new()
            .start(|it| it.extension_folder(place.directory()))
            .await;
        kit.log_in("alice").await;
        kit.event("shared_folder_failed").await;
        let file = fs::read_to_string(place.path("receipts.key")).unwrap();
        assert_eq!(file, r#"{"version": 99}"#);
    });
}
