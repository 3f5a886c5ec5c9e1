use push_testkit::sample;
use serde_json::json;

use super::*;

const SEND: Call = Call::Send(PushType::Alert);
const ACCEPTED: VerdictKind = VerdictKind::Accepted;

fn read(status: u16, body: &Value) -> Answer {
    let response = Response::builder()
        .status(status)
        .body(Bytes::from(body.to_string()))
        .expect("a response");
    Answer::read(&response)
}

fn coded(status: u16, code: &str, msg: &str) -> Answer {
    read(
        status,
        &json!({ "code": code, "msg": msg, "requestId": "r1" }),
    )
}

fn kinds(answer: &Answer, call: Call, tokens: &[&str]) -> Vec<VerdictKind> {
    let outcome = answer.outcome(call, tokens, &[], sample::NOW);
    tokens.iter().map(|token| outcome.of(token).kind).collect()
}

#[test]
fn a_push_whose_text_is_part_of_a_code_is_judged_as_any_other() {
    for (code, kind) in [
        ("80000000", ACCEPTED),
        ("80200001", VerdictKind::CredentialRefused),
    ] {
        let answer = coded(200, code, "…");
        let outcome = answer.outcome(SEND, &["t1"], &["0000", "8020"], sample::NOW);
        assert_eq!(outcome.of("t1").kind, kind, "{code}");
    }
}

fn partial(inner: &Value, tokens: &[&str]) -> Vec<VerdictKind> {
    kinds(&coded(200, PARTIAL, &inner.to_string()), SEND, tokens)
}

#[test]
fn every_answer_on_record_gives_each_token_its_verdict() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../tests/fixtures/vectors.json")).expect("JSON");
    let cases = vectors["harmony_answer"].as_array().expect("an array");
    assert_eq!(cases.len(), 4);
    for case in cases {
        let body = case["body"].as_str().expect("text");
        let answer = Answer::read(&Response::new(Bytes::from(body.to_owned())));
        let reasons = case["reasons"].as_object().expect("an object");
        let named = reasons
            .values()
            .flat_map(|list| list.as_array().expect("an array"));
        let named: Vec<&str> = named.map(|token| token.as_str().expect("text")).collect();
        let others = ["t1", "t2"];
        let sent = usize::try_from(case["sent"].as_u64().expect("a number")).expect("small");
        let tokens = [&named, &others[..sent - named.len()]].concat();
        let kinds = kinds(&answer, SEND, &tokens);
        let accepted = kinds.iter().filter(|kind| **kind == ACCEPTED).count();
        assert_eq!(json!(accepted), case["ok"], "{case}");
        for (token, kind) in tokens.iter().zip(kinds) {
            match kind {
                ACCEPTED => assert!(!named.contains(token), "{case}"),
                VerdictKind::TokenUnusable(TokenFault::App) => assert_eq!(*token, "old1"),
                kind => assert_eq!(kind, DEAD, "{case}"),
            }
        }
    }
}

/// Written apart from the table that it checks: each code with its class.
const DOCUMENTED: &str = "\
    80000000 ok|80100001 req|80100003 req|80100004 req|80100022 req|80200001 cred|80200003 cred|80200005 cred|\
    80200006 cred|80300002 cred|80300008 req|80300010 req|80300029 rate|80300030 req|80300036 cred|80300037 cred|\
    81000001 retry";

const OF_RECALLS: &str = "80000001 retry|80100020 req|80300017 req|80300028 cred|80300032 cred";

