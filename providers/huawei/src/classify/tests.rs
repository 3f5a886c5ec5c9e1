use std::time::Duration;

use push_core::{Retry, Scope};

use super::{
    codes::{CODES, DOWN},
    *,
};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

fn answer(status: u16, body: &str) -> Answer {
    let response = Response::builder()
        .status(status)
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .expect("a response");
    Answer::read(&response)
}

fn tokens(names: &[&str]) -> Vec<DeviceToken> {
    names
        .iter()
        .map(|name| DeviceToken::new(*name).expect("a token"))
        .collect()
}

fn kinds(answer: &Answer, names: &[&str]) -> Vec<VerdictKind> {
    let tokens = tokens(names);
    let refs: Vec<_> = tokens.iter().collect();
    let outcome = answer.outcome(&refs, &[], NOW);
    tokens
        .iter()
        .map(|token| outcome.verdict(token).kind)
        .collect()
}

fn partial(inner: &str) -> Answer {
    let body = serde_json::json!({ "code": "80100000", "msg": inner, "requestId": "r" });
    answer(200, &body.to_string())
}

/// Written apart from the table that it checks: each code with its class.
const DOCUMENTED: &str = "\
    80000000 ok|80100001 req|80100002 req|80100003 req|80100004 req|80100013 req|80100016 req|80100017 rate|\
    80100018 req|80200001 cred|80200003 cred|80200005 cred|80300002 cred|80300006 rate|80300007 dead|80300008 req|\
    80300010 req|80300011 req|80300013 cred|80600003 retry|81000001 retry|82000001 req|82000002 req|82000003 req|\
    82000004 req|82000005 req|82000006 req|82000007 req|82000008 req|82000009 req|82000010 req|82000011 req|\
    82000012 cred|82000013 cred";

