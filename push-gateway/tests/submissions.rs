//! Who is pushed to, and who is not any more: logouts, kicks, recalls, repetitions, badges.
mod support;

use std::sync::{Arc, atomic::Ordering};

use push_core::{
    Audience, EndCause, ErrorKind, Gateway as _, Presence, Scope, Slot, Stage, TraceStore as _,
    VerdictKind,
};
use push_gateway::Settings;
use serde_json::json;
use support::*;

/// S42, S61: also what is queued.
#[tokio::test]
async fn nothing_follows_a_logout_or_a_change_of_accounts() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    world.plan.always(verdict(
        503,
        "x",
        VerdictKind::Unavailable(Scope::Credential),
    ));
    let queued = world.text("alice").await;
    assert_eq!(world.plan.count(), 1);

    // Bob logs in on the same phone, without a logout.
    world
        .register("dave", "alice-phone", "alice-token", certificate)
        .await;
    world.plan.always(accepted());
    world.pass(10 * MINUTE).await;
    assert_eq!(world.plan.count(), 1, "alice's push must not reach dave");
    assert_eq!(world.settled(queued).await.as_deref(), Some("device-taken"));
    let skipped = world.submit(message("x", &["alice"])).await;
    assert_eq!(skipped.skipped[0].reason, "device-taken");

    world.background("dave", "alice-phone").await;
    world.plan.always(verdict(
        503,
        "x",
        VerdictKind::Unavailable(Scope::Credential),
    ));
    let queued = world.text("dave").await;
    world
        .gateway
        .unregister(
            &app(),
            &user("dave"),
            &device("alice-phone"),
            None,
            EndCause::LoggedOut,
        )
        .await
        .unwrap();
    world.plan.always(accepted());
    world.pass(10 * MINUTE).await;
    assert_eq!(world.plan.count(), 2);
    assert_eq!(world.settled(queued).await.as_deref(), Some("logged-out"));
    let skipped = world.submit(message("x", &["dave"])).await;
    assert_eq!(skipped.skipped[0].reason, "logged-out");
}

/// S43+, S47.
#[tokio::test]
async fn a_late_logout_never_undoes_the_new_login() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    world
        .register("dave", "alice-phone", "alice-token", certificate)
        .await;
    world.background("dave", "alice-phone").await;
    let had = world
        .gateway
        .unregister(
            &app(),
            &user("alice"),
            &device("alice-phone"),
            None,
            EndCause::LoggedOut,
        )
        .await
        .unwrap();
    assert!(!had);
    let delivery = world.text("dave").await;
    assert_eq!(
        world.settled(delivery).await.as_deref(),
        Some("vendor-accepted")
    );
}

/// Kicked by the server, without a word from the phone.
#[tokio::test]
async fn who_is_kicked_gets_nothing_more() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    world.plan.always(verdict(
        503,
        "x",
        VerdictKind::Unavailable(Scope::Credential),
    ));
    let queued = world.text("alice").await;
    world
        .presence("alice", "alice-phone", Presence::Offline)
        .await;
    world.plan.always(accepted());
    world.pass(10 * MINUTE).await;
    assert_eq!(world.plan.count(), 1);
    assert_eq!(world.settled(queued).await.as_deref(), Some("offline"));
}

/// S84.
#[tokio::test]
async fn a_recalled_message_is_not_sent_any_more() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    world.plan.always(verdict(
        503,
        "x",
        VerdictKind::Unavailable(Scope::Credential),
    ));
    let answer = world.submit(message("x", &["alice"])).await;
    world.calm().await;
    let cancelled = world.gateway.recall(&app(), &answer.message).await.unwrap();
    assert_eq!(cancelled, 1);
    world.plan.always(accepted());
    world.pass(10 * MINUTE).await;
    assert_eq!(world.plan.count(), 1);
    let delivery = answer.deliveries[0].id;
    assert_eq!(world.settled(delivery).await.as_deref(), Some("recalled"));
}

/// A gateway that is killed after it answered a recall still knows why nothing was sent.
#[tokio::test]
async fn the_reason_of_a_recalled_push_is_stored_before_the_recall_is_answered() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let refused = VerdictKind::Unavailable(Scope::Credential);
    world.plan.always(verdict(503, "x", refused));
    let answer = world.submit(message("x", &["alice"])).await;
    world.calm().await;
    // One that was not started stores nothing by itself.
    let idle = gateway(
        &world.clock,
        &world.store,
        &world.queue,
        Settings::default(),
    );
    let id = &answer.message;
    assert_eq!(idle.recall(&app(), id).await.unwrap(), 1);
    let events = world.store.trace_of_message(&app(), id).await.unwrap();
    let reasons: Vec<_> = events
        .iter()
        .filter(|event| event.stage == Stage::Settled)
        .map(|event| event.reason.as_deref())
        .collect();
    assert_eq!(reasons, [Some("recalled")]);
}

