//! The provider against the simulated Huawei and its phones.
use std::{collections::HashSet, sync::Arc, time::Duration};

use push_core::{
    Badge, Batch, BuildContext, Channel, Clock, DynProvider, ManualClock, Notification,
    NotificationKind, Priority, RawConfig, Retry, Scope, Secret, Slot, Sound, VerdictKind,
    payload::ClickTarget,
};
use push_provider_huawei::{
    PLUGIN,
    simulator::{App, Options, Phone, Simulator, TOKEN_KEY},
};
use push_testkit::{
    Reply, block_on, json, sample,
    serde_json::{self, Value},
};

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };

fn build(config: &Value, clock: &ManualClock) -> DynProvider {
    let raw = RawConfig::from_json(config).expect("the configuration is an object");
    PLUGIN
        .build(raw, &BuildContext::new(Arc::new(clock.clone())))
        .expect("the configuration is right")
}

/// The simulated Huawei, a provider for its first app, and the clock of both.
struct Stage {
    huawei: Simulator,
    provider: DynProvider,
    clock: ManualClock,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        Self::configured(options, |_| {}).await
    }

    async fn configured(options: Options, change: impl FnOnce(&mut Value)) -> Self {
        let clock = sample::clock();
        let huawei = Simulator::start(options.with_clock(Arc::new(clock.clone())))
            .await
            .expect("loopback can be bound");
        let mut config = huawei.config();
        change(&mut config);
        Self {
            provider: build(&config, &clock),
            huawei,
            clock,
        }
    }

    async fn send(&self, notification: Notification, phones: &[&Phone]) -> Vec<VerdictKind> {
        let tokens: Vec<&str> = phones.iter().map(|it| it.token()).collect();
        self.send_to(notification, &tokens).await
    }

    async fn send_to(&self, notification: Notification, tokens: &[&str]) -> Vec<VerdictKind> {
        let batch = sample::batch(notification, tokens.iter().copied());
        let verdicts = sample::send(&self.provider, batch).await;
        verdicts.into_iter().map(|it| it.kind).collect()
    }

    /// Sends to one phone, which gets it, and gives `message.android` as it arrived.
    async fn android(&self, notification: Notification) -> Value {
        let phone = self.huawei.install();
        let kinds = self.send(notification, &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
        phone.arrivals().remove(0).android
    }

    /// The token lists of every push so far.
    fn token_lists(&self) -> Vec<Vec<String>> {
        let mut requests = self.huawei.log().requests();
        requests.retain(|it| it.uri.path() != TOKEN_KEY);
        requests
            .iter()
            .map(|it| {
                let tokens = it.json()["message"]["token"].clone();
                serde_json::from_value(tokens).expect("a list of tokens")
            })
            .collect()
    }
}

fn with_body(body: &str) -> Notification {
    Notification {
        body: body.into(),
        ..sample::notification()
    }
}

// ---- What arrives ----

#[test]
fn a_notification_arrives_word_for_word_and_a_tap_opens_the_chat() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        let kinds = stage.send(sample::notification(), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
        let arrived = phone.wait_for(1).await.expect("it arrived");
        assert_eq!(arrived.title, sample::TITLE);
        assert_eq!(arrived.body, sample::BODY);
        assert!(arrived.sounds);
        assert_eq!(phone.badge(), 3);
        assert_eq!(arrived.android["category"], "IM");
        assert_eq!(arrived.android["notification"]["group"], "ann");
        // The second copy of `ext`, for apps that read `data`.
        let data: Value = serde_json::from_str(&arrived.data).unwrap();
        assert_eq!(data["ext"], sample::EXT);

        let opened = phone.tap_newest().expect("a tap opens the app");
        assert_eq!(opened.ext(), sample::EXT);
        assert_eq!(
            opened.component.as_deref(),
            Some("com.example.im/.ChatActivity")
        );
        let payload = opened.payload();
        let target = payload.target(payload.shape().profile()).unwrap();
        assert!(matches!(target, ClickTarget::User(user) if user.as_str() == "ann"));
        assert!(phone.screen().is_empty(), "what was tapped is gone");
    });
}

