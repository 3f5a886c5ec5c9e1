//! Whether reasons say what really happened.
mod support;

use std::{io, sync::Mutex, time::Duration};

use push_core::{
    Audience, EndCause, Gateway as _, Presence, PresenceChange, Reason, Retry, Scope, Slot, Stage,
    TokenAddress, TokenFault, VendorAnswer, Verdict, VerdictKind,
};
use push_gateway::{LaneStatus, Unregistered};
use serde_json::json;
use support::*;

async fn skipped(world: &World, who: &str) -> String {
    let answer = world.submit(message("hello", &[who])).await;
    assert_eq!(answer.deliveries.len(), 0, "{answer:?}");
    answer.skipped[0].reason.clone()
}

async fn diagnosed(world: &World, who: &str) -> Option<&'static str> {
    let found = world.gateway.diagnose(&app(), &user(who)).await;
    let found = found.expect("it can be asked");
    found[0].reason.map(|reason| reason.code)
}

/// S61.
#[tokio::test]
async fn a_user_whose_device_another_user_has_now_is_known() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    assert_eq!(skipped(&world, "alice").await, "never-registered");
    world.login("alice", certificate).await;
    world
        .register("dave", "alice-phone", "alice-token", certificate)
        .await;
    assert_eq!(skipped(&world, "alice").await, "device-taken");
    world.login("alice", certificate).await;
    assert_eq!(skipped(&world, "dave").await, "device-taken");
    world.text("alice").await;
}

#[tokio::test]
async fn a_refused_registration_explains_why_its_user_gets_no_push() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    let elsewhere = world.credential(json!({"channel": "elsewhere"})).await;
    let unknown = push_core::CertificateId::new(4711).expect("an id");
    let register = async |text: &str, certificate, slot| {
        let (app, alice, phone) = (app(), user("alice"), device("alice-phone"));
        let body = registration(text, certificate);
        world
            .gateway
            .register(&app, &alice, &phone, slot, body)
            .await
    };
    for (text, certificate, slot, reason) in [
        ("alice-token", unknown, Slot::Alert, "certificate-unknown"),
        ("alice-token", elsewhere, Slot::Alert, "channel-mismatch"),
        ("alice-token", certificate, Slot::Voip, "slot-unsupported"),
        ("no token", certificate, Slot::Alert, "token-malformed"),
        // The form of another vendor's token is not looked at.
        ("no token", elsewhere, Slot::Alert, "channel-mismatch"),
    ] {
        let refused = register(text, certificate, slot).await;
        match refused.expect_err(reason) {
            Unregistered::Refused(refused) => assert_eq!(refused.code, reason),
            Unregistered::Malformed(_) => assert_eq!(reason, "token-malformed"),
            other => panic!("{other}"),
        }
        assert_eq!(skipped(&world, "alice").await, reason);
    }
    register("alice-token", certificate, Slot::Alert)
        .await
        .expect("it is registered");
    world.background("alice", "alice-phone").await;
    world.text("alice").await;
}

/// S61, S114.
#[tokio::test]
async fn a_device_without_a_token_says_where_its_token_went() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    for who in ["alice", "carol", "dave"] {
        world.login(who, certificate).await;
    }
    world.text("carol").await;
    // Another phone of the same app.
    world
        .register("dave", "dave-tablet", "alice-token", certificate)
        .await;
    assert_eq!(skipped(&world, "alice").await, "token-taken");
    assert_eq!(diagnosed(&world, "alice").await, Some("token-taken"));
    let dead = VerdictKind::TokenDead { since: None };
    world.plan.script("carol-token", [verdict(410, "x", dead)]);
    world.clock.advance(SECOND);
    world.text("carol").await;
    assert_eq!(skipped(&world, "carol").await, "token-dead");
    assert_eq!(diagnosed(&world, "carol").await, Some("token-dead"));
}

/// S41, S56, S61, S67.
#[tokio::test]
async fn a_queued_delivery_ends_for_the_cause_that_ended_its_device() {
    for (cause, reason) in [
        (Some(EndCause::LoggedOut), "logged-out"),
        (Some(EndCause::SwitchedOff), "switched-off"),
        (Some(EndCause::LoginExpired), "login-expired"),
        (None, "kicked"),
    ] {
        let world = World::new(|_| {});
        let certificate = world.credential(json!({})).await;
        world.login("alice", certificate).await;
        let down = VerdictKind::Unavailable(Scope::Credential);
        world.plan.always(verdict(503, "x", down));
        let queued = world.text("alice").await;
        let (alice, phone) = (user("alice"), device("alice-phone"));
        match cause {
            Some(cause) => {
                let app = app();
                let gone = world
                    .gateway
                    .unregister(&app, &alice, &phone, None, cause)
                    .await;
                assert!(gone.expect("it is unregistered"));
            }
            None => {
                let kick = PresenceChange::new(alice, Presence::Offline, world.gateway.now())
                    .on(phone)
                    .because(EndCause::Kicked);
                let kicked = world.gateway.set_presence(&app(), vec![kick]).await;
                kicked.expect("it is kicked");
            }
        }
        assert_eq!(world.settled(queued).await.as_deref(), Some(reason));
        assert_eq!(skipped(&world, "alice").await, reason);
    }
}