/// S79+, S95.
#[tokio::test]
async fn a_message_submitted_twice_is_pushed_and_counted_once() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let once = message("x", &["alice"]);
    let first = world.submit(once.clone()).await;
    let second = world.submit(once.clone()).await;
    assert_eq!(first.deliveries.len(), 1);
    assert!(second.deliveries.is_empty());
    assert_eq!(second.skipped[0].reason, "duplicate-message");
    // Twice in one call, and a receiver named twice.
    let twice = message("y", &["alice", "alice", "alice"]);
    let both = world
        .gateway
        .submit(&app(), vec![twice.clone(), twice])
        .await
        .unwrap();
    assert_eq!(both.iter().map(|it| it.deliveries.len()).sum::<usize>(), 1);
    assert_eq!(both[1].skipped[0].reason, "duplicate-message");
    world.submit(message("z", &["alice"])).await;
    world.calm().await;
    assert_eq!(world.plan.count(), 3);
    let badges: Vec<_> = world.plan.seen().iter().map(|it| it.badge).collect();
    assert_eq!(
        badges,
        [1, 2, 3].map(push_core::Badge::Set),
        "no repetition counts"
    );
}

/// S95, S65, S124+.
#[tokio::test]
async fn badges_count_on_from_what_the_app_went_to_background_with() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let change = |badge| {
        let now = world.gateway.now();
        push_core::PresenceChange::new(user("alice"), Presence::Background, now)
            .on(device("alice-phone"))
            .with_badge(badge)
    };
    world
        .gateway
        .set_presence(&app(), vec![change(5)])
        .await
        .unwrap();
    world.text("alice").await;
    world.text("alice").await;
    let mut quiet = message("x", &["alice"]);
    quiet.push =
        Some(push_core::OfflinePushInfo::default().with_badge_mode(push_core::BadgeMode::Ignore));
    world.submit(quiet).await;
    world.calm().await;
    let mut zero = message("x", &["alice"]);
    zero.push = Some(push_core::OfflinePushInfo::default().with_badge_set(0));
    world.submit(zero).await;
    world.calm().await;
    let badges: Vec<_> = world.plan.seen().iter().map(|it| it.badge).collect();
    use push_core::Badge::{Leave, Set};
    assert_eq!(badges, [Set(6), Set(7), Leave, Set(0)]);
}

/// S60, S59.
#[tokio::test]
async fn a_call_goes_to_the_voip_token_and_without_one_as_an_alert() {
    let world = World::new(|_| {});
    let alert = world.credential(json!({})).await;
    let voip = world.credential(json!({"voip": true})).await;
    world.login("alice", alert).await;
    world.login("carol", alert).await;
    world
        .gateway
        .register(
            &app(),
            &user("carol"),
            &device("carol-phone"),
            Slot::Voip,
            registration("carol-voip", voip),
        )
        .await
        .unwrap();
    let mut call = message("call", &["alice", "carol"]);
    call.push = Some(push_core::OfflinePushInfo::default().with_call(true));
    let answer = world.submit(call).await;
    assert_eq!(answer.deliveries.len(), 2);
    world.calm().await;
    let seen = world.plan.seen();
    let find = |token: &str| seen.iter().find(|it| it.token.expose() == token).unwrap();
    assert_eq!(
        find("alice-token").notification.kind,
        push_core::NotificationKind::Alert
    );
    assert_eq!(
        find("carol-voip").notification.kind,
        push_core::NotificationKind::Voip
    );
    assert_eq!(find("carol-voip").slot, Slot::Voip);
}

/// A message that is being submitted while its receiver logs out, or while it is recalled.
#[tokio::test]
async fn a_logout_or_recall_fences_off_submissions_under_way() {
    for recall in [false, true] {
        let mut held = None;
        let world = World::with(
            |_| {},
            |queue| {
                let queue = Fickle::held(queue);
                held = Some(Arc::clone(&queue));
                queue
            },
        );
        let queue = held.expect("it was made");
        let certificate = world.credential(json!({})).await;
        world.login("alice", certificate).await;
        let (gateway, it) = (world.gateway.clone(), message("x", &["alice"]));
        let id = it.id.clone();
        let submit = tokio::spawn(async move { gateway.submit(&app(), vec![it]).await });
        world.calm().await;
        assert!(!submit.is_finished());
        if recall {
            world.gateway.recall(&app(), &id).await.unwrap();
        } else {
            let (app, alice, phone) = (app(), user("alice"), device("alice-phone"));
            let logout = world
                .gateway
                .unregister(&app, &alice, &phone, None, EndCause::LoggedOut);
            assert!(logout.await.unwrap());
        }
        queue.gate.add_permits(1);
        let answer = submit.await.unwrap().unwrap().remove(0);
        assert!(answer.deliveries.is_empty());
        assert_eq!(answer.skipped[0].reason, "overtaken");
        world.calm().await;
        assert_eq!(world.plan.count(), 0, "nothing follows");
        assert_eq!(world.depth().await, 0);
    }
}

