//! Lists, quotas, test messages and everything that goes wrong.
use super::*;

/// S121, S122.
#[test]
fn a_list_is_saved_once_and_each_target_gets_its_own_verdict() {
    block_on(async {
        let world = world().await;
        let phones = world.phones::<5>();
        phones[1].set_standing(Standing::Unsubscribed);
        phones[2].set_standing(Standing::Inactive);
        let content = sample::content(sample::notification());
        let mut targets: Vec<_> = phones
            .iter()
            .map(|phone| sample::target(phone.token(), &content))
            .collect();
        targets.insert(3, sample::target("v2-unknown", &content));
        let kinds = world.send(sample::batch_of(targets)).await;
        let unusable = VerdictKind::TokenUnusable;
        let wanted = [
            VerdictKind::Accepted,
            unusable(TokenFault::Muted),
            unusable(TokenFault::Inactive),
            DEAD,
            VerdictKind::Accepted,
            VerdictKind::Accepted,
        ];
        assert_eq!(kinds, wanted);
        let counters = world.simulator.counters();
        assert_eq!(
            (counters.requests, counters.saved, counters.accepted),
            (1, 1, 3)
        );
        assert_eq!(phones[4].arrivals()[0].extra("ext"), Some(sample::EXT));
        // A message to several has no delivery of its own.
        assert_eq!(phones[4].arrivals()[0].extra("delivery"), None);
    });
}

#[test]
fn a_single_target_gets_the_verdict_of_its_standing() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for (standing, kind) in [
            (
                Standing::Unsubscribed,
                VerdictKind::TokenUnusable(TokenFault::Muted),
            ),
            (
                Standing::Inactive,
                VerdictKind::TokenUnusable(TokenFault::Inactive),
            ),
            (Standing::Registered, VerdictKind::Accepted),
        ] {
            phone.set_standing(standing);
            let verdicts = world.send_to(std::slice::from_ref(&phone)).await;
            assert_eq!(kinds(&verdicts), [kind]);
        }
        assert_eq!(
            sample::send_one(&world.provider, "v2-unknown").await.kind,
            DEAD
        );
    });
}

#[test]
fn registration_ids_of_any_length_are_sent_as_they_are() {
    block_on(async {
        let world = with(Options::default().with_any_token(), &json!({})).await;
        for id in [
            "12345678901234567890123".to_owned(),
            format!("v2-{}", "aB0_-".repeat(60)),
        ] {
            let token = push_core::DeviceToken::new(format!(" {id} ")).expect("a token");
            let token = world.provider.check_token(push_core::Slot::Alert, &token);
            assert_eq!(token.expect("a live device").expose(), id);
            assert_eq!(
                sample::send_one(&world.provider, &id).await.kind,
                VerdictKind::Accepted
            );
            assert_eq!(
                world.sent("/message/send").pop().expect("a request")["regId"],
                id
            );
        }
    });
}

#[test]
fn a_batch_of_one_target_takes_no_saved_message_and_may_differ_in_content() {
    block_on(async {
        let world = with(Options::default(), &json!({ "batch": 1 })).await;
        assert_eq!(
            world.provider.capabilities().batching,
            push_core::Batching::Mixed
        );
        assert_eq!(world.provider.capabilities().max_batch, 1);
        let phone = world.simulator.install();
        world.send_to(std::slice::from_ref(&phone)).await;
        assert_eq!(world.simulator.counters().saved, 0);
    });
}

#[test]
fn a_repeated_batch_is_recognised_and_reaches_no_phone_twice() {
    block_on(async {
        let world = world().await;
        let phones = world.phones::<2>();
        for count in 1..=2 {
            let targets = &phones[..count];
            let batch = batch(sample::notification(), targets);
            for _ in 0..2 {
                let kinds = world.send(batch.clone()).await;
                assert_eq!(kinds, vec![VerdictKind::Accepted; count]);
                world.clock.advance(Duration::from_secs(30));
            }
        }
        assert_eq!(
            (phones[0].arrivals().len(), phones[1].arrivals().len()),
            (2, 1)
        );
        assert_eq!(world.simulator.counters().repeated, 2);
        // The message is saved under an id of its own each time: only what reaches phones is to be recognised.
        let ids: Vec<_> = world
            .sent(SAVE_KEY)
            .iter()
            .map(|saved| saved["requestId"].clone())
            .collect();
        assert_ne!(ids[0], ids[1]);
    });
}

