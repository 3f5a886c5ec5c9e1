//! Posting receipts, as Huawei does to the URL that is configured in AppGallery Connect.
use aws_lc_rs::{hmac, rand};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, header};
use push_core::Secret;
use push_http::HttpClient;
use serde_json::{Value, json};

use super::service::Service;
use crate::receive::SIGNATURE_HEADER;

/// The most receipts in one request.
const BATCH: usize = 100;

/// What came of posting receipts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Posted {
    /// Requests that were answered with `errno` 0.
    pub requests: usize,
    /// Receipts in them.
    pub taken: usize,
    /// Receipts that are still due.
    pub due: usize,
}

pub(super) async fn post(
    service: &Service,
    client: &dyn HttpClient,
    url: &str,
    signer: Option<(&str, &Secret)>,
) -> Posted {
    let mut posted = Posted::default();
    loop {
        let batch = service.take_receipts(BATCH);
        if batch.is_empty() {
            break;
        }
        if !post_one(service, client, url, signer, &batch, posted.requests).await {
            service.put_back(batch);
            break;
        }
        posted.requests += 1;
        posted.taken += batch.len();
    }
    posted.due = service.receipts_due();
    posted
}

async fn post_one(
    service: &Service,
    client: &dyn HttpClient,
    url: &str,
    signer: Option<(&str, &Secret)>,
    batch: &[Value],
    number: usize,
) -> bool {
    let mut request = Request::post(url).header(header::CONTENT_TYPE, "application/json");
    if let Some((user, key)) = signer {
        let timestamp = service.now().unix_millis();
        let nonce = nonce();
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
        let value = STANDARD.encode(hmac::sign(
            &key,
            format!("{timestamp}{nonce}{user}").as_bytes(),
        ));
        // Some of Huawei's senders put a blank there and some do not.
        let blank = if number.is_multiple_of(2) { " " } else { "" };
        request = request.header(
            SIGNATURE_HEADER,
            format!("timestamp={timestamp};{blank}nonce={nonce};{blank}value={value}"),
        );
    }
    let body = json!({ "statuses": batch }).to_string();
    let Ok(request) = request.body(Bytes::from(body)) else {
        return false;
    };
    let Ok(response) = client.send(request).await else {
        return false;
    };
    let reply: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    response.status() == 200 && reply["errno"] == "0"
}

/// A UUID of version 4.
fn nonce() -> String {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the system has random numbers");
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
