//! What is sent: text, click data, badge, time to live, collapse key, kind.
use std::time::Duration;

use push_core::{
    Badge, BadgeStyle, Batch, Clock as _, DeviceToken, Notification, NotificationKind, Retry, Slot,
    Sound, VerdictKind,
};
use serde_json::{Value, json};

use crate::conformance::{
    Shown, Vendor,
    check::{fits, plain, same_ext},
    stage::Stage,
};
use crate::{block_on, sample};

/// A family joined by zero-width joiners, a thumb with a skin tone, a flag, a letter with an accent, an ideograph.
const CLUSTERS: [&str; 5] = [
    "👨\u{200d}👩\u{200d}👧",
    "👍\u{1f3fd}",
    "🇨🇳",
    "e\u{301}",
    "你",
];

/// Sends `notification` to one token and returns what is shown; `None` if the provider refused it as too large.
async fn shown_or_refused(
    stage: &Stage<'_>,
    number: usize,
    notification: Notification,
) -> Option<Shown> {
    let before = stage.sent().len();
    let batch = plain(notification, [stage.token(number)]);
    let verdict = stage.send(batch).await.remove(0);
    if verdict.kind == VerdictKind::PayloadRefused {
        assert_eq!(stage.sent().len(), before, "refused, but sent");
        return None;
    }
    assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
    Some(stage.shown_since(before).remove(0))
}

/// An `ext` beyond the limit: it is never shortened, so nothing can be sent.
pub fn what_is_too_large_is_refused_before_anything_is_sent(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let mut notification = sample::notification();
        let most = stage.provider.capabilities().max_payload;
        notification.ext = json!({ "entity": { "sender": "x".repeat(most) } }).to_string();
        let targets = 2.min(stage.provider.capabilities().max_batch);
        let tokens: Vec<_> = (0..targets).map(|number| stage.token(number)).collect();
        for verdict in stage.send(plain(notification, tokens)).await {
            assert_eq!(verdict.kind, VerdictKind::PayloadRefused, "{verdict:?}");
            assert_eq!(verdict.retry, Retry::Never);
            assert!(!verdict.answer.text.is_empty(), "it says why");
        }
        assert_eq!(stage.server.log().total(), 0);
    });
}

/// Title and body that exceed [`push_core::TextLimits`] are cut in the vendor's unit (S99), between grapheme clusters, and
/// no shorter than need be. What fits is not touched.
pub fn text_is_cut_to_the_vendors_limit_between_characters(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let can = stage.provider.capabilities();
        let unit = can.text.unit;
        let mut number = 0;
        for cluster in CLUSTERS {
            for (is_title, limit) in [(true, can.text.title), (false, can.text.body)] {
                let size = unit.count(cluster);
                let unlimited = limit > can.max_payload;
                let fitting = if unlimited { 20 } else { limit / size };
                let mut texts = vec![(cluster.repeat(fitting), false)];
                if !unlimited {
                    texts.push((cluster.repeat(fitting + 1), true));
                    // So that the limit falls on every place inside a cluster.
                    texts.extend(
                        (0..size)
                            .map(|lead| ("a".repeat(lead) + &cluster.repeat(fitting + 1), true)),
                    );
                }
                for (text, is_cut) in texts {
                    if fitting == 0 || (text.len() > can.max_payload / 2 && !is_cut) {
                        continue;
                    }
                    let mut notification = sample::notification();
                    if is_title {
                        notification.title.clone_from(&text);
                    } else {
                        notification.body.clone_from(&text);
                    }
                    number += 1;
                    let Some(shown) = shown_or_refused(&stage, number, notification).await else {
                        let kept = limit.saturating_mul(cluster.len()) / size;
                        assert!(
                            kept > can.max_payload / 2,
                            "{kept} bytes of text are refused instead of cut"
                        );
                        continue;
                    };
                    let shown = if is_title { shown.title } else { shown.body };
                    let shown = shown.expect("the text is shown");
                    if !is_cut {
                        assert_eq!(shown, text, "text within the limit of {limit} {unit:?}");
                        continue;
                    }
                    whole(cluster, &shown);
                    let units = unit.count(&shown);
                    assert!(
                        units <= limit,
                        "{units} {unit:?} where {limit} are allowed: not cut"
                    );
                    // A cut costs a part of a cluster and the ellipsis.
                    assert!(
                        units + size + unit.count("...") >= limit
                            || text.len() > can.max_payload / 2,
                        "{units} {unit:?} where {limit} are allowed: cut too short"
                    );
                }
            }
        }
        if !can.needs_title {
            let mut notification = sample::notification();
            notification.title.clear();
            let shown = shown_or_refused(&stage, 0, notification).await;
            let shown = shown.expect("a notification without a title is accepted");
            assert_eq!(shown.title.unwrap_or_default(), "");
            assert_eq!(shown.body.as_deref(), Some(sample::BODY));
        }
    });
}

