//! What is sent, and what must not be seen.
use std::time::Duration;

use push_core::{DeviceToken, Notification, Retry, Sound, VendorAnswer, VerdictKind};
use serde_json::{Value, json};

use crate::conformance::{Vendor, stage::Stage};
use crate::{Authority, Reply, block_on, sample};

/// An `ext` beyond the limit: it is never shortened, so nothing can be sent.
pub fn what_is_too_large_is_refused_before_anything_is_sent(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let mut notification = sample::notification();
        let most = stage.provider.capabilities().max_payload;
        notification.ext = json!({ "entity": { "sender": "x".repeat(most) } }).to_string();
        let targets = 2.min(stage.provider.capabilities().max_batch);
        let tokens = (0..targets).map(|it| (vendor.token)(it));
        for verdict in sample::send(&stage.provider, sample::batch(notification, tokens)).await {
            assert_eq!(verdict.kind, VerdictKind::PayloadRefused, "{verdict:?}");
            assert_eq!(verdict.retry, Retry::Never);
            assert!(!verdict.answer.text.is_empty(), "it says why");
        }
        assert_eq!(stage.server.log().total(), 0);
    });
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
            let notification = Notification {
                title: text(),
                subtitle: text(),
                body: text(),
                ext: json!({ "entity": { "version": 1, "chatType": 1, "action": 1, "sender": probe } })
                    .to_string(),
                sound: Sound::Named(text()),
                image: text(),
                thread: text(),
                collapse: text(),
                expires_at: Some(sample::NOW + Duration::from_secs(60)),
                ..Notification::default()
            };
            // What is no header is refused and nothing else; what is no payload, too.
            let token = (vendor.token)(0);
            let good = sample::batch(notification.clone(), [token]);
            sample::send(&stage.provider, good).await;
            if DeviceToken::new(text()).is_ok() {
                let odd = sample::batch(sample::notification(), [text()]);
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
    form.split(|it| *it == b'&')
        .any(|pair| pair.starts_with(b"injected"))
}

/// Neither the configuration, nor the provider, nor a verdict shows a token, a text or a secret.
pub fn nothing_secret_shows_in_debug_output(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let token = (vendor.token)(0);
        let config = vendor.configured(&stage.server.url(), &Authority::new().pem());
        let mut shown = (vendor.show_config)(config).expect("the configuration reads");
        let known = [
            &vendor.token_dead,
            &vendor.token_mismatch,
            &vendor.credential_refused,
            &vendor.payload_refused,
            &vendor.rate_limited,
            &vendor.unavailable,
        ];
        // A vendor that repeats the token to us, once where our bound on its words cuts it in two.
        let cut = VendorAnswer::MAX_BYTES - token.len().min(200) + 2;
        let echoes = [0, cut].map(|from| {
            let text = format!("{}{token} is no token", " ".repeat(from));
            Reply::new(400).json(json!({
                "error": { "code": 400, "message": text, "status": text },
                "reason": text, "code": text, "msg": text, "message": text, "result": text,
            }))
        });
        let replies = known
            .into_iter()
            .flatten()
            .cloned()
            .chain([vendor.ok_reply(), Reply::reset()]);
        for reply in replies {
            let verdict = stage.answered(&reply).await;
            let health = stage.provider.verify().await;
            shown += &format!("{verdict:?}\n{verdict:#?}\n{health:?}\n");
            shown += &health
                .err()
                .map_or_else(String::new, |error| error.to_string());
        }
        for reply in echoes {
            shown += &format!("{:?}\n", stage.answered(&reply).await);
        }
        shown += &format!("{:?}\n{:#?}", stage.provider, stage.provider);
        let texts = [sample::TITLE, sample::BODY].map(str::to_owned);
        let seen = (vendor.seen_as)(&token);
        // Most of a token is as good as a token.
        let most = token[..token.len() * 3 / 4].to_owned();
        let tokens = [&token, &seen, &most];
        for secret in vendor.secrets.iter().chain(&texts).chain(tokens) {
            if let Some(at) = shown.find(secret.as_str()) {
                let line = shown[..at].lines().last().unwrap_or_default();
                panic!("{secret:?} shows after {line:?}");
            }
        }
    });
}
