//! The service itself, asked by a plain HTTP client.
mod connections;
mod keys;
mod phones;
mod requests;

use crate::support::{Apple, TOPIC, bearer};
use bytes::Bytes;
use http::Request;
use push_core::Environment;
use push_provider_apns::simulator::Phone;

const PAYLOAD: &str = r#"{"aps":{"alert":"hi"}}"#;

/// A request that is right in every way.
fn good(apple: &Apple, phone: &Phone) -> Request<Bytes> {
    Request::post(format!(
        "{}/3/device/{}",
        apple.service.endpoint(phone.environment()),
        phone.token()
    ))
    .header("authorization", bearer(1))
    .header("apns-topic", TOPIC)
    .header("apns-push-type", "alert")
    .header("apns-id", "eabeae54-14a8-11e5-b60b-1697f925ec7b")
    .body(Bytes::from_static(PAYLOAD.as_bytes()))
    .expect("a request")
}

fn to(request: &mut Request<Bytes>, apple: &Apple, path: &str) {
    let url = format!("{}{path}", apple.service.endpoint(Environment::Production));
    *request.uri_mut() = url.parse().expect("a URL");
}
