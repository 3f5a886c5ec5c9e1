use push_core::Retry;
use push_testkit::sample;
use serde_json::json;

use super::*;

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };

/// The verdicts on the tokens `t0` to `t3`.
fn four(body: &Value) -> [VerdictKind; 4] {
    let response = Response::new(Bytes::from(body.to_string()));
    let tokens = ["t0", "t1", "t2", "t3"];
    let answer = Answer::read(&response, &tokens, &[], sample::NOW);
    std::array::from_fn(|at| answer.of(at).kind)
}

fn accepted(more: &Value) -> Value {
    let mut body = json!({ "seq": 0, "push_id": "427184209", "ret_code": 0 });
    push_kit::overlay::merge(
        body.as_object_mut().expect("an object"),
        more.as_object().expect("an object"),
    );
    body
}

#[test]
fn a_code_with_the_status_of_an_outage_accuses_no_one() {
    for code in [1_008_029, 1_008_003] {
        let body = json!({ "ret_code": code }).to_string();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        let answer = Answer::read(&response, &["t0"], &[], sample::NOW);
        let kind = VerdictKind::Unavailable(Scope::Credential);
        assert_eq!(answer.of(0).kind, kind, "{code}");
    }
}

#[test]
fn results_are_those_of_the_tokens_in_their_order() {
    let token = VerdictKind::Unavailable(Scope::Token);
    for result in [
        json!("[0,1008029,1008004,1008003]"),
        json!([0, 1_008_029, "1008004", 1_008_003]),
    ] {
        assert_eq!(
            four(&accepted(&json!({ "result": result }))),
            [
                VerdictKind::Accepted,
                DEAD,
                token,
                VerdictKind::TargetRefused
            ]
        );
    }
}

#[test]
fn results_may_leave_out_the_tokens_that_are_listed_as_invalid() {
    let body = accepted(&json!({ "invalid_targe_list": ["t1"], "result": "[0,1008029,0]" }));
    let yes = VerdictKind::Accepted;
    assert_eq!(four(&body), [yes, DEAD, DEAD, yes]);
    let body = accepted(&json!({ "invalid_targe_list": ["t1"], "result": "[0,0,1008004,0]" }));
    let later = VerdictKind::Unavailable(Scope::Token);
    assert_eq!(four(&body), [yes, DEAD, later, yes]);
}

#[test]
fn without_results_the_code_of_the_request_counts_for_all_tokens() {
    for result in [
        json!(null),
        json!("{}"),
        json!(""),
        json!("[]"),
        json!("[0]"),
        json!("[0,0,0,0,0]"),
        json!([0, 0, 0, 0]),
        json!("[0,null,0,0]"),
        json!(7),
    ] {
        let body = accepted(&json!({ "result": result }));
        assert_eq!(four(&body), [VerdictKind::Accepted; 4], "{body}");
    }
}

#[test]
fn results_that_belong_to_no_token_accept_and_end_nothing() {
    for result in ["[1008029]", "[0,0,1008029]", "[0,0,0,0,1008003]"] {
        let body = accepted(&json!({ "result": result, "invalid_targe_list": ["t3", "t2"] }));
        let open = VerdictKind::Unknown;
        assert_eq!(four(&body), [open, open, DEAD, DEAD], "{body}");
    }
}

#[test]
fn an_invalid_token_among_several_that_is_not_named_costs_none() {
    for code in [1_008_006, 1_008_029, 10_010_005] {
        let body = json!({ "ret_code": code, "invalid_targe_list": ["t0"] });
        assert_eq!(four(&body), [VerdictKind::Unavailable(Scope::Token); 4]);
    }
}

#[test]
fn a_list_that_failed_in_part_is_read_by_its_results() {
    let body = json!({ "ret_code": 1_008_026, "push_id": "1", "result": "[0,1008029,0,0]" });
    let yes = VerdictKind::Accepted;
    assert_eq!(four(&body), [yes, DEAD, yes, yes]);
    let body = json!({ "ret_code": 1_008_026, "push_id": "1" });
    assert_eq!(four(&body), [VerdictKind::PayloadRefused; 4]);
}

#[test]
fn a_repeated_push_was_accepted_before() {
    let body = json!({ "ret_code": 10_010_018, "err_msg": "repeated" });
    assert_eq!(four(&body), [VerdictKind::Accepted; 4]);
}

#[test]
fn a_push_that_is_repeated_by_itself_has_several_ids() {
    for id in [json!("7"), json!(7), json!(["7", "8"]), json!([7])] {
        let body = json!({ "ret_code": 0, "push_id": id });
        let response = Response::new(Bytes::from(body.to_string()));
        let verdict = Answer::read(&response, &["t"], &[], sample::NOW).of(0);
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        assert_eq!(verdict.answer.request_id, "7");
    }
}

#[test]
fn a_success_counts_with_a_status_of_success_only() {
    for status in [302, 403, 500] {
        let body = accepted(&json!({ "result": "[0]" })).to_string();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        let verdict = Answer::read(&response, &["t"], &[], sample::NOW).of(0);
        assert_eq!(verdict.kind, VerdictKind::Unavailable(Scope::Credential));
        assert_eq!(verdict.retry, Retry::Backoff);
    }
}

#[test]
fn the_words_are_those_of_the_vendor_without_what_was_sent() {
    let body = json!({
        "ret_code": 1_008_007, "err_msg": "", "err_msg_zh": "参数 the-token-1 错误", "push_id": "the-token-1",
    });
    let response = Response::new(Bytes::from(body.to_string()));
    let verdict = Answer::read(&response, &["the-token-1"], &["the-token-1"], sample::NOW).of(0);
    assert_eq!(verdict.answer.code, "1008007");
    assert_eq!(verdict.answer.text, "参数 … 错误");
    assert_eq!(verdict.answer.request_id, "");
}
