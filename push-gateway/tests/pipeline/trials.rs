//! A suspended credential is tried with one delivery at a time.
use std::sync::Arc;

use push_core::{
    CertificateId, Class, DeliveryId, EndCause, Scope, TokenFault, VendorAnswer, Verdict,
    VerdictKind,
};
use push_gateway::LaneStatus;
use serde_json::json;
use tokio::sync::Notify;

use crate::{DEAD, support::*};

const OTHER_APP: VerdictKind = VerdictKind::TokenUnusable(TokenFault::App);

/// A credential that is suspended, and a delivery of the class `call` that waits for it.
struct Suspended {
    world: World,
    certificate: CertificateId,
    waiting: DeliveryId,
}

impl Suspended {
    /// Suspended because the vendor refuses the credential.
    async fn refused() -> Self {
        let world = World::new(|_| {});
        Self::by(world, VerdictKind::CredentialRefused, 1).await
    }

    /// Suspended because the vendor refuses most tokens.
    async fn doubted() -> Self {
        let world = World::new(|settings| settings.guard_min = 4);
        Self::by(world, OTHER_APP, 4).await
    }

    async fn by(world: World, kind: VerdictKind, times: usize) -> Self {
        let certificate = world.credential(json!({"max_batch": 1})).await;
        world.plan.always(verdict(403, "x", kind));
        for number in 0..times {
            let who = format!("refused-{number}");
            world.login(&who, certificate).await;
            world.text(&who).await;
        }
        assert!(world.suspended(certificate).await.is_some());
        world.login("waiting", certificate).await;
        world.login("another", certificate).await;
        let waits = message("x", &["waiting"]).with_class(Class::CALL);
        let waiting = world.submit(waits).await.deliveries[0].id;
        world.calm().await;
        Self {
            world,
            certificate,
            waiting,
        }
    }

    /// When the next trial is.
    async fn probe_at(&self) -> push_core::Timestamp {
        match self.world.status(self.certificate).await {
            LaneStatus::Suspended { probe_at, .. } => probe_at,
            other => panic!("it is {other:?}"),
        }
    }

    /// Waits until just before the next trial, checks that nothing is sent, and then until it was made.
    async fn try_once(&self) {
        let world = &self.world;
        let sent = world.plan.count();
        let wait = self.probe_at().await.since(world.gateway.now());
        world.pass(wait - SECOND / 10).await;
        assert_eq!(world.plan.count(), sent, "nothing before the trial");
        world.clock.advance(SECOND / 5);
        world.calm().await;
        assert_eq!(world.plan.count(), sent + 1, "one delivery is tried");
    }

    async fn cause(&self) -> Option<&'static str> {
        self.world.suspended(self.certificate).await
    }
}

#[tokio::test]
async fn a_trial_that_passes_opens_the_lane_by_itself() {
    for suspended in [Suspended::refused().await, Suspended::doubted().await] {
        suspended.world.plan.always(accepted());
        suspended.try_once().await;
        assert_eq!(suspended.cause().await, None);
        let end = suspended.world.settled(suspended.waiting).await;
        assert_eq!(end.as_deref(), Some("vendor-accepted"));
        suspended.world.pass(MINUTE).await;
        assert_eq!(suspended.world.depth().await, 0);
    }
}

#[tokio::test]
async fn a_trial_that_fails_doubles_the_wait_for_the_next() {
    for (suspended, cause) in [
        (Suspended::refused().await, "credential-refused"),
        (Suspended::doubted().await, "most-tokens-refused"),
    ] {
        let world = &suspended.world;
        let mut waits = Vec::new();
        for number in 0..4 {
            waits.push(suspended.probe_at().await.since(world.gateway.now()));
            // One that waits in another class than the last.
            let who = format!("more-{number}");
            world.login(&who, suspended.certificate).await;
            world.submit(message("x", &[&who])).await;
            suspended.try_once().await;
            assert_eq!(suspended.cause().await, Some(cause));
        }
        for pair in waits.windows(2).skip(1) {
            assert_eq!(pair[1], 2 * pair[0], "{cause}: {waits:?}");
        }
    }
}

/// A dead token in a trial shows that the credential works, but not that its tokens are those of its app.
#[tokio::test]
async fn a_dead_token_passes_the_trial_of_a_refused_credential_alone() {
    let suspended = Suspended::refused().await;
    suspended.world.plan.always(verdict(410, "x", DEAD));
    suspended.world.pass(MINUTE).await;
    assert_eq!(suspended.cause().await, None);
    let suspended = Suspended::doubted().await;
    suspended.world.plan.always(verdict(410, "x", DEAD));
    suspended.try_once().await;
    assert_eq!(suspended.cause().await, Some("most-tokens-refused"));
}