#[test]
fn an_ext_of_any_text_reaches_the_intent_unchanged() {
    block_on(async {
        let stage = Stage::new().await;
        for sender in [
            "a;b=c#d%20+e&f",
            "你好，世界 🎈",
            "\"quoted\" \\ / \u{0} \n",
            ";end",
            "S.ext=x;",
        ] {
            let ext =
                json!({ "entity": { "version": 1, "chatType": 1, "action": 1, "sender": sender } });
            let phone = stage.huawei.install();
            let notification = Notification {
                ext: ext.to_string(),
                ..sample::notification()
            };
            stage.send(notification, &[&phone]).await;
            let opened = phone.tap_newest().expect("a tap opens the app");
            assert_eq!(opened.ext(), ext.to_string());
        }
    });
}

#[test]
fn with_an_action_the_ext_travels_in_data() {
    block_on(async {
        let stage = Stage::configured(Options::default(), |config| {
            config["intent"] = json!("");
            config["action"] = json!("com.example.im.OPEN_CHAT");
        })
        .await;
        let phone = stage.huawei.install();
        stage.send(sample::notification(), &[&phone]).await;
        let opened = phone.tap_newest().expect("a tap opens the app");
        assert_eq!(opened.action.as_deref(), Some("com.example.im.OPEN_CHAT"));
        assert_eq!(opened.ext(), sample::EXT);
    });
}

/// S19
#[test]
fn an_ext_that_is_no_json_object_is_refused_in_words_that_name_huawei() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        for ext in ["hello", "[1]", "{"] {
            let notification = Notification {
                ext: ext.into(),
                ..sample::notification()
            };
            let batch = sample::batch(notification, [phone.token()]);
            let verdict = sample::send(&stage.provider, batch).await.remove(0);
            assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
            assert!(verdict.answer.text.contains("Huawei"), "{verdict:?}");
        }
        assert_eq!(stage.huawei.log().total(), 0);
    });
}

/// S124
#[test]
fn a_badge_of_zero_clears_the_number_and_no_badge_leaves_it() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        let badge = |badge| Notification {
            badge,
            ..sample::notification()
        };
        for (sent, shown) in [
            (Badge::Set(7), 7),
            (Badge::Leave, 7),
            (Badge::Set(0), 0),
            (Badge::Set(1234), 99),
        ] {
            stage.send(badge(sent), &[&phone]).await;
            assert_eq!(phone.badge(), shown);
        }
    });
}

#[test]
fn without_a_badge_class_no_badge_is_sent() {
    block_on(async {
        let stage = Stage::configured(Options::default(), |config| {
            config["badge_class"] = json!("");
        })
        .await;
        let android = stage.android(sample::notification()).await;
        assert!(android["notification"].get("badge").is_none());
    });
}

#[test]
fn the_time_to_live_is_what_is_left_on_the_clock_and_at_most_fifteen_days() {
    block_on(async {
        let stage = Stage::new().await;
        let expiring = |at| Notification {
            expires_at: at,
            ..sample::notification()
        };
        let now = stage.clock.now();
        for (at, ttl) in [
            (now + Duration::from_secs(60), json!("60s")),
            (now + Duration::from_millis(1500), json!("2s")),
            (now - Duration::from_secs(5), json!("1s")),
            (now + Duration::from_secs(1_296_000), json!("1296000s")),
            (now + Duration::from_secs(9_999_999), json!("1296000s")),
        ] {
            assert_eq!(stage.android(expiring(Some(at))).await["ttl"], ttl);
        }
        assert!(stage.android(expiring(None)).await.get("ttl").is_none());
    });
}

