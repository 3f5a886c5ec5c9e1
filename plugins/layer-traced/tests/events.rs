//! What is logged, under which names, and what never is.
use std::{
    io,
    sync::{Arc, Mutex},
};

use push_core::{
    AppId, BuildContext, CertificateId, CredentialRef, DynProvider, ErrorKind, Layer, RawConfig,
    Retry, VendorAnswer, Verdict, VerdictKind,
};
use push_layer_traced::{PLUGIN, Traced, TracedConfig};
use push_queue_memory::MemoryQueue;
use push_store_memory::MemoryStore;
use push_testkit::{
    Place, block_on,
    layer::{Answer, Probe},
    sample,
};
use serde_json::{Value, json};

/// The log of a test, a JSON object for each event.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("the fixture works").extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Runs `work` on this thread and returns what it logged.
    fn of(work: impl Future<Output = ()>) -> (Vec<Value>, String) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        let guard = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
        block_on(work);
        drop(guard);
        let text = String::from_utf8(log.0.lock().expect("the fixture works").clone())
            .expect("the fixture works");
        let events = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .filter(|event| event["target"] == push_layer_traced::TARGET)
            .collect();
        (events, text)
    }
}

fn credential() -> CredentialRef {
    CredentialRef::new(
        AppId::new("im").expect("the fixture works"),
        CertificateId::new(31288).expect("the fixture works"),
    )
}

fn traced(config: TracedConfig, place: &Place) -> Traced {
    Traced::new(config, Arc::clone(&place.context().clock)).expect("it works")
}

fn around(traced: &Traced, probe: &Arc<Probe>) -> DynProvider {
    let inner: DynProvider = Arc::clone(probe) as _;
    traced.provider(inner, &credential())
}

#[test]
fn a_batch_is_one_event_with_its_outcomes_and_without_tokens_or_text() {
    let (events, text) = Log::of(async {
        let place = Place::new();
        let probe = Arc::new(Probe::default());
        let provider = around(&traced(TracedConfig::default(), &place), &probe);
        let verdict = |kind| {
            let answer = VendorAnswer::new(410, "gone").with_text("the token is gone");
            Answer::Now(Verdict::new(kind, answer).with_retry(Retry::Never))
        };
        probe.answer([
            verdict(VerdictKind::Accepted),
            verdict(VerdictKind::TokenDead { since: None }),
            verdict(VerdictKind::CredentialRefused),
            Answer::Nothing,
        ]);
        let tokens = ["token-a", "token-b", "token-c", "token-d"];
        sample::send(&provider, sample::batch(sample::notification(), tokens)).await;
    });
    assert_eq!(events.len(), 1, "{text}");
    let fields = &events[0]["fields"];
    for (name, value) in [
        ("message", json!("sent")),
        ("channel", json!("probe")),
        ("app", json!("im")),
        ("certificate", json!("31288")),
        ("class", json!("chat")),
        ("targets", json!(4)),
        ("accepted", json!(1)),
        ("token_dead", json!(1)),
        ("token_unusable", json!(0)),
        ("refused", json!(1)),
        ("rate_limited", json!(0)),
        ("unavailable", json!(0)),
        ("unknown", json!(1)),
        ("postponed", json!(0)),
        ("duration_ms", json!(0)),
    ] {
        assert_eq!(fields[name], value, "{name} in {fields}");
    }
    assert_eq!(events[0]["span"]["name"], "send");
    assert_eq!(events[0]["level"], "INFO");
    for secret in ["token-a", "token-d", sample::TITLE, sample::BODY] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn the_duration_lasts_until_the_last_verdict_also_of_a_dropped_send() {
    let (events, text) = Log::of(async {
        let place = Place::new();
        let probe = Arc::new(Probe::default());
        let provider = around(&traced(TracedConfig::default(), &place), &probe);
        probe.answer([Answer::Silence]);
        let batch = sample::batch(sample::notification(), ["token"]);
        let collected = push_core::Collected::new();
        let sink: Arc<push_core::Collected> = Arc::clone(&collected);
        let verdicts = push_core::Verdicts::new(1, sink);
        {
            let mut sending = provider.send(batch, verdicts);
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(sending.as_mut().poll(&mut context).is_pending());
            place.clock.advance(std::time::Duration::from_millis(1234));
        }
        assert_eq!(collected.verdicts().len(), 1);
    });
    let fields = &events.first().expect(&text)["fields"];
    assert_eq!(fields["duration_ms"], 1234, "{text}");
    assert_eq!(fields["unknown"], 1, "{text}");
}

#[test]
fn calls_of_store_and_queue_are_events_with_operation_and_rows() {
    let (events, text) = Log::of(async {
        let place = Place::new();
        let context = place.context();
        let traced = traced(TracedConfig::default(), &place);
        let store = traced.store(Arc::new(MemoryStore::new(Default::default(), &context)));
        let queue = traced.queue(Arc::new(MemoryQueue::new(Default::default(), &context)));
        let app = AppId::new("im").expect("the fixture works");
        let users = [sample::user("alice"), sample::user("bob")];
        store.receivers(&app, &users).await.expect("it works");
        let nothing = store
            .scan(&app, &push_core::Audience::Everybody, None, 0)
            .await;
        assert_eq!(nothing.expect_err("no row").kind(), ErrorKind::Invalid);
        queue
            .put(vec![push_testkit::queue::delivery("m", "alice")])
            .await
            .expect("it works");
    });
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            let fields = &event["fields"];
            let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
            let rows = fields["rows"].as_u64().unwrap_or(99);
            (text("message"), text("operation"), rows, text("outcome"))
        })
        .collect();
    let line = |what: &str, operation: &str, rows, outcome: &str| {
        (
            what.to_owned(),
            operation.to_owned(),
            rows,
            outcome.to_owned(),
        )
    };
    let expected = [
        line("store", "receivers", 2, "ok"),
        line("store", "scan", 0, "invalid"),
        line("queue", "put", 1, "ok"),
    ];
    assert_eq!(seen, expected, "{text}");
    assert!(!text.contains("alice"), "{text}");
}

