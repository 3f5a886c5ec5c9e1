//! The statements. Each fails with what the vendor said and what the provider made of it.
use std::{collections::HashMap, sync::Arc, time::Duration};

use config::{File, FileFormat};
use push_core::{
    Badge, BuildContext, Clock, DeviceToken, ErrorKind, Kind as _, Notification, ProviderKind,
    RawConfig, Registry, Retry, Sound, VendorAnswer, Verdict, VerdictKind,
};
use serde_json::{Value, json};

use super::{
    Vendor,
    stage::{Stage, build, raw},
};
use crate::{Authority, Recorded, Reply, block_on, sample, until};

// ---- The plugin ----

/// The example builds. A key that ends in `_file` stands for its content, which comes from the suite's configuration.
pub fn the_example_configuration_is_complete(vendor: &Vendor) {
    let example = vendor.descriptor.example;
    let mut json: Value = config::Config::builder()
        .add_source(File::from_str(example, FileFormat::Toml))
        .build()
        .and_then(config::Config::try_deserialize)
        .expect("the example is TOML");
    let ours = vendor.any_config();
    let table = json.as_object_mut().expect("the example is a table");
    for key in table.keys().cloned().collect::<Vec<_>>() {
        let Some(name) = key.strip_suffix("_file") else {
            continue;
        };
        let content = ours[name].clone();
        assert!(
            !content.is_null(),
            "the example has `{key}`: give `{name}` in the suite's `config`"
        );
        table.remove(&key);
        table.insert(name.to_owned(), content);
    }
    build(vendor, &json, &sample::clock());
}

/// A slip in a key is an error that names the key, not a setting that is silently missing.
pub fn an_unknown_key_is_refused_by_name(vendor: &Vendor) {
    let mut config = vendor.any_config();
    config["no_such_key_at_all"] = json!(1);
    let context = BuildContext::new(Arc::new(sample::clock()));
    let error = vendor
        .descriptor
        .build(raw(&config), &context)
        .expect_err("an unknown key is refused");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("no_such_key_at_all"), "{error}");
    assert!(
        error.to_string().contains(vendor.descriptor.name),
        "{error}"
    );
    let text = format!("{error} {error:?} {error:#?}");
    for secret in &vendor.secrets {
        assert!(!text.contains(secret.as_str()), "the error shows a secret");
    }
}

/// The linker's list, `PLUGIN` and [`push_core::Plugin::NAME`] speak of the same plugin.
pub fn it_is_registered_under_its_name(vendor: &Vendor) {
    let plugin = vendor.descriptor.any();
    let linked = Registry::linked(&[plugin]).expect("linked and named are one plugin");
    let found = linked.by_id(&plugin.id()).expect("it is in the registry");
    assert_eq!(found.kind(), ProviderKind::LABEL);
    let context = BuildContext::new(Arc::new(sample::clock()));
    let config = vendor.any_config();
    linked
        .build::<ProviderKind>(plugin.name(), raw(&config), &context)
        .expect("it is built by its name");
    let alone = Registry::linked(&[]).expect("no name is taken twice");
    assert!(
        alone.by_id(&plugin.id()).is_some(),
        "write register_plugin! at the root of the crate"
    );
}

/// A configuration can be checked where there is neither a runtime nor a network.
pub fn building_it_touches_neither_runtime_nor_network(vendor: &Vendor) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    listener.set_nonblocking(true).expect("a socket's mode");
    let address = listener.local_addr().expect("a bound socket");
    let endpoint = format!("https://localhost:{}", address.port());
    let provider = build(
        vendor,
        &vendor.configured(&endpoint, &Authority::new().pem()),
        &sample::clock(),
    );
    assert!(!format!("{provider:?}").is_empty());
    let error = listener.accept().expect_err("nobody connects");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    assert!(
        vendor
            .descriptor
            .build(
                RawConfig::empty(),
                &BuildContext::new(Arc::new(sample::clock()))
            )
            .is_err(),
        "a credential is required"
    );
}

