//! A push whose token alone is refused with the credential ends; one that the credential prevented does not.
use std::sync::Arc;

use proptest::prelude::*;
use push_core::{DeliveryId, VendorAnswer, Verdict, VerdictKind};
use push_testkit::RandomCases;
use serde_json::json;
use tokio::sync::Notify;

use crate::support::*;

fn refused() -> Reply {
    verdict(401, "x", VerdictKind::CredentialRefused)
}

/// A target whose answer accuses the credential, while others are accepted all the time.
#[tokio::test]
async fn one_target_that_accuses_the_credential_ends_alone() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"max_batch": 1})).await;
    world.login("poison", certificate).await;
    world.login("good", certificate).await;
    world.text("good").await; // the credential has proved itself
    world.plan.script("poison-token", vec![refused(); 100]);
    let poisoned = world.text("poison").await;
    for _ in 0..600 {
        world.clock.advance(SECOND / 2);
        let delivery = world.text("good").await;
        let end = world.settled(delivery).await;
        assert_eq!(end.as_deref(), Some("vendor-accepted"), "without a wait");
    }
    let end = world.settled(poisoned).await;
    assert_eq!(end.as_deref(), Some("refused-alone"));
    assert_eq!(world.suspended(certificate).await, None);
    let sent = world.plan.count_of("poison-token");
    assert!((4..=16).contains(&sent), "{sent}");
    assert_eq!(world.stored("poison").await, Some(None));
}

/// Without pushes to others at the same time nothing shows whose fault it is, however long it lasts.
#[tokio::test]
async fn a_refusal_without_others_accepted_at_its_time_ends_no_push() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"max_batch": 1})).await;
    world.login("poison", certificate).await;
    world.login("good", certificate).await;
    world.text("good").await;
    world.plan.script("poison-token", vec![refused(); 20]);
    let poisoned = world.text("poison").await;
    for _ in 0..20 {
        world.pass(7 * MINUTE).await;
        world.text("good").await;
    }
    let end = world.settled(poisoned).await;
    assert_ne!(end.as_deref(), Some("refused-alone"));
    world.pass(60 * MINUTE).await;
    let end = world.settled(poisoned).await;
    assert_eq!(end.as_deref(), Some("vendor-accepted"));
}

#[tokio::test]
async fn a_key_revoked_and_restored_within_moments_ends_no_push() {
    for resumes in [false, true] {
        let world = World::new(|_| {});
        let certificate = world.credential(json!({"max_batch": 1})).await;
        world.login("unlucky", certificate).await;
        world.login("good", certificate).await;
        world.text("good").await;
        let mut deliveries = Vec::new();
        for _ in 0..10 {
            world.plan.always(refused());
            deliveries.push(world.text("unlucky").await);
            world.plan.always(accepted());
            if resumes {
                // Before what waits is sent again.
                world.plan.script("unlucky-token", [refused()]);
                world
                    .gateway
                    .resume_credential(&credential(certificate))
                    .await
                    .unwrap();
            }
            deliveries.push(world.text("good").await);
            world.clock.advance(SECOND / 10);
        }
        world.pass(10 * MINUTE).await;
        for delivery in deliveries {
            let end = world.settled(delivery).await;
            assert_eq!(end.as_deref(), Some("vendor-accepted"), "{resumes}");
        }
    }
}

/// What the vendor accepted before it refused, and said later, contradicts no refusal.
#[tokio::test]
async fn a_late_answer_to_an_earlier_push_blames_no_token() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"max_batch": 1})).await;
    for who in ["unlucky", "good", "early"] {
        world.login(who, certificate).await;
    }
    world.text("good").await;
    let release = [(); 3].map(|()| Arc::new(Notify::new()));
    let accepts = Verdict::accepted(VendorAnswer::new(200, ""));
    let refuses = Verdict::new(VerdictKind::CredentialRefused, VendorAnswer::new(401, "x"));
    let hold = |number: usize, verdict: &Verdict| {
        Reply::Held(Arc::clone(&release[number]), verdict.clone())
    };
    world.plan.script("early-token", [hold(0, &accepts)]);
    let replies = [hold(1, &refuses), hold(2, &refuses)];
    world.plan.script("unlucky-token", replies);
    world.text("early").await;
    let deliveries = [world.text("unlucky").await, world.text("unlucky").await];
    // All three are under way; the acceptance is known between the two refusals.
    for number in [1, 0, 2] {
        release[number].notify_one();
        world.calm().await;
    }
    let cause = world.suspended(certificate).await;
    assert_eq!(cause, Some("credential-refused"));
    world.pass(5 * MINUTE).await;
    for delivery in deliveries {
        let end = world.settled(delivery).await;
        assert_eq!(end.as_deref(), Some("vendor-accepted"));
    }
}

/// What happens to the credential at the vendor's, and what is sent meanwhile.
#[derive(Clone, Debug)]
enum Event {
    Refuse,
    Restore,
    Resume,
    /// A message to these people.
    Send(Vec<usize>),
    /// Milliseconds.
    Pass(u32),
}

const PEOPLE: usize = 5;

fn events() -> impl Strategy<Value = Vec<Event>> {
    let time = prop_oneof![
        3 => Just(0_u32),
        2 => 1..3_000_u32,
        2 => 3_000..90_000_u32,
    ];
    let receivers = prop::sample::subsequence((0..PEOPLE).collect::<Vec<_>>(), 1..=PEOPLE);
    prop::collection::vec(
        prop_oneof![
            3 => Just(Event::Refuse),
            3 => Just(Event::Restore),
            1 => Just(Event::Resume),
            6 => receivers.prop_map(Event::Send),
            4 => time.prop_map(Event::Pass),
        ],
        10..80,
    )
}

async fn check(events: Vec<Event>, max_batch: usize) -> Result<(), TestCaseError> {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"max_batch": max_batch})).await;
    for person in 0..PEOPLE {
        world.login(&format!("p{person}"), certificate).await;
    }
    let mut deliveries: Vec<DeliveryId> = Vec::new();
    for event in events {
        match event {
            Event::Refuse => world.plan.always(refused()),
            Event::Restore => world.plan.always(accepted()),
            Event::Resume => {
                world
                    .gateway
                    .resume_credential(&credential(certificate))
                    .await
                    .expect("the queue and the store work");
            }
            Event::Send(people) => {
                let names: Vec<String> = people.iter().map(|person| format!("p{person}")).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let answer = world.submit(message("x", &names)).await;
                deliveries.extend(answer.deliveries.iter().map(|delivery| delivery.id));
                world.calm().await;
            }
            Event::Pass(millis) => {
                // As in `World::pass`.
                world.calm().await;
                world.clock.advance(millis * SECOND / 1000);
                world.calm().await;
            }
        }
    }
    world.plan.always(accepted());
    world.pass(60 * MINUTE).await;
    for delivery in deliveries {
        let end = world.settled(delivery).await;
        prop_assert_eq!(end.as_deref(), Some("vendor-accepted"));
    }
    Ok(())
}

#[test]
fn whenever_a_credential_is_refused_and_restored_every_push_arrives() {
    let config = ProptestConfig {
        cases: 40,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let cases = RandomCases::new("refused-and-restored", config);
    let batches = prop::sample::select(vec![1_usize, 3, 100]);
    let checked = cases.check(&(events(), batches), |(events, max_batch)| {
        push_testkit::block_on(check(events, max_batch))
    });
    if let Err(failure) = checked {
        panic!("{failure}");
    }
}
