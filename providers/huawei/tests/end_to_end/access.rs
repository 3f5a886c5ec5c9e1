//! Access tokens: one for all, in time, and once more.
use super::*;

#[test]
fn a_hundred_concurrent_sends_fetch_one_access_token() {
    block_on(async {
        let stage = Stage::with(Options::default().with_any_token()).await;
        let sends = (0..100).map(|it| {
            let provider = Arc::clone(&stage.provider);
            tokio::spawn(async move { sample::send_one(&provider, &format!("phone-{it}")).await })
        });
        for send in sends.collect::<Vec<_>>() {
            assert_eq!(send.await.unwrap().kind, VerdictKind::Accepted);
        }
        let counters = stage.huawei.counters();
        assert_eq!((counters.token_requests, counters.send_requests), (1, 100));
    });
}

#[test]
fn a_dead_token_service_is_asked_once_by_a_hundred_waiting_sends() {
    block_on(async {
        let stage = Stage::with(Options::default().with_any_token()).await;
        stage.huawei.faults().on(TOKEN_KEY, Reply::new(500));
        let sends = (0..100).map(|it| {
            let provider = Arc::clone(&stage.provider);
            tokio::spawn(async move { sample::send_one(&provider, &format!("phone-{it}")).await })
        });
        for send in sends.collect::<Vec<_>>() {
            assert_eq!(send.await.unwrap().kind, VerdictKind::Unavailable);
        }
        let counters = stage.huawei.counters();
        assert_eq!((counters.token_requests, counters.send_requests), (1, 0));
    });
}

#[test]
fn an_access_token_is_replaced_before_it_expires() {
    block_on(async {
        let lifetime = Duration::from_secs(3600);
        let options = Options::default().with_token_lifetime(lifetime);
        let stage = Stage::with(options).await;
        let phone = stage.huawei.install();
        for (minute, fetched) in [(0, 1), (54, 1), (55, 2), (109, 2), (110, 3)] {
            let at = sample::NOW + Duration::from_secs(60 * minute);
            stage.clock.advance(at.since(stage.clock.now()));
            let kinds = stage.send(sample::notification(), &[&phone]).await;
            assert_eq!(kinds, [VerdictKind::Accepted], "minute {minute}");
            let counters = stage.huawei.counters();
            assert_eq!(counters.token_requests, fetched, "minute {minute}");
            assert_eq!(counters.answers.get("80200003"), None);
        }
    });
}

#[test]
fn a_short_lived_access_token_serves_four_fifths_of_its_life() {
    block_on(async {
        let options = Options::default().with_token_lifetime(Duration::from_secs(10));
        let stage = Stage::with(options).await;
        let phone = stage.huawei.install();
        for (second, fetched) in [(0, 1), (7, 1), (1, 2)] {
            stage.clock.advance(Duration::from_secs(second));
            stage.send(sample::notification(), &[&phone]).await;
            assert_eq!(stage.huawei.counters().token_requests, fetched);
        }
    });
}

#[test]
fn while_the_token_service_is_down_a_token_that_still_holds_is_used() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        stage.send(sample::notification(), &[&phone]).await;
        stage.huawei.faults().on(TOKEN_KEY, Reply::new(503));
        stage.clock.advance(Duration::from_secs(56 * 60));
        let kinds = stage.send(sample::notification(), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
        stage.clock.advance(Duration::from_secs(5 * 60));
        let kinds = stage.send(sample::notification(), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Unavailable]);
        stage.huawei.faults().heal(TOKEN_KEY);
        let kinds = stage.send(sample::notification(), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
    });
}

/// S120+
#[test]
fn a_refused_access_token_is_renewed_once_and_the_same_request_sent_again() {
    block_on(async {
        for options in [Options::default(), Options::default().with_codes_with_200()] {
            let stage = Stage::with(options).await;
            let phone = stage.huawei.install();
            stage.send(sample::notification(), &[&phone]).await;

            stage.huawei.expire_access_tokens();
            let kinds = stage.send(sample::notification(), &[&phone]).await;
            assert_eq!(kinds, [VerdictKind::Accepted]);
            assert_eq!(phone.arrived(), 2);
            let counters = stage.huawei.counters();
            assert_eq!((counters.token_requests, counters.send_requests), (2, 3));
            let requests = stage.huawei.log().requests();
            let [.., refused, _, again] = requests.as_slice() else {
                panic!("five requests");
            };
            assert_eq!(refused.body, again.body);

            // A reset secret takes the tokens with it, and Huawei calls them damaged: 80200003, whatever the status.
            stage.huawei.forget_access_tokens();
            let kinds = stage.send(sample::notification(), &[&phone]).await;
            assert_eq!(kinds, [VerdictKind::Accepted]);
        }
    });
}

#[test]
fn a_hundred_sends_refused_for_an_expired_token_fetch_one_more() {
    block_on(async {
        let stage = Stage::with(Options::default().with_any_token()).await;
        sample::send_one(&stage.provider, "phone").await;
        stage.huawei.expire_access_tokens();
        let sends = (0..100).map(|it| {
            let provider = Arc::clone(&stage.provider);
            tokio::spawn(async move { sample::send_one(&provider, &format!("phone-{it}")).await })
        });
        for send in sends.collect::<Vec<_>>() {
            assert_eq!(send.await.unwrap().kind, VerdictKind::Accepted);
        }
        assert_eq!(stage.huawei.counters().tokens_issued, 2);
    });
}