/// What it says it can do can be done, and its channel is that of its name.
pub fn its_capabilities_make_sense(vendor: &Vendor) {
    let config = vendor.any_config();
    let provider = build(vendor, &config, &sample::clock());
    let can = provider.capabilities();
    assert!((1..=10_000).contains(&can.max_batch), "{can:?}");
    assert!((256..=1024 * 1024).contains(&can.max_payload), "{can:?}");
    assert!(!can.slots.is_empty(), "{can:?}");
    assert!(can.text.title > 0 && can.text.body > 0, "{can:?}");
    assert!(can.max_ttl.is_none_or(|it| it > Duration::ZERO), "{can:?}");
    let (name, channel) = (vendor.descriptor.name, can.channel.as_str());
    assert!(
        name == channel || name.starts_with(&format!("{channel}-")),
        "the plugin {name} speaks {channel}"
    );
}

// ---- Acceptance ----

/// For 1, 2 and the most targets, over every protocol: each is accepted, and each token is on the wire exactly once.
pub fn every_target_is_sent_once_and_has_one_verdict(vendor: &Vendor) {
    for alpn in &vendor.protocols {
        block_on(async {
            let stage = Stage::with(vendor, *alpn).await;
            let most = stage.provider.capabilities().max_batch;
            let mut first = 0;
            for targets in [1, 2.min(most), most] {
                let tokens: Vec<String> = (first..first + targets)
                    .map(|it| (vendor.token)(it))
                    .collect();
                first += targets;
                let before = vendor.sends(stage.server.log()).len();
                let batch = sample::batch(sample::notification(), tokens.clone());
                for verdict in sample::send(&stage.provider, batch).await {
                    assert_eq!(verdict.kind, VerdictKind::Accepted, "{alpn:?}: {verdict:?}");
                    assert_eq!(verdict.retry, Retry::Never);
                }
                let sent = vendor.sends(stage.server.log());
                once_each(vendor, &tokens, &sent[before..]);
            }
        });
    }
}

fn once_each(vendor: &Vendor, tokens: &[String], requests: &[Recorded]) {
    let mut seen: HashMap<String, usize> =
        tokens.iter().map(|it| ((vendor.seen_as)(it), 0)).collect();
    assert_eq!(seen.len(), tokens.len(), "the suite's tokens differ");
    for request in requests {
        let text = format!("{} {}", request.uri, String::from_utf8_lossy(&request.body));
        for (token, times) in &mut seen {
            *times += text.matches(token.as_str()).count();
        }
    }
    let wrong: Vec<usize> = seen.into_values().filter(|it| *it != 1).collect();
    assert!(
        wrong.is_empty(),
        "tokens on the wire not once but: {wrong:?}"
    );
}

/// No target, no request.
pub fn an_empty_batch_asks_nobody(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let nobody = sample::batch(sample::notification(), Vec::<String>::new());
        assert!(sample::send(&stage.provider, nobody).await.is_empty());
        assert_eq!(vendor.sends(stage.server.log()).len(), 0);
    });
}

// ---- Answers ----

fn each(list: &[Reply], mut judge: impl FnMut(&Reply, &Verdict), vendor: &Vendor) {
    assert!(!list.is_empty(), "the key has no answer in it");
    block_on(async {
        for reply in list {
            let stage = Stage::new(vendor).await;
            let verdict = stage.answered(reply).await;
            judge(reply, &verdict);
            assert!(!format!("{verdict:?}").contains(&(vendor.token)(0)));
            // The next one starts from a clean slate: an answer about one token blocks nobody else.
            stage.sends.clear();
            let next = sample::send_one(&stage.provider, &(vendor.token)(1)).await;
            assert_eq!(
                next.kind,
                VerdictKind::Accepted,
                "after {reply:?}: {next:?}"
            );
        }
    });
}

fn costs_no_token(verdict: &Verdict) {
    assert!(
        !matches!(
            verdict.kind,
            VerdictKind::TokenDead { .. } | VerdictKind::TokenMismatch(_)
        ),
        "this costs a token: {verdict:?}"
    );
}

/// [`Vendor::token_dead`]
pub fn a_dead_token_is_dead_and_never_tried_again(vendor: &Vendor) {
    let judge = |reply: &Reply, verdict: &Verdict| {
        let dead = matches!(verdict.kind, VerdictKind::TokenDead { .. });
        assert!(dead, "{reply:?} gives {verdict:?}");
        assert_eq!(verdict.retry, Retry::Never);
    };
    each(&vendor.token_dead, judge, vendor);
}

