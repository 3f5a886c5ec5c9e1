//! The HTTP API over a loopback socket.
mod support;

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use push_core::{Gateway, Ingress, Scope, TokenFault, VerdictKind, async_trait};
use push_gateway::http::{HttpSettings, router};
use serde_json::{Value, json};
use support::{
    served::{ADMIN_KEY, OTHER_KEY, SERVER_KEY, Served, read, settings, token_body},
    *,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

const TOKEN: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

async fn login(served: &Served, who: &str, token: &str) -> String {
    let certificate = served.credential().await;
    let ticket = served.ticket(who).await;
    let path = format!("/v1/devices/{who}-phone/registrations/alert");
    let answer = served
        .call("PUT", &path, &ticket, Some(token_body(token, certificate)))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["changed"], true);
    assert_eq!(answer.body["warning"], Value::Null);
    let path = format!("/v1/devices/{who}-phone/presence");
    let body = json!({"presence": "background", "at": 1, "unread": 3});
    let answer = served.call("PUT", &path, &ticket, Some(body)).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    ticket
}

fn hello(id: &str, to: &str) -> Value {
    json!({"id": id, "sender": {"user": "bob", "nickname": "Bob"}, "receivers": [to],
        "elements": [{"type": "text", "text": "top secret words"}]})
}

/// The whole way, from the upload of a credential to the click.
#[tokio::test]
async fn the_whole_way_of_a_push_over_http() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    let answer = served
        .call(
            "POST",
            "/v1/messages",
            SERVER_KEY,
            Some(hello("m1", "alice")),
        )
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let delivery = &answer.body["messages"][0]["deliveries"][0];
    assert_eq!(delivery["device"], "alice-phone");
    let id = delivery["id"].as_str().unwrap().to_owned();
    served.world.calm().await;
    // S65: the unread count that the app went to background with, and one more.
    let badge = served.world.plan.seen()[0].badge;
    assert_eq!(badge, push_core::Badge::Set(4));

    let path = format!("/v1/deliveries/{id}/trace");
    let trace = served.get(&path, SERVER_KEY).await;
    assert_eq!(trace.body["stage"], "settled");
    assert_eq!(trace.body["settled"], true);
    assert_eq!(trace.body["reason"]["code"], "vendor-accepted");

    let all = served.get("/v1/messages/m1/trace", SERVER_KEY).await;
    assert_eq!(all.status, 200);
    assert!(all.body["events"].as_array().unwrap().len() >= 4);
}

/// S112.
#[tokio::test]
async fn why_a_user_would_not_be_pushed_to_is_answered_with_advice() {
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    let would = served.get("/v1/users/alice/devices", SERVER_KEY).await;
    assert_eq!(would.body["devices"][0]["would_push"], true);
    assert_eq!(would.body["devices"][0]["platform"], "ios");
    assert!(!would.text.contains(TOKEN), "a token must not be answered");
    assert_eq!(
        would.body["devices"][0]["registrations"][0]["fingerprint"]
            .as_str()
            .unwrap()
            .len(),
        8
    );

    let answer = served
        .call(
            "DELETE",
            "/v1/devices/alice-phone/registrations",
            &ticket,
            None,
        )
        .await;
    assert_eq!(answer.status, 204);
    let would = served.get("/v1/users/alice/devices", SERVER_KEY).await;
    assert_eq!(would.body["devices"][0]["reason"]["code"], "logged-out");
    let answer = served
        .call(
            "POST",
            "/v1/messages",
            SERVER_KEY,
            Some(hello("m1", "alice")),
        )
        .await;
    assert_eq!(
        answer.body["messages"][0]["skipped"][0]["reason"],
        "logged-out"
    );
    let stranger = served.get("/v1/users/nobody/devices", SERVER_KEY).await;
    assert_eq!(stranger.body["devices"], json!([]));
    let reasons = served.get("/v1/reasons", SERVER_KEY).await;
    let reasons = reasons.body["reasons"].as_array().unwrap().clone();
    assert!(
        reasons.iter().any(
            |it| it["code"] == "logged-out" && it["advice"].as_str().unwrap().contains("login")
        )
    );
}

