//! Times in the wrong unit, and clocks that are wrong.
use push_core::Presence;
use serde_json::{Value, json};

use crate::{
    TOKEN, hello, login,
    support::{
        MINUTE, SECOND, START,
        served::{ADMIN_KEY, SERVER_KEY, Served},
    },
};

async fn report(served: &Served, at: i64) -> crate::support::served::Answer {
    let body = json!({"changes": [
        {"user": "bob", "presence": "background"},
        {"user": "alice", "presence": "online", "at": at},
    ]});
    served
        .call("POST", "/v1/presence", SERVER_KEY, Some(body))
        .await
}

/// S71.
#[tokio::test]
async fn presence_of_an_impossible_time_is_refused_and_says_why() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    let day = 24 * 60 * MINUTE;
    for (at, says) in [
        (START.unix_seconds(), "looks like seconds"),
        (START.unix_millis() * 1000, "looks like microseconds"),
        (0, "2001"),
        ((START + day + MINUTE).unix_millis(), "24 hours ahead"),
    ] {
        let answer = report(&served, at).await;
        assert_eq!((answer.status, answer.problem()), (400, "invalid"), "{at}");
        assert!(answer.text.contains(says), "{at}: {answer:?}");
        assert!(answer.text.contains("`changes[1].at`"), "{at}: {answer:?}");
    }
    let devices = served.get("/v1/users/alice/devices", SERVER_KEY).await;
    assert_eq!(devices.body["devices"][0]["presence"], "background");
    // A clock that is a little ahead is no reason to lose a report, but is counted.
    let answer = report(&served, (START + 2 * MINUTE).unix_millis()).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let devices = served.get("/v1/users/alice/devices", SERVER_KEY).await;
    assert_eq!(devices.body["devices"][0]["presence"], "online");
    assert_eq!(
        devices.body["devices"][0]["presence_at"],
        START.unix_millis()
    );
    let metrics = served.get("/v1/metrics", ADMIN_KEY).await;
    let line = "offline_push_presence_ahead_total{app=\"chat\"} 1";
    assert!(metrics.text.contains(line), "{}", metrics.text);
}

#[tokio::test]
async fn a_message_sent_at_an_impossible_time_is_refused_and_says_why() {
    let served = Served::new().await;
    let day = 24 * 60 * MINUTE;
    let year_2100 = 4_102_444_800_000_i64;
    for (at, says) in [
        (START.unix_seconds(), "looks like seconds"),
        (START.unix_millis() * 1000, "looks like microseconds"),
        ((START + day + MINUTE).unix_millis(), "24 hours ahead"),
        (year_2100, "days ahead of the gateway's clock"),
        (i64::MAX, "looks like nanoseconds"),
    ] {
        let mut message = hello("m", "alice");
        message["sent_at"] = json!(at);
        let answer = served
            .call("POST", "/v1/messages", SERVER_KEY, Some(json!([message])))
            .await;
        assert_eq!((answer.status, answer.problem()), (400, "invalid"), "{at}");
        assert!(answer.text.contains("`[0].sent_at`"), "{at}: {answer:?}");
        assert!(answer.text.contains(says), "{at}: {answer:?}");
    }
    // Clocks are apart, which is no reason to lose a message.
    let mut message = hello("m", "alice");
    message["sent_at"] = json!((START + day).unix_millis());
    let answer = served
        .call("POST", "/v1/messages", SERVER_KEY, Some(json!([message])))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

/// A phone whose clock is wrong, and one whose report took long.
#[tokio::test]
async fn a_phones_presence_is_dated_by_the_gateways_clock() {
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    served.world.clock.advance(10 * MINUTE);
    let now = served.world.gateway.now();
    let since = async |body: Value| {
        let path = "/v1/devices/alice-phone/presence";
        let answer = served.call("PUT", path, &ticket, Some(body)).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        let devices = served.get("/v1/users/alice/devices", SERVER_KEY).await;
        devices.body["devices"][0]["presence_at"].as_i64().unwrap()
    };
    // Months behind, and one minute since.
    let slow = now - 90 * 24 * 60 * MINUTE;
    let body = json!({"presence": "background", "at": slow.unix_millis(), "now": (slow + MINUTE).unix_millis()});
    assert_eq!(since(body).await, (now - MINUTE).unix_millis());
    // Older than what is known: it still is where it says.
    let body = json!({"presence": "online", "at": 0, "now": (5 * MINUTE).as_millis() as u64});
    assert_eq!(since(body).await, (now - MINUTE).unix_millis());
    // An app that does not say what its clock shows.
    let body = json!({"presence": "background", "at": slow.unix_millis()});
    assert_eq!(since(body).await, now.unix_millis());
    for (member, body) in [
        (
            "at",
            json!({"presence": "online", "at": START.unix_seconds()}),
        ),
        (
            "now",
            json!({"presence": "online", "at": 1, "now": START.unix_seconds()}),
        ),
    ] {
        let path = "/v1/devices/alice-phone/presence";
        let answer = served.call("PUT", path, &ticket, Some(body)).await;
        assert_eq!((answer.status, answer.problem()), (400, "invalid"));
        let says = format!("`{member}`: {} looks like seconds", START.unix_seconds());
        assert!(answer.text.contains(&says), "{answer:?}");
    }
}

/// S67, S71: what the IM server reports of a time since then counts, although the phone's report was there first.
#[tokio::test]
async fn a_kick_that_is_reported_late_ends_a_device_that_reported_since() {
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    served.world.clock.advance(MINUTE);
    let now = served.world.gateway.now();
    let phone = START - 100 * MINUTE;
    let body = json!({"presence": "background", "at": phone.unix_millis(), "now": (phone + 5 * SECOND).unix_millis()});
    let path = "/v1/devices/alice-phone/presence";
    assert_eq!(
        served.call("PUT", path, &ticket, Some(body)).await.status,
        204
    );
    let kick = json!({"changes": [{"user": "alice", "presence": "offline", "at": (now - 3 * SECOND).unix_millis()}]});
    let answer = served
        .call("POST", "/v1/presence", SERVER_KEY, Some(kick))
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let devices = served.get("/v1/users/alice/devices", SERVER_KEY).await;
    assert_eq!(
        devices.body["devices"][0]["presence"],
        Presence::Offline.as_str()
    );
}