#[test]
fn every_documented_code_has_its_class_with_any_status_and_as_a_number() {
    let sends: Vec<_> = DOCUMENTED.split('|').collect();
    let recalls: Vec<_> = OF_RECALLS.split('|').collect();
    assert_eq!(
        (sends.len(), recalls.len()),
        (CODES.len(), REVOKE_CODES.len())
    );
    let sends = sends
        .into_iter()
        .flat_map(|entry| [(SEND, entry), (Call::Revoke, entry)]);
    for (call, entry) in sends.chain(recalls.into_iter().map(|entry| (Call::Revoke, entry))) {
        let (code, class) = entry.split_once(' ').expect("code and class");
        let wanted = match class {
            "ok" => ACCEPTED,
            "req" => REFUSED,
            "cred" => CREDENTIAL,
            "rate" => VerdictKind::RateLimited(Scope::Credential),
            _ => DOWN,
        };
        for status in [200, 400, 401, 500] {
            let number: u64 = code.parse().expect("digits");
            for code in [json!(code), json!(number)] {
                let body = json!({ "code": code, "msg": "Success", "requestId": "r1" });
                let kind = kinds(&read(status, &body), call, &["t1"]);
                // A success with the status of an error confirms nothing.
                let contradicts = wanted == ACCEPTED && status != 200;
                let wanted = if contradicts {
                    VerdictKind::Unknown
                } else {
                    wanted
                };
                assert_eq!(kind, [wanted], "{code} with {status}");
            }
        }
    }
    // What is documented for recalls alone is not known of a message.
    assert_eq!(
        kinds(&coded(400, "80300028", ""), SEND, &["t1"]),
        [VerdictKind::TargetRefused]
    );
    for (code, is_expired) in [("80200003", true), ("80200005", true), ("80200001", false)] {
        assert_eq!(coded(401, code, "").is_expired(), is_expired, "{code}");
    }
}

#[test]
fn a_reason_in_the_app_accuses_the_credential_only_if_no_token_succeeded() {
    for reason in ["disableSendHuaweiMsgBecauseOfPenalty", "noPushTypeRight"] {
        let some = json!({ "illegalTokens": { reason: ["a"] }, "success": 1, "failure": 1 });
        assert_eq!(
            partial(&some, &["a", "b"]),
            [VerdictKind::TargetRefused, ACCEPTED]
        );
        let all = json!({ "illegalTokens": { reason: ["a", "b"] }, "failure": 2 }).to_string();
        let all = kinds(&coded(200, ALL_FAILED, &all), SEND, &["a", "b"]);
        assert_eq!(all, [CREDENTIAL; 2]);
    }
}

/// Without the right to calls, chat messages still go out: the credential is not suspended for it.
#[test]
fn a_missing_right_to_another_type_refuses_the_message_alone() {
    let all = json!({ "illegalTokens": { "noPushTypeRight": ["a"] }, "failure": 1 }).to_string();
    for push_type in [PushType::Extension, PushType::Background, PushType::Call] {
        let kinds = kinds(&coded(200, ALL_FAILED, &all), Call::Send(push_type), &["a"]);
        assert_eq!(kinds, [REFUSED], "{push_type:?}");
    }
}

#[test]
fn each_token_has_the_verdict_of_its_own_reason() {
    let inner = json!({
        "illegalTokens": {
            "tokenFormatError": ["a"], "noRight": ["b"], "countryNotSupport": ["c"],
            "appinfoError": ["d"], "differentImgVerifyPolicy": ["e"], "newReason": ["f"],
        },
        "success": 1, "failure": 6,
    });
    let kinds = partial(&inner, &["a", "b", "c", "d", "e", "f", "g"]);
    assert_eq!(
        kinds,
        [
            DEAD,
            VerdictKind::TokenUnusable(TokenFault::App),
            VerdictKind::TargetRefused,
            VerdictKind::Unavailable(Scope::Token),
            REFUSED,
            VerdictKind::TargetRefused,
            ACCEPTED,
        ]
    );
}