/// S57+.
#[tokio::test]
async fn a_registration_that_cannot_work_is_named_at_once() {
    let served = Served::new().await;
    let upload = served.world.upload(json!({"environment": "sandbox"}));
    let body = json!({"provider": "scripted", "config": upload.config});
    let added = served
        .call("POST", "/v1/credentials", ADMIN_KEY, Some(body))
        .await;
    assert_eq!(added.body["environment"], "sandbox");
    let id = push_core::CertificateId::new(added.body["id"].as_i64().unwrap()).unwrap();
    let ticket = served.ticket("alice").await;
    let put = |slot: &str, body: Value| {
        let path = format!("/v1/devices/phone/registrations/{slot}");
        let (served, ticket) = (&served, &ticket);
        async move { served.call("PUT", &path, ticket, Some(body)).await }
    };
    let answer = put("alert", token_body(TOKEN, id)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["warning"]["code"], "environment-mismatch");
    let body = json!({"changes": [{"user": "alice", "presence": "push-online"}]});
    let answer = served
        .call("POST", "/v1/presence", SERVER_KEY, Some(body))
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let answer = served
        .call(
            "POST",
            "/v1/messages",
            SERVER_KEY,
            Some(hello("m1", "alice")),
        )
        .await;
    assert_eq!(
        answer.body["messages"][0]["skipped"][0]["reason"],
        "environment-mismatch"
    );

    let mut unknown = token_body(TOKEN, id);
    unknown["certificate_id"] = json!(4711);
    assert_eq!(put("alert", unknown).await.problem(), "certificate-unknown");
    let mut other = token_body(TOKEN, id);
    other["channel"] = json!("fcm");
    assert_eq!(put("alert", other).await.problem(), "channel-mismatch");
    assert_eq!(
        put("voip", token_body(TOKEN, id)).await.problem(),
        "slot-unsupported"
    );
    let mut zero = token_body(TOKEN, id);
    zero["certificate_id"] = json!(0);
    let answer = put("alert", zero).await;
    assert_eq!((answer.status, answer.problem()), (400, "invalid"));
    assert_eq!(
        put("carrier-pigeon", token_body(TOKEN, id)).await.problem(),
        "invalid"
    );
    let mut empty = token_body("", id);
    empty["token"] = json!("");
    let answer = put("alert", empty).await;
    assert_eq!(answer.problem(), "invalid");
    let mut strange = token_body(TOKEN, id);
    strange["token"] = json!([TOKEN]);
    let answer = put("alert", strange).await;
    assert_eq!(answer.problem(), "invalid");
    assert!(!answer.text.contains(TOKEN), "errors repeat no token");
}

