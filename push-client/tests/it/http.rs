//! The gateway over HTTP.
use std::{sync::Arc, time::Duration};

use push_client::{GatewayApi, GatewayErrorKind, HttpGateway};
use push_core::{
    CertificateId, Channel, DeliveryId, DeviceId, DeviceToken, Environment, Presence, Receipt,
    ReceiptKey, ReceiptKind, Slot, Timestamp,
    api::{PresenceAnswer, PresenceBody, ReceiptsBody, RegistrationBody, Warning, code},
};
use push_http::HttpConfig;
use push_testkit::{Authority, Faults, HttpServer, Reply, ServerOptions, json};

use crate::kit::{TOKEN, account, block_on};

/// A gateway with prepared answers over TLS, and its client.
struct Server {
    server: HttpServer,
    faults: Arc<Faults>,
    gateway: HttpGateway,
}

async fn server(path: &str) -> Server {
    let authority = Authority::new();
    let faults = Arc::new(Faults::new());
    let answers = Arc::clone(&faults);
    let server = HttpServer::start(ServerOptions::tls(&authority), move |_| {
        let reply = answers.take("").unwrap_or_else(|| Reply::new(204));
        async move { reply }
    })
    .await
    .expect("a port of the loopback is free");
    let mut config = HttpConfig::default();
    config.extra_ca_pem = Some(authority.pem());
    config.only_extra_ca = true;
    let gateway =
        HttpGateway::new(&format!("{}{path}", server.url()), config).expect("a good gateway URL");
    Server {
        server,
        faults,
        gateway,
    }
}

fn device() -> DeviceId {
    DeviceId::new("phone 1/ü").expect("a good device id")
}

fn body() -> RegistrationBody {
    RegistrationBody::new(
        Channel::APNS,
        CertificateId::new(31287).expect("a good certificate id"),
        Environment::Sandbox,
        DeviceToken::new(TOKEN).expect("a good token"),
    )
}

#[test]
fn requests_have_the_paths_bodies_and_ticket_of_the_api() {
    block_on(async {
        let it = server("/push/").await;
        let (alice, device) = (account("alice"), device());
        let warning = Warning::new(code::ENVIRONMENT_MISMATCH, "the environments differ");
        it.faults.next(Reply::new(200).json(json!({
            "changed": true,
            "warning": { "code": warning.code, "text": warning.text },
        })));
        let answer = it
            .gateway
            .register(&alice, &device, Slot::Alert, &body())
            .await
            .unwrap();
        assert!(answer.changed);
        assert_eq!(answer.warning, Some(warning));
        it.gateway.unregister(&alice, &device, None).await.unwrap();
        it.gateway.switch_off(&alice, &device).await.unwrap();
        it.gateway
            .unregister(&alice, &device, Some(Slot::LiveActivity))
            .await
            .unwrap();
        let presence = PresenceBody::new(Presence::Background, Timestamp::from_unix_millis(7))
            .with_now(Timestamp::from_unix_millis(8))
            .with_unread(3);
        let slots = [Slot::Alert, Slot::LiveActivity];
        let well = it.gateway.presence(&alice, &device, &presence, &slots);
        assert_eq!(well.await.unwrap(), PresenceAnswer::default());
        let delivery = DeliveryId::new(Timestamp::from_unix_seconds(1));
        let receipts = ReceiptsBody::new(vec![Receipt::new(
            delivery,
            ReceiptKind::Clicked,
            Timestamp::from_unix_millis(9),
        )])
        .with_now(Timestamp::from_unix_millis(10));
        let key = ReceiptKey::new("0123456789abcdef0123456789abcdef").unwrap();
        it.gateway
            .receipts(&alice.app, &device, &key, &receipts)
            .await
            .unwrap();

        let requests = it.server.log().requests();
        let lines: Vec<String> = requests
            .iter()
            .map(|it| format!("{} {}", it.method, it.uri.path()))
            .collect();
        let device = "/push/v1/devices/phone%201%2F%C3%BC";
        assert_eq!(
            lines,
            [
                format!("PUT {device}/registrations/alert"),
                format!("DELETE {device}/registrations"),
                format!("DELETE {device}/registrations"),
                format!("DELETE {device}/registrations/live-activity"),
                format!("PUT {device}/presence"),
                "POST /push/v1/apps/1400000001/devices/phone%201%2F%C3%BC/receipts".to_owned(),
            ]
        );
        assert_eq!(
            requests[4].uri.query(),
            Some("registered=alert,live-activity")
        );
        assert_eq!(requests[1].uri.query(), None);
        assert_eq!(requests[2].uri.query(), Some("because=switched-off"));
        for it in &requests[..5] {
            assert_eq!(it.header("authorization"), Some("Bearer ticket-of-alice"));
            assert_eq!(it.header("receipt-signature"), None);
        }
        assert_eq!(requests[5].header("authorization"), None);
        let signature = requests[5].header("receipt-signature").unwrap();
        assert!(signature.starts_with("v1.") && !signature.contains("0123456789abcdef0123"));
        assert_eq!(requests[0].header("content-type"), Some("application/json"));
        assert_eq!(
            requests[0].json(),
            json!({"channel": "apns", "certificate_id": 31287, "environment": "sandbox", "token": TOKEN})
        );
        assert_eq!(
            requests[4].json(),
            json!({"presence": "background", "at": 7, "now": 8, "unread": 3})
        );
        assert_eq!(
            requests[5].json(),
            json!({"receipts": [{"delivery": delivery.to_string(), "what": "clicked", "at": 9}], "now": 10})
        );
    });
}