#[test]
fn a_later_notification_with_the_same_key_replaces_the_earlier_one_on_the_screen() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        for (body, collapse) in [
            ("one", "msg-1"),
            ("two", "msg-2"),
            ("recalled", "msg-1"),
            ("three", ""),
        ] {
            let notification = Notification {
                collapse: collapse.into(),
                ..with_body(body)
            };
            stage.send(notification, &[&phone]).await;
        }
        let bodies: Vec<_> = phone.screen().into_iter().map(|it| it.body).collect();
        assert_eq!(bodies, ["two", "recalled", "three"]);
        assert_eq!(phone.arrived(), 4);
    });
}

#[test]
fn sound_and_urgency_follow_the_notification() {
    block_on(async {
        let stage = Stage::new().await;
        let silent = Notification {
            sound: Sound::Silent,
            ..sample::notification()
        };
        let android = stage.android(silent).await;
        assert_eq!(android["notification"]["importance"], "LOW");
        let low = Notification {
            priority: Priority::Low,
            ..sample::notification()
        };
        let android = stage.android(low).await;
        assert_eq!(android["notification"]["importance"], "LOW");
        let named = Notification {
            sound: Sound::Named("ring.mp3".into()),
            ..sample::notification()
        };
        let android = stage.android(named).await;
        assert_eq!(android["notification"]["sound"], "/raw/ring");
        assert_eq!(android["notification"]["default_sound"], false);
        assert_eq!(android["notification"]["importance"], "NORMAL");
    });
}

#[test]
fn what_lacks_title_or_text_shows_the_other_and_what_lacks_both_is_refused() {
    block_on(async {
        let stage = Stage::new().await;
        for (title, body, shown) in [
            ("", "calls you", ("calls you", "calls you")),
            ("Ann", "", ("Ann", "Ann")),
        ] {
            let notification = Notification {
                title: title.into(),
                ..with_body(body)
            };
            let android = stage.android(notification).await;
            assert_eq!(android["notification"]["title"], shown.0);
            assert_eq!(android["notification"]["body"], shown.1);
        }
        let empty = Notification {
            title: String::new(),
            ..with_body("")
        };
        let phone = stage.huawei.install();
        let kinds = stage.send(empty, &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::PayloadRefused]);
    });
}

/// S100
#[test]
fn fields_for_huawei_are_merged_and_an_empty_category_leaves_the_configured_one() {
    block_on(async {
        let stage = Stage::configured(Options::default(), |config| {
            config["channel_id"] = json!("chat");
        })
        .await;
        let with = |fields| Notification {
            vendor: [(Channel::HUAWEI, fields)].into(),
            ..sample::notification()
        };
        let android = stage
            .android(with(json!({
                "category": "",
                "collapse_key": 7,
                "notification": { "channel_id": "", "style": 1, "big_body": "more" },
            })))
            .await;
        assert_eq!(android["category"], "IM");
        assert_eq!(android["notification"]["channel_id"], "chat");
        assert_eq!(android["collapse_key"], 7);
        assert_eq!(android["notification"]["style"], 1);
        assert_eq!(android["notification"]["title"], sample::TITLE);
        let android = stage
            .android(with(json!({
                "category": "VOIP",
                "notification": { "channel_id": "calls" },
            })))
            .await;
        assert_eq!(android["category"], "VOIP");
        assert_eq!(android["notification"]["channel_id"], "calls");

        let phone = stage.huawei.install();
        let kinds = stage.send(with(json!("IM")), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::PayloadRefused]);
    });
}

#[test]
fn a_background_push_shows_nothing_and_is_urgent_only_where_huawei_allows_it() {
    block_on(async {
        let background = || Notification {
            kind: NotificationKind::Background,
            ..sample::notification()
        };
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        stage.send(background(), &[&phone]).await;
        assert!(phone.screen().is_empty());
        let arrived = phone.wait_for(1).await.expect("it arrived");
        assert_eq!(arrived.android["urgency"], "NORMAL");
        assert!(arrived.data.contains("ann"));

        for (allowed, kind) in [
            (true, VerdictKind::Accepted),
            (false, VerdictKind::PayloadRefused),
        ] {
            let app = App {
                high_urgency: allowed,
                ..App::default()
            };
            let stage = Stage::configured(Options::default().with_apps(vec![app]), |config| {
                config["high_urgency"] = json!(true);
            })
            .await;
            let phone = stage.huawei.install();
            assert_eq!(stage.send(background(), &[&phone]).await, [kind]);
        }
    });
}