#[tokio::test]
async fn whoever_may_not_is_refused_with_a_problem_document() {
    let served = Served::new().await;
    let ticket = served.ticket("alice").await;
    for (method, path, bearer, status, code) in [
        ("POST", "/v1/messages", "", 401, "key-refused"),
        (
            "POST",
            "/v1/messages",
            "wrong-key-0123456789",
            401,
            "key-refused",
        ),
        ("POST", "/v1/messages", ADMIN_KEY, 403, "scope-missing"),
        ("POST", "/v1/messages", ticket.as_str(), 401, "key-refused"),
        ("GET", "/v1/credentials", SERVER_KEY, 403, "scope-missing"),
        ("POST", "/v1/credentials", "", 401, "key-refused"),
        ("GET", "/v1/openapi.json", "", 401, "key-refused"),
        ("GET", "/v1/metrics", SERVER_KEY, 403, "scope-missing"),
        ("GET", "/v1/users/alice/devices", "", 401, "key-refused"),
        ("POST", "/v1/tickets", ticket.as_str(), 401, "key-refused"),
        (
            "DELETE",
            "/v1/devices/d/registrations",
            "",
            401,
            "ticket-refused",
        ),
        (
            "DELETE",
            "/v1/devices/d/registrations",
            SERVER_KEY,
            401,
            "ticket-refused",
        ),
        (
            "PUT",
            "/v1/devices/d/presence",
            "v1.e30.AAAA",
            401,
            "ticket-refused",
        ),
        ("POST", "/v1/receipts", ticket.as_str(), 404, "no-such-path"),
        ("GET", "/nowhere", SERVER_KEY, 404, "no-such-path"),
        ("PATCH", "/v1/messages", SERVER_KEY, 405, "no-such-method"),
    ] {
        let answer = served.call(method, path, bearer, Some(json!({}))).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(answer.problem(), code, "{method} {path}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
    }
    let health = served.get("/healthz", "").await;
    assert_eq!((health.status, health.text.as_str()), (200, "ok"));
}

/// An expired ticket logs out, and nothing else.
#[tokio::test]
async fn an_expired_ticket_is_good_for_the_logout_only() {
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    served
        .world
        .clock
        .advance(Duration::from_secs(2 * 24 * 60 * 60));
    let body = json!({"presence": "background", "at": 1});
    let answer = served
        .call(
            "PUT",
            "/v1/devices/alice-phone/presence",
            &ticket,
            Some(body),
        )
        .await;
    assert_eq!(answer.problem(), "ticket-refused");
    let answer = served
        .call(
            "DELETE",
            "/v1/devices/alice-phone/registrations",
            &ticket,
            None,
        )
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(served.world.stored("alice").await, None);
}

/// A phone whose user was kicked while its app was dead hears of it, and registers again.
#[tokio::test]
async fn a_phone_that_is_not_registered_learns_it_from_its_presence() {
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    let body = json!({"presence": "online", "at": 1});
    let path = "/v1/devices/alice-phone/presence";
    let answer = served.call("PUT", path, &ticket, Some(body.clone())).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let kick = json!({"changes": [{"user": "alice", "presence": "offline"}]});
    served
        .call("POST", "/v1/presence", SERVER_KEY, Some(kick))
        .await;
    served
        .call(
            "DELETE",
            "/v1/devices/alice-phone/registrations",
            &ticket,
            None,
        )
        .await;
    for path in [path, "/v1/devices/nobodys-phone/presence"] {
        let answer = served.call("PUT", path, &ticket, Some(body.clone())).await;
        assert_eq!(answer.status, 404, "{answer:?}");
        assert_eq!(answer.problem(), "device-unknown");
    }
}

/// A phone whose token died, or stands aside, learns it from its presence, if it asks.
#[tokio::test]
async fn a_phone_learns_from_its_presence_which_of_its_tokens_are_not_well() {
    use push_core::RegistrationStore as _;
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    let path = "/v1/devices/alice-phone/presence";
    let ask = async |query: &str| {
        let body = json!({"presence": "online", "at": 1});
        let path = format!("{path}{query}");
        served.call("PUT", &path, &ticket, Some(body)).await
    };
    assert_eq!(ask("?registered=alert").await.status, 204);
    let answer = ask("?registered=alert,voip,newer").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body, json!({"forgotten": ["voip"], "set_aside": []}));

    let store = &served.world.store;
    let (app, channel, token) = (app(), push_core::Channel::APNS, token(TOKEN));
    served.world.clock.advance(SECOND);
    let since = served.world.gateway.now();
    let set = store.quarantine(&app, &channel, &token, "environment-mismatch", since);
    assert!(set.await.expect("the store works"));
    let answer = ask("?registered=alert").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["forgotten"], json!([]));
    let aside = &answer.body["set_aside"][0];
    assert_eq!(aside["slot"], "alert");
    assert_eq!(aside["why"]["code"], "environment-mismatch");
    let text = aside["why"]["text"].as_str().expect("words");
    assert!(text.contains("environment"), "{text}");

    let forgotten = store.forget(&app, &channel, &token, since);
    assert!(forgotten.await.expect("the store works"));
    let answer = ask("?registered=alert").await;
    assert_eq!(answer.body["forgotten"], json!(["alert"]));
    assert_eq!(ask("").await.status, 204, "an older app hears nothing");
    let answer = ask("?registered=alert&registered=voip").await;
    assert_eq!((answer.status, answer.problem()), (400, "invalid"));
}

/// S67: the kick alone ends push, however often the phone says afterwards where its app is.
#[tokio::test]
async fn a_phone_that_was_kicked_does_not_come_back_by_its_presence() {
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    let kick = json!({"changes": [{"user": "alice", "presence": "offline"}]});
    served
        .call("POST", "/v1/presence", SERVER_KEY, Some(kick))
        .await;
    served.world.clock.advance(SECOND);
    let path = "/v1/devices/alice-phone/presence";
    let body = json!({"presence": "background", "at": 1});
    let answer = served.call("PUT", path, &ticket, Some(body)).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    let message = Some(hello("m1", "alice"));
    let answer = served
        .call("POST", "/v1/messages", SERVER_KEY, message)
        .await;
    let skipped = &answer.body["messages"][0]["skipped"];
    assert_eq!(skipped[0]["reason"], "logged-out", "{answer:?}");
}

