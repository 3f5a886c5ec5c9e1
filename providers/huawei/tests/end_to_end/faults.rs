//! What goes wrong on the way and at Huawei: nothing is lost, repeated or blamed on a token.
use super::*;

#[test]
fn an_outage_costs_no_token_and_passes() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        let limited = VerdictKind::RateLimited(Scope::Credential);
        for (code, status, kind) in [
            ("81000001", 500, DOWN),
            ("81000001", 200, DOWN),
            ("80600003", 200, DOWN),
            ("80100017", 200, limited),
        ] {
            let body = json!({ "code": code, "msg": "later", "requestId": "r1" });
            let reply = Reply::new(status).json(body).header("retry-after", "30");
            stage.huawei.faults().next(reply);
            let verdict = sample::send_one(&stage.provider, phone.token()).await;
            assert_eq!(verdict.kind, kind, "{code}");
            assert_eq!(verdict.retry, Retry::After(Duration::from_secs(30)));
        }
        let kinds = stage.send(sample::notification(), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
        assert_eq!(phone.arrived(), 1);
    });
}

#[test]
fn what_is_not_huaweis_answer_is_blamed_on_the_way_and_on_no_token() {
    block_on(async {
        let stage = Stage::new().await;
        let phones = [stage.huawei.install(), stage.huawei.install()];
        let dead = r#"{"code":"80300007","msg":"All tokens","requestId":"r1"}"#;
        for (reply, kind) in [
            (
                Reply::from((200, "<html>Welcome to Hotel Wi-Fi</html>")),
                DOWN,
            ),
            (Reply::from((403, "<html>blocked by policy</html>")), DOWN),
            (
                Reply::from((407, r#"{"code":"407","msg":"proxy authentication"}"#)),
                DOWN,
            ),
            (Reply::from((502, "")), DOWN),
            (
                Reply::from((302, "location: https://login.example.com", "")),
                DOWN,
            ),
            (Reply::from((200, &dead[..30])), DOWN),
            // Whether Huawei took it is not known.
            (Reply::from((200, dead)).truncated(), VerdictKind::Unknown),
            (Reply::reset(), VerdictKind::Unknown),
        ] {
            let shown = format!("{reply:?}");
            stage.huawei.faults().next(reply);
            let all: Vec<&Phone> = phones.iter().collect();
            let kinds = stage.send(sample::notification(), &all).await;
            assert_eq!(kinds, [kind; 2], "{shown}");
        }
        assert_eq!(stage.huawei.counters().tokens_issued, 1);
        let kinds = stage.send(sample::notification(), &[&phones[0]]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
    });
}

#[test]
fn a_partial_answer_that_is_cut_off_or_damaged_costs_no_token() {
    block_on(async {
        let stage = Stage::new().await;
        let phones = [stage.huawei.install(), stage.huawei.install()];
        let all: Vec<&Phone> = phones.iter().collect();
        for inner in [
            r#"{"success":1,"failure":1,"illegal_tok"#,
            r#"{"success":1,"failure":1,"illegal_tokens":"all"}"#,
            "<html>",
        ] {
            let body = json!({ "code": "80100000", "msg": inner, "requestId": "r1" });
            stage.huawei.faults().next((200, body));
            let kinds = stage.send(sample::notification(), &all).await;
            assert_eq!(kinds, [VerdictKind::Unknown; 2], "{inner}");
        }
    });
}

#[test]
fn a_token_service_behind_a_proxys_page_is_an_outage_of_the_way() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        for reply in [
            Reply::from((200, "<html>Welcome to Hotel Wi-Fi</html>")),
            Reply::from((403, "<html>blocked by policy</html>")),
            Reply::from((200, r#"{"access_token":"CgB6e3"#)),
            Reply::new(200)
                .json(json!({ "access_token": "x" }))
                .truncated(),
            Reply::reset(),
        ] {
            let shown = format!("{reply:?}");
            stage.huawei.faults().on(TOKEN_KEY, reply);
            let kinds = stage.send(sample::notification(), &[&phone]).await;
            assert_eq!(kinds, [DOWN], "{shown}");
            stage.clock.advance(Duration::from_secs(60));
        }
        stage.huawei.faults().heal(TOKEN_KEY);
        let kinds = stage.send(sample::notification(), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
    });
}
