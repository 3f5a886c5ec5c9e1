//! Presence, badges and receipts.
use std::time::Duration;

use push_client::{
    ClickSource, Completion, GatewayError, GatewayErrorKind, Settings,
    testing::{Asked, PhoneCall},
};
use push_core::{
    DeliveryId, Presence, Receipt, ReceiptKind, Slot, Timestamp,
    api::{PresenceBody, ReceiptsBody},
    payload::Payload,
};
use serde_json::json;

use crate::kit::{Kit, Parts, block_on, unavailable, until, until_idle, user};

fn presences(kit: &Kit) -> Vec<(Presence, Option<u32>)> {
    let asked = kit.gateway.asked();
    asked
        .iter()
        .filter_map(|it| match it {
            Asked::Presence(_, body) => Some((body.presence, body.unread)),
            _ => None,
        })
        .collect()
}

fn receipts(kit: &Kit) -> Vec<ReceiptsBody> {
    let asked = kit.gateway.asked();
    asked
        .into_iter()
        .filter_map(|it| match it {
            Asked::Receipts(_, body) => Some(body),
            _ => None,
        })
        .collect()
}

fn delivered(number: i64) -> (DeliveryId, Payload) {
    let id = DeliveryId::new(Timestamp::from_unix_seconds(number));
    (id, Payload::apns(json!({ "delivery": id.to_string() })))
}

/// S64, S65: background is reported with the unread count, foreground without.
#[test]
fn foreground_and_background_are_reported_with_the_unread_count() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.client.set_unread(5);
        kit.client.background(None);
        until(|| presences(&kit).len() == 1).await;
        kit.client.foreground();
        until(|| presences(&kit).len() == 2).await;
        kit.client.background(Some(7));
        until(|| presences(&kit).len() == 3).await;
        assert_eq!(
            presences(&kit),
            [
                (Presence::Background, Some(5)),
                (Presence::Online, None),
                (Presence::Background, Some(7)),
            ]
        );
        assert!(kit.phone.calls().contains(&PhoneCall::SetBadge(5)));
        let Some(Asked::Presence(who, PresenceBody { at, .. })) = kit.gateway.asked().pop() else {
            panic!("the last request is a presence");
        };
        assert_eq!(who, user("alice"));
        assert_eq!(at.unix_seconds(), 1_700_000_000);
    });
}

/// S66: a rotation stops one activity and starts the next.
#[test]
fn a_rotation_is_neither_foreground_nor_background() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.client.activity_started();
        until(|| presences(&kit).len() == 1).await;
        kit.client.activity_stopped(true);
        kit.client.activity_started();
        // Another screen of the app: the new one starts before the old one stops.
        kit.client.activity_started();
        kit.client.activity_stopped(false);
        until_idle().await;
        assert_eq!(presences(&kit), [(Presence::Online, None)]);
        kit.client.activity_stopped(false);
        until(|| presences(&kit).len() == 2).await;
        kit.client.activity_started();
        until(|| presences(&kit).len() == 3).await;
        assert_eq!(presences(&kit)[1].0, Presence::Background);
    });
}

#[test]
fn only_the_latest_presence_is_repeated_after_a_failure() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.gateway.set_down(Some(unavailable()));
        kit.client.background(Some(1));
        until(|| presences(&kit).len() == 1 && kit.clock.sleepers() == 1).await;
        kit.client.foreground();
        until(|| presences(&kit).len() == 2 && kit.clock.sleepers() == 1).await;
        kit.gateway.set_down(None);
        kit.pass(1, Duration::from_secs(10)).await;
        assert_eq!(
            presences(&kit),
            [
                (Presence::Background, Some(1)),
                (Presence::Online, None),
                (Presence::Online, None),
            ]
        );
        until_idle().await;
        assert_eq!(kit.clock.sleepers(), 0);
    });
}

/// A phone's clock may be wrong: with what it shows, the gateway knows how long ago it was.
#[test]
fn every_report_says_what_the_phones_clock_shows() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.gateway.set_down(Some(unavailable()));
        kit.client.background(Some(1));
        until(|| presences(&kit).len() == 1 && kit.clock.sleepers() == 1).await;
        kit.gateway.set_down(None);
        kit.pass(1, Duration::from_secs(10)).await;
        until(|| presences(&kit).len() == 2).await;
        let asked = kit.gateway.asked();
        let times: Vec<_> = asked
            .iter()
            .filter_map(|asked| match asked {
                Asked::Presence(_, body) => Some((body.at, body.now.expect("a time"))),
                _ => None,
            })
            .collect();
        assert_eq!(times[0].0, times[0].1);
        assert_eq!(times[1].0, times[0].0, "it is there since then");
        assert!(times[1].1 > times[1].0, "and this is later");
        kit.client.arrived(delivered(1).1, Completion::none());
        until(|| receipts(&kit).len() == 1).await;
        let body = receipts(&kit).remove(0);
        assert_eq!(body.now, Some(times[1].1));
    });
}