/// S95: a caller that repeats a failed submission counts each message once.
#[tokio::test]
async fn a_repeated_submission_counts_once_on_the_badge() {
    let mut made = None;
    let world = World::with(
        |_| {},
        |queue| {
            let queue = Fickle::new(queue);
            made = Some(Arc::clone(&queue));
            queue
        },
    );
    let queue = made.expect("it was made");
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    for number in 0..5 {
        let it = message(&format!("m{number}"), &["alice"]);
        queue.failures.store(2, Ordering::Relaxed);
        for _ in 0..2 {
            let failed = world.gateway.submit(&app(), vec![it.clone()]).await;
            assert!(failed.is_err());
        }
        world.submit(it).await;
        world.calm().await;
    }
    let badges: Vec<_> = world.plan.seen().iter().map(|it| it.badge).collect();
    assert_eq!(badges, [1, 2, 3, 4, 5].map(push_core::Badge::Set));
}

/// Audiences that are not users.
#[tokio::test]
async fn devices_tokens_tags_and_everybody_can_be_addressed() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    for who in ["alice", "carol", "dave"] {
        world.login(who, certificate).await;
    }
    let vip = || push_core::Tag::new("vip").unwrap();
    world
        .gateway
        .set_tags(&app(), &user("carol"), vec![vip()])
        .await
        .unwrap();
    let to = |audience| {
        let mut it = message("x", &[]);
        it.audience = audience;
        it
    };
    let reached = |answer: push_core::Submitted| {
        let mut users: Vec<String> = answer
            .deliveries
            .into_iter()
            .filter_map(|it| it.user.map(String::from))
            .collect();
        users.sort();
        users
    };
    let devices = vec![device("dave-phone"), device("unknown")];
    let answer = world.submit(to(Audience::Devices(devices))).await;
    assert_eq!(answer.skipped[0].reason, "device-unknown");
    assert_eq!(reached(answer), ["dave"]);
    let tagged = Audience::Tags(push_core::TagExpr::Has(vip()));
    assert_eq!(reached(world.submit(to(tagged)).await), ["carol"]);
    let all = world.submit(to(Audience::Everybody)).await;
    assert_eq!(reached(all), ["alice", "carol", "dave"]);
    world.calm().await;
    let before = world.plan.count();
    let address = |text: &str| push_core::TokenAddress::new(certificate, token(text));
    let tokens = Audience::Tokens(vec![address("t1"), address("t2"), address("t1")]);
    let answer = world.submit(to(tokens)).await;
    let places: Vec<_> = answer.deliveries.iter().map(|it| it.token).collect();
    assert_eq!(places, [Some(0), Some(1)]);
    assert_eq!(answer.skipped[0].reason, "listed-twice");
    assert_eq!(answer.skipped[0].token, Some(2));
    world.calm().await;
    let seen = world.plan.seen();
    let sent: Vec<_> = seen[before..].iter().map(|it| it.token.expose()).collect();
    assert_eq!(sent, ["t1", "t2"]);
    assert!(seen[before..].iter().all(|it| it.receiver.is_none()));
    assert_eq!(seen[0].receiver, Some(user("dave")));
}