/// [`Vendor::token_mismatch`]
pub fn a_token_of_another_app_is_set_aside_and_not_dead(vendor: &Vendor) {
    let judge = |reply: &Reply, verdict: &Verdict| {
        let mismatch = matches!(verdict.kind, VerdictKind::TokenMismatch(_));
        assert!(mismatch, "{reply:?} gives {verdict:?}");
        assert_eq!(verdict.retry, Retry::Never);
    };
    each(&vendor.token_mismatch, judge, vendor);
}

/// [`Vendor::credential_refused`]
pub fn a_refused_credential_never_costs_a_token(vendor: &Vendor) {
    let judge = |reply: &Reply, verdict: &Verdict| {
        assert_eq!(
            verdict.kind,
            VerdictKind::CredentialRefused,
            "{reply:?} gives {verdict:?}"
        );
    };
    each(&vendor.credential_refused, judge, vendor);
}

/// [`Vendor::payload_refused`]
pub fn a_refused_payload_is_never_tried_again(vendor: &Vendor) {
    let judge = |reply: &Reply, verdict: &Verdict| {
        assert_eq!(
            verdict.kind,
            VerdictKind::PayloadRefused,
            "{reply:?} gives {verdict:?}"
        );
        assert_eq!(verdict.retry, Retry::Never);
    };
    each(&vendor.payload_refused, judge, vendor);
}

fn obeys(reply: &Reply, verdict: &Verdict) {
    let seconds = reply.header_value("retry-after").map(str::parse);
    if let Some(Ok(seconds)) = seconds {
        let after = Retry::After(Duration::from_secs(seconds));
        assert_eq!(verdict.retry, after, "{reply:?} gives {verdict:?}");
    } else {
        assert_ne!(verdict.retry, Retry::Never, "{reply:?} gives {verdict:?}");
    }
}

/// [`Vendor::rate_limited`]; also with a `retry-after` that makes no sense.
pub fn a_limit_is_obeyed_for_as_long_as_the_vendor_says(vendor: &Vendor) {
    let judge = |reply: &Reply, verdict: &Verdict| {
        let limited = matches!(verdict.kind, VerdictKind::RateLimited(_));
        assert!(limited, "{reply:?} gives {verdict:?}");
        obeys(reply, verdict);
    };
    each(&vendor.rate_limited, judge, vendor);
    let odd: Vec<Reply> = ["", "-5", "soon", "99999999999999999999"]
        .iter()
        .map(|value| {
            vendor.rate_limited[0]
                .clone()
                .without_header("retry-after")
                .header("retry-after", value)
        })
        .collect();
    let judge = |reply: &Reply, verdict: &Verdict| {
        let limited = matches!(verdict.kind, VerdictKind::RateLimited(_));
        assert!(limited, "{reply:?} gives {verdict:?}");
        match verdict.retry {
            Retry::Backoff => {}
            Retry::After(it) => assert!(it <= Retry::MAX_AFTER, "{verdict:?}"),
            Retry::Never => panic!("{reply:?} gives {verdict:?}"),
        }
    };
    each(&odd, judge, vendor);
}

/// [`Vendor::retry_after_dates`]
pub fn a_date_in_retry_after_is_understood(vendor: &Vendor) {
    let wait = Duration::from_secs(120);
    let at = sample::clock().now() + wait;
    let at = std::time::UNIX_EPOCH + Duration::from_millis(at.unix_millis().unsigned_abs());
    let reply = vendor
        .rate_limited
        .first()
        .expect("`retry_after_dates` needs `rate_limited`")
        .clone()
        .without_header("retry-after")
        .header("retry-after", &httpdate::fmt_http_date(at));
    let judge = |reply: &Reply, verdict: &Verdict| {
        assert_eq!(
            verdict.retry,
            Retry::After(wait),
            "{reply:?} gives {verdict:?}"
        );
    };
    each(&[reply], judge, vendor);
}

/// [`Vendor::unavailable`]
pub fn an_outage_passes_and_costs_no_token(vendor: &Vendor) {
    let judge = |reply: &Reply, verdict: &Verdict| {
        assert_eq!(
            verdict.kind,
            VerdictKind::Unavailable,
            "{reply:?} gives {verdict:?}"
        );
        obeys(reply, verdict);
    };
    each(&vendor.unavailable, judge, vendor);
}

