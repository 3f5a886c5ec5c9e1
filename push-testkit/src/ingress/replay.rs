//! Requests that come again, or late.
use std::time::Duration;

use super::{IngressKit, Outcome};

/// A caller that has heard no answer sends the same request again, and so does who has recorded it. The gateway knows a message
/// by its id.
pub async fn a_repeated_call_is_the_same_message_or_refused(kit: IngressKit) {
    let request = || kit.driver.request(kit.driver.call(1), kit.now());
    assert_eq!(kit.send(request()).await.0, Outcome::Accepted, "a call");
    let outcome = kit.send(request()).await.0;
    let asked = kit.gateway.asked();
    match outcome {
        Outcome::Refused => assert_eq!(asked.len(), 1, "a refused call does nothing"),
        Outcome::Unavailable => panic!("a repeated call makes the ingress fail"),
        Outcome::Accepted => {
            let ids: Vec<_> = kit
                .gateway
                .messages()
                .iter()
                .map(|it| it.id.clone())
                .collect();
            assert!(
                ids.windows(2).all(|pair| pair[0] == pair[1]),
                "the repeated call is another message"
            );
        }
    }
}

/// Otherwise the gateway would drop the second as a repetition of the first.
pub async fn different_calls_are_different_messages(kit: IngressKit) {
    for number in [1, 2] {
        assert_eq!(kit.call(number).await, Outcome::Accepted, "call {number}");
    }
    let asked = kit.gateway.asked();
    assert_eq!(asked.len(), 2, "two calls");
    assert_ne!(asked[0], asked[1], "two calls ask for the same");
    if let [first, second] = &kit.gateway.messages()[..] {
        assert_ne!(first.id, second.id, "the ids of two messages");
    }
}

/// Who has recorded a request cannot use it later, where the protocol dates requests; nor one of a clock that is ahead.
pub async fn a_request_is_accepted_for_its_lifetime_and_no_longer(kit: IngressKit) {
    let made = kit.now();
    let request = |at| kit.driver.request(kit.driver.call(1), at);
    let second = Duration::from_secs(1);
    let Some(lifetime) = kit.driver.lifetime() else {
        kit.clock.advance(Duration::from_secs(24 * 3600));
        let outcome = kit.send(request(made)).await.0;
        assert_eq!(
            outcome,
            Outcome::Accepted,
            "a request of yesterday; if the protocol dates requests, return its `lifetime`"
        );
        return;
    };
    let early = kit.send(request(made + lifetime + second)).await.0;
    assert_eq!(
        early,
        Outcome::Refused,
        "a request that is dated too far ahead"
    );
    kit.untouched("a request that is dated too far ahead");
    kit.clock.advance(lifetime - second);
    let in_time = kit.send(request(made)).await.0;
    assert_eq!(in_time, Outcome::Accepted, "a request within its lifetime");
    kit.clock.advance(2 * second);
    let late = kit.send(request(made)).await.0;
    assert_eq!(late, Outcome::Refused, "a request after its lifetime");
    let asked = kit.gateway.asked().len();
    assert_eq!(asked, 1, "a request after its lifetime does nothing");
}
