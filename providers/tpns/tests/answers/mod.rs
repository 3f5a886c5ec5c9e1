//! What TPNS answers, from its pages and from what other clients recorded.
use push_testkit::{
    Reply, json,
    serde_json::{self, Value},
};

/// A refusal: TPNS answers with the status 200.
pub(crate) fn coded(code: i64) -> Reply {
    Reply::new(200).json(json!({
        "seq": 0, "ret_code": code, "environment": "", "err_msg": "as documented", "err_msg_zh": "",
    }))
}

/// The answer of the page to a push to one token.
pub(crate) fn done() -> Reply {
    Reply::new(200).json(json!({
        "seq": 0, "push_id": "427184209", "ret_code": 0, "environment": "dev", "err_msg": "", "result": "[0]",
    }))
}

/// The answer to a push to several, of which these tokens are invalid.
pub(crate) fn lists(invalid: &[String]) -> Reply {
    Reply::new(200).json(json!({
        "seq": 0, "push_id": "427184209", "ret_code": 0, "invalid_targe_list": invalid,
    }))
}

/// An answer with a code for each token.
pub(crate) fn results(codes: &[i64]) -> Reply {
    Reply::new(200).json(json!({
        "seq": 0, "push_id": "427184209", "ret_code": 0, "result": json!(codes).to_string(),
    }))
}

/// Answers that name the only token of a push as invalid.
pub(crate) fn dead() -> Vec<Reply> {
    vec![
        coded(1_008_029),
        coded(1_008_006),
        coded(10_010_005),
        results(&[1_008_029]),
        Reply::with(|request| {
            let body: Value = serde_json::from_slice(request.body()).expect("JSON");
            let tokens = body["token_list"].as_array().expect("an array");
            let texts = tokens
                .iter()
                .map(|token| token.as_str().expect("text").to_owned());
            lists(&texts.collect::<Vec<_>>())
        }),
    ]
}

/// Answers that accept without naming the push.
pub(crate) fn unconfirmed() -> [Reply; 6] {
    [
        json!({ "ret_code": 0 }),
        json!({ "ret_code": 0, "result": "[0]", "err_msg": "" }),
        json!({ "ret_code": 0, "push_id": "" }),
        json!({ "ret_code": 0, "push_id": "0" }),
        json!({ "ret_code": "0", "push_id": [] }),
        json!({ "ret_code": 0, "push_id": { "id": 1 }, "invalid_targe_list": ["x"] }),
    ]
    .map(|body| Reply::new(200).json(body))
}

/// Codes that refuse the credential.
pub(crate) const CREDENTIAL: [i64; 10] = [
    10_101, 1_008_003, 1_008_021, 1_008_022, 1_008_023, 1_008_030, 1_008_031, 1_008_035, 1_010_001,
    10_030_002,
];

/// Codes that refuse what was sent.
pub(crate) const PAYLOAD: [i64; 14] = [
    1_008_001, 1_008_002, 1_008_007, 1_008_011, 1_008_012, 1_008_013, 1_008_015, 1_008_016,
    1_008_019, 1_008_020, 1_008_025, 1_008_026, 1_008_027, 10_010_012,
];