/// S98
#[test]
fn a_text_that_is_too_long_is_cut_between_characters_and_the_ext_never() {
    block_on(async {
        let stage = Stage::new().await;
        for text in ["x", "锅", "🎈", "\"", "\n"] {
            let phone = stage.huawei.install();
            let ext = json!({ "entity": { "sender": "锅".repeat(200) } }).to_string();
            let notification = Notification {
                ext: ext.clone(),
                ..with_body(&text.repeat(6000))
            };
            let kinds = stage.send(notification, &[&phone]).await;
            assert_eq!(kinds, [VerdictKind::Accepted], "{text:?}");
            let arrived = phone.wait_for(1).await.expect("it arrived");
            let kept = arrived.body.strip_suffix("...").expect("it was cut");
            assert!(kept.replace(text, "").is_empty(), "cut within {text:?}");
            // As much as fits: one character more would not.
            let body = &stage.huawei.log().requests().pop().expect("a request").body;
            let size = body.len() - (phone.token().len() + 4);
            assert!((4096 - 16..=4096).contains(&size), "{size} bytes");
            assert_eq!(phone.tap_newest().expect("it opens").ext(), ext);
        }
    });
}

// ---- One verdict for each ----

/// S121
#[test]
fn every_target_is_sent_once_whatever_the_batch_size() {
    block_on(async {
        let stage = Stage::with(Options::default().with_any_token()).await;
        let mut requests = 0;
        for (targets, needed) in [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2), (3007, 4)] {
            let tokens: Vec<String> = (0..targets).map(|it| format!("{targets}-{it}")).collect();
            let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
            let kinds = stage.send_to(sample::notification(), &tokens).await;
            assert_eq!(kinds.len(), targets);
            assert!(kinds.iter().all(|it| *it == VerdictKind::Accepted));
            let lists = stage.token_lists().split_off(requests);
            assert_eq!(lists.len(), needed);
            requests += needed;
            // In order, each once.
            assert_eq!(lists.concat(), tokens);
        }
    });
}

/// S122
#[test]
fn one_dead_token_in_the_middle_costs_its_neighbours_nothing() {
    block_on(async {
        let stage = Stage::new().await;
        let phones: Vec<Phone> = (0..5).map(|_| stage.huawei.install()).collect();
        phones[2].uninstall();
        let phones: Vec<&Phone> = phones.iter().collect();
        let kinds = stage.send(sample::notification(), &phones).await;
        let ok = VerdictKind::Accepted;
        assert_eq!(kinds, [ok, ok, DEAD, ok, ok]);
        let arrived: Vec<u64> = phones.iter().map(|it| it.arrived()).collect();
        assert_eq!(arrived, [1, 1, 0, 1, 1]);
        assert_eq!(stage.huawei.counters().answers["80100000"], 1);
    });
}

/// S122
#[test]
fn a_failure_in_the_last_request_is_not_lost_and_not_everybodys() {
    block_on(async {
        let stage = Stage::with(Options::default().with_any_token()).await;
        let gone = stage.huawei.install_as("the-last-but-one");
        gone.uninstall();
        let mut tokens: Vec<String> = (0..2005).map(|it| format!("phone-{it}")).collect();
        tokens[2003] = gone.token().to_owned();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let kinds = stage.send_to(sample::notification(), &tokens).await;
        for (at, kind) in kinds.into_iter().enumerate() {
            let expected = if at == 2003 {
                DEAD
            } else {
                VerdictKind::Accepted
            };
            assert_eq!(kind, expected, "target {at}");
        }
    });
}