#[test]
fn answers_outside_2xx_are_understood_by_code_and_status() {
    block_on(async {
        let it = server("").await;
        for (status, code, kind) in [
            (401, "", GatewayErrorKind::TicketRefused),
            (403, code::TICKET_REFUSED, GatewayErrorKind::TicketRefused),
            (
                422,
                code::CERTIFICATE_UNKNOWN,
                GatewayErrorKind::CertificateUnknown,
            ),
            (404, code::DEVICE_UNKNOWN, GatewayErrorKind::DeviceUnknown),
            (
                403,
                code::RECEIPT_KEY_REFUSED,
                GatewayErrorKind::ReceiptKeyRefused,
            ),
            (404, "no-such-path", GatewayErrorKind::Refused),
            (400, "bad-body", GatewayErrorKind::Refused),
            (429, "", GatewayErrorKind::TooFrequent),
            (503, code::TOO_FREQUENT, GatewayErrorKind::TooFrequent),
            (408, "", GatewayErrorKind::Unavailable),
            (500, "", GatewayErrorKind::Unavailable),
            (503, "overloaded", GatewayErrorKind::Unavailable),
            (302, "", GatewayErrorKind::Unavailable),
        ] {
            it.faults.next(
                Reply::new(status)
                    .header("retry-after", "7")
                    .json(json!({"code": code, "detail": "why", "status": status})),
            );
            let error = it
                .gateway
                .presence(
                    &account("alice"),
                    &device(),
                    &PresenceBody::new(Presence::Online, Timestamp::default()),
                    &[],
                )
                .await
                .unwrap_err();
            assert_eq!(error.kind, kind, "{status} {code}");
            assert_eq!(error.code, code);
            assert_eq!(error.text, "why");
            assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
        }
    });
}

/// A captive portal that answers every request with a page must not be mistaken for a gateway.
#[test]
fn a_captive_portals_page_is_not_an_answer_of_a_gateway() {
    block_on(async {
        let it = server("").await;
        let registration = body();
        for body in ["<html>Welcome</html>", "", "{}"] {
            it.faults.next(Reply::new(200).body(body));
            let error = it
                .gateway
                .register(&account("alice"), &device(), Slot::Alert, &registration)
                .await
                .unwrap_err();
            assert_eq!(error.kind, GatewayErrorKind::Unavailable, "{body}");
            it.faults.next(Reply::new(200).body(body));
            let error = it
                .gateway
                .unregister(&account("alice"), &device(), None)
                .await
                .unwrap_err();
            assert_eq!(error.kind, GatewayErrorKind::Unavailable, "{body}");
        }
    });
}