/// [`Vendor::unknown`]
pub fn an_answer_nobody_knows_is_kept_word_for_word_and_costs_no_token(vendor: &Vendor) {
    let (reply, code) = vendor.unknown.clone().expect("`unknown` is there");
    let judge = |reply: &Reply, verdict: &Verdict| {
        costs_no_token(verdict);
        assert_ne!(verdict.kind, VerdictKind::Accepted, "{reply:?}");
        assert_eq!(verdict.answer.code, code, "{reply:?} gives {verdict:?}");
        assert_eq!(verdict.answer.status, reply.status());
    };
    each(&[reply], judge, vendor);
}

/// Truncated, empty, non-JSON, huge and deeply nested bodies on 200, 400 and 500.
pub fn a_body_that_cannot_be_read_costs_no_token(vendor: &Vendor) {
    let nested = "[".repeat(50_000);
    let bodies = [
        "",
        "null",
        "[]",
        "\"\"",
        "0",
        "{",
        "{}",
        "<html>502</html>",
        "\u{0}\u{feff}",
        r#"{"error":0,"code":{},"reason":[],"result":"x","data":7,"message":null}"#,
        nested.as_str(),
    ];
    block_on(async {
        let stage = Stage::new(vendor).await;
        for status in [200, 400, 500] {
            for body in bodies {
                let whole = Reply::from((status, body));
                let verdict = stage.answered(&whole).await;
                costs_no_token(&verdict);
                let ok = match status {
                    200 => matches!(verdict.kind, VerdictKind::Accepted | VerdictKind::Unknown),
                    500 => matches!(
                        verdict.kind,
                        VerdictKind::Unavailable | VerdictKind::Unknown
                    ),
                    _ => verdict.kind != VerdictKind::Accepted,
                };
                assert!(ok, "{whole:?} gives {verdict:?}");
            }
            let half = Reply::new(status).body("{\"name\":\"x\"}").truncated();
            let verdict = stage.answered(&half).await;
            costs_no_token(&verdict);
            assert_ne!(
                verdict.kind,
                VerdictKind::Accepted,
                "{half:?} gives {verdict:?}"
            );
        }
        let invalid = Reply::new(500).body(&b"\xff\xfe{\"\xc3\x28\"}"[..]);
        costs_no_token(&stage.answered(&invalid).await);
        let huge = Reply::new(200).body(vec![b' '; 8 * 1024 * 1024]);
        let verdict = stage.answered(&huge).await;
        costs_no_token(&verdict);
    });
}

// ---- The way ----

/// Nobody listens, from the beginning or any more.
pub fn a_vendor_that_cannot_be_reached_is_unavailable(vendor: &Vendor) {
    block_on(async {
        // Bound and not listening: the port is ours, and refuses.
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(crate::LOOPBACK).expect("loopback can be bound");
        let port = socket.local_addr().expect("a bound socket").port();
        let config = vendor.configured(
            &format!("https://localhost:{port}"),
            &Authority::new().pem(),
        );
        let provider = build(vendor, &config, &sample::clock());
        let verdict = sample::send_one(&provider, &(vendor.token)(0)).await;
        assert_eq!(verdict.kind, VerdictKind::Unavailable, "{verdict:?}");
        assert_ne!(verdict.retry, Retry::Never);
        let error = provider.verify().await.expect_err("nobody answers");
        assert!(error.is_transient(), "{error}");
        // It was there, granted access, and went away.
        let Stage {
            server, provider, ..
        } = Stage::new(vendor).await;
        let verdict = sample::send_one(&provider, &(vendor.token)(0)).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        server.stop().await;
        for _ in 0..200 {
            // The client sees for itself that its connection is gone.
            tokio::task::yield_now().await;
        }
        let verdict = sample::send_one(&provider, &(vendor.token)(1)).await;
        assert_eq!(verdict.kind, VerdictKind::Unavailable, "{verdict:?}");
        assert_ne!(verdict.retry, Retry::Never);
    });
}

/// The vendor read the request, and was gone.
pub fn a_connection_that_breaks_after_the_request_leaves_the_verdict_unknown(vendor: &Vendor) {
    for alpn in &vendor.protocols {
        block_on(async {
            let stage = Stage::with(vendor, *alpn).await;
            let verdict = stage.answered(&Reply::reset()).await;
            assert_eq!(verdict.kind, VerdictKind::Unknown, "{alpn:?}: {verdict:?}");
            assert_ne!(verdict.retry, Retry::Never);
            let sent = vendor.sends(stage.server.log()).len();
            assert_eq!(
                sent, 1,
                "it was sent again, though it may have been delivered"
            );
        });
    }
}