#[test]
fn what_is_not_selected_is_returned_as_it_is() {
    let place = Place::new();
    let context = place.context();
    let build = |value: Value| {
        PLUGIN
            .build(RawConfig::from_json(&value).expect("a table"), &context)
            .expect("it works")
    };
    let probe: DynProvider = Arc::new(Probe::default());
    let debug =
        |layer: &Arc<dyn Layer>| format!("{:?}", layer.provider(Arc::clone(&probe), &credential()));
    for (config, is_traced) in [
        (json!({}), true),
        (json!({"calls": ["store"]}), false),
        (json!({"only": {"channels": ["sample"]}}), false),
        (
            json!({"only": {"channels": ["sample", "probe"], "app": "im"}}),
            true,
        ),
        (json!({"only": {"app": "im", "certificate": 31288}}), true),
        (json!({"only": {"app": "im", "certificate": 31287}}), false),
        (json!({"only": {"app": "other"}}), false),
    ] {
        let layer = build(config.clone());
        assert_eq!(debug(&layer).starts_with("Layered"), is_traced, "{config}");
    }
    let queue: Arc<dyn push_core::Queue> = Arc::new(MemoryQueue::new(
        Default::default(),
        &BuildContext::new(Arc::clone(&context.clock)),
    ));
    let plain = format!("{queue:?}");
    let layer = build(json!({"calls": ["provider"]}));
    assert_eq!(format!("{:?}", layer.queue(queue)), plain);
}

#[test]
fn mistakes_of_the_configuration_are_named() {
    let context = BuildContext::new(Arc::new(sample::clock()));
    for (wrong, place) in [
        (json!({"calls": ["http"]}), "calls"),
        (json!({"level": "loud"}), "level"),
        (json!({"only": {"certificate": 3}}), "only.certificate"),
        (json!({"fields": 3}), "fields"),
    ] {
        let raw = RawConfig::from_json(&wrong).expect("a table");
        let error = PLUGIN.build(raw, &context).expect_err("it is wrong");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(place), "{error}");
    }
}