#[test]
fn presence_waits_until_the_gateway_knows_the_device() {
    block_on(async {
        let parts = Parts::new();
        parts.gateway.fail_next(unavailable());
        let kit = parts.start(|it| it).await;
        kit.client.foreground();
        kit.log_in("alice").await;
        until(|| kit.clock.sleepers() == 1).await;
        assert_eq!(presences(&kit), []);
        kit.clock.advance(Duration::from_secs(1));
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
        until(|| presences(&kit).len() == 1).await;
    });
}

#[test]
fn the_presence_is_reported_for_a_new_login() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.client.foreground();
        until(|| presences(&kit).len() == 1).await;
        kit.log_in("bob").await;
        until(|| presences(&kit).len() == 2).await;
        let asked = kit.gateway.asked();
        let users: Vec<_> = asked
            .iter()
            .filter_map(|it| match it {
                Asked::Presence(who, _) => Some(who.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(users, ["alice", "bob"]);
    });
}

#[test]
fn clicks_and_arrivals_of_deliveries_are_receipted_once() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        let (id, payload) = delivered(1);
        kit.client.arrived(payload.clone(), Completion::none());
        until(|| receipts(&kit).len() == 1).await;
        kit.client
            .clicked(ClickSource::Response, payload.clone(), Completion::none());
        until(|| receipts(&kit).len() == 2).await;
        kit.client
            .clicked(ClickSource::Response, payload, Completion::none());
        kit.client.clicked(
            ClickSource::Response,
            Payload::apns(json!({})),
            Completion::none(),
        );
        until_idle().await;
        let all: Vec<_> = receipts(&kit)
            .into_iter()
            .flat_map(|it| it.receipts)
            .collect();
        let at = Timestamp::from_unix_seconds(1_700_000_000);
        let receipt = |what| Receipt::new(id, what, at);
        assert_eq!(
            all,
            [
                receipt(ReceiptKind::Delivered),
                receipt(ReceiptKind::Clicked)
            ]
        );
    });
}

#[test]
fn receipts_wait_for_the_login_and_survive_a_restart() {
    block_on(async {
        let kit = Kit::new().await;
        let (id, payload) = delivered(1);
        kit.client.launched(payload);
        let kit = kit.restarted(|builder| builder).await;
        until_idle().await;
        assert_eq!(kit.gateway.asked(), []);
        kit.log_in("alice").await;
        until(|| receipts(&kit).len() == 1).await;
        assert_eq!(receipts(&kit)[0].receipts[0].delivery, id);
    });
}

/// The push was sent to this device, so the current login makes no difference.
#[test]
fn receipts_belong_to_the_device_and_need_no_login() {
    block_on(async {
        let (kit, generation) = Kit::logged_in("alice").await;
        kit.gateway.set_down(Some(unavailable()));
        kit.client.arrived(delivered(1).1, Completion::none());
        until(|| receipts(&kit).len() == 1).await;
        kit.log_out(generation).await;
        kit.gateway.set_down(None);
        kit.client.foreground();
        until(|| kit.gateway.receipts().len() == 1).await;
        kit.client.arrived(delivered(2).1, Completion::none());
        until(|| kit.gateway.receipts().len() == 2).await;
        let kit = kit.restarted(|builder| builder).await;
        kit.client.arrived(delivered(3).1, Completion::none());
        until(|| kit.gateway.receipts().len() == 3).await;
    });
}

#[test]
fn a_click_is_reported_although_the_ticket_has_expired() {
    block_on(async {
        let (mut kit, _) = Kit::logged_in("alice").await;
        kit.gateway.expire_ticket("ticket-of-alice");
        kit.client.foreground();
        kit.event("ticket_refused").await;
        let (id, payload) = delivered(1);
        kit.client
            .clicked(ClickSource::Response, payload, Completion::none());
        until(|| !kit.gateway.receipts().is_empty()).await;
        let receipt = &kit.gateway.receipts()[0];
        assert_eq!((receipt.delivery, receipt.what), (id, ReceiptKind::Clicked));
    });
}

#[test]
fn a_refused_key_is_replaced_by_registering_again_and_no_receipt_is_lost() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        let uploads = kit.uploads();
        kit.gateway.rotate_receipt_keys();
        let (id, payload) = delivered(1);
        kit.client.arrived(payload, Completion::none());
        until(|| !kit.gateway.receipts().is_empty()).await;
        assert_eq!(kit.gateway.receipts()[0].delivery, id);
        until_idle().await;
        assert_eq!(kit.gateway.receipts().len(), 1);
        assert_eq!(kit.uploads(), uploads + 2, "both tokens, once");
        assert_eq!(kit.count("report_failed"), 1);
        assert_eq!(kit.count("receipts_dropped"), 0);
    });
}