/// The vendor read the request, and says nothing.
pub fn silence_ends_at_the_deadline_with_an_unknown_verdict(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        stage.sends.always(Reply::silence());
        let batch = sample::batch(sample::notification(), [(vendor.token)(0)]);
        let (task, collected) = stage.begin(batch);
        stage.wait_for_sends(1).await;
        stage.let_time_pass(&task).await;
        let verdict = collected.get(0).expect("there is a verdict");
        assert_eq!(verdict.kind, VerdictKind::Unknown, "{verdict:?}");
        assert_ne!(verdict.retry, Retry::Never);
    });
}

/// A send whose future drops: the targets are unknown, the provider goes on.
pub fn a_send_given_up_midway_accounts_for_every_target_and_harms_no_other(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        stage.sends.next(Reply::silence());
        let targets = 2.min(stage.provider.capabilities().max_batch);
        let tokens = (0..targets).map(|it| (vendor.token)(it));
        let (task, collected) = stage.begin(sample::batch(sample::notification(), tokens));
        stage.wait_for_sends(1).await;
        task.abort();
        until(|| task.is_finished()).await;
        assert_eq!(collected.verdicts().len(), targets);
        let unknown = |at| {
            collected
                .get(at)
                .is_some_and(|it| it.kind == VerdictKind::Unknown)
        };
        assert!((0..targets).any(unknown), "{collected:?}");
        stage.sends.clear();
        let next = sample::send_one(&stage.provider, &(vendor.token)(9)).await;
        assert_eq!(next.kind, VerdictKind::Accepted, "{next:?}");
    });
}

// ---- Content ----

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
                badge: Badge::Set(1),
                sound: Sound::Named(text()),
                image: text(),
                thread: text(),
                collapse: text(),
                expires_at: Some(stage.clock.now() + Duration::from_secs(60)),
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

// ---- Authentication ----

/// [`push_core::Provider::verify`] says yes when the vendor does, and an error when nobody speaks.
pub fn verify_tells_a_good_credential_from_silence(vendor: &Vendor) {
    block_on(async {
        let good = match vendor.verify_accepted.as_slice() {
            [] => vec![vendor.ok_reply()],
            some => some.to_vec(),
        };
        for reply in good {
            let stage = Stage::new(vendor).await;
            stage.sends.always(reply.clone());
            let health = stage.provider.verify().await.expect("the vendor answers");
            assert!(health.accepted, "{reply:?} gives {health:?}");
            assert!(!health.evidence.is_empty());
            assert!(stage.server.log().total() > 0, "nobody was asked");
            assert!(!health.evidence.contains(&(vendor.token)(0)));
        }
        for reply in &vendor.unavailable {
            let stage = Stage::new(vendor).await;
            stage.sends.always(reply.clone());
            stage.auth.always(reply.clone());
            let error = stage.provider.verify().await;
            let error = error.expect_err("an outage is no answer about the credential");
            assert!(error.is_transient(), "{reply:?} gives {error}");
        }
    });
}

/// [`push_core::Provider::verify`] reports a refusal as such, not as an error.
pub fn verify_reports_a_refused_credential(vendor: &Vendor) {
    block_on(async {
        for (list, at_auth) in [
            (&vendor.credential_refused, false),
            (&vendor.auth_refused, true),
        ] {
            for reply in list {
                let stage = Stage::new(vendor).await;
                let script = if at_auth { &stage.auth } else { &stage.sends };
                script.always(reply.clone());
                let health = stage.provider.verify().await.expect("the vendor answers");
                assert!(!health.accepted, "{reply:?} gives {health:?}");
                assert!(!health.evidence.is_empty());
            }
        }
    });
}

/// [`Vendor::auth`]: no thundering herd.
pub fn one_access_token_serves_every_concurrent_send(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let tasks: Vec<_> = (0..100)
            .map(|it| {
                let token = (vendor.token)(it);
                stage.begin(sample::batch(sample::notification(), [token]))
            })
            .collect();
        for (task, collected) in tasks {
            task.await.expect("a send does not panic");
            let verdict = collected.get(0).expect("there is a verdict");
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        }
        assert_eq!(fetched(&stage), 1);
    });
}

