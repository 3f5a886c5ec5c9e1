use push_testkit::sample;
use serde_json::json;

use super::*;

const DELIVERY: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

/// Timestamp, nonce, user, key, value.
fn vectors() -> Vec<[String; 5]> {
    serde_json::from_value(on_record("hw_cb")).expect("five texts each")
}

fn on_record(name: &str) -> Value {
    let text = include_str!("../../tests/fixtures/vectors.json");
    let vectors: Value = serde_json::from_str(text).expect("the vectors are JSON");
    vectors[name].clone()
}

/// What signs as Huawei does gets exactly the value on record.
#[test]
fn a_signature_is_byte_for_byte_the_one_on_record() {
    for [timestamp, nonce, user, key, value] in &vectors() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        let signed = hmac::sign(&key, format!("{timestamp}{nonce}{user}").as_bytes());
        assert_eq!(STANDARD.encode(signed), *value);
    }
}

#[test]
fn every_header_on_record_is_accepted_or_refused_as_it_should_be() {
    let headers = on_record("hw_cb_header");
    let headers = headers.as_array().expect("an array");
    assert_eq!(headers.len(), 7);
    for case in headers {
        let text = |key: &str| case[key].as_str().expect("text");
        let header = text("header");
        let signer = signer(text("user"), text("key"));
        let verified = verified(&signer, header, date("1563105451261"));
        assert_eq!(verified.is_ok(), case["ok"] == true, "{}", case["why"]);
    }
}

fn signer(user: &str, key: &str) -> Signer {
    Signer {
        user: user.to_owned(),
        key: Secret::new(key),
    }
}

fn verified(signer: &Signer, text: &str, now: Timestamp) -> Result<()> {
    let mut headers = HeaderMap::new();
    headers.insert(SIGNATURE_HEADER, text.parse().unwrap());
    signer.verify(&headers, now)
}

fn date(millis: &str) -> Timestamp {
    Timestamp::from_unix_millis(millis.parse().unwrap())
}

#[test]
fn every_vector_verifies_with_its_own_user_and_key_and_no_other() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 5);
    for [timestamp, nonce, user, key, value] in &vectors {
        let header = format!("timestamp={timestamp}; nonce={nonce}; value={value}");
        for [_, _, other_user, other_key, _] in &vectors {
            let same = (other_user, other_key) == (user, key);
            let result = verified(&signer(other_user, other_key), &header, date(timestamp));
            assert_eq!(result.is_ok(), same);
        }
    }
}

#[test]
fn only_blanks_between_the_fields_do_not_matter() {
    let [timestamp, nonce, user, key, value] = &vectors()[0];
    let signer = signer(user, key);
    let now = date(timestamp);
    for good in [
        format!("timestamp={timestamp};nonce={nonce};value={value}"),
        format!(" timestamp={timestamp} ;  nonce={nonce} ; value={value} "),
        format!("value={value};nonce={nonce};timestamp={timestamp}"),
    ] {
        verified(&signer, &good, now).unwrap();
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
        let error = verified(&signer, &bad, now).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{bad}");
        assert!(!error.to_string().contains(key));
    }
}

#[test]
fn a_signature_is_refused_when_it_is_replayed_a_quarter_of_an_hour_later() {
    let [timestamp, nonce, user, key, value] = &vectors()[0];
    let signer = signer(user, key);
    let header = format!("timestamp={timestamp}; nonce={nonce}; value={value}");
    let at = date(timestamp);
    for (now, fresh) in [
        (at + MAX_AGE, true),
        (at - MAX_AGE, true),
        (at + MAX_AGE + Duration::from_millis(1), false),
        (at - MAX_AGE - Duration::from_millis(1), false),
    ] {
        assert_eq!(verified(&signer, &header, now).is_ok(), fresh);
    }
}

fn read_all(body: &str) -> Result<Received> {
    let request = Request::new(Bytes::from(body.to_owned()));
    receive(&request, "13", None, sample::NOW)
}

/// When the receipts of these tests are dated.
const AT: i64 = 1_489_993_883_189;

fn dated(status: &Value, timestamp: &str) -> Option<VendorReceipt> {
    let body = format!(
        r#"{{"statuses":[{{"biTag":"{DELIVERY}","token":"phone-1","status":{status},"timestamp":{timestamp}}}]}}"#
    );
    read_all(&body).unwrap().receipts.pop()
}

fn late(status: Value) -> Option<Late> {
    dated(&status, &AT.to_string()).map(|receipt| receipt.what)
}