#[tokio::test]
async fn one_app_never_sees_or_touches_another() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    let answer = served
        .call(
            "POST",
            "/v1/messages",
            SERVER_KEY,
            Some(hello("m1", "alice")),
        )
        .await;
    let id = answer.body["messages"][0]["deliveries"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let theirs = served
        .call(
            "POST",
            "/v1/messages",
            OTHER_KEY,
            Some(hello("m1", "alice")),
        )
        .await;
    assert_eq!(
        theirs.body["messages"][0]["skipped"][0]["reason"],
        "never-registered"
    );
    assert_eq!(
        served
            .get(&format!("/v1/deliveries/{id}/trace"), OTHER_KEY)
            .await
            .problem(),
        "not-found"
    );
    let trace = served.get("/v1/messages/m1/trace", OTHER_KEY).await;
    assert!(!trace.text.contains(&id));
    assert_eq!(
        served.get("/v1/credentials", OTHER_KEY).await.body["credentials"],
        json!([])
    );
    assert_eq!(
        served.get("/v1/users/alice/devices", OTHER_KEY).await.body["devices"],
        json!([])
    );
    assert_eq!(
        served
            .call("POST", "/v1/credentials/1/verify", OTHER_KEY, None)
            .await
            .problem(),
        "not-found"
    );
    let metrics = served.get("/v1/metrics", OTHER_KEY).await;
    assert!(metrics.text.contains("app=\"other\""), "{}", metrics.text);
    assert!(!metrics.text.contains("app=\"chat\""));
}

/// None, too many, and a body too large.
#[tokio::test]
async fn what_is_too_much_is_refused() {
    let mut small = settings();
    small.body_limit = 256 * 1024;
    let served = Served::with(small, &[]).await;
    let send = |body: Value| {
        let served = &served;
        async move {
            served
                .call("POST", "/v1/messages", SERVER_KEY, Some(body))
                .await
        }
    };
    assert_eq!(send(json!([])).await.problem(), "invalid");
    let many: Vec<Value> = (0..500).map(|it| hello(&format!("m{it}"), "x")).collect();
    let answer = send(json!(many)).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.body["messages"].as_array().unwrap().len(), 500);
    let many: Vec<Value> = (0..501).map(|it| hello(&format!("n{it}"), "x")).collect();
    assert_eq!(send(json!(many)).await.problem(), "invalid");
    let mut crowd = hello("crowd", "x");
    crowd["receivers"] = (0..10_001).map(|it| json!(format!("u{it}"))).collect();
    assert_eq!(send(crowd).await.problem(), "invalid");
    let mut long = hello("long", "x");
    long["elements"][0]["text"] = json!("x".repeat(300 * 1024));
    let answer = send(long).await;
    assert_eq!((answer.status, answer.problem()), (413, "too-large"));

    for (body, hint) in [
        ("{", "EOF"),
        ("", "EOF"),
        ("nonsense", "not JSON"),
        (
            r#"{"id":"m","receivers":["a"],"extra":1}"#,
            "unknown field `extra`",
        ),
        (r#"{"id":"m"}"#, "neither `audience` nor `receivers`"),
        (r#"{"id":"","receivers":["a"]}"#, "the message id is empty"),
        (r#"{"id":7,"receivers":["a"]}"#, "wrong type or form"),
    ] {
        let answer = served
            .raw("POST", "/v1/messages", SERVER_KEY, body.as_bytes())
            .await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid"),
            "{body}"
        );
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(hint), "{body}: {detail}");
    }
}

