//! Batches: every target once, with its own content, and its own verdict.
use std::sync::Arc;

use push_core::{Batch, Batching, Capabilities, Retry, Target, VerdictKind};

use crate::conformance::{
    Vendor,
    check::{badge, fits, plain},
    stage::Stage,
};
use crate::{Recorded, Reply, block_on, sample, until};

/// `count` targets from the token numbered `first`, as different as the provider's batching allows.
fn targets(stage: &Stage<'_>, first: usize, count: usize) -> Vec<Target> {
    let can = stage.provider.capabilities();
    let mixed = can.batching == Batching::Mixed;
    let contents: Vec<_> = (0..if mixed { 3 } else { 1 })
        .map(|number| {
            let mut notification = sample::notification();
            notification.title = format!("Title {number}");
            notification.body = format!("Text {number}");
            notification.ext = format!(r#"{{"entity":{{"sender":"user-{number}"}}}}"#);
            notification.collapse = format!("chat-{number}");
            sample::content(notification)
        })
        .collect();
    (0..count)
        .map(|number| {
            let content = &contents[number % contents.len()];
            let count = if mixed { number % 4 } else { 2 };
            sample::target(stage.token(first + number), content)
                .with_badge(badge(can.badge, u32::try_from(count).unwrap_or_default()))
                .with_receiver(Some(sample::user(&format!("user-{number}"))))
        })
        .collect()
}

/// For 1, 2 and the most targets, over every protocol: each is accepted, and each token is in the requests exactly once, in
/// a message with this target's content, badge and receiver.
pub fn every_target_is_sent_once_with_its_own_content(vendor: &Vendor) {
    for alpn in &vendor.protocols {
        block_on(async {
            let stage = Stage::with(vendor, *alpn).await;
            let most = stage.provider.capabilities().max_batch;
            let mut first = 0;
            for count in [1, 2.min(most), most.min(7), most] {
                let batch = sample::batch_of(targets(&stage, first, count));
                first += count;
                let before = stage.sent().len();
                let shown = stage.shown(batch.clone()).await;
                fits(vendor, &batch, &shown);
                let sent: Vec<Recorded> = stage.sent()[before..]
                    .iter()
                    .map(|sent| (**sent).clone())
                    .collect();
                on_the_wire(vendor, &batch, &sent);
            }
        });
    }
}

/// The tokens that `shown` reads are those that are there.
fn on_the_wire(vendor: &Vendor, batch: &Batch, requests: &[Recorded]) {
    // What is encrypted cannot be searched; its tokens are in the URL.
    let texts: Vec<String> = requests
        .iter()
        .map(|request| format!("{} {}", request.uri, String::from_utf8_lossy(&request.body)))
        .collect();
    for target in &batch.targets {
        let seen = (vendor.seen_as)(target.token.expose());
        let times: usize = texts.iter().map(|text| text.matches(&seen).count()).sum();
        assert_eq!(times, 1, "a token is in the requests {times} times");
    }
}

/// All targets of a batch belong to one user, or one has no receiver: the message names the user in the first case only.
pub fn a_receiver_is_named_where_a_message_has_one(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let most = stage.provider.capabilities().max_batch.min(3);
        let content = sample::content(sample::notification());
        let mut first = 0;
        for users in [
            [Some("ann"); 3],
            [Some("ann"), None, Some("ann")],
            [None; 3],
        ] {
            let targets = users.iter().take(most).enumerate().map(|(number, user)| {
                sample::target(stage.token(first + number), &content)
                    .with_receiver(user.map(sample::user))
            });
            let batch = sample::batch_of(targets.collect::<Vec<_>>());
            first += most;
            let shown = stage.shown(batch.clone()).await;
            fits(vendor, &batch, &shown);
        }
    });
}

/// No target, no request.
pub fn an_empty_batch_sends_nothing(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let batch = plain(sample::notification(), Vec::<String>::new());
        assert!(stage.send(batch).await.is_empty());
        assert_eq!(stage.server.log().total(), 0);
    });
}

/// [`Vendor::partial`]: the dead tokens of a batch are dead and the others accepted, wherever they stand.
pub fn each_target_gets_the_verdict_of_its_own_token(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let can: &Capabilities = stage.provider.capabilities();
        let count = can.max_batch.min(6);
        assert!(count > 1, "leave `partial` out: a batch has one target");
        let mut first = 0;
        let patterns: [fn(usize, usize) -> bool; 5] = [
            |at, _| at == 0,
            |at, count| at + 1 == count,
            |at, _| at % 2 == 1,
            |at, _| at != 1,
            |_, _| true,
        ];
        for is_dead in patterns {
            let dead: Vec<String> = (0..count)
                .filter(|at| is_dead(*at, count))
                .map(|at| stage.seen(first + at))
                .collect();
            stage.sends.clear();
            stage.sends.always(stage.partial(dead));
            let batch = sample::batch_of(targets(&stage, first, count));
            first += count;
            for (at, verdict) in stage.send(batch).await.into_iter().enumerate() {
                if is_dead(at, count) {
                    let dead = matches!(verdict.kind, VerdictKind::TokenDead { .. });
                    assert!(dead, "target {at} of {count} is dead, but: {verdict:?}");
                } else {
                    assert_eq!(
                        verdict.kind,
                        VerdictKind::Accepted,
                        "target {at} of {count}: {verdict:?}"
                    );
                }
                assert_eq!(verdict.retry, Retry::Never, "{verdict:?}");
            }
        }
    });
}

/// Where a batch makes several requests, the verdicts of those that are answered do not wait for one that is not.
pub fn a_slow_request_delays_no_other_verdict(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let most = stage.provider.capabilities().max_batch.min(6);
        stage
            .shown(sample::batch_of(targets(&stage, 0, most)))
            .await;
        let requests = stage.sent().len();
        if requests < 2 {
            return;
        }
        stage.sends.next(Reply::silence());
        let (task, collected) = stage.begin(sample::batch_of(targets(&stage, most, most)));
        // All but the one that is answered by silence.
        until(|| collected.verdicts().len() + 1 >= requests).await;
        task.abort();
    });
}

/// The same batch once more, after an outcome that was not known: what the vendor recognises repetitions by is the same, and
/// another batch differs.
pub fn a_repeated_batch_is_the_same_request(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let most = stage.provider.capabilities().max_batch.min(3);
        let batch = sample::batch_of(targets(&stage, 0, most));
        let mut first = stage.shown(batch.clone()).await;
        stage.clock.advance(std::time::Duration::from_secs(30));
        let mut second = stage.shown(batch.clone()).await;
        // A date in the payload may move, what identifies it may not.
        for shown in first.iter_mut().chain(&mut second) {
            shown.payload = serde_json::Value::Null;
            shown.ttl = None;
            shown.expires_at = None;
        }
        // Requests on one connection may overtake each other.
        for shown in [&mut first, &mut second] {
            shown.sort_by(|one, other| one.tokens.cmp(&other.tokens));
        }
        assert_eq!(first, second, "a repetition differs from the first attempt");
        let again: Vec<Target> = batch
            .targets
            .iter()
            .map(|target| sample::target(target.token.expose(), &Arc::clone(&target.content)))
            .collect();
        let mut other = stage.shown(sample::batch_of(again)).await;
        other.sort_by(|one, other| one.tokens.cmp(&other.tokens));
        for (one, other) in first.iter().zip(&other) {
            if one.dedup.is_some() {
                assert_ne!(one.dedup, other.dedup, "another batch has another id");
            }
            if one.tag.is_some() {
                assert_ne!(one.tag, other.tag, "another batch has another tag");
            }
        }
    });
}
