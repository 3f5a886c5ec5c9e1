use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);
const DEAD_SINCE: Timestamp = Timestamp::from_unix_millis(1_454_948_015_990);

const ID: &str = "eabeae54-14a8-11e5-b60b-1697f925ec7b";

const ASKED: Asked<'_> = Asked {
    topic: TopicOrigin::Credential,
    id: ID,
};

fn named_answer(id: &str, status: u16, body: &str) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("apns-id", id)
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap()
}

fn answer_to(topic: TopicOrigin, status: u16, body: &str) -> (Verdict, Action) {
    let asked = Asked { topic, ..ASKED };
    classify(&named_answer(ID, status, body), asked, NOW)
}

fn answer(status: u16, body: &str) -> (Verdict, Action) {
    answer_to(TopicOrigin::Credential, status, body)
}

fn reason(status: u16, reason: &str) -> (Verdict, Action) {
    answer(status, &format!(r#"{{"reason":"{reason}"}}"#))
}

/// Apple's whole list, with the status of each, and what becomes of the delivery.
#[test]
fn every_documented_reason_has_its_verdict() {
    use Action::{CheckTokenDate, None as Nothing, Reconnect, RenewToken, Resend};
    use Retry::{After, Backoff, Never};
    use VerdictKind::{
        CredentialRefused, PayloadRefused, RateLimited, TokenDead, TokenUnusable, Unavailable,
    };
    let environment = TokenUnusable(TokenFault::Environment);
    let app = TokenUnusable(TokenFault::App);
    let dead = TokenDead { since: None };
    let down = Unavailable(Scope::Credential);
    let twenty = After(Duration::from_secs(1200));
    let (of_token, of_credential) = (RateLimited(Scope::Token), RateLimited(Scope::Credential));
    let table = [
        (400, "BadCollapseId", PayloadRefused, Never, Nothing),
        (400, "BadDeviceToken", environment, Never, Nothing),
        (400, "BadExpirationDate", PayloadRefused, Never, Nothing),
        (400, "BadMessageId", PayloadRefused, Never, Nothing),
        (400, "BadPriority", PayloadRefused, Never, Nothing),
        (400, "BadTopic", CredentialRefused, Backoff, Nothing),
        (400, "DeviceTokenNotForTopic", app, Never, Nothing),
        (400, "DuplicateHeaders", PayloadRefused, Never, Nothing),
        (400, "IdleTimeout", down, Backoff, Resend),
        (400, "InvalidPushType", PayloadRefused, Never, Nothing),
        (400, "MissingDeviceToken", PayloadRefused, Never, Nothing),
        (400, "MissingTopic", PayloadRefused, Never, Nothing),
        (400, "PayloadEmpty", PayloadRefused, Never, Nothing),
        (400, "TopicDisallowed", CredentialRefused, Backoff, Nothing),
        (403, "BadCertificate", CredentialRefused, Backoff, Nothing),
        (
            403,
            "BadCertificateEnvironment",
            CredentialRefused,
            Backoff,
            Nothing,
        ),
        (
            403,
            "ExpiredProviderToken",
            of_credential,
            twenty,
            RenewToken,
        ),
        (403, "Forbidden", CredentialRefused, Backoff, Nothing),
        (
            403,
            "InvalidProviderToken",
            CredentialRefused,
            Backoff,
            CheckTokenDate,
        ),
        (
            403,
            "MissingProviderToken",
            CredentialRefused,
            Backoff,
            Nothing,
        ),
        (
            403,
            "UnrelatedKeyIdInToken",
            CredentialRefused,
            Backoff,
            Reconnect,
        ),
        (
            403,
            "BadEnvironmentKeyIdInToken",
            CredentialRefused,
            Backoff,
            Nothing,
        ),
        (
            403,
            "BadEnvironmentKeyInToken",
            CredentialRefused,
            Backoff,
            Nothing,
        ),
        (404, "BadPath", PayloadRefused, Never, Nothing),
        (405, "MethodNotAllowed", PayloadRefused, Never, Nothing),
        (410, "ExpiredToken", dead, Never, Nothing),
        (410, "Unregistered", dead, Never, Nothing),
        (413, "PayloadTooLarge", PayloadRefused, Never, Nothing),
        (
            429,
            "TooManyProviderTokenUpdates",
            of_credential,
            twenty,
            Nothing,
        ),
        (429, "TooManyRequests", of_token, Backoff, Nothing),
        (500, "InternalServerError", down, Backoff, Nothing),
        (503, "ServiceUnavailable", down, Backoff, Nothing),
        (503, "Service Unavailable", down, Backoff, Nothing),
        (503, "Shutdown", down, Backoff, Nothing),
        (400, "FeatureNotEnabled", PayloadRefused, Never, Nothing),
        (403, "TopicMismatch", CredentialRefused, Backoff, Nothing),
        (400, "MissingChannelId", PayloadRefused, Never, Nothing),
        (400, "BadChannelId", PayloadRefused, Never, Nothing),
        (400, "ChannelNotRegistered", PayloadRefused, Never, Nothing),
        (400, "BadRequestParams", PayloadRefused, Never, Nothing),
        (400, "BadRequestPayload", PayloadRefused, Never, Nothing),
        (400, "MissingPushType", PayloadRefused, Never, Nothing),
        (
            400,
            "CannotCreateChannelConfig",
            PayloadRefused,
            Never,
            Nothing,
        ),
    ];
    assert_eq!(table.len(), REASONS.len(), "the table has every reason");
    for (status, word, kind, retry, action) in table {
        let (verdict, wanted) = reason(status, word);
        assert_eq!(verdict.kind, kind, "{word}");
        assert_eq!(verdict.retry, retry, "{word}");
        assert_eq!(wanted, action, "{word}");
        assert_eq!(verdict.answer.code, word);
        assert_eq!(verdict.answer.status, Some(status));
    }
}

#[test]
fn a_topic_of_one_slot_that_is_refused_does_not_concern_the_credential() {
    for word in ["TopicDisallowed", "TopicMismatch", "BadTopic"] {
        let body = format!(r#"{{"reason":"{word}"}}"#);
        let (verdict, _) = answer_to(TopicOrigin::Slot, 400, &body);
        assert_eq!(verdict.kind, VerdictKind::TargetRefused, "{word}");
        assert!(verdict.answer.text.contains("topic"), "{verdict:?}");
    }
}

#[test]
fn a_push_type_that_the_message_chose_never_counts_against_token_or_credential() {
    for (status, word) in [
        (400, "BadDeviceToken"),
        (400, "DeviceTokenNotForTopic"),
        (400, "TopicDisallowed"),
        (400, "BadTopic"),
        (403, "TopicMismatch"),
        (403, "Forbidden"),
        (410, "Unregistered"),
        (410, "ExpiredToken"),
    ] {
        let body = format!(r#"{{"reason":"{word}","timestamp":1454948015990}}"#);
        let (verdict, _) = answer_to(TopicOrigin::Message, status, &body);
        assert_eq!(verdict.kind, VerdictKind::PayloadRefused, "{word}");
        assert_eq!(verdict.answer.code, word);
        assert!(verdict.answer.text.contains("`push-type`"), "{verdict:?}");
    }
}

#[test]
fn a_token_is_dead_since_the_time_that_apple_names() {
    for word in ["Unregistered", "ExpiredToken"] {
        let body = format!(r#"{{"reason":"{word}","timestamp":1454948015990}}"#);
        let kind = VerdictKind::TokenDead {
            since: Some(DEAD_SINCE),
        };
        assert_eq!(answer(410, &body).0.kind, kind, "{word}");
    }
}

#[test]
fn an_odd_timestamp_does_not_hide_the_reason() {
    for (timestamp, since) in [
        (r#""1454948015990""#, Some(DEAD_SINCE)),
        ("1454948015990.25", Some(DEAD_SINCE)),
        ("1.45494801599e12", Some(DEAD_SINCE)),
        (r#"" 1454948015990.0 ""#, Some(DEAD_SINCE)),
        (r#""2016-02-08T16:13:35Z""#, None),
        ("-5", None),
        ("0", None),
        ("1e300", None),
        (r#""NaN""#, None),
        ("true", None),
        ("null", None),
        ("{}", None),
        ("99999999999999999999999", None),
        ("9223372036854775807", None),
        ("1e400", None),
        ("-1e400", None),
        // Seconds instead of milliseconds, and a year before the service existed.
        ("1454948015", None),
        ("1199145599999", None),
        ("99999999999999", None),
        // Apple's clock may be ahead of this machine's by minutes.
        ("1700000300000", Some(NOW)),
        ("1700000300001", None),
    ] {
        let body = format!(r#"{{"reason":"Unregistered","timestamp":{timestamp}}}"#);
        let verdict = answer(410, &body).0;
        assert_eq!(
            verdict.kind,
            VerdictKind::TokenDead { since },
            "{timestamp}"
        );
        assert_eq!(verdict.answer.code, "Unregistered");
    }
}

#[test]
fn an_unknown_reason_is_kept_and_costs_neither_token_nor_credential() {
    for status in [
        400, 401, 403, 404, 409, 410, 413, 418, 422, 429, 500, 502, 599,
    ] {
        let body = r#"{"reason":"InventedTomorrow","timestamp":1454948015990}"#;
        let (verdict, action) = answer(status, body);
        assert_eq!(verdict.answer.code, "InventedTomorrow");
        assert_eq!(action, Action::None);
        let kind = match status {
            429 => VerdictKind::RateLimited(Scope::Credential),
            500.. => VerdictKind::Unavailable(Scope::Credential),
            _ => VerdictKind::TargetRefused,
        };
        assert_eq!(verdict.kind, kind, "{status}");
    }
}

#[test]
fn an_answer_that_is_not_apples_settles_nothing_whatever_its_status() {
    let down = VerdictKind::Unavailable(Scope::Credential);
    for status in [
        200, 204, 302, 400, 401, 403, 404, 407, 410, 413, 421, 429, 500, 503,
    ] {
        for body in [
            "<html>proxy</html>",
            "{}",
            "[]",
            r#"{"reason":""}"#,
            r#"{"reason":7}"#,
            r#"{"reason":"the request was blocked"}"#,
            r#"{"error":"denied"}"#,
            r#""Unregistered""#,
            "Unregistered",
        ] {
            let (verdict, action) = answer(status, body);
            assert_eq!(verdict.kind, down, "{status} {body}");
            assert_eq!(verdict.retry, Retry::Backoff);
            assert_eq!(action, Action::None);
            assert!(!verdict.answer.text.contains("proxy</html>"));
            assert!(
                verdict.answer.text.contains("not the vendor's answer"),
                "{verdict:?}"
            );
        }
        if status != 200 {
            assert_eq!(answer(status, "").0.kind, down, "{status}");
        }
    }
    // A success that has a reason is none of Apple's either.
    assert_eq!(reason(200, "Unregistered").0.kind, down);
    assert_eq!(reason(302, "Unregistered").0.kind, down);
}

#[test]
fn a_success_without_apples_header_is_not_apples() {
    let captive_portal = Response::builder().status(200).body(Bytes::new()).unwrap();
    let (verdict, _) = classify(&captive_portal, ASKED, NOW);
    assert_eq!(verdict.kind, VerdictKind::Unavailable(Scope::Credential));
    assert_eq!(answer(200, "").0.kind, VerdictKind::Accepted);
}

#[test]
fn a_success_with_the_id_of_another_push_may_have_been_accepted_or_not() {
    for id in ["", "a", "00000000-0000-0000-0000-000000000000"] {
        let (verdict, action) = classify(&named_answer(id, 200, ""), ASKED, NOW);
        assert_eq!(verdict.kind, VerdictKind::Unknown, "{id}");
        assert_eq!((verdict.retry, action), (Retry::Backoff, Action::None));
        assert!(verdict.answer.text.contains("another push"), "{verdict:?}");
    }
    let (verdict, _) = classify(&named_answer(&ID.to_uppercase(), 200, ""), ASKED, NOW);
    assert_eq!(verdict.kind, VerdictKind::Accepted);
}

#[test]
fn a_refusal_with_the_id_of_another_push_settles_nothing() {
    for (status, word) in [
        (400, "BadDeviceToken"),
        (400, "PayloadEmpty"),
        (403, "InvalidProviderToken"),
        (410, "Unregistered"),
    ] {
        let body = format!(r#"{{"reason":"{word}","timestamp":1454948015990}}"#);
        let (verdict, action) = classify(&named_answer("a", status, &body), ASKED, NOW);
        let down = VerdictKind::Unavailable(Scope::Credential);
        assert_eq!((verdict.kind, action), (down, Action::None), "{word}");
    }
}

#[test]
fn a_reason_that_is_unknown_counts_only_with_apples_header() {
    for status in [400, 403, 404, 410, 413, 421] {
        let response = Response::builder()
            .status(status)
            .body(Bytes::from_static(br#"{"reason":"Blocked"}"#))
            .unwrap();
        let (verdict, _) = classify(&response, ASKED, NOW);
        assert_eq!(verdict.kind, VerdictKind::Unavailable(Scope::Credential));
        assert_eq!(reason(status, "Blocked").0.kind, VerdictKind::TargetRefused);
    }
}

#[test]
fn an_invalid_provider_token_may_be_the_fault_of_the_clock() {
    let text = reason(403, "InvalidProviderToken").0.answer.text.clone();
    for word in ["`key_id`", "`team_id`", "revoked", "clock"] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn retry_after_is_honoured_in_both_forms() {
    let with = |value: &str, word: &str| {
        let response = Response::builder()
            .status(503)
            .header("retry-after", value)
            .body(Bytes::from(format!(r#"{{"reason":"{word}"}}"#)))
            .unwrap();
        classify(&response, ASKED, NOW).0.retry
    };
    let after = |seconds| Retry::After(Duration::from_secs(seconds));
    assert_eq!(with("120", "ServiceUnavailable"), after(120));
    assert_eq!(
        with("Tue, 14 Nov 2023 22:15:20 GMT", "Shutdown"),
        after(120)
    );
    assert_eq!(with("99999999", "Shutdown"), after(24 * 60 * 60));
    assert_eq!(with("soon", "Shutdown"), Retry::Backoff);
    assert_eq!(with("60", "TooManyRequests"), after(60));
    // Never below Apple's own rule, and never for what must not be tried again.
    assert_eq!(with("60", "TooManyProviderTokenUpdates"), after(1200));
    assert_eq!(with("60", "BadDeviceToken"), Retry::Never);
}

#[test]
fn the_sandboxs_own_id_is_kept() {
    let response = Response::builder()
        .status(200)
        .header("apns-id", ID)
        .header("apns-unique-id", "b")
        .body(Bytes::new())
        .unwrap();
    let (verdict, _) = classify(&response, ASKED, NOW);
    assert_eq!(verdict.kind, VerdictKind::Accepted);
    assert_eq!(verdict.answer.request_id, "b");
}
