//! The HTTP API over a loopback socket.
mod access;
mod bodies;
mod credentials;
mod explanations;
mod limits;
mod messages;
mod openapi;
mod phones;
mod serving;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
mod tickets;
mod times;

use serde_json::{Value, json};
use support::served::{Served, token_body};

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
