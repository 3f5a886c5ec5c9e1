//! Several messages in one request, against the simulated Xiaomi.
use crate::world::{World, with};
use push_core::{Badge, Batch, Retry, Scope, Target, VerdictKind};
use push_provider_xiaomi::simulator::{Options, Phone};
use push_testkit::{
    Reply, block_on, json, sample,
    serde_json::{self, Map, Value},
};

async fn world(options: Options, channel: &str) -> World {
    let keys = json!({ "multi_messages": true, "channel_id": channel });
    with(options, &keys).await
}

fn install<const N: usize>(world: &World) -> [Phone; N] {
    std::array::from_fn(|_| world.simulator.install())
}

/// A message of its own for each phone, with these vendor fields.
fn batch<'a>(messages: impl IntoIterator<Item = (&'a Phone, Value)>) -> Batch {
    let targets = messages.into_iter().enumerate();
    let targets: Vec<Target> = targets
        .map(|(number, (phone, vendor))| {
            let vendor: Map<String, Value> = serde_json::from_value(vendor).expect("an object");
            let notification = sample::notification()
                .with_title(format!("Title {number}"))
                .with_ext(format!(r#"{{"entity":{{"sender":"user-{number}"}}}}"#))
                .with_vendor(vendor);
            sample::target(phone.token(), &sample::content(notification))
                .with_badge(Badge::Set(u32::try_from(number).expect("a small number")))
                .with_receiver(Some(sample::user(&format!("user-{number}"))))
        })
        .collect();
    sample::batch_of(targets)
}

/// S121, S122
#[test]
fn each_phone_gets_its_own_message_in_one_request() {
    block_on(async {
        let world = world(Options::default(), "104086").await;
        let phones: [Phone; 3] = install(&world);
        phones[1].uninstall();
        let batch = batch(phones.iter().map(|phone| (phone, json!({}))));
        let deliveries: Vec<String> = batch
            .targets
            .iter()
            .map(|target| target.delivery.to_string())
            .collect();
        let dead = VerdictKind::TokenDead { since: None };
        let kinds = world.send(batch).await;
        assert_eq!(kinds, [VerdictKind::Accepted, dead, VerdictKind::Accepted]);
        assert_eq!(world.simulator.counters().requests, 1);
        for number in [0, 2] {
            let arrivals = phones[number].arrivals();
            assert_eq!(arrivals.len(), 1);
            assert_eq!(arrivals[0].title(), format!("Title {number}"));
            assert_eq!(arrivals[0].extra("delivery"), Some(&*deliveries[number]));
            assert_eq!(
                arrivals[0].extra("receiver"),
                Some(&*format!("user-{number}"))
            );
            assert!(arrivals[0].content().contains(&format!("user-{number}")));
            assert_eq!(
                phones[number].badge(),
                u32::try_from(number).expect("small")
            );
        }
    });
}

#[test]
fn equal_messages_travel_as_one() {
    block_on(async {
        let world = world(Options::default(), "104086").await;
        let phones: [Phone; 2] = install(&world);
        let batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
        assert_eq!(world.send(batch).await, [VerdictKind::Accepted; 2]);
        assert_eq!(world.simulator.log().to("/v3/message/regid").len(), 1);
    });
}

#[test]
fn a_message_that_cannot_be_rendered_spoils_no_other() {
    block_on(async {
        let world = world(Options::default(), "104086").await;
        let phones: [Phone; 3] = install(&world);
        let wrong = json!({ "extra": { "template_param": "no JSON" } });
        let fields = [json!({}), wrong.clone(), json!({})];
        let kinds = world.send(batch(phones.iter().zip(fields))).await;
        let [accepted, refused] = [VerdictKind::Accepted, VerdictKind::PayloadRefused];
        assert_eq!(kinds, [accepted, refused, accepted]);
        // Where one message is left, it travels alone.
        let fields = [wrong.clone(), wrong, json!({})];
        let kinds = world.send(batch(phones.iter().zip(fields))).await;
        assert_eq!(kinds, [refused, refused, accepted]);
        assert_eq!(world.simulator.log().to("/v3/message/regid").len(), 1);
        assert_eq!(phones.map(|phone| phone.arrivals().len()), [1, 0, 2]);
    });
}

#[test]
fn a_refusal_that_names_no_message_ends_none_until_it_is_alone() {
    block_on(async {
        let world = world(Options::default(), "104086").await;
        let phones: [Phone; 2] = install(&world);
        let unknown = json!({ "extra": { "channel_id": "1" } });
        let fields = [json!({}), unknown.clone()];
        let kinds = world.send(batch(phones.iter().zip(fields))).await;
        assert_eq!(kinds, [VerdictKind::Unavailable(Scope::Token); 2]);
        let kinds = world.send(batch([(&phones[1], unknown)])).await;
        assert_eq!(kinds, [VerdictKind::PayloadRefused]);
        let kinds = world.send(batch([(&phones[0], json!({}))])).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
    });
}

#[test]
fn a_quota_that_refuses_all_messages_of_a_channel_limits_these_alone() {
    block_on(async {
        let world = world(Options::default().with_daily_quota(0), "104086").await;
        let phones: [Phone; 3] = install(&world);
        let public = json!({ "extra": { "channel_id": "104087" } });
        let default = json!({ "extra": { "channel_id": null } });
        let fields = [public, json!({}), default];
        let batch = batch(phones.iter().zip(fields));
        let verdicts = sample::send(&world.provider, batch).await;
        let limited = VerdictKind::RateLimited(Scope::Class);
        let kinds: Vec<_> = verdicts.iter().map(|verdict| verdict.kind).collect();
        assert_eq!(kinds, [limited, VerdictKind::Accepted, limited]);
        assert!(matches!(verdicts[0].retry, Retry::After(_)), "{verdicts:?}");
    });
}

/// Code 0 says nothing of the messages that the quota refused.
#[test]
fn a_quota_that_refuses_some_messages_of_a_channel_loses_none_of_them() {
    block_on(async {
        let world = world(Options::default().with_daily_quota(1), "104087").await;
        let phones: [Phone; 3] = install(&world);
        let private = json!({ "extra": { "channel_id": "104086" } });
        let fields = [json!({}), json!({}), private];
        let batch = batch(phones.iter().zip(fields));
        let verdicts = sample::send(&world.provider, batch.clone()).await;
        let kinds: Vec<_> = verdicts.iter().map(|verdict| verdict.kind).collect();
        let unknown = VerdictKind::Unknown;
        assert_eq!(kinds, [unknown, unknown, VerdictKind::Accepted]);
        let Retry::After(wait) = verdicts[0].retry else {
            panic!("{verdicts:?}");
        };
        world.clock.advance(wait);
        world.send(batch).await;
        // What had arrived is replaced on the screen by its repetition.
        assert_eq!(phones[0].screen().len(), 1);
    });
}

#[test]
fn a_quota_that_cannot_be_attributed_accepts_nothing() {
    block_on(async {
        let world = world(Options::default(), "104086").await;
        let phones: [Phone; 2] = install(&world);
        for (exceeded, accepted) in [
            (json!("104086:1 other:1"), false),
            (json!("other:1"), false),
            (json!("104086"), false),
            (json!("104086:x"), false),
            (json!(2), false),
            (json!({ "104086": 1 }), false),
            (json!("104086:99999999999999999999999"), false),
            (json!("104086:0"), true),
            (json!(""), true),
            (json!(null), true),
        ] {
            let answer = json!({
                "result": "ok", "trace_id": "Xdm1", "code": 0,
                "data": { "id": "sdm1", "channel_exceed_quota": exceeded },
            });
            world.simulator.faults().next(Reply::new(200).json(answer));
            let kinds = world
                .send(batch(phones.iter().map(|phone| (phone, json!({})))))
                .await;
            let wanted = if accepted {
                VerdictKind::Accepted
            } else {
                VerdictKind::Unknown
            };
            assert_eq!(kinds, [wanted; 2], "{exceeded}");
        }
    });
}
