//! Phones, and others who are not the IM server, cannot take much.
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    TOKEN, hello, login,
    support::{
        SECOND,
        served::{ADMIN_KEY, Answer, SERVER_KEY, Served, read, settings, token_body},
    },
};

async fn register(served: &Served, user: &str, device: &str) -> Answer {
    let ticket = served.ticket(user).await;
    let certificate = served
        .world
        .gateway
        .credentials(&crate::support::app())
        .await;
    let body = token_body(
        &format!("token-of-{device}"),
        certificate.expect("a list")[0].id,
    );
    let path = format!("/v1/devices/{device}/registrations/alert");
    served.call("PUT", &path, &ticket, Some(body)).await
}

#[tokio::test]
async fn a_user_has_a_bounded_number_of_devices() {
    let mut narrow = settings();
    narrow.phones.devices = 3;
    let served = Served::with(narrow, &[]).await;
    served.credential().await;
    for number in 0..3 {
        let answer = register(&served, "alice", &format!("phone-{number}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let answer = register(&served, "alice", "phone-3").await;
    assert_eq!((answer.status, answer.problem()), (403, "too-many-devices"));
    let kick = json!({"changes": [{"user": "alice", "device": "phone-0", "presence": "offline"}]});
    let answer = served
        .call("POST", "/v1/presence", SERVER_KEY, Some(kick))
        .await;
    assert_eq!(answer.status, 204);
    served.world.clock.advance(SECOND);
    assert_eq!(register(&served, "alice", "phone-3").await.status, 200);
    assert_eq!(register(&served, "bob", "phone-4").await.status, 200);
}

#[tokio::test]
async fn a_phones_body_is_small() {
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    let large = json!({"presence": "online", "at": 1, "padding": "x".repeat(17 * 1024)});
    let body = large.to_string();
    for path in [
        "/v1/devices/alice-phone/presence",
        "/v1/devices/alice-phone/registrations/alert",
    ] {
        let answer = served.raw("PUT", path, &ticket, body.as_bytes()).await;
        assert_eq!((answer.status, answer.problem()), (413, "too-large"));
        assert!(answer.text.contains("16384 bytes"), "{answer:?}");
        // Without its length, too.
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let head = format!(
            "PUT {path} HTTP/1.1\r\nhost: g\r\nconnection: close\r\nauthorization: Bearer {ticket}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.ok();
        assert_eq!(read(stream).await.status, 413);
    }
}

#[tokio::test]
async fn a_ticket_and_a_user_may_ask_only_so_often() {
    let mut narrow = settings();
    narrow.phones.ticket_rate = 6;
    narrow.phones.user_rate = 10;
    let served = Served::with(narrow, &[]).await;
    let first = login(&served, "alice", TOKEN).await;
    let report = async |ticket: &str| {
        let body = Some(json!({"presence": "online", "at": 1}));
        let path = "/v1/devices/alice-phone/presence";
        served.call("PUT", path, ticket, body).await
    };
    // The login made two requests.
    for _ in 2..6 {
        assert_eq!(report(&first).await.status, 204);
    }
    let answer = report(&first).await;
    assert_eq!((answer.status, answer.problem()), (429, "too-frequent"));
    assert_eq!(answer.header("retry-after"), Some("10"));
    let second = served.ticket("alice").await;
    for _ in 6..10 {
        assert_eq!(report(&second).await.status, 204);
    }
    let answer = report(&second).await;
    assert_eq!((answer.status, answer.problem()), (429, "too-frequent"));
    // Others are not concerned, and time heals.
    assert_eq!(register(&served, "bob", "bobs-phone").await.status, 200);
    served.world.clock.advance(10 * SECOND);
    assert_eq!(report(&first).await.status, 204);
    let metrics = served.get("/v1/metrics", ADMIN_KEY).await;
    let line = "offline_push_http_refused_total{credential=\"ticket\",why=\"limited\"} 2";
    assert!(metrics.text.contains(line), "{}", metrics.text);
}

/// Phones with bodies that never end hold the places of phones alone.
#[tokio::test]
async fn phones_cannot_take_the_places_of_the_im_server() {
    for (requests, of_app, status) in [(4, 100, 503), (100, 4, 429)] {
        let mut narrow = settings();
        narrow.requests = 2;
        narrow.requests_of_app = 2;
        narrow.phones.requests = requests;
        narrow.phones.requests_of_app = of_app;
        let served = Served::with(narrow, &[]).await;
        let ticket = login(&served, "alice", TOKEN).await;
        let mut slow = Vec::new();
        for _ in 0..4 {
            let mut stream = TcpStream::connect(served.address).await.unwrap();
            let head = format!(
                "PUT /v1/devices/alice-phone/presence HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {ticket}\r\ncontent-length: 10\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            slow.push(stream);
        }
        let path = "/v1/devices/alice-phone/presence";
        loop {
            let body = Some(json!({"presence": "online", "at": 1}));
            let answer = served.call("PUT", path, &ticket, body).await;
            if answer.status == status {
                break;
            }
            assert_eq!(answer.status, 204, "{answer:?}");
            // As many as the ticket may ask would end this.
            served.world.clock.advance(SECOND);
        }
        for number in 0..5 {
            let body = Some(hello(&format!("m{number}"), "alice"));
            let answer = served.call("POST", "/v1/messages", SERVER_KEY, body).await;
            assert_eq!(answer.status, 202, "{answer:?}");
        }
    }
}

/// A body is read only once it is clear who sends it.
#[tokio::test]
async fn no_body_of_a_stranger_is_awaited() {
    let served = Served::new().await;
    for (path, status) in [
        ("/v1/messages", 401),
        ("/v1/vendor-receipts/chat/1/wrong-secret", 404),
        ("/v1/apps/chat/devices/phone/receipts", 403),
        ("/nowhere", 404),
    ] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(read(stream).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn wrong_api_keys_are_limited_counted_and_do_not_lock_a_server_out() {
    let mut narrow = settings();
    narrow.wrong_keys = 5;
    let served = Served::with(narrow, &[]).await;
    let ask = async |key: &str| served.get("/v1/reasons", key).await;
    // Keys of an address that never showed a right one are not looked at any more.
    for _ in 0..5 {
        assert_eq!(ask("wrong-key-0123456789").await.status, 401);
    }
    for key in ["wrong-key-0123456789", SERVER_KEY] {
        let answer = ask(key).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (429, "too-many-wrong-keys")
        );
        assert_eq!(answer.header("retry-after"), Some("12"));
    }
    served.world.clock.advance(12 * SECOND);
    assert_eq!(ask(SERVER_KEY).await.status, 200);
    // Behind one address there are others, too, as behind a proxy.
    for _ in 0..20 {
        ask("wrong-key-0123456789").await;
    }
    assert_eq!(ask("wrong-key-0123456789").await.status, 429);
    assert_eq!(ask(SERVER_KEY).await.status, 200);
    let metrics = served.get("/v1/metrics", ADMIN_KEY).await;
    for line in [
        "offline_push_http_refused_total{credential=\"api-key\",why=\"wrong\"} 6",
        "offline_push_http_refused_total{credential=\"api-key\",why=\"limited\"} 22",
    ] {
        assert!(metrics.text.contains(line), "{}", metrics.text);
    }
}

#[tokio::test]
async fn limits_that_cannot_work_are_refused_at_the_start() {
    use push_gateway::http::{HttpSettings, router};
    let world = crate::support::World::new(|_| {});
    for (json, says) in [
        (json!({"connections": 0}), "connections"),
        (json!({"phones": {"body_limit": 1000}}), "phones.body_limit"),
        (json!({"phones": {"devices": 0}}), "phones.devices"),
        (json!({"body_memory": 1024}), "body_memory"),
        (json!({"idle_timeout": "0s"}), "idle_timeout"),
    ] {
        let settings: HttpSettings = serde_json::from_value::<HttpSettings>(json).unwrap();
        let error = router(&world.gateway, &settings, &[]).unwrap_err();
        assert_eq!(error.place(), Some(says), "{error}");
    }
    let default: Value = json!({});
    let default: HttpSettings = serde_json::from_value(default).unwrap();
    assert!(router(&world.gateway, &default, &[]).is_ok());
}
