use std::time::Duration;

use push_testkit::{json, sample};

use super::*;

const IDS: [&str; 3] = ["CN_1", "OPPO_CN_2", "CN_3"];
const MESSAGE_ID: &str = "3610865-1-1-5e3f0c5e8d1a2b0001c3d4e5";

fn read(status: u16, body: &Value) -> Result<Envelope, Verdict> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    Envelope::read(&response, &[], sample::NOW)
}

fn envelope(body: &Value) -> Envelope {
    read(200, body).expect("an answer of OPPO")
}

fn of_each(body: &Value) -> Vec<VerdictKind> {
    kinds(envelope(body).of_each(&IDS, false, &|_| Vec::new()))
}

fn kinds(verdicts: Vec<Verdict>) -> Vec<VerdictKind> {
    verdicts.into_iter().map(|verdict| verdict.kind).collect()
}

fn taken(id: &str) -> Value {
    json!({ "messageId": MESSAGE_ID, "registrationId": id })
}

fn failed(id: &str, code: i64, message: &str) -> Value {
    json!({ "registrationId": id, "errorCode": code, "errorMessage": message })
}

fn batch(entries: &[Value]) -> Value {
    json!({ "code": 0, "message": "success", "data": entries })
}

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };
const SPOILED: VerdictKind = VerdictKind::Unavailable(Scope::Token);

/// The answers of the sheet.
#[test]
fn every_answer_on_record_gives_each_target_its_verdict() {
    let unicast = json!({ "code": 0, "message": "success", "data": { "messageId": MESSAGE_ID } });
    let verdict = envelope(&unicast).of_one(&[]);
    assert_eq!(verdict.kind, VerdictKind::Accepted);
    assert_eq!(verdict.answer.request_id, MESSAGE_ID);
    let dead = json!({ "code": 10_000, "message": "registration_id格式不正确" });
    assert_eq!(envelope(&dead).of_one(&[]).kind, DEAD);
    let several = batch(&[
        taken(IDS[0]),
        failed(IDS[1], 10_000, "registration_id格式不正确"),
        json!({ "registrationId": IDS[2], "errorCode": 33 }),
    ]);
    let limited = VerdictKind::RateLimited(Scope::Token);
    assert_eq!(of_each(&several), [VerdictKind::Accepted, DEAD, limited]);
    let broadcast = json!({ "code": 0, "message": "success", "data": {
        "message_id": "5e3f", "task_id": "t-1", "status": "call_success", "10000": ["CN_1, OPPO_CN_2", 7],
    }});
    let verdicts = envelope(&broadcast).of_broadcast(&IDS, "5e3f");
    assert_eq!(kinds(verdicts), [DEAD, DEAD, VerdictKind::Accepted]);
}

/// Every code of the sheet's table, for the one message of a request.
#[test]
fn every_code_has_its_meaning() {
    use VerdictKind::{Accepted, CredentialRefused, PayloadRefused, RateLimited, Unavailable};

    let codes: [(&[i64], VerdictKind); 7] = [
        (&[-1], Unavailable(Scope::Credential)),
        (&[-2, 13, 55], RateLimited(Scope::Credential)),
        (&[33, 34], RateLimited(Scope::Class)),
        (
            &[11, 14, 15, 16, 17, 18, 19, 26, 27, 28, 30, 59],
            CredentialRefused,
        ),
        (
            &[12, 20, 21, 22, 23, 24, 25, 29, 31, 40, 41, 51, 54, 67],
            PayloadRefused,
        ),
        (&[32], Accepted),
        (
            &[1, 99, 10_001, -3, i64::MAX, i64::MIN],
            VerdictKind::TargetRefused,
        ),
    ];
    for (codes, kind) in codes {
        for code in codes {
            let body = json!({ "code": code, "message": "words" });
            let verdict = envelope(&body).of_one(&[]);
            assert_eq!(verdict.kind, kind, "{code}");
            assert_eq!(verdict.answer.code, code.to_string());
            assert_eq!(envelope(&body).wants_access(), *code == 11);
        }
    }
}