#[test]
fn the_end_of_a_token_at_an_impossible_time_costs_no_token() {
    for time in [
        "17",
        "-1",
        "9223372036854775807",
        "1e400",
        "1489993883",
        "1700000300001",
    ] {
        for status in [2, 5] {
            let receipt = dated(&json!(status), time);
            assert_eq!(receipt, None, "{time}");
        }
        // Whatever else happened is dated now, if the time is a number at all.
        let receipt = dated(&json!(0), time);
        let at = receipt.map(|receipt| receipt.at);
        let is_number = time != "1e400";
        assert_eq!(at, is_number.then_some(sample::NOW), "{time}");
    }
}

#[test]
fn receipts_are_read_with_numbers_as_text_and_a_bad_entry_costs_only_itself() {
    let body = json!({ "statuses": [
        {"biTag": DELIVERY, "appid": "13", "token": " phone-1", "status": 0,
         "timestamp": 1_489_993_883_189_i64, "requestId": "r1"},
        {"biTag": DELIVERY, "appid": 13, "token": "phone-2", "status": "5", "timestamp": AT.to_string(), "requestId": 4},
        {"biTag": DELIVERY, "appid": "14", "token": "phone-3", "status": 0, "timestamp": 1},
        {"biTag": "131415", "token": "phone-4", "status": 0, "timestamp": 1},
        {"biTag": DELIVERY, "token": "phone-5", "timestamp": 1},
        {"biTag": DELIVERY, "status": 0, "timestamp": 1},
        {"biTag": DELIVERY, "token": "phone\n7", "status": 0, "timestamp": 1},
        {"biTag": DELIVERY, "token": "phone-8", "status": 0},
        "nonsense",
    ]});
    let received = read_all(&body.to_string()).unwrap();
    assert_eq!(received.reply.body(), REPLY);
    let [first, second] = received.receipts.as_slice() else {
        panic!("two receipts, but {received:?}");
    };
    assert_eq!(first.tag.to_string(), DELIVERY);
    assert_eq!(first.token.as_ref().unwrap().expose(), "phone-1");
    assert_eq!(first.at, Timestamp::from_unix_millis(1_489_993_883_189));
    assert_eq!(first.what, Late::Delivered);
    let at = Timestamp::from_unix_millis(AT);
    match &second.what {
        Late::Verdict(verdict) => {
            assert_eq!(verdict.kind, VerdictKind::TokenDead { since: Some(at) });
            assert_eq!(verdict.answer.code, "5");
            assert_eq!(verdict.answer.request_id, "4");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_documented_status_has_its_meaning() {
    let at = Timestamp::from_unix_millis(AT);
    let dead = VerdictKind::TokenDead { since: Some(at) };
    for (status, kind) in [
        (2, dead),
        (5, dead),
        (6, VerdictKind::TokenUnusable(TokenFault::Muted)),
        (10, VerdictKind::TokenUnusable(TokenFault::Inactive)),
        (31, VerdictKind::PayloadRefused),
        (102, LIMITED),
        (144, VerdictKind::PayloadRefused),
        (201, LIMITED),
        (256, LIMITED),
    ] {
        match late(json!(status)) {
            Some(Late::Verdict(verdict)) => assert_eq!(verdict.kind, kind, "{status}"),
            other => panic!("{status}: {other:?}"),
        }
    }
    assert_eq!(late(json!(0)), Some(Late::Delivered));
    assert_eq!(late(json!(27)), Some(Late::Delivered));
    for status in [14, 15, 22, 51, 9999] {
        assert_eq!(late(json!(status)), None, "{status}");
    }
}

#[test]
fn a_daily_limit_lasts_until_midnight_in_china() {
    // It is 06:13:20 there.
    for status in [102, 256] {
        match late(json!(status)) {
            Some(Late::Verdict(verdict)) => {
                assert_eq!(verdict.retry, Retry::After(Duration::from_secs(64_000)));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_body_that_is_not_receipts_is_refused() {
    for body in [
        "",
        "null",
        "{}",
        r#"{"statuses":{}}"#,
        "[",
        &format!(r#"{{"statuses":[{}0]}}"#, "0,".repeat(1000)),
    ] {
        assert_eq!(read_all(body).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn unsigned_receipts_are_refused_where_a_signer_is_configured() {
    let request = Request::new(Bytes::from_static(br#"{"statuses":[]}"#));
    let signer = signer("imuser", "im-secret-1");
    let error = receive(&request, "13", Some(&signer), sample::NOW).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(receive(&request, "13", None, sample::NOW).is_ok());
}