#[tokio::test]
async fn what_no_vendor_saw_was_not_refused_by_the_vendor() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let unasked = |kind| Reply::Verdict(Verdict::new(kind, VendorAnswer::none("found out here")));
    let payload = VerdictKind::PayloadRefused;
    let app = VerdictKind::TokenUnusable(TokenFault::App);
    for (reply, reason) in [
        (unasked(payload), "content-unsendable"),
        (verdict(400, "x", payload), "payload-refused"),
        (unasked(app), "token-malformed"),
    ] {
        world.plan.script("alice-token", [reply]);
        let delivery = world.text("alice").await;
        assert_eq!(world.settled(delivery).await.as_deref(), Some(reason));
        let text = Reason::find(reason).expect("a reason").text;
        let accuses = text.starts_with("the vendor refused");
        assert_eq!(accuses, reason == "payload-refused", "{text}");
    }
}

#[tokio::test]
async fn a_dead_token_that_was_never_registered_was_not_renewed() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    world.text("alice").await;
    let send = async |text: &str| {
        let to = Audience::Tokens(vec![TokenAddress::new(certificate, token(text))]);
        let mut message = message("hello", &[]);
        message.audience = to;
        let answer = world.submit(message).await;
        world.calm().await;
        world.settled(answer.deliveries[0].id).await
    };
    let dead = |since| verdict(410, "x", VerdictKind::TokenDead { since: Some(since) });
    world.plan.script("loose", [dead(START)]);
    assert_eq!(send("loose").await.as_deref(), Some("token-dead"));
    // Alice registered hers later than it died.
    world.plan.script("alice-token", [dead(START - SECOND)]);
    let renewed = world.text("alice").await;
    assert_eq!(
        world.settled(renewed).await.as_deref(),
        Some("token-renewed")
    );
}

#[tokio::test]
async fn an_audience_that_selects_no_user_says_so() {
    let world = World::new(|_| {});
    let mut to_everybody = message("hello", &[]);
    to_everybody.audience = Audience::Everybody;
    let answer = world.submit(to_everybody).await;
    assert_eq!(answer.skipped[0].reason, "audience-empty");
    assert_eq!(answer.skipped.len(), 1);
}

/// Writes log lines into memory.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_lane_that_backs_off_has_a_reason_evidence_and_a_log_line() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    let limited = Verdict::new(
        VerdictKind::RateLimited(Scope::Credential),
        VendorAnswer::new(429, "TooManyProviderTokenUpdates"),
    );
    let limited = limited.with_retry(Retry::After(Duration::from_secs(40)));
    // One token alone is no evidence about the others.
    for who in ["alice", "carol"] {
        world.login(who, certificate).await;
        let limited = Reply::Verdict(limited.clone());
        world.plan.script(&format!("{who}-token"), [limited]);
        world.text(who).await;
    }
    drop(guard);
    let LaneStatus::BackingOff {
        reason, evidence, ..
    } = world.status(certificate).await
    else {
        panic!("it does not back off");
    };
    assert_eq!(reason, "rate-limited");
    assert_eq!(evidence, "429 TooManyProviderTokenUpdates");
    let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("UTF-8");
    let line = log.lines().find(|line| line.contains("deliveries wait"));
    let line = line.expect("a line");
    for part in ["rate-limited", "TooManyProviderTokenUpdates", "chat"] {
        assert!(line.contains(part), "{line}");
    }

    assert_eq!(diagnosed(&world, "alice").await, Some("rate-limited"));
    let behind = world.text("alice").await;
    let trace = world.trace(behind).await;
    let queued = trace.iter().find(|event| event.stage == Stage::Queued);
    let reason = queued.expect("it is queued").reason.as_deref();
    assert_eq!(reason, Some("rate-limited"));
    world.pass(MINUTE).await;
    let end = world.settled(behind).await;
    assert_eq!(end.as_deref(), Some("vendor-accepted"));
    assert_eq!(diagnosed(&world, "alice").await, None);
}

/// What is said of an answer must be true whatever the gateway then does about it.
#[test]
fn texts_about_answers_claim_no_consequence() {
    for code in [
        "token-dead",
        "environment-mismatch",
        "token-of-another-app",
        "token-muted",
        "token-inactive",
        "token-not-a-tester",
        "target-refused",
        "credential-refused",
        "payload-refused",
        "content-unsendable",
        "rate-limited",
        "vendor-unavailable",
        "no-answer",
    ] {
        let text = Reason::find(code).expect(code).text;
        for claim in [
            "removed;",
            "was removed",
            "quarantine",
            "tried again",
            "wait",
            "kept",
        ] {
            let of_the_app = text.replace("the app was removed", "");
            assert!(!of_the_app.contains(claim), "{code}: {text}");
        }
    }
}
