use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

fn answer(status: u16, body: &str) -> Result<Answer, Verdict> {
    let mut response = Response::new(Bytes::from(body.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    Answer::read(&response, &["a-secret"], NOW)
}

fn of(body: &Value, targets: usize, token: &str) -> Verdict {
    let answer = answer(200, &body.to_string()).expect("it is Meizu's");
    answer.outcome(targets).of(token)
}

#[test]
fn every_answer_on_record_gives_each_push_id_its_verdict() {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/fixtures/vectors.json"))
        .expect("the vectors are JSON");
    let cases = vectors["answers"].as_array().expect("an array");
    assert_eq!(cases.len(), 5);
    for case in cases {
        let targets = case["targets"].as_object().expect("an object");
        let body = serde_json::from_str(case["body"].as_str().expect("text")).expect("JSON");
        for (token, wanted) in targets {
            let verdict = of(&body, targets.len(), token);
            assert_eq!(verdict.kind.as_str(), wanted, "{case}");
        }
    }
}

/// Every code of both tables. The same number means two things.
#[test]
fn each_code_means_what_its_own_table_says() {
    let whole = |code: &str| {
        let body = json!({ "code": code, "message": "", "value": "", "redirect": "" });
        of(&body, 1, "t")
    };
    for (code, kind) in [
        ("300", "unavailable"),
        ("500", "unavailable"),
        ("1001", "unavailable"),
        ("1003", "unavailable"),
        ("1005", "payload-refused"),
        ("110004", "payload-refused"),
        ("110032", "payload-refused"),
        ("110053", "payload-refused"),
        ("1006", "credential-refused"),
        ("110000", "credential-refused"),
        ("110001", "credential-refused"),
        ("110009", "credential-refused"),
        ("110031", "credential-refused"),
        ("110033", "credential-refused"),
        ("110002", "token-dead"),
        ("110003", "token-dead"),
        ("110010", "rate-limited"),
        ("110019", "rate-limited"),
        ("110051", "rate-limited"),
        ("110011", "target-refused"),
        ("999999", "target-refused"),
    ] {
        let verdict = whole(code);
        assert_eq!(verdict.kind.as_str(), kind, "{code}");
        assert_eq!(verdict.answer.code, code);
    }
    let named = |code: &str| {
        let body = json!({ "code": "200", "value": { code: ["t"] }, "msgId": "m" });
        assert_eq!(of(&body, 2, "other").kind, VerdictKind::Accepted, "{code}");
        of(&body, 2, "t")
    };
    for (code, kind) in [
        ("201", "token-of-another-app"),
        ("501", "unavailable"),
        ("513", "unavailable"),
        ("518", "rate-limited"),
        ("519", "unavailable"),
        ("520", "rate-limited"),
        ("110002", "token-dead"),
        ("110003", "token-dead"),
        ("110005", "target-refused"),
        ("110010", "token-muted"),
        ("110011", "rate-limited"),
        ("1006", "target-refused"),
        ("999999", "target-refused"),
    ] {
        let verdict = named(code);
        assert_eq!(verdict.kind.as_str(), kind, "{code}");
        assert_eq!(verdict.answer.code, code);
        assert_eq!(verdict.answer.request_id, "m");
    }
    // 17 h 46 min 40 s are left of the day in China.
    let midnight = Retry::After(Duration::from_secs(64_000));
    assert_eq!(whole("110019").retry, midnight);
    assert_eq!(named("110011").retry, midnight);
    assert_eq!(named("520").retry, Retry::After(Duration::from_secs(60)));
    assert_eq!(whole("110010").retry, Retry::Backoff);
    assert_eq!(
        named("110010").kind,
        VerdictKind::TokenUnusable(TokenFault::Muted)
    );
}

#[test]
fn a_dead_push_id_that_is_not_named_costs_none_of_several() {
    for code in ["110002", "110003"] {
        let body = json!({ "code": code, "value": "" });
        let kind = VerdictKind::Unavailable(Scope::Token);
        assert_eq!(of(&body, 2, "t").kind, kind, "{code}");
    }
}

#[test]
fn a_success_that_cannot_be_read_is_not_believed() {
    for value in [
        json!({ "110002": 7 }),
        json!({ "110002": [null] }),
        json!({ "110002": { "a": 1 } }),
        json!([]),
        json!(7),
        json!("other"),
    ] {
        let body = json!({ "code": "200", "value": value, "msgId": "m" });
        assert_eq!(of(&body, 1, "t").kind, VerdictKind::Unknown, "{body}");
    }
    for value in [json!({}), json!("")] {
        let mut body = json!({ "code": "200", "value": value, "msgId": "m" });
        assert_eq!(of(&body, 1, "t").kind, VerdictKind::Accepted, "{body}");
        for id in [json!(null), json!(""), json!(7), json!("has a blank")] {
            body["msgId"] = id;
            assert_eq!(of(&body, 1, "t").kind, VerdictKind::Unknown, "{body}");
        }
    }
}

#[test]
fn what_meizu_says_of_a_push_id_counts_without_an_id_of_the_push() {
    let body = json!({ "code": "200", "value": { "110002": ["t"] }, "redirect": "" });
    assert_eq!(of(&body, 2, "t").kind, DEAD);
    assert_eq!(of(&body, 2, "other").kind, VerdictKind::Unknown);
    // One that is named twice keeps what costs it less.
    let body = json!({ "code": "200", "value": { "110002": ["t"], "501": ["t"] }, "msgId": "m" });
    assert_eq!(
        of(&body, 1, "t").kind,
        VerdictKind::Unavailable(Scope::Token)
    );
}

#[test]
fn an_id_of_a_push_with_private_text_in_it_is_not_kept_and_still_confirms_the_push() {
    let answer = answer(200, r#"{"code":"200","value":{},"msgId":"00-a-secret-00"}"#);
    let verdict = answer.expect("it is Meizu's").outcome(1).of("t");
    assert_eq!(verdict.kind, VerdictKind::Accepted);
    assert_eq!(verdict.answer.request_id, "");
}

#[test]
fn a_push_id_where_a_code_belongs_is_not_kept() {
    let body = json!({ "code": "200", "value": { "RA50c634": ["RA50c634"] }, "msgId": "m" });
    let verdict = of(&body, 1, "RA50c634");
    assert_eq!(verdict.kind, VerdictKind::TargetRefused);
    assert!(!format!("{verdict:?}").contains("RA50c634"), "{verdict:?}");
}

#[test]
fn an_answer_of_another_form_is_not_meizus() {
    for (status, body) in [
        (200, r#"{"code":"200","message":"success"}"#),
        (200, r#"{"code":200,"msg":"ok","data":{}}"#),
        (200, r#"{"code":"OK","value":{},"msgId":"m"}"#),
        (200, r#"{"code":"","value":{},"msgId":"m"}"#),
        (200, r#"{"code":-200,"value":{},"msgId":"m"}"#),
        (200, r#"{"code":"200","value":null,"msgId":"m"}"#),
        (403, r#"{"code":403,"message":"Forbidden","value":""}"#),
        (404, r#"{"code":"404","message":"Not Found","value":{}}"#),
        (200, r#"{"code":1e300,"value":{},"msgId":"m"}"#),
        (200, r#"{"code":"1234567890123","value":{},"msgId":"m"}"#),
        (502, r#"{"code":"200","value":{},"msgId":"m"}"#),
        (200, "<html>"),
        (200, ""),
    ] {
        let verdict = answer(status, body).err().expect("it is not Meizu's");
        assert_eq!(
            verdict.kind,
            VerdictKind::Unavailable(Scope::Credential),
            "{body}"
        );
    }
    // Meizu's code is text, but a number is the same code.
    let number = answer(200, r#"{"code":200,"value":{},"msgId":"m"}"#).expect("it is Meizu's");
    assert_eq!(number.outcome(1).of("t").kind, VerdictKind::Accepted);
}

#[test]
fn a_step_before_the_push_never_costs_a_token_and_is_never_unknown() {
    let step = |body: Value| {
        let answer = answer(200, &body.to_string()).expect("it is Meizu's");
        answer.prepared("the message was saved", "taskId")
    };
    let kind = |body: Value| step(body).expect_err("it was not done").kind;
    let task = |value: Value| json!({ "code": "200", "value": value });
    assert_eq!(
        step(task(json!({ "taskId": 20_457 }))).as_deref(),
        Ok("20457")
    );
    for value in [json!({}), json!(""), json!({ "taskId": null }), json!([1])] {
        assert_eq!(
            kind(task(value)),
            VerdictKind::Unavailable(Scope::Credential)
        );
    }
    assert_eq!(
        kind(json!({ "code": "110002", "value": "" })),
        VerdictKind::TargetRefused
    );
    assert_eq!(
        kind(json!({ "code": "1005", "value": "" })),
        VerdictKind::PayloadRefused
    );
}
