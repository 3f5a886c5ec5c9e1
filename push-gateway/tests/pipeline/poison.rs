//! One target that the vendor does not like delays no other.
use proptest::prelude::*;
use push_core::{Retry, Scope, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_gateway::LaneStatus;
use push_testkit::RandomCases;
use serde_json::json;

use crate::{DEAD, support::*};

/// Every answer that a vendor can give about one target, and those that speak of more than it although they came for one.
fn kinds() -> impl Strategy<Value = VerdictKind> {
    prop::sample::select(vec![
        VerdictKind::Accepted,
        DEAD,
        VerdictKind::TokenDead {
            since: Some(START + SECOND),
        },
        VerdictKind::TokenDead {
            since: Some(START - SECOND),
        },
        VerdictKind::TokenUnusable(TokenFault::Environment),
        VerdictKind::TokenUnusable(TokenFault::App),
        VerdictKind::TokenUnusable(TokenFault::Muted),
        VerdictKind::TokenUnusable(TokenFault::Inactive),
        VerdictKind::TokenUnusable(TokenFault::NotATester),
        VerdictKind::TargetRefused,
        VerdictKind::PayloadRefused,
        VerdictKind::RateLimited(Scope::Token),
        VerdictKind::RateLimited(Scope::Origin),
        VerdictKind::RateLimited(Scope::Class),
        VerdictKind::RateLimited(Scope::Credential),
        VerdictKind::Unavailable(Scope::Token),
        VerdictKind::Unavailable(Scope::Origin),
        VerdictKind::Unavailable(Scope::Class),
        VerdictKind::Unavailable(Scope::Credential),
        VerdictKind::Unknown,
    ])
}

#[derive(Clone, Debug)]
enum Answer {
    /// The same each time, with this advice on retries.
    Always(VerdictKind, Option<Retry>),
    Silence,
    /// The credential is refused, in the answer about this target alone.
    Accuses,
}

fn answers() -> impl Strategy<Value = Answer> {
    let retries = prop::sample::select(vec![
        None,
        Some(Retry::Never),
        Some(Retry::Backoff),
        Some(Retry::After(20 * SECOND)),
        Some(Retry::After(60 * MINUTE)),
    ]);
    prop_oneof![
        8 => (kinds(), retries).prop_map(|(kind, retry)| Answer::Always(kind, retry)),
        1 => Just(Answer::Silence),
        1 => Just(Answer::Accuses),
    ]
}

/// One poisoned target among good ones.
#[derive(Clone, Debug)]
struct Mix {
    answer: Answer,
    good: usize,
    /// Where the poisoned one stands among the receivers.
    place: usize,
    /// How many messages go to all, and how many more to the poisoned one alone.
    together: usize,
    alone: usize,
    max_batch: usize,
    uniform: bool,
    /// Whether the vendor has accepted a push of the credential before.
    proved: bool,
    /// How long after the first messages the next ones come, in seconds.
    gaps: Vec<u64>,
}

fn mixes() -> impl Strategy<Value = Mix> {
    (
        answers(),
        1..8_usize,
        any::<prop::sample::Index>(),
        1..4_usize,
        0..4_usize,
        prop::sample::select(vec![1, 2, 3, 5, 100]),
        any::<bool>(),
        any::<bool>(),
        prop::collection::vec(0..90_u64, 1..4),
    )
        .prop_map(
            |(answer, good, place, together, alone, max_batch, uniform, proved, gaps)| Mix {
                // A credential that nothing is known of is rightly suspended when it is refused.
                proved: proved || matches!(answer, Answer::Accuses),
                place: place.index(good + 1),
                answer,
                good,
                together,
                alone,
                max_batch,
                uniform,
                gaps,
            },
        )
}

async fn check(mix: Mix) {
    let world = World::new(|settings| settings.guard_min = 2);
    let shape = json!({"max_batch": mix.max_batch, "uniform": mix.uniform});
    let certificate = world.credential(shape).await;
    let mut people: Vec<String> = (0..mix.good)
        .map(|number| format!("good-{number}"))
        .collect();
    people.insert(mix.place, "poison".to_owned());
    for who in &people {
        world.login(who, certificate).await;
    }
    if mix.proved {
        world.text("good-0").await;
    }
    let reply = match &mix.answer {
        Answer::Always(kind, retry) => {
            let verdict = Verdict::new(*kind, VendorAnswer::new(500, "x"));
            Reply::Verdict(match retry {
                Some(retry) => verdict.with_retry(*retry),
                None => verdict,
            })
        }
        Answer::Silence => Reply::Silence,
        Answer::Accuses => verdict(401, "x", VerdictKind::CredentialRefused),
    };
    world.plan.script("poison-token", vec![reply; 2000]);
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    for gap in [0].into_iter().chain(mix.gaps) {
        world.pass(gap as u32 * SECOND).await;
        for _ in 0..mix.alone {
            world.submit(message("alone", &["poison"])).await;
        }
        let mut good = Vec::new();
        for _ in 0..mix.together {
            let answer = world.submit(message("together", &names)).await;
            let to_good = answer
                .deliveries
                .into_iter()
                .filter(|delivery| delivery.user != Some(user("poison")));
            good.extend(to_good);
        }
        assert_eq!(good.len(), mix.good * mix.together);
        // No time passes.
        world.calm().await;
        for delivery in good {
            let end = world.settled(delivery.id).await;
            assert_eq!(end.as_deref(), Some("vendor-accepted"), "after {gap} s");
        }
        let status = world.status(certificate).await;
        assert_eq!(status, LaneStatus::Open, "after {gap} s");
    }
}

#[test]
fn in_any_mix_one_poisoned_target_delays_no_good_one() {
    let config = ProptestConfig {
        cases: 100,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let cases = RandomCases::new("poisoned-target", config);
    let checked = cases.check(&mixes(), |mix| {
        push_testkit::block_on(check(mix));
        Ok(())
    });
    if let Err(failure) = checked {
        panic!("{failure}");
    }
}

/// Where the vendor, or the path to it, fails for every batch that has the target in it.
#[tokio::test]
async fn a_target_that_spoils_its_batches_is_soon_sent_alone() {
    let down = VerdictKind::Unavailable(Scope::Credential);
    for (name, spoils) in [
        (
            "down",
            Reply::Spoil(Verdict::new(down, VendorAnswer::new(500, "x"))),
        ),
        ("unknown", Reply::Spoil(Verdict::unknown("no answer"))),
        ("panic", Reply::Panic),
    ] {
        for uniform in [false, true] {
            let world = World::new(|_| {});
            let shape = json!({"max_batch": 100, "uniform": uniform});
            let certificate = world.credential(shape).await;
            let mut people: Vec<String> = (0..20).map(|number| format!("p{number}")).collect();
            people.insert(10, "poison".to_owned());
            for who in &people {
                world.login(who, certificate).await;
            }
            world
                .plan
                .script("poison-token", vec![spoils.clone(); 1000]);
            let names: Vec<&str> = people.iter().map(String::as_str).collect();
            let answer = world.submit(message("x", &names)).await;
            for _ in 0..12 {
                world.pass(5 * SECOND).await;
            }
            for delivery in answer.deliveries {
                let end = world.settled(delivery.id).await;
                if delivery.user == Some(user("poison")) {
                    assert_eq!(end, None, "{name}: it lives for days");
                } else {
                    assert_eq!(end.as_deref(), Some("vendor-accepted"), "{name}");
                }
            }
        }
    }
}