/// `shown` is whole clusters, perhaps with `a`s before them and an ellipsis behind.
fn whole(cluster: &str, shown: &str) {
    let kept = shown.trim_end_matches('…').trim_end_matches("...");
    let kept = kept.trim_start_matches('a');
    assert!(
        kept.replace(cluster, "").is_empty(),
        "text is cut inside a character: {shown:?} of {cluster:?}"
    );
}

/// A body that makes the payload too large is cut between characters and sent. `ext` stays whole (S98).
pub fn text_gives_way_to_the_payload_limit_and_ext_does_not(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let most = stage.provider.capabilities().max_payload;
        for (number, cluster) in CLUSTERS.into_iter().enumerate() {
            let mut notification = sample::notification();
            notification.body = cluster.repeat(most / cluster.len() + 1);
            notification.ext =
                json!({ "entity": { "sender": "ann", "content": "c".repeat(most / 8) } })
                    .to_string();
            let ext = notification.ext.clone();
            let shown = shown_or_refused(&stage, number, notification).await;
            let shown = shown.expect("a long text is shortened, not refused");
            let same = same_ext(vendor, shown.ext.as_deref(), &ext);
            assert!(same, "`ext` was shortened or changed");
            assert_eq!(shown.title.as_deref(), Some(sample::TITLE));
            let body = shown.body.unwrap_or_default();
            whole(cluster, &body);
            assert!(body.contains(cluster), "nothing is left of the text");
            assert!(
                body.len() < most,
                "{} bytes of text where the payload may have {most}",
                body.len()
            );
        }
    });
}

/// `ext` reaches the app byte for byte: not parsed and written again, not escaped twice, not shortened.
pub fn the_click_data_reaches_the_app_unchanged(vendor: &Vendor) {
    const EXTS: &[&str] = &[
        sample::EXT,
        // Order, white space and the spelling of numbers are the app's.
        r#"{ "z": 1.0, "entity" : {"sender":"ann", "version":1}, "a":1e2,"n":12345678901234567890 }"#,
        // Quotes and backslashes, as text of JSON within JSON.
        r#"{"entity":{"sender":"a\"b\\c\/d\n\u4f60","content":"{\"k\":\"v\"}"}}"#,
        // What intents, forms, URLs, HTML and headers give a meaning to.
        r#"{"entity":{"sender":"a;end b=c;S.x=y%25%2F+&d=e?#'<>`$"},"u":"intent://x#Intent;end"}"#,
        "{\"entity\":{\"sender\":\"你好😀👨\u{200d}👩\u{200d}👧é\u{2028}\u{85}\"}}",
        "{}",
    ];
    block_on(async {
        let stage = Stage::new(vendor).await;
        for (number, ext) in EXTS.iter().copied().enumerate() {
            let mut notification = sample::notification();
            notification.ext = ext.to_owned();
            let shown = shown_or_refused(&stage, number, notification).await;
            let shown = shown.expect("a short `ext` is sent").ext;
            assert!(
                same_ext(vendor, shown.as_deref(), ext),
                "`ext` was {ext}\nand is    {}",
                shown.unwrap_or_default()
            );
        }
        let mut notification = sample::notification();
        notification.ext.clear();
        let shown = shown_or_refused(&stage, 99, notification).await;
        let shown = shown.expect("a notification without `ext` is sent").ext;
        assert_eq!(shown.unwrap_or_default(), "");
    });
}

