//! What goes wrong on the way and at Honor: nothing is lost, repeated or blamed on a token.
use push_core::Retry;

use super::*;

const OK: VerdictKind = VerdictKind::Accepted;
const DOWN: VerdictKind = VerdictKind::Unavailable(Scope::Credential);

/// A hundred sends at once, each to a phone of its own.
async fn storm(world: &World) -> Vec<VerdictKind> {
    let sends: Vec<_> = (0..100)
        .map(|_| {
            let (provider, phone) = (Arc::clone(&world.provider), world.simulator.install());
            tokio::spawn(async move { sample::send_one(&provider, phone.token()).await })
        })
        .collect();
    let mut kinds = Vec::new();
    for send in sends {
        kinds.push(send.await.expect("no panic").kind);
    }
    kinds
}

#[test]
fn a_hundred_concurrent_sends_fetch_access_once_and_once_more_when_it_ended() {
    block_on(async {
        let world = world().await;
        assert_eq!(storm(&world).await, [OK; 100]);
        assert_eq!(world.simulator.counters().granted, 1);
        world.simulator.forget_access();
        assert_eq!(storm(&world).await, [OK; 100]);
        let counters = world.simulator.counters();
        assert_eq!((counters.granted, counters.accepted), (2, 200));
    });
}

#[test]
fn an_account_service_that_is_down_is_asked_once_by_a_hundred_and_recovers() {
    block_on(async {
        let world = world().await;
        for reply in [
            Reply::new(503),
            Reply::from((200, "<html>Welcome to Hotel Wi-Fi</html>")),
            Reply::from((200, r#"{"access_token":"CF3X"#)),
            Reply::reset(),
        ] {
            let shown = format!("{reply:?}");
            let before = world.simulator.log().total();
            world.simulator.fail_account_service(Some(reply));
            assert_eq!(storm(&world).await, [DOWN; 100], "{shown}");
            assert_eq!(world.simulator.log().total(), before + 1, "{shown}");
            world.clock.advance(Duration::from_secs(60));
        }
        world.simulator.fail_account_service(None);
        assert_eq!(storm(&world).await, [OK; 100]);
    });
}

#[test]
fn an_outage_or_a_limit_costs_no_token_and_passes() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let limited = VerdictKind::RateLimited(Scope::Credential);
        for (status, kind) in [(503, DOWN), (500, DOWN), (429, limited)] {
            let body = json!({ "code": status, "message": "later", "data": null });
            let reply = Reply::new(status).json(body).header("retry-after", "30");
            world.simulator.faults().next(reply);
            let verdict = sample::send_one(&world.provider, phone.token()).await;
            assert_eq!(verdict.kind, kind, "{status}");
            assert_eq!(verdict.retry, Retry::After(Duration::from_secs(30)));
        }
        assert_eq!(world.send_to(&phone).await, OK);
        assert_eq!(phone.arrivals().len(), 1);
    });
}

#[test]
fn what_is_not_honors_answer_is_blamed_on_the_way_and_on_no_token() {
    block_on(async {
        let world = world().await;
        let phones = [world.simulator.install(), world.simulator.install()];
        let whole = json!({ "code": 200, "message": "success", "data": {
            "sendResult": true, "requestId": "r-1", "expireTokens": [phones[0].token()],
        }})
        .to_string();
        for (reply, kind) in [
            (
                Reply::from((200, "<html>Welcome to Hotel Wi-Fi</html>")),
                DOWN,
            ),
            (
                Reply::from((407, "<html>proxy authentication</html>")),
                DOWN,
            ),
            (
                Reply::from((302, "location: https://login.example.com", "")),
                DOWN,
            ),
            (Reply::from((502, "")), DOWN),
            (Reply::from((200, &whole[..60])), DOWN),
            // Whether Honor took it is not known.
            (
                Reply::from((200, &*whole)).truncated(),
                VerdictKind::Unknown,
            ),
            (Reply::reset(), VerdictKind::Unknown),
        ] {
            let shown = format!("{reply:?}");
            world.simulator.faults().next(reply);
            let batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
            assert_eq!(world.send(batch).await, [kind; 2], "{shown}");
        }
        let batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
        assert_eq!(world.send(batch).await, [OK; 2]);
        assert_eq!(world.simulator.counters().granted, 1);
    });
}

#[test]
fn a_page_that_blocks_with_403_is_not_taken_for_a_refused_credential() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let page = Reply::from((403, "<html>blocked by policy</html>"));
        world.simulator.faults().next(page);
        assert_eq!(world.send_to(&phone).await, DOWN);
        assert_eq!(world.simulator.counters().granted, 1);
    });
}
