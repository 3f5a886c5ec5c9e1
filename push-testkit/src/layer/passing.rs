//! What a layer passes on besides deliveries.
#![allow(missing_docs)] // The names say it all.
#![allow(clippy::unused_async)] // Cases are futures, also those that wait for nothing.
use std::sync::Arc;

use bytes::Bytes;
use push_core::{
    Acceptance, Capabilities, DeviceToken, DynProvider, Error, ErrorKind, Health, Provider as _,
    Slot, Verdict,
};
use serde_json::{Map, Value, json};

use super::{LayerKit, credential, sending};
use crate::sample;

/// Compares the capabilities of a layered provider with those of the inner one.
fn same(layered: &Capabilities, inner: &Capabilities) {
    assert!(
        (1..=inner.max_batch).contains(&layered.max_batch),
        "`max_batch` may be smaller, and not {} for {}",
        layered.max_batch,
        inner.max_batch
    );
    let mut same = layered.clone();
    same.max_batch = inner.max_batch;
    same.max_in_flight = inner.max_in_flight;
    assert_eq!(
        same, *inner,
        "a layer keeps all but `max_batch` and `max_in_flight`"
    );
    if let Some(most) = layered.max_in_flight {
        assert!(most >= layered.max_batch, "a whole batch can be in flight");
    }
}

pub async fn capabilities_are_kept_but_for_sizes(kit: LayerKit) {
    same(kit.layered.capabilities(), kit.probe.capabilities());
}

pub async fn what_is_checked_and_received_is_passed_on(kit: LayerKit) {
    let token = |text: &str| DeviceToken::new(text).expect("a token");
    let canonical = kit.layered.check_token(Slot::Alert, &token("ToKeN"));
    assert_eq!(canonical.expect("it can be one").expose(), "token");
    for (slot, text) in [(Slot::Alert, "a b"), (Slot::LiveActivity, "ab")] {
        let refused = kit.layered.check_token(slot, &token(text));
        assert_eq!(refused.expect_err("none").kind(), ErrorKind::Invalid);
    }
    let fields = |value: Value| value.as_object().cloned().unwrap_or_default();
    let good: Map<String, Value> = fields(json!({"color": "red"}));
    kit.layered.check_fields(&good).expect("it takes a color");
    let refused = kit.layered.check_fields(&fields(json!({"size": 1})));
    assert!(refused.expect_err("no color").to_string().contains("color"));
    let request = |body: &'static str| http::Request::new(Bytes::from_static(body.as_bytes()));
    let received = kit.layered.receive(&request("signed"));
    assert_eq!(received.expect("it is signed").reply.body(), "thanks");
    let refused = kit.layered.receive(&request("forged"));
    assert_eq!(refused.expect_err("forged").kind(), ErrorKind::Denied);
    assert_eq!(kit.probe.checked(), 7, "the provider is asked each time");
}

pub async fn what_the_vendor_says_of_a_credential_is_passed_on(kit: LayerKit) {
    for health in [Health::refused("revoked"), Health::refused("expired")] {
        kit.probe.say_of_credential(Ok(health.clone()));
        let heard = sending::finished(&kit, {
            let layered = Arc::clone(&kit.layered);
            async move { layered.verify().await }
        });
        assert_eq!(heard.await.expect("the vendor was asked"), health);
    }
    let away = Error::new(ErrorKind::Unavailable, "the vendor is away");
    kit.probe.say_of_credential(Err(away));
    let layered = Arc::clone(&kit.layered);
    let heard = sending::finished(&kit, async move { layered.verify().await });
    let error = heard.await.expect_err("the vendor is away");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let layered = Arc::clone(&kit.layered);
    let heard = sending::finished(&kit, async move { layered.verify().await });
    let health = heard.await.expect("the vendor was asked");
    assert_eq!(health.acceptance, Acceptance::Accepted);
}

pub async fn a_rotated_credential_gets_the_layer_again(mut kit: LayerKit) {
    let inner: DynProvider = Arc::clone(&kit.probe) as _;
    let again = kit.layer.provider(inner, &credential());
    same(again.capabilities(), kit.probe.capabilities());
    let former = std::mem::replace(&mut kit.layered, again);
    for layered in [former, Arc::clone(&kit.layered)] {
        kit.layered = layered;
        let verdicts = sending::send(&kit, sending::batch(&kit, 1)).await;
        sending::accounted(&kit, 1, &verdicts);
    }
}

pub async fn no_token_or_text_is_in_debug(kit: LayerKit) {
    let verdicts = sending::send(&kit, sending::batch(&kit, 2)).await;
    let texts = [
        format!("{:?}", kit.layer),
        // The provider below the layer notes what it was sent.
        format!("{:?}", kit.layered).replace(&format!("{:?}", kit.probe), ""),
        format!("{:?}", verdicts.iter().map(of_verdict).collect::<Vec<_>>()),
    ];
    for text in texts {
        for secret in [sample::TITLE, sample::BODY, "token-0"] {
            assert!(!text.contains(secret), "`{secret}` in {text}");
        }
    }
}

fn of_verdict(verdict: &Verdict) -> String {
    format!("{verdict:?}")
}
