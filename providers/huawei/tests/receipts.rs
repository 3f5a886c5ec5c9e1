//! Receipts: the vectors of their signature, and the way from a phone to whoever takes them.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use push_core::{BuildContext, Clock, DeliveryId, ErrorKind, RawConfig, Secret, Timestamp};
use push_http::{Client, HttpConfig};
use push_provider_huawei::{
    PLUGIN,
    receipt::{self, Meaning, Receipt, Status},
    simulator::{Options, Posted, Simulator},
};
use push_testkit::{
    HttpServer, Reply, ServerOptions, block_on, json, sample,
    serde_json::{self, Value},
};

/// Timestamp, nonce, user, key, value.
fn vectors() -> Vec<[String; 5]> {
    let text = include_str!("fixtures/receipt_signatures.json");
    serde_json::from_str(text).expect("the vectors are JSON")
}

fn header(vector: &[String; 5]) -> String {
    let [timestamp, nonce, _, _, value] = vector;
    format!("timestamp={timestamp}; nonce={nonce}; value={value}")
}

#[test]
fn every_vector_verifies_with_its_own_user_and_key_and_no_other() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 5);
    for vector in &vectors {
        let [timestamp, nonce, user, key, _] = vector;
        let signature =
            receipt::verify_signature(&header(vector), user, &Secret::new(key)).unwrap();
        let millis = timestamp.parse().unwrap();
        assert_eq!(signature.timestamp, Timestamp::from_unix_millis(millis));
        assert_eq!(&signature.nonce, nonce);
        for other in &vectors {
            let [_, _, other_user, other_key, _] = other;
            let same = (other_user, other_key) == (user, key);
            let verified =
                receipt::verify_signature(&header(vector), other_user, &Secret::new(other_key));
            assert_eq!(verified.is_ok(), same);
        }
    }
}