#[tokio::test]
async fn more_requests_than_allowed_are_told_to_come_back() {
    for (requests, of_app, status, code) in
        [(1, 10, 503, "overloaded"), (10, 1, 429, "too-frequent")]
    {
        let mut narrow = settings();
        narrow.requests = requests;
        narrow.requests_of_app = of_app;
        let served = Served::with(narrow, &[]).await;
        // A request whose body never ends holds the one place.
        let mut slow = TcpStream::connect(served.address).await.unwrap();
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {SERVER_KEY}\r\ncontent-length: 10\r\n\r\n"
        );
        slow.write_all(head.as_bytes()).await.unwrap();
        let answer = loop {
            let answer = served.get("/v1/reasons", SERVER_KEY).await;
            if answer.status != 200 {
                break answer;
            }
        };
        assert_eq!((answer.status, answer.problem()), (status, code));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(
            served.get("/healthz", "").await.status,
            200,
            "health is always answered"
        );
        drop(slow);
        loop {
            if served.get("/v1/reasons", SERVER_KEY).await.status == 200 {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let served = Served::new().await;
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: g\r\nconnection: close\r\nauthorization: Bearer {SERVER_KEY}\r\ncontent-length: 10\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let before = served.world.clock.sleepers();
    while served.world.clock.sleepers() <= before {
        tokio::task::yield_now().await;
    }
    served.world.clock.advance(31 * SECOND);
    let answer = read(slow).await;
    assert_eq!((answer.status, answer.problem()), (503, "timeout"));
}

/// S58.
#[tokio::test]
async fn credentials_are_uploaded_listed_verified_rotated_and_never_shown() {
    let served = Served::new().await;
    let config = served
        .world
        .upload(json!({"secret": "the-vendor-secret", "expires_at": 1_761_000_000}))
        .config;
    let body = json!({"provider": "scripted", "config": config, "label": "main", "id": 31287});
    let added = served
        .call("POST", "/v1/credentials", ADMIN_KEY, Some(body.clone()))
        .await;
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(added.body["id"], 31287);
    let again = served
        .call("POST", "/v1/credentials", ADMIN_KEY, Some(body.clone()))
        .await;
    assert_eq!(again.problem(), "conflict");

    let list = served.get("/v1/credentials", ADMIN_KEY).await;
    assert_eq!(list.body["credentials"][0]["expiry"], "soon");
    assert_eq!(list.body["credentials"][0]["lane"]["state"], "open");
    assert!(!list.text.contains("the-vendor-secret"));

    let verified = served
        .call("POST", "/v1/credentials/31287/verify", ADMIN_KEY, None)
        .await;
    assert_eq!(verified.body["accepted"], true);
    let rotated = served
        .call(
            "PUT",
            "/v1/credentials/31287",
            ADMIN_KEY,
            Some(body.clone()),
        )
        .await;
    assert_eq!((rotated.status, &rotated.body["id"]), (200, &json!(31287)));
    let mut other = body.clone();
    other["config"]["environment"] = json!("sandbox");
    assert_eq!(
        served
            .call("PUT", "/v1/credentials/31287", ADMIN_KEY, Some(other))
            .await
            .problem(),
        "conflict"
    );
    let missing = served
        .call("PUT", "/v1/credentials/9", ADMIN_KEY, Some(body.clone()))
        .await;
    assert_eq!(missing.problem(), "not-found");

    let mut file = body.clone();
    file["config"]["key_file"] = json!("/etc/shadow");
    let refused = served
        .call("POST", "/v1/credentials", ADMIN_KEY, Some(file))
        .await;
    assert_eq!(refused.problem(), "invalid");
    let mut unknown = body.clone();
    unknown["provider"] = json!("pigeon");
    let refused = served
        .call("POST", "/v1/credentials", ADMIN_KEY, Some(unknown))
        .await;
    assert_eq!(
        (refused.status, refused.problem()),
        (422, "provider-unknown")
    );
    let mut wrong = body;
    wrong["config"]["nonsense"] = json!(true);
    let refused = served
        .call("POST", "/v1/credentials", ADMIN_KEY, Some(wrong))
        .await;
    assert_eq!(refused.problem(), "config-invalid");
    assert!(refused.text.contains("nonsense") && !refused.text.contains("the-vendor-secret"));
}

#[tokio::test]
async fn a_suspended_credential_shows_why_and_is_resumed() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    let refused = verdict(403, "InvalidProviderToken", VerdictKind::CredentialRefused);
    served.world.plan.script(TOKEN, [refused]);
    let answer = served
        .call(
            "POST",
            "/v1/messages",
            SERVER_KEY,
            Some(hello("m1", "alice")),
        )
        .await;
    served.world.calm().await;
    let list = served.get("/v1/credentials", ADMIN_KEY).await;
    let lane = &list.body["credentials"][0]["lane"];
    assert_eq!(lane["state"], "suspended");
    assert_eq!(lane["reason"], "credential-refused");
    assert_eq!(lane["evidence"], "403 InvalidProviderToken");
    let id = answer.body["messages"][0]["deliveries"][0]["id"]
        .as_str()
        .unwrap();
    let path = format!("/v1/deliveries/{id}/trace");
    let trace = served.get(&path, SERVER_KEY).await;
    assert_eq!(trace.body["settled"], false);
    assert_eq!(trace.body["reason"]["code"], "credential-refused");
    let certificate = list.body["credentials"][0]["id"].as_i64().unwrap();
    let path = format!("/v1/credentials/{certificate}/resume");
    let resumed = served.call("POST", &path, ADMIN_KEY, None).await;
    assert_eq!(resumed.body["lane"]["state"], "open", "{resumed:?}");
    served.world.calm().await;
    assert_eq!(served.world.depth().await, 0);
}

#[tokio::test]
async fn a_recall_says_how_much_it_stopped() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    served.world.plan.always(verdict(
        503,
        "x",
        VerdictKind::Unavailable(Scope::Credential),
    ));
    served
        .call(
            "POST",
            "/v1/messages",
            SERVER_KEY,
            Some(hello("a/b c", "alice")),
        )
        .await;
    served.world.calm().await;
    let answer = served
        .call("POST", "/v1/messages/a%2Fb%20c/recall", SERVER_KEY, None)
        .await;
    assert_eq!(answer.body, json!({"cancelled": 1}));
}