#[tokio::test]
async fn an_outage_during_a_trial_says_nothing_about_the_cause() {
    for (suspended, cause) in [
        (Suspended::refused().await, "credential-refused"),
        (Suspended::doubted().await, "most-tokens-refused"),
    ] {
        let world = &suspended.world;
        for reply in [
            verdict(503, "x", VerdictKind::Unavailable(Scope::Credential)),
            verdict(504, "x", VerdictKind::Unknown),
        ] {
            world.plan.always(reply);
            suspended.try_once().await;
            assert_eq!(suspended.cause().await, Some(cause));
            let wait = suspended.probe_at().await.since(world.gateway.now());
            assert!(wait > SECOND, "{cause}: {wait:?}");
        }
        // The next trial follows, and passes.
        world.plan.always(accepted());
        world.pass(20 * MINUTE).await;
        assert_eq!(suspended.cause().await, None);
        let end = world.settled(suspended.waiting).await;
        assert_eq!(end.as_deref(), Some("vendor-accepted"));
    }
}

#[tokio::test]
async fn a_trial_without_an_answer_ends_and_another_follows() {
    let suspended = Suspended::refused().await;
    let world = &suspended.world;
    world.plan.always(Reply::Silence);
    suspended.try_once().await;
    world.plan.always(accepted());
    world.pass(20 * MINUTE).await;
    assert_eq!(suspended.cause().await, None);
    assert_eq!(world.depth().await, 0);
}

/// What expired, or whose device logged out, is no trial; the next one is.
#[tokio::test]
async fn a_trial_with_nothing_to_send_ends_and_another_follows() {
    let suspended = Suspended::refused().await;
    let world = &suspended.world;
    world
        .gateway
        .unregister(
            &app(),
            &user("waiting"),
            &device("waiting-phone"),
            None,
            EndCause::LoggedOut,
        )
        .await
        .unwrap();
    world
        .gateway
        .unregister(
            &app(),
            &user("refused-0"),
            &device("refused-0-phone"),
            None,
            EndCause::LoggedOut,
        )
        .await
        .unwrap();
    world.plan.always(accepted());
    world.submit(message("x", &["another"])).await;
    world.pass(5 * MINUTE).await;
    assert_eq!(suspended.cause().await, None);
    assert_eq!(world.depth().await, 0);
}

/// Two classes have deliveries; while one of them is tried, the other waits.
#[tokio::test]
async fn only_one_lane_of_a_credential_tries_at_a_time() {
    let suspended = Suspended::refused().await;
    let world = &suspended.world;
    world.submit(message("x", &["another"])).await;
    let release = Arc::new(Notify::new());
    let passes = Verdict::accepted(VendorAnswer::new(200, ""));
    world.plan.always(Reply::Held(Arc::clone(&release), passes));
    suspended.try_once().await;
    world.pass(30 * SECOND).await;
    assert_eq!(world.plan.count(), 2, "one refusal and one trial");
    assert!(suspended.cause().await.is_some());
    world.plan.always(accepted());
    release.notify_waiters();
    world.calm().await;
    assert_eq!(suspended.cause().await, None);
    world.pass(MINUTE).await;
    assert_eq!(world.depth().await, 0);
}

#[tokio::test]
async fn a_passed_trial_clears_what_was_held_against_the_tokens() {
    let suspended = Suspended::doubted().await;
    let world = &suspended.world;
    world.plan.always(accepted());
    suspended.try_once().await;
    assert_eq!(suspended.cause().await, None);
    // Fewer than it takes for a suspicion, of which the last ones would have been enough.
    world.plan.always(verdict(400, "x", OTHER_APP));
    for number in 0..3 {
        let who = format!("later-{number}");
        world.login(&who, suspended.certificate).await;
        world.text(&who).await;
        assert_eq!(suspended.cause().await, None, "{number}");
    }
}

/// Answers to what was sent before the suspension neither fail nor pass a trial.
#[tokio::test]
async fn an_answer_from_before_the_suspension_is_no_trial() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"max_batch": 1})).await;
    for who in ["early", "refused", "waiting"] {
        world.login(who, certificate).await;
    }
    let release = Arc::new(Notify::new());
    let refused = Verdict::new(VerdictKind::CredentialRefused, VendorAnswer::new(403, "x"));
    let held = Reply::Held(Arc::clone(&release), refused.clone());
    world.plan.script("early-token", [held]);
    world
        .plan
        .script("refused-token", [Reply::Verdict(refused)]);
    world.text("early").await;
    world.text("refused").await;
    let probe = |status| match status {
        LaneStatus::Suspended { probe_at, .. } => probe_at,
        other => panic!("it is {other:?}"),
    };
    let before = probe(world.status(certificate).await);
    world.clock.advance(SECOND);
    release.notify_waiters();
    world.calm().await;
    assert_eq!(probe(world.status(certificate).await), before);
    world.pass(MINUTE).await;
    assert_eq!(world.suspended(certificate).await, None);
}