/// 41 is what any wrong argument gets; a host of OPPO was seen to answer so for an id, too.
#[test]
fn an_illegal_argument_makes_an_id_suspect_only_if_it_is_named() {
    let suspect = VerdictKind::TokenUnusable(TokenFault::App);
    for (message, kind) in [
        ("Invalid arguments: registration_id", suspect),
        ("RegistrationId error", suspect),
        ("regId", suspect),
        ("Invalid arguments: title", VerdictKind::PayloadRefused),
        ("", VerdictKind::PayloadRefused),
    ] {
        let body = json!({ "code": 41, "message": message });
        assert_eq!(envelope(&body).of_one(&[]).kind, kind, "{message}");
        let entry = batch(&[failed(IDS[0], 41, message)]);
        let verdicts = envelope(&entry).of_each(&IDS[..1], false, &|_| Vec::new());
        assert_eq!(kinds(verdicts), [kind], "{message}");
    }
}

#[test]
fn a_dead_id_needs_words_about_an_id_where_nothing_names_it() {
    for message in ["system error", "", "成功"] {
        let body = json!({ "code": 10_000, "message": message });
        assert_eq!(envelope(&body).of_one(&[]).kind, VerdictKind::TargetRefused);
    }
}

/// One message can spoil all; a verdict on one is none on the others.
#[test]
fn a_refusal_of_a_whole_batch_ends_none_of_its_messages() {
    for (code, message) in [
        (10_000, "registration_id"),
        (41, "registration_id"),
        (67, ""),
        (987, ""),
    ] {
        let body = json!({ "code": code, "message": message });
        assert_eq!(of_each(&body), [SPOILED; 3], "{code}");
    }
    // All have this content.
    let body = json!({ "code": 67, "message": "category" });
    let alike = envelope(&body).of_each(&IDS, true, &|_| Vec::new());
    assert_eq!(kinds(alike), [VerdictKind::PayloadRefused; 3]);
    for (code, kind) in [
        (33, VerdictKind::RateLimited(Scope::Class)),
        (-1, VerdictKind::Unavailable(Scope::Credential)),
        (27, VerdictKind::CredentialRefused),
        // Which of them was sent before, it does not say.
        (32, VerdictKind::Unknown),
    ] {
        assert_eq!(
            of_each(&json!({ "code": code, "message": "" })),
            [kind; 3],
            "{code}"
        );
    }
}

#[test]
fn a_target_that_the_answer_does_not_name_is_unknown_and_a_wrong_entry_is_nobodys() {
    let unknown = VerdictKind::Unknown;
    let accepted = VerdictKind::Accepted;
    for (entries, wanted) in [
        (vec![], [unknown; 3]),
        (vec![taken(IDS[1])], [unknown, accepted, unknown]),
        (
            vec![taken("CN_9"), taken(IDS[0])],
            [accepted, unknown, unknown],
        ),
        // Two entries for one message contradict each other.
        (
            vec![
                taken(IDS[0]),
                failed(IDS[0], 10_000, "registration_id"),
                taken(IDS[2]),
            ],
            [unknown, unknown, accepted],
        ),
        (
            vec![
                json!({ "registrationId": IDS[0] }),
                json!({ "registrationId": IDS[1], "messageId": "" }),
                json!({ "registrationId": IDS[2], "errorCode": [], "messageId": MESSAGE_ID }),
            ],
            [unknown; 3],
        ),
        (
            vec![json!(7), json!(null), json!({ "messageId": MESSAGE_ID })],
            [unknown; 3],
        ),
        (
            vec![
                json!({ "registrationId": " CN_1 ", "errorCode": "0", "messageId": MESSAGE_ID }),
                json!({ "registrationId": IDS[1], "errorCode": "10000" }),
                json!({ "registrationId": IDS[2], "errorCode": 32 }),
            ],
            [accepted, DEAD, accepted],
        ),
    ] {
        assert_eq!(of_each(&batch(&entries)), wanted, "{entries:?}");
    }
}