/// S47: an error of a firewall, or of a proxy without a route, has no code and must not be mistaken for the gateway's.
/// Otherwise a logout would count as reported, and receipts would be discarded.
#[test]
fn an_error_of_a_proxy_in_front_of_the_gateway_is_retried() {
    block_on(async {
        let it = server("").await;
        for (status, page) in [(403, "<html>Forbidden</html>"), (404, ""), (400, "{}")] {
            it.faults.next(Reply::new(status).body(page));
            let error = it
                .gateway
                .unregister(&account("alice"), &device(), None)
                .await
                .unwrap_err();
            assert_eq!(error.kind, GatewayErrorKind::Unavailable, "{status}");
            assert!(error.text.contains(&status.to_string()), "{error}");
        }
    });
}

#[test]
fn an_unreachable_gateway_is_unavailable_and_no_secret_is_shown() {
    block_on(async {
        let it = server("").await;
        it.server.stop().await;
        let error = it
            .gateway
            .register(&account("alice"), &device(), Slot::Alert, &body())
            .await
            .unwrap_err();
        assert_eq!(error.kind, GatewayErrorKind::Unavailable);
        let text = format!("{error} {error:?}");
        assert!(
            !text.contains("ticket-of") && !text.contains(TOKEN),
            "{text}"
        );
    });
}

#[test]
fn foreign_text_is_bounded_and_without_line_breaks() {
    block_on(async {
        let it = server("").await;
        let long = "x\n".repeat(10_000);
        it.faults
            .next(Reply::new(400).json(json!({"code": "bad", "detail": long})));
        let error = it
            .gateway
            .unregister(&account("alice"), &device(), None)
            .await
            .unwrap_err();
        assert_eq!(error.text, "x".repeat(500));
    });
}

#[test]
fn a_gateway_url_is_https_or_this_machine() {
    let gateway = |url: &str| HttpGateway::new(url, HttpConfig::default());
    for good in [
        "https://push.example.com",
        "https://example.com:8443/push/",
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "http://[::1]:8080",
    ] {
        gateway(good).unwrap();
    }
    for (bad, says) in [
        ("http://push.example.com", "ticket"),
        ("http://localhost.evil.example", "ticket"),
        ("ftp://push.example.com", "https://"),
        ("push.example.com", "https://"),
        ("https://push.example.com:99999", "65535"),
        ("http://localhost:0", "65535"),
        ("https://push.example.com/?app=1", "query"),
        ("not a url", "URL"),
    ] {
        let error = gateway(bad).unwrap_err().to_string();
        assert!(error.contains(says), "{bad}: {error}");
    }
}

#[test]
fn the_answer_to_presence_names_unusable_tokens() {
    block_on(async {
        let it = server("").await;
        let presence = PresenceBody::new(Presence::Online, Timestamp::default());
        let (alice, device) = (account("alice"), device());
        let ask = || {
            it.gateway
                .presence(&alice, &device, &presence, &[Slot::Alert, Slot::Voip])
        };
        // Earlier gateways call the field `set_aside`.
        for field in ["quarantined", "set_aside"] {
            let mut body = json!({ "forgotten": ["alert"], "newer": true });
            body[field] = json!([{"slot": "voip", "why": {"code": "c", "text": "t"}}]);
            it.faults.next(Reply::new(200).json(body));
            let answer = ask().await.unwrap();
            assert_eq!(answer.forgotten, [Slot::Alert]);
            assert_eq!(answer.quarantined.len(), 1, "{field}");
            assert_eq!(answer.quarantined[0].why.code, "c");
        }
        // A captive portal's page is not an answer.
        for page in [json!({}), json!("welcome")] {
            it.faults.next(Reply::new(200).json(page));
            let error = ask().await.unwrap_err();
            assert_eq!(error.kind, GatewayErrorKind::Unavailable);
        }
    });
}