#[test]
fn a_token_that_stands_twice_in_a_batch_rings_once_and_has_two_verdicts() {
    block_on(async {
        let stage = Stage::new().await;
        let (here, gone) = (stage.huawei.install(), stage.huawei.install());
        gone.uninstall();
        let kinds = stage
            .send(sample::notification(), &[&here, &gone, &here, &gone])
            .await;
        let ok = VerdictKind::Accepted;
        assert_eq!(kinds, [ok, DEAD, ok, DEAD]);
        assert_eq!(here.arrived(), 1);
        assert_eq!(stage.token_lists()[0].len(), 2);
    });
}

#[test]
fn when_every_token_is_dead_each_is_and_since_when_is_not_known() {
    block_on(async {
        let stage = Stage::new().await;
        let kinds = stage
            .send_to(sample::notification(), &["nobody-1", "nobody-2"])
            .await;
        assert_eq!(kinds, [DEAD, DEAD]);
        assert_eq!(stage.huawei.counters().answers["80300007"], 1);
    });
}

#[test]
fn a_phone_of_another_app_is_dead_to_this_one() {
    block_on(async {
        let other = App {
            id: "200000002".into(),
            ..App::default()
        };
        let apps = vec![App::default(), other];
        let stage = Stage::with(Options::default().with_apps(apps)).await;
        let ours = stage.huawei.install();
        let theirs = stage.huawei.install_app("200000002");
        let kinds = stage.send(sample::notification(), &[&ours, &theirs]).await;
        assert_eq!(kinds, [VerdictKind::Accepted, DEAD]);
        assert_eq!(theirs.arrived(), 0);
    });
}

#[test]
fn verdicts_name_the_request_and_never_the_token() {
    block_on(async {
        let stage = Stage::new().await;
        let (here, gone) = (stage.huawei.install(), stage.huawei.install());
        gone.uninstall();
        let batch = sample::batch(sample::notification(), [here.token(), gone.token()]);
        let verdicts = sample::send(&stage.provider, batch).await;
        let request_id = &here.arrivals()[0].request_id;
        for verdict in &verdicts {
            assert_eq!(&verdict.answer.request_id, request_id);
            assert_eq!(verdict.answer.code, "80100000");
        }
        let shown = format!("{verdicts:?} {:?}", stage.provider);
        assert!(!shown.contains(here.token()) && !shown.contains(gone.token()));
    });
}

// ---- Access tokens ----

#[test]
fn a_hundred_concurrent_sends_fetch_one_access_token() {
    block_on(async {
        let stage = Stage::with(Options::default().with_any_token()).await;
        let sends = (0..100).map(|it| {
            let provider = Arc::clone(&stage.provider);
            tokio::spawn(async move { sample::send_one(&provider, &format!("phone-{it}")).await })
        });
        for send in sends.collect::<Vec<_>>() {
            assert_eq!(send.await.unwrap().kind, VerdictKind::Accepted);
        }
        let counters = stage.huawei.counters();
        assert_eq!((counters.token_requests, counters.send_requests), (1, 100));
    });
}

#[test]
fn a_dead_token_service_is_asked_once_by_a_hundred_waiting_sends() {
    block_on(async {
        let stage = Stage::with(Options::default().with_any_token()).await;
        stage.huawei.faults().on(TOKEN_KEY, Reply::new(500));
        let sends = (0..100).map(|it| {
            let provider = Arc::clone(&stage.provider);
            tokio::spawn(async move { sample::send_one(&provider, &format!("phone-{it}")).await })
        });
        for send in sends.collect::<Vec<_>>() {
            assert_eq!(send.await.unwrap().kind, VerdictKind::Unavailable);
        }
        let counters = stage.huawei.counters();
        assert_eq!((counters.token_requests, counters.send_requests), (1, 0));
    });
}

#[test]
fn an_access_token_is_replaced_before_it_expires() {
    block_on(async {
        let lifetime = Duration::from_secs(3600);
        let options = Options::default().with_token_lifetime(lifetime);
        let stage = Stage::with(options).await;
        let phone = stage.huawei.install();
        for (minute, fetched) in [(0, 1), (54, 1), (55, 2), (109, 2), (110, 3)] {
            let at = sample::NOW + Duration::from_secs(60 * minute);
            stage.clock.advance(at.since(stage.clock.now()));
            let kinds = stage.send(sample::notification(), &[&phone]).await;
            assert_eq!(kinds, [VerdictKind::Accepted], "minute {minute}");
            let counters = stage.huawei.counters();
            assert_eq!(counters.token_requests, fetched, "minute {minute}");
            assert_eq!(counters.answers.get("80200003"), None);
        }
    });
}