#[test]
fn receipts_wait_for_a_new_key_over_a_restart_and_until_a_login() {
    block_on(async {
        let (kit, generation) = Kit::logged_in("alice").await;
        kit.log_out(generation).await;
        until(|| kit.count("unbound") == 1).await;
        kit.gateway.rotate_receipt_keys();
        kit.client.arrived(delivered(1).1, Completion::none());
        until(|| kit.count("report_failed") == 1).await;
        let kit = kit.restarted(|builder| builder).await;
        kit.client.foreground();
        until_idle().await;
        assert_eq!(receipts(&kit).len(), 1, "the key is known to be refused");
        kit.log_in("alice").await;
        until(|| kit.gateway.receipts().len() == 1).await;
    });
}

/// A start sends waiting receipts before the login, so the key may be refused before there is a login to register.
#[test]
fn a_key_that_is_refused_before_the_login_is_replaced_by_that_login() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        let kit = kit.restarted(|builder| builder).await;
        kit.gateway.rotate_receipt_keys();
        kit.client.arrived(delivered(1).1, Completion::none());
        until(|| kit.count("report_failed") == 1).await;
        kit.log_in("alice").await;
        until_idle().await;
        assert_eq!(kit.gateway.receipts().len(), 1);
        assert_eq!(kit.count("receipts_dropped"), 0);
    });
}

/// A key that is refused again after each registration must not cause a loop.
#[test]
fn a_gateway_that_refuses_its_own_key_causes_no_loop() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        let refused = || {
            GatewayError::new(
                GatewayErrorKind::ReceiptKeyRefused,
                "receipt-key-refused",
                "not this key",
            )
        };
        let uploads = kit.uploads();
        for round in 1..=5 {
            kit.gateway.fail_next(refused());
            kit.client.arrived(delivered(round).1, Completion::none());
            until_idle().await;
        }
        assert!(kit.uploads() <= uploads + 2 * 3, "{}", kit.uploads());
        assert_eq!(kit.count("receipts_dropped"), 0);
    });
}

#[test]
fn receipts_are_sent_in_batches_and_the_oldest_are_dropped() {
    block_on(async {
        let kit = Kit::new().await;
        let limit = Settings::default().max_receipts;
        for number in 0..limit as i64 + 20 {
            kit.client.arrived(delivered(number).1, Completion::none());
        }
        assert_eq!(kit.count("receipts_dropped"), 20);
        kit.log_in("alice").await;
        until(|| receipts(&kit).len() == limit.div_ceil(ReceiptsBody::MAX)).await;
        until_idle().await;
        let sizes: Vec<_> = receipts(&kit).iter().map(|it| it.receipts.len()).collect();
        assert_eq!(sizes, [100; 5]);
        let first = &receipts(&kit)[0].receipts[0];
        assert_eq!(first.delivery.as_uuid().get_version_num(), 7);
        assert_eq!(kit.count("receipts_reported"), 5);
    });
}

#[test]
fn failed_receipts_are_sent_again_and_refused_ones_are_discarded() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.gateway.fail_next(unavailable());
        kit.gateway.fail_next(GatewayError::new(
            GatewayErrorKind::Refused,
            "bad-receipt",
            "no such delivery",
        ));
        kit.client.arrived(delivered(1).1, Completion::none());
        kit.pass(1, Duration::from_secs(1)).await;
        until(|| receipts(&kit).len() == 2).await;
        until_idle().await;
        assert_eq!(kit.count("receipts_dropped"), 1);
        assert_eq!(kit.count("report_failed"), 1);
        assert_eq!(receipts(&kit).len(), 2, "no third time");
    });
}

#[test]
fn a_gateway_that_forgets_every_registration_causes_no_loop() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        for _ in 0..10 {
            kit.gateway.fail_next(GatewayError::new(
                GatewayErrorKind::DeviceUnknown,
                "device-unknown",
                "this user has no such device",
            ));
            let before = (presences(&kit).len(), kit.count("report_failed"));
            kit.client.foreground();
            until(|| presences(&kit).len() > before.0).await;
            until_idle().await;
            if kit.count("report_failed") > before.1 {
                break;
            }
        }
        assert_eq!(kit.count("report_failed"), 1);
        assert_eq!(kit.uploads(), 2 + 2 * 3, "three times again");
    });
}

#[test]
fn a_closed_client_completes_every_callback() {
    block_on(async {
        let hooks = std::sync::Arc::new(push_client::HostHooks::new());
        let kit = Parts::new()
            .start(|it| it.hooks(std::sync::Arc::clone(&hooks)))
            .await;
        kit.client.close().await;
        let (sender, results) = std::sync::mpsc::channel();
        let completion = Completion::new(move |how| sender.send(how).expect("the test listens"));
        hooks.dispatch(&push_client::HostEvent::Arrived(delivered(1).1, completion));
        assert_eq!(results.try_iter().count(), 1);
        assert_eq!(kit.count("received"), 0);
    });
}