#[test]
fn several_messages_to_one_phone_have_their_entries_in_order() {
    let ids = ["CN_1", "CN_1", "CN_2"];
    let entries = batch(&[taken("CN_2"), failed("CN_1", 33, ""), taken("CN_1")]);
    let verdicts = envelope(&entries).of_each(&ids, false, &|_| Vec::new());
    let limited = VerdictKind::RateLimited(Scope::Token);
    assert_eq!(
        kinds(verdicts),
        [limited, VerdictKind::Accepted, VerdictKind::Accepted]
    );
}

#[test]
fn an_entry_accuses_neither_the_credential_nor_the_others() {
    for (code, kind) in [
        (27, VerdictKind::TargetRefused),
        (11, VerdictKind::TargetRefused),
        (-1, SPOILED),
        (13, VerdictKind::RateLimited(Scope::Token)),
        (67, VerdictKind::PayloadRefused),
        (987, VerdictKind::TargetRefused),
    ] {
        let entries = batch(&[failed(IDS[0], code, ""), taken(IDS[1]), taken(IDS[2])]);
        let wanted = [kind, VerdictKind::Accepted, VerdictKind::Accepted];
        assert_eq!(of_each(&entries), wanted, "{code}");
    }
}

#[test]
fn a_list_of_another_message_costs_no_id() {
    let of = |data: Value| {
        let body = json!({ "code": 0, "message": "success", "data": data });
        kinds(envelope(&body).of_broadcast(&IDS, "5e3f"))
    };
    let unknown = [VerdictKind::Unknown; 3];
    assert_eq!(
        of(json!({ "message_id": "other", "task_id": "t", "10000": IDS })),
        unknown
    );
    assert_eq!(of(json!({ "task_id": "t", "10000": IDS })), unknown);
    assert_eq!(of(json!({ "message_id": "5e3f", "10000": [] })), unknown);
    assert_eq!(
        of(json!([{ "message_id": "5e3f", "task_id": "t" }])),
        unknown
    );
    let text = json!({ "message_id": "5e3f", "task_id": 7, "10000": "CN_1 ; CN_3", "33": null, "-1": IDS, "": IDS });
    assert_eq!(of(text), [DEAD, VerdictKind::Accepted, DEAD]);
    // The whole is refused, and the list still says whose fault it is.
    let body =
        json!({ "code": 33, "message": "", "data": { "message_id": "5e3f", "10000": ["CN_1"] } });
    let limited = VerdictKind::RateLimited(Scope::Class);
    let verdicts = envelope(&body).of_broadcast(&IDS, "5e3f");
    assert_eq!(kinds(verdicts), [DEAD, limited, limited]);
}

#[test]
fn a_daily_limit_ends_at_midnight_in_china() {
    // 06:13:20 there.
    let left = Retry::After(Duration::from_secs(17 * 3600 + 46 * 60 + 40));
    for code in [33, 34] {
        let body = json!({ "code": code, "message": "" });
        assert_eq!(envelope(&body).of_one(&[]).retry, left);
        let entries = batch(&[failed(IDS[0], code, "")]);
        let verdicts = envelope(&entries).of_each(&IDS[..1], false, &|_| Vec::new());
        assert_eq!(verdicts[0].retry, left);
    }
    let body = json!({ "code": 13, "message": "" });
    assert_eq!(envelope(&body).of_one(&[]).retry, Retry::Backoff);
}

#[test]
fn json_that_was_written_as_text_is_read_once() {
    let inner = json!({ "code": 0, "message": "success", "data": { "messageId": MESSAGE_ID } });
    let once = Value::from(inner.to_string());
    assert_eq!(envelope(&once).of_one(&[]).kind, VerdictKind::Accepted);
    let twice = Value::from(once.to_string());
    assert!(read(200, &twice).is_err());
}