#[test]
fn blanks_between_the_fields_do_not_matter_and_everything_else_does() {
    let vector = &vectors()[0];
    let [timestamp, nonce, user, key, value] = vector;
    let key = Secret::new(key);
    let verify = |header: &str| receipt::verify_signature(header, user, &key);
    for good in [
        format!("timestamp={timestamp};nonce={nonce};value={value}"),
        format!(" timestamp={timestamp} ;  nonce={nonce} ; value={value} "),
        format!("value={value};nonce={nonce};timestamp={timestamp}"),
    ] {
        verify(&good).unwrap();
    }
    for bad in [
        String::new(),
        format!("timestamp={timestamp}; nonce={nonce}"),
        format!("timestamp={timestamp}; nonce={nonce}; value="),
        format!(
            "timestamp={timestamp}; nonce={nonce}; value={}",
            &value[4..]
        ),
        format!("timestamp={timestamp}0; nonce={nonce}; value={value}"),
        format!("timestamp=; nonce={nonce}; value={value}"),
        format!("timestamp={timestamp}; nonce={nonce}x; value={value}"),
        format!("timestamp={timestamp}; nonce=; value={value}"),
        format!("timestamp={timestamp}; nonce={nonce}; value=not base64"),
    ] {
        let error = verify(&bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{bad}");
        assert!(!error.to_string().contains(key.expose()));
    }
}

#[test]
fn receipts_read_with_numbers_as_text_and_a_bad_entry_costs_only_itself() {
    let body = json!({ "statuses": [
        {"biTag": "131415", "appid": "0000000013", "token": "phone-1", "status": 0,
         "timestamp": 1_489_993_883_189_i64, "requestId": "r1"},
        {"biTag": 7, "appid": 13, "token": "phone-2", "status": "5", "timestamp": "17", "requestId": 4},
        {"token": "phone-3"},
        {"status": 0},
        {"token": "phone\n4", "status": 0},
        "nonsense",
        {"token": "phone-5", "status": 9999},
    ]});
    let read = receipt::parse(body.to_string().as_bytes()).unwrap();
    assert_eq!(read.skipped, 4);
    let [first, second, third] = read.receipts.as_slice() else {
        panic!("three receipts");
    };
    assert_eq!(first.token.expose(), "phone-1");
    assert_eq!(first.at, Timestamp::from_unix_millis(1_489_993_883_189));
    assert_eq!(first.bi_tag, "131415");
    assert_eq!(first.app_id, "0000000013");
    assert_eq!(first.request_id, "r1");
    assert_eq!(first.status.meaning(), Meaning::Delivered);
    assert_eq!(first.delivery(), None);
    assert_eq!(second.status.meaning(), Meaning::TokenDead);
    assert_eq!(third.status, Status(9999));
    assert_eq!(third.status.meaning(), Meaning::Other);
}

#[test]
fn what_is_no_receipt_request_is_refused() {
    for body in [
        "",
        "null",
        "{}",
        r#"{"statuses":{}}"#,
        "[",
        &format!(r#"{{"statuses":[{}0]}}"#, "0,".repeat(1000)),
    ] {
        let error = receipt::parse(body.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[test]
fn every_documented_status_has_its_meaning() {
    for (status, meaning) in [
        (0, Meaning::Delivered),
        (2, Meaning::TokenDead),
        (5, Meaning::TokenDead),
        (6, Meaning::Muted),
        (10, Meaning::Paused),
        (14, Meaning::Other),
        (15, Meaning::Superseded),
        (22, Meaning::Other),
        (27, Meaning::Superseded),
        (31, Meaning::Refused),
        (51, Meaning::Pending),
        (102, Meaning::RateLimited),
        (144, Meaning::Refused),
        (201, Meaning::Paused),
        (256, Meaning::RateLimited),
    ] {
        assert_eq!(Status(status).meaning(), meaning, "{status}");
    }
}

// ---- From the phone to whoever takes them ----

type Taken = Arc<Mutex<Vec<Receipt>>>;

/// A way in that verifies, reads and keeps.
async fn way_in(user: &'static str, key: &'static str) -> (HttpServer, Taken) {
    let taken = Taken::default();
    let keep = Arc::clone(&taken);
    let server = HttpServer::start(ServerOptions::default(), move |request| {
        let reply = request
            .headers()
            .get(receipt::SIGNATURE_HEADER)
            .and_then(|it| {
                receipt::verify_signature(it.to_str().ok()?, user, &Secret::new(key)).ok()
            })
            .map_or(Reply::new(401), |_| {
                let read = receipt::parse(request.body()).expect("receipts");
                assert!(read.receipts.len() <= 100);
                keep.lock().expect("nobody panics").extend(read.receipts);
                Reply::new(200).body(receipt::REPLY)
            });
        async move { reply }
    })
    .await
    .expect("loopback can be bound");
    (server, taken)
}

#[test]
fn receipts_reach_the_way_in_signed_and_a_hundred_at_a_time() {
    block_on(async {
        let clock = sample::clock();
        let options = Options::default().with_clock(Arc::new(clock.clone()));
        let huawei = Simulator::start(options).await.unwrap();
        let context = BuildContext::new(Arc::new(clock.clone()));
        let raw = RawConfig::from_json(&huawei.config()).unwrap();
        let provider = PLUGIN.build(raw, &context).unwrap();

        let phones: Vec<_> = (0..250).map(|_| huawei.install()).collect();
        phones[1].uninstall_unnoticed();
        phones[2].set_muted(true);
        let tokens = phones.iter().map(|it| it.token());
        sample::send(&provider, sample::batch(sample::notification(), tokens)).await;

        let (server, taken) = way_in("imuser", "im-secret-1").await;
        let client = Client::new(HttpConfig::default(), Arc::new(clock.clone())).unwrap();
        let url = format!("{}/receipts/huawei", server.url());
        let wrong = Secret::new("im-secret-2");
        for signer in [None, Some(("imuser", &wrong)), Some(("other", &wrong))] {
            let posted = huawei.post_receipts(&client, &url, signer).await;
            let nothing = Posted {
                due: 250,
                ..Posted::default()
            };
            assert_eq!(posted, nothing);
        }
        let key = Secret::new("im-secret-1");
        let posted = huawei
            .post_receipts(&client, &url, Some(("imuser", &key)))
            .await;
        let everything = Posted {
            requests: 3,
            taken: 250,
            due: 0,
        };
        assert_eq!(posted, everything);

        let taken = std::mem::take(&mut *taken.lock().unwrap());
        assert_eq!(taken.len(), 250);
        for (at, (receipt, phone)) in taken.iter().zip(&phones).enumerate() {
            assert_eq!(receipt.token.expose(), phone.token());
            assert_eq!(receipt.at, clock.now());
            let meaning = match at {
                1 => Meaning::TokenDead,
                2 => Meaning::Muted,
                _ => Meaning::Delivered,
            };
            assert_eq!(receipt.status.meaning(), meaning, "{at}");
        }
        // Huawei has learned it.
        let verdict = sample::send_one(&provider, phones[1].token()).await;
        assert_eq!(verdict.answer.code, "80300007");
    });
}

#[test]
fn the_receipt_of_a_single_push_names_its_delivery_and_that_of_many_the_request() {
    block_on(async {
        let clock = sample::clock();
        let options = Options::default().with_clock(Arc::new(clock.clone()));
        let huawei = Simulator::start(options).await.unwrap();
        let context = BuildContext::new(Arc::new(clock.clone()));
        let raw = RawConfig::from_json(&huawei.config()).unwrap();
        let provider = PLUGIN.build(raw, &context).unwrap();
        let phones = [huawei.install(), huawei.install()];

        let one = sample::batch(sample::notification(), [phones[0].token()]);
        let delivery: DeliveryId = one.targets[0].delivery;
        sample::send(&provider, one).await;
        clock.advance(Duration::from_secs(1));
        let two = sample::batch(sample::notification(), phones.iter().map(|it| it.token()));
        let verdicts = sample::send(&provider, two).await;

        let (server, taken) = way_in("u", "k").await;
        let client = Client::new(HttpConfig::default(), Arc::new(clock)).unwrap();
        let key = Secret::new("k");
        huawei
            .post_receipts(&client, &server.url(), Some(("u", &key)))
            .await;
        let taken = taken.lock().unwrap();
        assert_eq!(taken[0].delivery(), Some(delivery));
        for (receipt, verdict) in taken[1..].iter().zip(&verdicts) {
            assert_eq!(receipt.delivery(), None);
            assert_eq!(receipt.request_id, verdict.answer.request_id);
        }
        assert_eq!(taken.len(), 3);
    });
}

#[test]
fn an_intent_that_android_cannot_read_does_not_show_and_is_reported() {
    block_on(async {
        let huawei = Simulator::start(Options::default()).await.unwrap();
        let mut config: Value = huawei.config();
        config["intent"] = json!("intent://im#Intent;scheme;end");
        let context = BuildContext::new(Arc::new(sample::clock()));
        let raw = RawConfig::from_json(&config).unwrap();
        let provider = PLUGIN.build(raw, &context).unwrap();
        let phone = huawei.install();
        sample::send_one(&provider, phone.token()).await;
        assert_eq!(phone.arrived(), 1);
        assert!(phone.screen().is_empty());
        let (server, taken) = way_in("u", "k").await;
        let client = Client::new(HttpConfig::default(), Arc::new(sample::clock())).unwrap();
        let key = Secret::new("k");
        huawei
            .post_receipts(&client, &server.url(), Some(("u", &key)))
            .await;
        let status = taken.lock().unwrap()[0].status;
        assert_eq!(status.meaning(), Meaning::Refused);
    });
}