#[test]
fn a_test_message_reaches_registered_test_devices_only() {
    block_on(async {
        let world = with(Options::default(), &json!({ "push_mode": 1 })).await;
        let phones = world.phones::<3>();
        phones[0].set_tester(true);
        let stranger = VerdictKind::TokenUnusable(TokenFault::NotATester);
        let verdicts = world.send_to(&phones).await;
        assert_eq!(
            kinds(&verdicts),
            [VerdictKind::Accepted, stranger, stranger]
        );
        assert_eq!(
            kinds(&world.send_to(&phones[..1]).await),
            [VerdictKind::Accepted]
        );
        assert_eq!(kinds(&world.send_to(&phones[1..2]).await), [stranger]);
        assert_eq!(world.sent(LIST_KEY)[0]["pushMode"], 1);
        assert_eq!(world.sent("/message/send")[0]["pushMode"], 1);
    });
}

#[test]
fn a_quota_of_the_day_holds_up_its_class_until_midnight_in_china() {
    block_on(async {
        let world = with(Options::default().with_quotas(2, 1, 10), &json!({})).await;
        // 10:13:20 in China.
        world.clock.advance(Duration::from_secs(4 * 3600));
        let midnight = Duration::from_secs(13 * 3600 + 46 * 60 + 40);
        let phone = world.simulator.install();
        let phone = std::slice::from_ref(&phone);
        let class = VerdictKind::RateLimited(Scope::Class);
        let marketing = || {
            let vendor = fields(json!({ "category": "NEWS" }));
            batch(sample::notification().with_vendor(vendor), phone)
        };
        assert_eq!(world.send(marketing()).await, [VerdictKind::Accepted]);
        let refused = sample::send(&world.provider, marketing()).await.remove(0);
        assert_eq!(
            (refused.kind, refused.retry),
            (class, Retry::After(midnight))
        );
        assert_eq!(refused.answer.code, "10070");
        // The other class goes on.
        assert_eq!(kinds(&world.send_to(phone).await), [VerdictKind::Accepted]);
        assert_eq!(kinds(&world.send_to(phone).await), [VerdictKind::Accepted]);
        let refused = world.send_to(phone).await.remove(0);
        assert_eq!(
            (refused.kind, refused.retry),
            (class, Retry::After(midnight))
        );
        assert_eq!(refused.answer.code, "10073");
        world.clock.advance(midnight);
        assert_eq!(kinds(&world.send_to(phone).await), [VerdictKind::Accepted]);
    });
}

#[test]
fn a_quota_of_saved_messages_holds_up_lists_and_no_single_push() {
    block_on(async {
        let world = with(Options::default().with_quotas(100, 100, 1), &json!({})).await;
        let phones = world.phones::<2>();
        assert_eq!(
            kinds(&world.send_to(&phones).await),
            [VerdictKind::Accepted; 2]
        );
        let refused = world.send_to(&phones).await.remove(1);
        let midnight = Duration::from_secs(17 * 3600 + 46 * 60 + 40);
        assert_eq!(refused.kind, VerdictKind::RateLimited(Scope::Token));
        assert_eq!(
            (refused.retry, refused.answer.code.as_str()),
            (Retry::After(midnight), "10252")
        );
        assert_eq!(
            kinds(&world.send_to(&phones[..1]).await),
            [VerdictKind::Accepted]
        );
        assert_eq!(world.simulator.counters().requests, 2);
    });
}

#[test]
fn an_operation_message_in_the_night_waits_until_seven_in_china() {
    block_on(async {
        let keys = json!({ "category": "MARKETING" });
        let world = with(Options::default(), &keys).await;
        let phone = world.simulator.install();
        let phone = std::slice::from_ref(&phone);
        let refused = world.send_to(phone).await.remove(0);
        let opens = Duration::from_secs(46 * 60 + 40);
        assert_eq!(refused.kind, VerdictKind::RateLimited(Scope::Class));
        assert_eq!(
            (refused.retry, refused.answer.code.as_str()),
            (Retry::After(opens), "10071")
        );
        world.clock.advance(opens);
        for _ in 0..6 {
            assert_eq!(kinds(&world.send_to(phone).await), [VerdictKind::Accepted]);
        }
        // Five of them a day for one phone.
        assert_eq!(phone[0].arrivals().len(), 5);
        assert_eq!(world.simulator.counters().controlled, 1);
        world.clock.advance(Duration::from_secs(16 * 3600));
        assert_eq!(
            kinds(&world.send_to(phone).await),
            [VerdictKind::RateLimited(Scope::Class)]
        );
    });
}