/// 0 clears the icon and is sent as 0 (S124); what is left alone is not sent; the style is what the capabilities claim.
pub fn the_badge_is_sent_as_the_capabilities_say(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let content = sample::content(sample::notification());
        let badges: &[Badge] = match stage.provider.capabilities().badge {
            BadgeStyle::Set => &[
                Badge::Set(0),
                Badge::Set(7),
                Badge::Set(99_999),
                Badge::Leave,
            ],
            BadgeStyle::CountUp => &[Badge::Add(1), Badge::Add(3), Badge::Leave],
            _ => &[Badge::Leave],
        };
        for (number, badge) in badges.iter().enumerate() {
            let target = sample::target(stage.token(number), &content).with_badge(*badge);
            let shown = stage.shown(sample::batch_of([target])).await.remove(0);
            let wanted = vendor.within_limit(*badge);
            assert_eq!(shown.badge, wanted, "{badge:?} was to be sent");
        }
        if stage.provider.capabilities().badge == BadgeStyle::None {
            let target = sample::target(stage.token(9), &content).with_badge(Badge::Set(7));
            let shown = stage.shown(sample::batch_of([target])).await.remove(0);
            assert_eq!(shown.badge, Badge::Leave, "the style is `None`");
        }
    });
}

/// The time to live is what is left until the notification expires, within the vendor's bounds, by the provider's clock.
pub fn a_notification_lives_until_it_expires(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let can = stage.provider.capabilities();
        let Some(longest) = can.max_ttl else { return };
        let shortest = can.min_ttl;
        let hour = Duration::from_secs(3600);
        let mut number = 0;
        for (passed, left) in [
            (0, hour),
            (0, hour * 30),
            (0, shortest),
            (0, Duration::from_secs(1)),
            (0, longest),
            (0, longest + hour * 48),
            // The provider may have been built long ago.
            (90_000, hour * 2),
            (90_000, longest + hour),
        ] {
            let passed = Duration::from_secs(passed);
            let behind = passed.saturating_sub(stage.clock.now().since(sample::NOW));
            stage.clock.advance(behind);
            let mut notification = sample::notification();
            notification.expires_at = Some(sample::NOW + passed + left);
            number += 1;
            let shown = shown_or_refused(&stage, number, notification).await;
            let Some(shown) = shown else {
                panic!("a notification that expires in {left:?} is refused");
            };
            let ttl = shown.kept(stage.clock.now());
            let ttl = ttl.expect("`shown.ttl` or `shown.expires_at` of what expires");
            let wanted = left.clamp(shortest, longest);
            assert!(
                ttl.abs_diff(wanted) <= vendor.ttl_unit,
                "expires in {left:?}, bounds are {shortest:?} and {longest:?}, but the vendor keeps it {ttl:?}"
            );
            assert!(
                (shortest..=longest).contains(&ttl),
                "{ttl:?} is outside {shortest:?} to {longest:?}"
            );
        }
        // It expired on its way here: kept as short as possible, or not sent.
        let mut notification = sample::notification();
        notification.expires_at = Some(sample::NOW);
        assert!(stage.clock.now() > sample::NOW);
        if let Some(shown) = shown_or_refused(&stage, 50, notification).await {
            let least = shortest.max(vendor.ttl_unit);
            let kept = shown.kept(stage.clock.now()).unwrap_or_default();
            assert!(kept <= least, "it has expired, but is kept {kept:?}");
        }
    });
}

/// A later notification with the same key replaces an earlier one; one with another key does not.
pub fn a_collapse_key_distinguishes_conversations(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        if !stage.provider.capabilities().collapse {
            return;
        }
        let long = |last: char| format!("c2c-{}{last}", "x".repeat(59));
        let keys = [
            "a".to_owned(),
            "b".to_owned(),
            long('1'),
            long('2'),
            "你好/;\"".to_owned(),
        ];
        let mut seen: Vec<String> = Vec::new();
        for key in &keys {
            let mut twice = Vec::new();
            for number in [0, 1] {
                let mut notification = sample::notification();
                notification.collapse.clone_from(key);
                let shown = shown_or_refused(&stage, number, notification).await;
                let shown = shown.expect("it is sent").collapse;
                twice.push(shown.expect("`shown.collapse`: every push has a key"));
            }
            assert_eq!(twice[0], twice[1], "one key, one form");
            assert!(!seen.contains(&twice[0]), "two conversations have one key");
            seen.push(twice.remove(0));
        }
    });
}