#[tokio::test]
async fn http_2_with_prior_knowledge_is_answered() {
    use push_http::HttpClient as _;
    let served = Served::new().await;
    let config = push_http::HttpConfig::default().with_protocols(push_http::Protocols::H2Only);
    let client = push_http::Client::new(config, Arc::new(push_http::TokioClock)).unwrap();
    let uri = format!("http://{}/v1/messages", served.address);
    for number in 0..20 {
        let request = http::Request::post(uri.as_str())
            .header("authorization", format!("Bearer {SERVER_KEY}"))
            .body(Bytes::from(
                hello(&format!("m{number}"), "alice").to_string(),
            ))
            .unwrap();
        let answer = client.send(request).await.unwrap();
        assert_eq!(answer.status(), 202);
    }
}

#[tokio::test]
async fn a_shutdown_finishes_what_is_under_way_and_takes_nothing_new() {
    let served = Served::new().await;
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    let body = hello("m1", "alice").to_string();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {SERVER_KEY}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let before = served.world.clock.sleepers();
    while served.world.clock.sleepers() <= before {
        tokio::task::yield_now().await;
    }
    served.stop.send(()).unwrap();
    while TcpStream::connect(served.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    slow.write_all(body.as_bytes()).await.unwrap();
    let answer = read(slow).await;
    assert_eq!(answer.status, 202);
    served.task.await.unwrap();
}

#[derive(Debug)]
struct Echo(&'static str);

#[async_trait]
impl Ingress for Echo {
    fn prefix(&self) -> &str {
        self.0
    }
    async fn handle(
        &self,
        gateway: Arc<dyn Gateway>,
        request: http::Request<Bytes>,
    ) -> http::Response<Bytes> {
        let messages =
            vec![serde_json::from_value(hello("via-ingress", "alice")).expect("a message")];
        let submitted = gateway.submit(&app(), messages).await.expect("an answer");
        let text = format!(
            "{} {} {} {}",
            request.method(),
            request.uri(),
            request.body().len(),
            submitted[0].skipped[0].reason
        );
        http::Response::builder()
            .status(201)
            .body(text.into())
            .expect("a response")
    }
}

#[tokio::test]
async fn ways_in_are_mounted_below_their_prefix() {
    let served = Served::with(settings(), &[Arc::new(Echo("/echo"))]).await;
    let answer = served.raw("POST", "/echo/a/b?c=d", "", b"12345").await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.text, "POST /echo/a/b?c=d 5 never-registered");
    assert_eq!(served.raw("GET", "/echo", "", b"").await.status, 201);
    assert_eq!(
        served.raw("GET", "/echoes", "", b"").await.problem(),
        "no-such-path"
    );

    let world = World::new(|_| {});
    for prefixes in [
        &["/v1"][..],
        &["/a", "/a"],
        &["/a/b", "/a/c"],
        &["a"],
        &["/"],
        &["/a/"],
        &["/{x}"],
    ] {
        let ingresses: Vec<Arc<dyn Ingress>> =
            prefixes.iter().map(|it| Arc::new(Echo(it)) as _).collect();
        assert!(
            router(&world.gateway, &HttpSettings::default(), &ingresses).is_err(),
            "{prefixes:?}"
        );
    }
}

#[tokio::test]
async fn unusable_api_keys_are_refused_at_the_start() {
    let world = World::new(|_| {});
    for (field, value) in [
        ("key", json!("short")),
        ("sha256", json!("abc")),
        ("scopes", json!([])),
        ("sha256", json!("00".repeat(32))),
    ] {
        let mut key =
            json!({"name": "it", "app": "chat", "scopes": ["server"], "key": "0123456789abcdef"});
        key[field] = value;
        let settings: HttpSettings = serde_json::from_value(json!({"keys": [key]})).unwrap();
        let error = router(&world.gateway, &settings, &[]).unwrap_err();
        assert!(error.to_string().contains("`it`"), "{error}");
        assert!(!error.to_string().contains("0123456789abcdef"));
    }
}

#[tokio::test]
async fn the_openapi_document_describes_every_path() {
    let served = Served::new().await;
    let document = served.get("/v1/openapi.json", SERVER_KEY).await;
    assert_eq!(document.status, 200);
    let paths = document.body["paths"].as_object().unwrap();
    let schemes = document.body["components"]["securitySchemes"]
        .as_object()
        .unwrap();
    for (path, methods) in [
        ("/v1/messages", &["post"][..]),
        ("/v1/messages/{id}/recall", &["post"]),
        ("/v1/messages/{id}/trace", &["get"]),
        ("/v1/deliveries/{id}/trace", &["get"]),
        ("/v1/presence", &["post"]),
        ("/v1/tickets", &["post"]),
        ("/v1/users/{user}/devices", &["get"]),
        ("/v1/credentials", &["get", "post"]),
        ("/v1/users/{user}/tags", &["get", "put"]),
        ("/v1/traces", &["get"]),
        ("/v1/credentials/{id}", &["delete", "put"]),
        ("/v1/credentials/{id}/verify", &["post"]),
        ("/v1/devices/{device}/registrations", &["delete"]),
        (
            "/v1/devices/{device}/registrations/{slot}",
            &["delete", "put"],
        ),
        ("/v1/devices/{device}/presence", &["put"]),
        ("/v1/apps/{app}/devices/{device}/receipts", &["post"]),
    ] {
        let item = paths.get(path).unwrap_or_else(|| panic!("no {path}"));
        for method in methods {
            let operation = &item[*method];
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(operation["security"].is_array(), "{method} {path}");
            for scheme in operation["security"].as_array().unwrap() {
                let name = scheme.as_object().unwrap().keys().next().unwrap();
                assert!(schemes.contains_key(name), "{method} {path}: {name}");
            }
        }
    }
    // Every reference leads somewhere.
    let schemas = document.body["components"]["schemas"].as_object().unwrap();
    for part in document.text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}

/// The document's description of types that live elsewhere is compared with what they really write.
#[tokio::test]
async fn the_openapi_document_names_every_member_of_the_bodies() {
    let document: Value = serde_json::from_str(&push_gateway::http::openapi()).unwrap();
    let members = |schema: &str| -> Vec<String> {
        let properties = &document["components"]["schemas"][schema]["properties"];
        properties
            .as_object()
            .unwrap_or_else(|| panic!("no {schema}"))
            .keys()
            .cloned()
            .collect()
    };
    let written = |value: Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    let mut message = message("x", &["a"]);
    message.group = Some(serde_json::from_value(json!({"id": "g"})).unwrap());
    // What is only read: each described member is accepted, and an unknown one is not.
    for (schema, base) in [
        ("Message", json!({"id": "m"})),
        ("OfflinePushInfo", json!({})),
        ("Overrides", json!({})),
        ("ApnsInfo", json!({})),
    ] {
        let read = |member: &str| {
            let mut object = base.clone();
            if schema == "Message" && member != "audience" {
                object["receivers"] = json!(["a"]);
            }
            if member == "audience" {
                object["audience"] = json!("everybody");
            } else if object.get(member).is_none() {
                object[member] = Value::Null;
            }
            let push = match schema {
                "Message" => return serde_json::from_value::<push_core::Message>(object).is_ok(),
                "OfflinePushInfo" => object,
                "Overrides" => json!({"channels": {"sample": object}}),
                _ => json!({"apns": object}),
            };
            serde_json::from_value::<push_core::OfflinePushInfo>(push).is_ok()
        };
        for member in members(schema) {
            assert!(read(&member), "{schema}.{member}");
        }
        assert!(!read("unheard_of"), "{schema}");
    }
    let receipt =
        json!({"delivery": "0190163d-8694-739b-aea5-966c26f8ad91", "what": "clicked", "at": 1});
    let receipt: push_core::Receipt = serde_json::from_value(receipt).unwrap();
    let mut registration = registration("t", push_core::CertificateId::new(1).unwrap());
    registration.rank = 1;
    registration.instance = push_core::Instance::new("i").unwrap();
    registration.facts = serde_json::from_value(json!({
        "platform": "ios", "language": "en", "time_zone": "UTC", "permission": "granted",
        "brand": "b", "app_version": "1",
    }))
    .unwrap();
    let submitted: push_core::Submitted = serde_json::from_value(json!({
        "message": "m",
        "deliveries": [{"id": "0190163d-8694-739b-aea5-966c26f8ad91", "user": "u", "device": "d", "token": 0, "channel": "apns"}],
        "skipped": [{"user": "u", "device": "d", "token": 0, "reason": "r"}],
    })).unwrap();
    let presence = push_core::api::PresenceBody {
        presence: push_core::Presence::Online,
        at: START,
        unread: Some(1),
    };
    let unwell = push_core::api::PresenceAnswer {
        forgotten: vec![push_core::Slot::Voip],
        set_aside: vec![push_core::api::SetAside {
            slot: push_core::Slot::Alert,
            why: push_core::api::Warning {
                code: "c".into(),
                text: "t".into(),
            },
        }],
    };
    let answer = push_core::api::RegistrationAnswer {
        changed: true,
        warning: Some(push_core::api::Warning {
            code: "c".into(),
            text: "t".into(),
        }),
        receipt_key: Some(push_core::ReceiptKey::new("0123456789abcdef").unwrap()),
    };
    let problem = push_core::api::Problem {
        detail: Some("d".into()),
        ..Default::default()
    };
    for (schema, value) in [
        ("Sender", serde_json::to_value(&message.sender).unwrap()),
        ("Group", serde_json::to_value(&message.group).unwrap()),
        ("Receipt", serde_json::to_value(&receipt).unwrap()),
        ("Registration", serde_json::to_value(&registration).unwrap()),
        ("Submitted", serde_json::to_value(&submitted).unwrap()),
        (
            "Delivery",
            serde_json::to_value(&submitted.deliveries[0]).unwrap(),
        ),
        (
            "Skipped",
            serde_json::to_value(&submitted.skipped[0]).unwrap(),
        ),
        ("Presence", serde_json::to_value(presence).unwrap()),
        ("PresenceAnswer", serde_json::to_value(&unwell).unwrap()),
        (
            "SetAside",
            serde_json::to_value(&unwell.set_aside[0]).unwrap(),
        ),
        ("RegistrationAnswer", serde_json::to_value(&answer).unwrap()),
        ("Warning", serde_json::to_value(&answer.warning).unwrap()),
        ("Problem", serde_json::to_value(&problem).unwrap()),
    ] {
        let mut described = members(schema);
        described.sort();
        assert_eq!(described, written(value), "{schema}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .expect("no test panics while holding it")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn logs_hold_no_token_no_key_and_no_words_of_people() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    for (number, reply) in [
        verdict(403, "InvalidProviderToken", VerdictKind::CredentialRefused),
        verdict(
            400,
            "BadDeviceToken",
            VerdictKind::TokenUnusable(TokenFault::Environment),
        ),
        Reply::Panic,
    ]
    .into_iter()
    .enumerate()
    {
        served.world.plan.script(TOKEN, [reply]);
        let hello = hello(&format!("m{number}"), "alice");
        served
            .call("POST", "/v1/messages", SERVER_KEY, Some(hello))
            .await;
        served.world.pass(20 * MINUTE).await;
    }
    served
        .raw(
            "POST",
            "/v1/messages",
            SERVER_KEY,
            format!("{{\"{TOKEN}").as_bytes(),
        )
        .await;
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("credential-refused"),
        "the alarm is logged: {log}"
    );
    for secret in [
        TOKEN,
        SERVER_KEY,
        ADMIN_KEY,
        ticket.as_str(),
        "top secret words",
    ] {
        assert!(!log.contains(secret), "the log has {secret}");
    }
}
