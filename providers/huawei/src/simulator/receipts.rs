//! Posting receipts, as Huawei does to the URL that is configured in AppGallery Connect.
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response, header};
use push_core::Secret;
use push_http::HttpClient;
use push_testkit::simulator::{Posted, random};
use serde_json::{Value, json};

use super::service::Service;

/// The most receipts in one request.
const BATCH: usize = 100;

/// The header of the signature.
const SIGNATURE_HEADER: &str = "x-huawei-callback-id";

pub(super) async fn post(
    service: &Service,
    client: &dyn HttpClient,
    url: &str,
    signer: Option<(&str, &Secret)>,
) -> Posted {
    let request = |number: usize, batch: Vec<Value>| {
        let mut request = Request::post(url).header(header::CONTENT_TYPE, "application/json");
        if let Some((user, key)) = signer {
            let signature = signature(service.now().unix_millis(), user, key, number);
            request = request.header(SIGNATURE_HEADER, signature);
        }
        let body = json!({ "statuses": batch }).to_string();
        request.body(Bytes::from(body)).ok()
    };
    let accepted = |response: &Response<Bytes>| {
        let reply: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        response.status() == 200 && reply["errno"] == "0"
    };
    let receipts = &service.receipts;
    receipts.post(client, BATCH, request, accepted).await
}

fn signature(timestamp: i64, user: &str, key: &Secret, number: usize) -> String {
    let nonce = nonce();
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let signed = format!("{timestamp}{nonce}{user}");
    let value = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
    // Some of Huawei's senders put a blank there and some do not.
    let blank = if number.is_multiple_of(2) { " " } else { "" };
    format!("timestamp={timestamp};{blank}nonce={nonce};{blank}value={value}")
}

/// A UUID of version 4.
fn nonce() -> String {
    let mut bytes: [u8; 16] = random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|it| format!("{it:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}