/// Every kind and slot that the capabilities claim is sent; others are refused before anything is sent. A background push
/// shows nothing.
pub fn each_kind_of_push_is_sent_as_such_or_refused(vendor: &Vendor) {
    const KINDS: [NotificationKind; 4] = [
        NotificationKind::Alert,
        NotificationKind::Background,
        NotificationKind::Voip,
        NotificationKind::LiveActivity,
    ];
    block_on(async {
        let stage = Stage::new(vendor).await;
        let can = stage.provider.capabilities();
        for (number, kind) in KINDS.into_iter().enumerate() {
            let slot = match kind {
                NotificationKind::Voip => Slot::Voip,
                NotificationKind::LiveActivity => Slot::LiveActivity,
                _ => Slot::Alert,
            };
            let mut notification = sample::notification();
            notification.kind = kind;
            let mut batch = plain(notification, [stage.token(number)]);
            batch.slot = slot;
            if !can.kinds.contains(&kind) || !can.slots.contains(&slot) {
                refuses(&stage, batch).await;
            } else if kind != NotificationKind::LiveActivity {
                // A Live Activity's content is the app's own, and needs vendor fields.
                let shown = stage.shown(batch.clone()).await;
                if kind == NotificationKind::Background {
                    fits(vendor, &batch, &shown);
                }
            }
        }
        for slot in Slot::ALL {
            if !can.slots.contains(slot) {
                let mut batch = plain(sample::notification(), [stage.token(9)]);
                batch.slot = *slot;
                refuses(&stage, batch).await;
            }
        }
    });
}

async fn refuses(stage: &Stage<'_>, batch: Batch) {
    let what = format!(
        "{:?} to {:?}",
        batch.content().map(|content| content.notification.kind),
        batch.slot
    );
    let before = stage.sent().len();
    let verdict = stage.send(batch).await.remove(0);
    assert_eq!(
        verdict.kind,
        VerdictKind::PayloadRefused,
        "{what}, which is no capability: {verdict:?}"
    );
    assert_eq!(stage.sent().len(), before, "{what} was sent");
}

/// Quotes, braces, line ends and header syntax in every field that people or apps write, and in tokens.
pub fn what_people_write_cannot_break_out_of_its_field(vendor: &Vendor) {
    const PROBES: &[&str] = &[
        r#"","injected":"1","#,
        r#"\",\"injected\":\"1\""#,
        "a\r\nx-injected: 1\r\n\r\n",
        "a\nb\u{0}\u{7f}\u{85}\u{2028}\u{1F600}",
        "&injected=1#?/../%2e%2e/%0d%0ax-injected:1",
        r#"{"injected":1}"#,
        "]]>--><injected/>",
    ];
    block_on(async {
        let stage = Stage::new(vendor).await;
        for probe in PROBES {
            let text = || (*probe).to_owned();
            let notification = Notification::default().with_title(text()).with_subtitle(text()).with_body(text()).with_ext(json!({ "entity": { "version": 1, "chatType": 1, "action": 1, "sender": probe } })
                    .to_string()).with_sound(Sound::Named(text())).with_image(text()).with_thread(text()).with_collapse(text()).with_expires_at(sample::NOW + Duration::from_secs(60));
            // What is no header is refused and nothing else; what is no payload, too.
            let good = plain(notification.clone(), [stage.token(0)]);
            sample::send(&stage.provider, good).await;
            if DeviceToken::new(text()).is_ok() {
                let odd = plain(sample::notification(), [text()]);
                let verdicts = sample::send(&stage.provider, odd).await;
                assert_eq!(verdicts.len(), 1);
            }
        }
        let requests = stage.server.log().requests();
        for request in &requests {
            assert!(request.headers.get("x-injected").is_none());
            let query = request.uri.query().unwrap_or_default();
            assert!(!form_key(query.as_bytes()), "into the query");
            let body = &request.body;
            let kind = request.header("content-type").unwrap_or_default();
            if kind.contains("json") {
                let json: Value = serde_json::from_slice(body).expect("the body is JSON");
                assert!(!json_key(&json), "into the JSON");
            } else if kind.contains("form") {
                assert!(!form_key(body), "into the form");
            }
        }
    });
}

/// Whether an object in `json` has the key that the probes try to write. What is text stays text.
fn json_key(json: &Value) -> bool {
    match json {
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| key.contains("injected") || json_key(value)),
        Value::Array(list) => list.iter().any(json_key),
        _ => false,
    }
}

fn form_key(form: &[u8]) -> bool {
    form.split(|byte| *byte == b'&')
        .any(|pair| pair.starts_with(b"injected"))
}