#[test]
fn tokens_that_are_not_named_are_accepted_only_as_far_as_the_counts_say() {
    let unknown = VerdictKind::Unknown;
    for (counts, other) in [
        (json!({ "success": 1, "failure": 1 }), ACCEPTED),
        (json!({ "success": "1" }), ACCEPTED),
        (json!({ "failure": 1 }), ACCEPTED),
        (json!({ "failure": 2 }), unknown),
        (json!({ "success": 0, "failure": 2 }), unknown),
        (json!({ "success": 7 }), unknown),
        (json!({ "success": 1e300 }), unknown),
        (json!({ "failure": 0 }), unknown),
        (json!({ "success": -1 }), unknown),
        (json!({ "success": {} }), unknown),
        (json!({}), unknown),
    ] {
        let mut inner = counts.clone();
        inner["illegalTokens"] = json!({ "tokenFormatError": ["a"] });
        assert_eq!(partial(&inner, &["a", "b"]), [DEAD, other], "{counts}");
    }
}

#[test]
fn a_list_of_another_form_or_of_other_tokens_costs_no_token() {
    for (illegal, all_failed) in [
        (json!(["a"]), VerdictKind::TargetRefused),
        (
            json!({ "tokenFormatError": "a" }),
            VerdictKind::TargetRefused,
        ),
        (
            json!({ "tokenFormatError": [["a"]] }),
            VerdictKind::TargetRefused,
        ),
        (
            json!({ "tokenFormatError": [1] }),
            VerdictKind::TargetRefused,
        ),
        (json!(null), VerdictKind::TargetRefused),
        (
            json!({ "tokenFormatError": ["other"] }),
            VerdictKind::Unknown,
        ),
        (
            json!({ "tokenFormatError": ["a", "other"] }),
            VerdictKind::Unknown,
        ),
    ] {
        let inner = json!({ "illegalTokens": illegal, "success": 1, "failure": 1 });
        assert_eq!(
            partial(&inner, &["a", "b"]),
            [VerdictKind::Unknown; 2],
            "{inner}"
        );
        let kinds = kinds(&coded(200, ALL_FAILED, &inner.to_string()), SEND, &["a"]);
        assert_eq!(kinds, [all_failed], "{inner}");
    }
    let twice = json!({
        "illegalTokens": { "tokenFormatError": ["a"], "appinfoError": ["a"] }, "failure": 1,
    });
    let kinds = kinds(&coded(200, ALL_FAILED, &twice.to_string()), SEND, &["a"]);
    assert_eq!(kinds, [VerdictKind::TargetRefused]);
}

#[test]
fn an_end_of_a_token_without_the_id_of_an_answer_is_not_believed() {
    for msg in [
        "All the tokens are invalid.",
        r#"{"illegalTokens":{"tokenFormatError":["a"]},"failure":1}"#,
    ] {
        for id in [json!(null), json!(""), json!({}), json!("two words")] {
            let answer = read(
                200,
                &json!({ "code": ALL_FAILED, "msg": msg, "requestId": id }),
            );
            assert_eq!(kinds(&answer, SEND, &["a"]), [DOWN], "{id}");
        }
        // Nor one with the status of an outage.
        assert_eq!(kinds(&coded(502, ALL_FAILED, msg), SEND, &["a"]), [DOWN]);
    }
    for msg in ["", "null", "Success", "The app is under penalty."] {
        let kinds = kinds(&coded(200, ALL_FAILED, msg), SEND, &["a"]);
        assert_eq!(kinds, [VerdictKind::TargetRefused], "{msg}");
    }
}

#[test]
fn nothing_of_the_request_stays_in_an_answer() {
    let token = "IQAAAACy0000-a-token-of-a-test";
    let secret = "the-receipt-key-of-a-test";
    let inner = json!({ "illegalTokens": { token: [token] }, "success": 0, "failure": 1 });
    let words = format!("Illegal payload, {secret} {token} lunch at the blue door?");
    for (code, msg) in [
        (PARTIAL, inner.to_string()),
        (ALL_FAILED, inner.to_string()),
        ("80100003", words),
    ] {
        let private = [secret, "lunch at the blue door?"];
        let outcome = coded(200, code, &msg).outcome(SEND, &[token], &private, sample::NOW);
        let shown = format!("{:?}", outcome.of(token));
        for part in [token, secret, "lunch"] {
            assert!(!shown.contains(part), "{shown}");
        }
    }
}