/// The limit of receivers is that of a call, also where the store says how many an audience has.
#[tokio::test]
async fn audiences_of_one_call_share_its_limit_of_receivers() {
    let world = World::with_settings(|settings| settings.limits.receivers = 5, |queue| queue);
    let certificate = world.credential(json!({})).await;
    for who in ["alice", "carol", "dave"] {
        world.login(who, certificate).await;
    }
    let to = |audience| {
        let mut it = message("x", &[]);
        it.audience = audience;
        it
    };
    let submit = async |messages| world.gateway.submit(&app(), messages).await;
    let everybody = || to(Audience::Everybody);
    for too_many in [
        vec![everybody(), everybody()],
        vec![message("x", &["a", "b", "c"]), everybody()],
    ] {
        let error = submit(too_many).await.expect_err("six receivers");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    submit(vec![message("x", &["a", "b"]), everybody()])
        .await
        .expect("five receivers");
}

/// A call must not wait behind a broadcast.
#[tokio::test]
async fn a_call_is_not_behind_a_broadcast() {
    let world = World::new(|it| it.in_flight = 2);
    let certificate = world.credential(json!({})).await;
    for number in 0..10 {
        world.login(&format!("u{number}"), certificate).await;
    }
    world.plan.always(Reply::Silence);
    world.plan.script("u9-token", [accepted()]);
    for number in 0..9 {
        let advert = message("sale", &[&format!("u{number}")]);
        world
            .submit(advert.with_class(push_core::Class::MARKETING))
            .await;
    }
    world.calm().await;
    assert_eq!(world.plan.count(), 2);
    let mut call = message("call", &["u9"]);
    call.push = Some(push_core::OfflinePushInfo::default().with_call(true));
    let answer = world.submit(call).await;
    world.calm().await;
    let end = world.settled(answer.deliveries[0].id).await;
    assert_eq!(end.as_deref(), Some("vendor-accepted"));
}

/// A submission that failed was not made: neither remembered as a duplicate nor lost.
#[tokio::test]
async fn a_submission_that_failed_can_be_repeated() {
    let mut made = None;
    let world = World::with(
        |_| {},
        |queue| {
            let queue = Fickle::new(queue);
            made = Some(Arc::clone(&queue));
            queue
        },
    );
    let queue = made.expect("it was made");
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let it = message("x", &["alice"]);
    queue.failures.store(1, Ordering::Relaxed);
    let error = world
        .gateway
        .submit(&app(), vec![it.clone()])
        .await
        .unwrap_err();
    assert!(error.is_transient());
    assert_eq!(world.submit(it).await.deliveries.len(), 1);
    world.calm().await;
    assert_eq!(world.plan.count(), 1);
}

/// S71+, and a clock that runs ahead.
#[tokio::test]
async fn old_presence_is_ignored_and_a_clock_that_runs_ahead_shuts_nothing_out() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let report = |presence, at| {
        let gateway = world.gateway.clone();
        let change =
            push_core::PresenceChange::new(user("alice"), presence, at).on(device("alice-phone"));
        async move { gateway.set_presence(&app(), vec![change]).await.unwrap() }
    };
    report(Presence::Online, START - SECOND).await;
    world.text("alice").await;
    report(Presence::Online, START + 60 * MINUTE).await;
    let skipped = world.submit(message("x", &["alice"])).await;
    assert_eq!(skipped.skipped[0].reason, "online-in-foreground");
    world.clock.advance(SECOND);
    report(Presence::Background, START + SECOND).await;
    world.text("alice").await;
}

/// The provider's longest time to live bounds every push; the default one is a week.
#[tokio::test]
async fn every_push_carries_an_end_within_what_the_vendor_keeps() {
    let world = World::new(|_| {});
    let short = world.credential(json!({"max_ttl": 3600})).await;
    let long = world.credential(json!({})).await;
    world.login("a", short).await;
    world.login("b", long).await;
    world.text("a").await;
    world.text("b").await;
    let ends: Vec<_> = world
        .plan
        .seen()
        .iter()
        .map(|it| it.notification.expires_at.unwrap())
        .collect();
    assert_eq!(ends, [START + 60 * MINUTE, START + 7 * 24 * 60 * MINUTE]);
}

/// A token's letter case, or anything else that does not matter, makes no second token.
#[tokio::test]
async fn tokens_are_kept_in_their_vendors_canonical_form() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    // The same phone, for another user, in other letters.
    world
        .register("dave", "dave-phone", "ALICE-TOKEN", certificate)
        .await;
    let skipped = world.submit(message("x", &["alice"])).await;
    assert_eq!(skipped.skipped[0].reason, "token-taken");
    let refused = world
        .gateway
        .register(
            &app(),
            &user("alice"),
            &device("alice-phone"),
            Slot::Alert,
            registration("not a token", certificate),
        )
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("no blank"), "{refused}");
}

/// A message must not speak for the credential.
#[tokio::test]
async fn vendor_fields_that_the_provider_refuses_are_refused_at_submission() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let with = |fields: serde_json::Value| {
        let push = serde_json::from_value(json!({ "vendor": { "apns": fields } })).unwrap();
        vec![message("x", &["alice"]).with_push(push)]
    };
    let error = world
        .gateway
        .submit(&app(), with(json!({ "topic": "other.app" })))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("channel apns"), "{error}");
    let good = world.gateway.submit(&app(), with(json!({ "a": 1 }))).await;
    assert_eq!(good.unwrap()[0].deliveries.len(), 1);
}