fn fetched(stage: &Stage<'_>) -> usize {
    let mut requests = stage.server.log().requests();
    requests.retain(|it| stage.vendor.is_auth(it.uri.path()));
    requests.len()
}

/// [`Vendor::auth`]: whoever fetches the access token for all may be dropped.
pub fn a_send_given_up_while_authenticating_does_not_block_the_next(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        stage.auth.next(Reply::silence());
        let begin = |number: usize| {
            let token = (vendor.token)(number);
            stage.begin(sample::batch(sample::notification(), [token]))
        };
        let (first, given_up) = begin(0);
        until(|| fetched(&stage) == 1).await;
        let (second, waited) = begin(1);
        tokio::task::yield_now().await;
        first.abort();
        // It may ask again at once, or sit out the silent request until its deadline.
        stage.let_time_pass(&second).await;
        let verdict = waited.get(0).expect("there is a verdict");
        let fair = matches!(
            verdict.kind,
            VerdictKind::Accepted | VerdictKind::Unavailable
        );
        assert!(fair, "{verdict:?}");
        assert_eq!(given_up.verdicts().len(), 1);
        let next = sample::send_one(&stage.provider, &(vendor.token)(2)).await;
        assert_eq!(next.kind, VerdictKind::Accepted, "{next:?}");
    });
}

/// [`Vendor::auth`]: without access nothing is sent, and nothing is lost.
pub fn a_token_endpoint_that_fails_costs_no_token(vendor: &Vendor) {
    let failures = [
        Reply::new(500),
        Reply::new(503).body("<html>"),
        Reply::new(200),
        Reply::from((200, "{}")),
        Reply::from((200, "not json")),
        Reply::from((
            200,
            r#"{"access_token":"a\r\nx-injected: 1","expires_in":3600}"#,
        )),
        Reply::new(200).body("{\"a\":1}").truncated(),
        Reply::reset(),
    ];
    block_on(async {
        for reply in failures {
            let stage = Stage::new(vendor).await;
            stage.auth.always(reply.clone());
            let verdict = sample::send_one(&stage.provider, &(vendor.token)(0)).await;
            let safe = matches!(
                verdict.kind,
                VerdictKind::Unavailable | VerdictKind::CredentialRefused
            );
            assert!(safe, "{reply:?} gives {verdict:?}");
            assert_ne!(verdict.retry, Retry::Never);
            assert_eq!(vendor.sends(stage.server.log()).len(), 0);
            stage.auth.clear();
            let next = sample::send_one(&stage.provider, &(vendor.token)(1)).await;
            assert_eq!(
                next.kind,
                VerdictKind::Accepted,
                "after {reply:?}: {next:?}"
            );
        }
    });
}

/// [`Vendor::auth_refused`]
pub fn a_credential_refused_by_the_token_endpoint_never_costs_a_token(vendor: &Vendor) {
    block_on(async {
        for reply in &vendor.auth_refused {
            let stage = Stage::new(vendor).await;
            stage.auth.always(reply.clone());
            let verdict = sample::send_one(&stage.provider, &(vendor.token)(0)).await;
            assert_eq!(
                verdict.kind,
                VerdictKind::CredentialRefused,
                "{reply:?} gives {verdict:?}"
            );
            assert_eq!(vendor.sends(stage.server.log()).len(), 0);
        }
    });
}

/// [`Vendor::access_expired`] (S120)
pub fn an_expired_access_token_is_renewed_once_and_the_request_sent_again(vendor: &Vendor) {
    let expired = vendor.access_expired.clone().expect("it is there");
    block_on(async {
        let stage = Stage::new(vendor).await;
        stage.sends.next(expired.clone());
        let verdict = sample::send_one(&stage.provider, &(vendor.token)(0)).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        assert_eq!(fetched(&stage), 2);
        let sent = vendor.sends(stage.server.log());
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0].body, sent[1].body);
        // It never helps: one more try, and then the operator's turn.
        let verdict = stage.answered(&expired).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused, "{verdict:?}");
        assert_eq!(vendor.sends(stage.server.log()).len(), 4);
        assert!(fetched(&stage) <= 3, "fetched {} times", fetched(&stage));
    });
}