#[test]
fn a_trial_text_is_refused_where_vivo_checks_the_content() {
    block_on(async {
        let world = with(Options::default().with_content_rule(), &json!({})).await;
        let phone = world.simulator.install();
        let phone = std::slice::from_ref(&phone);
        let refused = world.send_to(phone).await.remove(0);
        assert_eq!(refused.kind, VerdictKind::PayloadRefused);
        assert_eq!(refused.answer.code, "10104");
        let notification = sample::notification().with_title("安妮").with_body("午饭");
        assert_eq!(
            world.send(batch(notification, phone)).await,
            [VerdictKind::Accepted]
        );
    });
}

/// What can go wrong on the way, each with the verdict for a push to one target and for a list.
#[test]
fn an_answer_that_is_not_vivos_ends_no_push_and_costs_no_token() {
    let page = || {
        Reply::new(200)
            .header("content-type", "text/html")
            .body("<html>Welcome!</html>")
    };
    let accepted = || {
        let body = json!({ "result": 0, "desc": "请求成功", "taskId": "1", "requestId": "r" });
        Reply::new(200).json(body)
    };
    block_on(async {
        let world = world().await;
        let phones = world.phones::<2>();
        for (reply, kind) in [
            (Reply::new(500).body("Internet server error!"), DOWN),
            (Reply::new(503).header("retry-after", "7"), DOWN),
            (Reply::new(200).body("not json"), DOWN),
            (page(), DOWN),
            (page().truncated(), VerdictKind::Unknown),
            (accepted().truncated(), VerdictKind::Unknown),
            (Reply::reset(), VerdictKind::Unknown),
            (Reply::new(200).json(json!({ "result": 10302 })), DOWN),
            (
                Reply::new(200).json(json!({ "result": 10072, "desc": "推送速度过快" })),
                VerdictKind::RateLimited(Scope::Credential),
            ),
        ] {
            world.simulator.faults().next(reply.clone());
            let single = world.send_to(&phones[..1]).await;
            assert_eq!(kinds(&single), [kind], "single: {reply:?}");
            world.simulator.faults().next(reply.clone());
            let list = world.send_to(&phones).await;
            assert_eq!(kinds(&list), [kind; 2], "list: {reply:?}");
            assert_ne!(list[0].retry, Retry::Never);
        }
        let verdicts = world.send_to(&phones).await;
        assert_eq!(kinds(&verdicts), [VerdictKind::Accepted; 2]);
    });
}

#[test]
fn a_message_that_was_not_saved_reached_no_phone() {
    let code = |code: i64| Reply::new(200).json(json!({ "result": code, "desc": "…" }));
    let saved_nothing =
        Reply::new(200).json(json!({ "result": 0, "desc": "ok", "requestId": "r" }));
    block_on(async {
        let world = world().await;
        let phones = world.phones::<2>();
        for (reply, kind) in [
            (Reply::reset(), DOWN),
            (Reply::new(500).body("Internet server error!"), DOWN),
            (Reply::new(200).body("<html>"), DOWN),
            (saved_nothing, DOWN),
            (code(10040), DOWN),
            (code(10072), VerdictKind::RateLimited(Scope::Credential)),
            (code(10097), VerdictKind::PayloadRefused),
            (code(10094), VerdictKind::CredentialRefused),
            (code(10999), VerdictKind::TargetRefused),
        ] {
            world.simulator.faults().on(SAVE_KEY, reply.clone());
            let verdicts = world.send_to(&phones).await;
            assert_eq!(kinds(&verdicts), [kind; 2], "{reply:?}");
            assert!(world.sent(LIST_KEY).is_empty(), "{reply:?}");
        }
        world.simulator.faults().heal(SAVE_KEY);
        // The message is gone from vivo before it is sent.
        world.simulator.faults().times(LIST_KEY, 1, code(10353));
        let verdicts = world.send_to(&phones).await;
        assert_eq!(kinds(&verdicts), [VerdictKind::PayloadRefused; 2]);
    });
}