#[test]
fn a_short_lived_access_token_serves_four_fifths_of_its_life() {
    block_on(async {
        let options = Options::default().with_token_lifetime(Duration::from_secs(10));
        let stage = Stage::with(options).await;
        let phone = stage.huawei.install();
        for (second, fetched) in [(0, 1), (7, 1), (1, 2)] {
            stage.clock.advance(Duration::from_secs(second));
            stage.send(sample::notification(), &[&phone]).await;
            assert_eq!(stage.huawei.counters().token_requests, fetched);
        }
    });
}

#[test]
fn while_the_token_service_is_down_a_token_that_still_holds_is_used() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        stage.send(sample::notification(), &[&phone]).await;
        stage.huawei.faults().on(TOKEN_KEY, Reply::new(503));
        stage.clock.advance(Duration::from_secs(56 * 60));
        let kinds = stage.send(sample::notification(), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
        stage.clock.advance(Duration::from_secs(5 * 60));
        let kinds = stage.send(sample::notification(), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Unavailable]);
        stage.huawei.faults().heal(TOKEN_KEY);
        let kinds = stage.send(sample::notification(), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
    });
}

/// S120
#[test]
fn an_expired_or_unknown_access_token_is_renewed_once_and_the_same_request_sent_again() {
    block_on(async {
        for options in [Options::default(), Options::default().with_codes_with_200()] {
            let with_200 = options.codes_with_200;
            let stage = Stage::with(options).await;
            let phone = stage.huawei.install();
            stage.send(sample::notification(), &[&phone]).await;

            stage.huawei.expire_access_tokens();
            let kinds = stage.send(sample::notification(), &[&phone]).await;
            assert_eq!(kinds, [VerdictKind::Accepted]);
            assert_eq!(phone.arrived(), 2);
            let counters = stage.huawei.counters();
            assert_eq!((counters.token_requests, counters.send_requests), (2, 3));
            let requests = stage.huawei.log().requests();
            let [.., refused, _, again] = requests.as_slice() else {
                panic!("five requests");
            };
            assert_eq!(refused.body, again.body);

            // A reset secret takes the tokens with it: only a 401 says that it is worth another try.
            stage.huawei.forget_access_tokens();
            let kinds = stage.send(sample::notification(), &[&phone]).await;
            let expected = if with_200 {
                VerdictKind::CredentialRefused
            } else {
                VerdictKind::Accepted
            };
            assert_eq!(kinds, [expected]);
        }
    });
}

#[test]
fn a_hundred_sends_refused_for_an_expired_token_fetch_one_more() {
    block_on(async {
        let stage = Stage::with(Options::default().with_any_token()).await;
        sample::send_one(&stage.provider, "phone").await;
        stage.huawei.expire_access_tokens();
        let sends = (0..100).map(|it| {
            let provider = Arc::clone(&stage.provider);
            tokio::spawn(async move { sample::send_one(&provider, &format!("phone-{it}")).await })
        });
        for send in sends.collect::<Vec<_>>() {
            assert_eq!(send.await.unwrap().kind, VerdictKind::Accepted);
        }
        assert_eq!(stage.huawei.counters().tokens_issued, 2);
    });
}

// ---- Refusals ----