#[test]
fn every_documented_code_has_its_class_with_any_status_and_as_a_number() {
    let codes: Vec<_> = DOCUMENTED.split('|').collect();
    assert_eq!(codes.len(), CODES.len());
    for entry in codes {
        let (code, class) = entry.split_once(' ').unwrap();
        let expected = match class {
            "ok" => VerdictKind::Accepted,
            "dead" => VerdictKind::TokenDead { since: None },
            "req" => VerdictKind::PayloadRefused,
            "cred" => VerdictKind::CredentialRefused,
            "rate" => VerdictKind::RateLimited(Scope::Credential),
            "retry" => DOWN,
            other => panic!("{other}"),
        };
        for status in [200, 400, 401, 500, 503] {
            let text = format!(r#"{{"code":"{code}","msg":"m","requestId":"r"}}"#);
            let text = answer(status, &text);
            let number = format!(r#"{{"code":{code},"msg":"m","requestId":7}}"#);
            let number = answer(status, &number);
            assert_eq!(kinds(&text, &["a"]), [expected], "{code} {status}");
            assert_eq!(kinds(&number, &["a"]), [expected], "{code} {status}");
        }
    }
}

/// The answers on record, each with what becomes of the tokens.
#[test]
fn every_answer_on_record_gives_each_token_its_verdict() {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/fixtures/vectors.json"))
        .expect("the vectors are JSON");
    let cases = vectors["hw_answer"].as_array().expect("an array");
    assert_eq!(cases.len(), 4);
    for case in cases {
        let answer = answer(200, case["body"].as_str().expect("text"));
        let sent = ["good1", "bad1"];
        let sent = &sent[..case["sent"].as_u64().expect("a number") as usize];
        let found = kinds(&answer, sent);
        let count = |kind| found.iter().filter(|found| **found == kind).count();
        assert_eq!(count(VerdictKind::Accepted) as u64, case["ok"], "{case}");
        let dead = case["dead"].as_array().map_or(sent.len(), Vec::len);
        assert_eq!(count(DEAD), dead, "{case}");
        let wants_access = case.get("do").is_some();
        assert_eq!(answer.is_access_refused(), wants_access, "{case}");
    }
}

#[test]
fn an_unknown_code_is_kept_and_judged_by_its_status() {
    for status in [200, 400, 401, 404, 408, 429, 500, 502, 503] {
        let body = r#"{"code":"87654321","msg":"news","requestId":"r1"}"#;
        let tokens = tokens(&["a"]);
        let verdict = answer(status, body)
            .outcome(&[&tokens[0]], &[], NOW)
            .verdict(&tokens[0]);
        let kind = unknown_code(StatusCode::from_u16(status).unwrap());
        assert_eq!(verdict.kind, kind, "{status}");
        assert_eq!(verdict.answer.code, "87654321");
        assert_eq!(verdict.answer.text, "news");
        assert_eq!(verdict.answer.request_id, "r1");
        assert_eq!(verdict.answer.status, Some(status));
    }
}

#[test]
fn an_answer_that_is_not_huaweis_is_an_outage_of_the_path() {
    for status in [200, 400, 401, 403, 404, 429, 502, 503] {
        for body in [
            "",
            "<html>",
            "null",
            "{}",
            r#"{"code":{}}"#,
            r#"{"code":"two words"}"#,
            r#"{"code":"AccessDenied","msg":"blocked"}"#,
            r#"{"code":403,"msg":"blocked","requestId":"r"}"#,
            r#"{"code":"87654321","message":"blocked"}"#,
        ] {
            assert_eq!(
                kinds(&answer(status, body), &["a"]),
                [DOWN],
                "{status} {body}"
            );
        }
    }
}

#[test]
fn another_access_token_is_tried_where_one_may_help() {
    for (status, code, wanted) in [
        (200, "80200003", true),
        (401, "80200003", true),
        (200, "80200005", true),
        (401, "80200001", true),
        (200, "80200001", false),
        (401, "", false),
        (401, "87654321", false),
        (401, "80300002", false),
        (403, "", false),
        (200, "80000000", false),
    ] {
        let answer = answer(status, &format!(r#"{{"code":"{code}"}}"#));
        assert_eq!(answer.is_access_refused(), wanted, "{status} {code}");
    }
}

#[test]
fn a_partial_answer_names_the_dead_in_json_inside_json() {
    let dead = VerdictKind::TokenDead { since: None };
    let ok = VerdictKind::Accepted;
    let names = ["a", "b", "c", "b"];
    for inner in [
        r#"{"success":2,"failure":1,"illegal_tokens":["b"]}"#,
        r#"{"success":"2","failure":"1","illegal_tokens":["b"]}"#,
        r#"{"illegal_tokens":["b"]}"#,
        // A token of another request changes nothing.
        r#"{"success":3,"failure":2,"illegal_tokens":["b","x"]}"#,
    ] {
        assert_eq!(
            kinds(&partial(inner), &names),
            [ok, dead, ok, dead],
            "{inner}"
        );
    }
    // Not encoded twice, which is not documented.
    let plain = r#"{"code":"80100000","msg":{"success":2,"failure":1,"illegal_tokens":["b"]},"requestId":"r"}"#;
    assert_eq!(kinds(&answer(200, plain), &names), [ok, dead, ok, dead]);
}

#[test]
fn a_partial_answer_that_cannot_be_read_leaves_every_target_unknown() {
    for inner in [
        "",
        "Success",
        "[]",
        "{",
        r#"{"success":1,"failure":1}"#,
        r#"{"success":1,"failure":1,"illegal_tokens":"a"}"#,
        r#"{"success":1,"failure":1,"illegal_tokens":["a",7]}"#,
        r#"{"success":1,"failure":1,"illegal_tokens":{"a":1}}"#,
    ] {
        let answer = partial(inner);
        assert_eq!(
            kinds(&answer, &["a", "b"]),
            [VerdictKind::Unknown; 2],
            "{inner}"
        );
    }
}

#[test]
fn an_answer_without_an_id_neither_accepts_a_push_nor_costs_a_token() {
    let partial = r#"{\"success\":1,\"failure\":1,\"illegal_tokens\":[\"a\"]}"#;
    for (code, msg, kind) in [
        ("80000000", "Success", VerdictKind::Unknown),
        ("80100000", partial, VerdictKind::Unknown),
        ("80300007", "All tokens are invalid", DOWN),
    ] {
        for id in [
            "",
            r#","requestId":"""#,
            r#","requestId":null"#,
            r#","requestId":"a b""#,
        ] {
            let body = format!(r#"{{"code":"{code}","msg":"{msg}"{id}}}"#);
            assert_eq!(kinds(&answer(200, &body), &["a"]), [kind], "{body}");
        }
    }
}

#[test]
fn where_more_failed_than_are_named_the_unnamed_are_unknown() {
    let dead = VerdictKind::TokenDead { since: None };
    let answer = partial(r#"{"success":1,"failure":2,"illegal_tokens":["a"]}"#);
    let unknown = VerdictKind::Unknown;
    assert_eq!(kinds(&answer, &["a", "b", "c"]), [dead, unknown, unknown]);
}

#[test]
fn tokens_and_texts_that_huawei_repeats_are_removed() {
    let (title, text) = ("Ann \"Tester\"", "lunch?");
    let tokens = tokens(&["token-one", "token-two"]);
    let refs: Vec<_> = tokens.iter().collect();
    let long = "x".repeat(VendorAnswer::MAX_BYTES - 4);
    for msg in [
        "token-two is no token".to_owned(),
        "Ann \"Tester\" says lunch? to token-one".to_owned(),
        format!("{long}token-one"),
        r#"{"token":["token-one"],"title":"Ann \"Tester\""}"#.to_owned(),
    ] {
        let body = serde_json::json!({ "code": msg, "msg": msg, "requestId": msg });
        let coded = serde_json::json!({ "code": "80100003", "msg": msg, "requestId": msg });
        for body in [body, coded] {
            let answer = answer(400, &body.to_string());
            let shown = format!("{:?}", answer.outcome(&refs, &[title, text], NOW));
            for private in ["token-", "Tester", "lunch?"] {
                assert!(!shown.contains(private), "{shown}");
            }
        }
    }
}

#[test]
fn retry_after_is_obeyed_only_where_another_attempt_makes_sense() {
    for (code, retry) in [
        ("80100017", Retry::After(Duration::from_secs(9))),
        ("81000001", Retry::After(Duration::from_secs(9))),
        ("80100003", Retry::Never),
        ("80000000", Retry::Never),
    ] {
        let response = Response::builder()
            .header("retry-after", "9")
            .body(Bytes::from(format!(
                r#"{{"code":"{code}","requestId":"r"}}"#
            )))
            .expect("a response");
        let tokens = tokens(&["a"]);
        let outcome = Answer::read(&response).outcome(&[&tokens[0]], &[], NOW);
        assert_eq!(outcome.verdict(&tokens[0]).retry, retry, "{code}");
    }
}