#[test]
fn an_answer_of_another_server_ends_and_costs_nothing() {
    for status in [200, 403, 502] {
        for body in [
            json!({ "code": 200, "message": "success" }),
            json!({ "code": 403, "message": "Forbidden", "data": null }),
            json!({ "code": 10_000, "msg": "registration_id" }),
            json!({ "code": 10_000, "message": 7, "data": {} }),
            json!({ "code": 1e300, "message": "registration_id" }),
            json!({ "code": 10_000.5, "message": "registration_id" }),
            json!({ "code": { "code": 10_000 }, "message": "registration_id" }),
            json!({ "result": 0, "desc": "ok", "taskId": "1" }),
            json!({ "result": "ok", "code": "0", "data": { "id": "1" } }),
            json!([{ "code": 10_000, "message": "registration_id" }]),
        ] {
            let Err(verdict) = read(status, &body) else {
                panic!("{status} {body} is taken for OPPO's");
            };
            assert_eq!(
                verdict.kind,
                VerdictKind::Unavailable(Scope::Credential),
                "{body}"
            );
        }
    }
    // A success needs a successful status, too.
    let body = json!({ "code": 0, "message": "success", "data": { "messageId": MESSAGE_ID } });
    let verdict = read(500, &body).expect("its form is OPPO's").of_one(&[]);
    assert_eq!(verdict.kind, VerdictKind::Unavailable(Scope::Credential));
}

#[test]
fn a_message_that_was_saved_without_an_id_was_not_sent() {
    let saved = |body: Value| envelope(&body).saved();
    let body = json!({ "code": 0, "message": "success", "data": { "message_id": "5e3f0c5e8d1a2b0001c3d4e5" } });
    assert_eq!(saved(body).expect("an id"), "5e3f0c5e8d1a2b0001c3d4e5");
    for body in [
        json!({ "code": 0, "message": "success" }),
        json!({ "code": 0, "message": "success", "data": { "message_id": "" } }),
        json!({ "code": 0, "message": "success", "data": { "message_id": "two words" } }),
        json!({ "code": 32, "message": "duplicate" }),
    ] {
        let verdict = saved(body.clone()).expect_err("no id");
        assert_eq!(
            verdict.kind,
            VerdictKind::Unavailable(Scope::Credential),
            "{body}"
        );
        assert_eq!(verdict.retry, Retry::Backoff);
    }
}

#[test]
fn a_message_that_could_not_be_saved_costs_no_token() {
    let body = json!({ "code": 10000, "message": "registration_id格式不正确" });
    let verdict = envelope(&body).saved().expect_err("it was refused");
    assert_eq!(verdict.kind, VerdictKind::TargetRefused);
}

#[test]
fn a_permit_has_numbers() {
    let permit = |data: Value| {
        let permit = envelope(&json!({ "code": 0, "message": "success", "data": data })).permit();
        permit.map_err(|verdict| verdict.kind)
    };
    assert_eq!(
        permit(json!({ "push_count": 1, "total_count": "100" })),
        Ok((1, 100))
    );
    for data in [
        json!({}),
        json!({ "push_count": -1, "total_count": 1 }),
        json!({ "push_count": 1 }),
    ] {
        assert_eq!(permit(data), Err(VerdictKind::Unknown));
    }
}

#[test]
fn nothing_private_stays_in_an_answer() {
    let body =
        json!({ "code": 987, "message": "the text lunch at noon for CN_secret-id is wrong" });
    let response = Response::new(Bytes::from(body.to_string()));
    let envelope = Envelope::read(&response, &["lunch at noon", "CN_secret-id"], sample::NOW);
    let text = envelope.expect("OPPO's").of_one(&[]).answer.text.clone();
    assert_eq!(text, "the text … for … is wrong");
    let entries = batch(&[failed("CN_1", 987, "no lunch at noon")]);
    let verdicts = self::envelope(&entries).of_each(&["CN_1"], false, &|_| vec!["lunch at noon"]);
    assert_eq!(verdicts[0].answer.text, "no …");
}