#[test]
fn a_wrong_secret_or_a_foreign_project_costs_no_token() {
    block_on(async {
        let changes: [(&str, &str, &str); 3] = [
            ("app_secret", "not-the-secret", "1101"),
            ("app_id", "300000003", "1101"),
            ("project_id", "999", "80300002"),
        ];
        for (key, value, code) in changes {
            for with_200 in [false, true] {
                let options = if with_200 {
                    Options::default().with_codes_with_200()
                } else {
                    Options::default()
                };
                let stage = Stage::configured(options, |it| it[key] = json!(value)).await;
                let phone = stage.huawei.install();
                let verdict = sample::send_one(&stage.provider, phone.token()).await;
                assert_eq!(verdict.kind, VerdictKind::CredentialRefused, "{key}");
                assert_eq!(verdict.answer.code, code, "{key}");
                let health = stage.provider.verify().await.unwrap();
                assert!(!health.accepted, "{key}: {health:?}");
                assert!(health.evidence.contains(code), "{key}: {health:?}");
                assert!(!health.evidence.contains("not-the-secret"));
            }
        }
    });
}

#[test]
fn the_project_path_works_like_the_app_path() {
    block_on(async {
        let stage = Stage::configured(Options::default(), |config| {
            config["project_id"] = json!(App::default().project);
        })
        .await;
        let phone = stage.huawei.install();
        let kinds = stage.send(sample::notification(), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
        let path = stage.huawei.log().requests()[1].uri.path().to_owned();
        assert_eq!(path, "/v2/736430079244623000/messages:send");
    });
}

#[test]
fn flow_control_is_a_limit_of_the_credential_and_its_pause_is_obeyed() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        for (pause, retry) in [
            (
                Some(Duration::from_secs(30)),
                Retry::After(Duration::from_secs(30)),
            ),
            (None, Retry::Backoff),
        ] {
            stage.huawei.burst(2, pause);
            for _ in 0..2 {
                let verdict = sample::send_one(&stage.provider, phone.token()).await;
                assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Credential));
                assert_eq!(verdict.retry, retry);
            }
            let verdict = sample::send_one(&stage.provider, phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::Accepted);
        }
        assert_eq!(phone.arrived(), 2);
    });
}

#[test]
fn verify_proves_the_credential_and_disturbs_nobody() {
    block_on(async {
        let stage = Stage::with(Options::default().with_any_token()).await;
        let health = stage.provider.verify().await.unwrap();
        assert!(health.accepted, "{health:?}");
        let counters = stage.huawei.counters();
        assert_eq!((counters.validated, counters.accepted), (1, 0));
        // A token is fetched each time: one in the cache proves nothing about the secret.
        stage
            .huawei
            .reset_secret("100000001", Secret::new("another"));
        let health = stage.provider.verify().await.unwrap();
        assert!(!health.accepted, "{health:?}");
        assert!(health.evidence.contains("client_secret is wrong"));
    });
}

#[test]
fn a_slot_that_huawei_does_not_have_is_refused_unsent() {
    block_on(async {
        let stage = Stage::new().await;
        for slot in [Slot::Voip, Slot::LiveActivity] {
            let batch = Batch {
                slot,
                ..sample::batch(sample::notification(), ["phone"])
            };
            let verdict = sample::send(&stage.provider, batch).await.remove(0);
            assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
        }
        assert_eq!(stage.huawei.log().total(), 0);
    });
}

// ---- The phones ----

#[test]
fn a_phone_that_was_off_gets_later_what_was_kept_and_not_over() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        phone.switch_off();
        let ttl = |seconds, body: &str| Notification {
            expires_at: Some(stage.clock.now() + Duration::from_secs(seconds)),
            ..with_body(body)
        };
        stage.send(ttl(60, "short"), &[&phone]).await;
        stage.send(ttl(600, "long"), &[&phone]).await;
        assert_eq!(phone.arrived(), 0);
        stage.clock.advance(Duration::from_secs(120));
        phone.switch_on();
        let bodies: Vec<_> = phone.arrivals().into_iter().map(|it| it.body).collect();
        assert_eq!(bodies, ["long"]);
    });
}

#[test]
fn no_two_phones_have_one_token() {
    block_on(async {
        let stage = Stage::new().await;
        let tokens: HashSet<String> = (0..100)
            .map(|_| stage.huawei.install().token().to_owned())
            .collect();
        assert_eq!(tokens.len(), 100);
    });
}
