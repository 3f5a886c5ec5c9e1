//! Receipts that Meizu posts to the address that a push names: each second a form with the pushes that reached a phone and those
//! that were clicked.
//!
//! There is no signature. The address, which cannot be guessed, protects them, and an access token that the operator chose in the
//! console together with the address. They say when nothing happened: each is dated now.
use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use push_core::{
    DeliveryId, DeviceToken, Error, ErrorKind, Late, Received, Result, Secret, Timestamp,
    VendorReceipt,
};
use push_kit::{
    answer::{json, text},
    form::field,
    token::trimmed,
};
use serde_json::Value;

/// The most push ids in one request. Meizu's own limit is not documented; an app may send 500 pushes a second.
const MOST_TARGETS: usize = 10_000;

/// What is answered. Meizu documents only that it does not post them again.
const REPLY: &str = r#"{"code":"200","message":""}"#;

/// Reads what was posted and received at `now`. `token` is the access token of the receipt settings, if one is known.
///
/// # Errors
/// [`ErrorKind::Denied`] if another access token was posted or none, [`ErrorKind::Invalid`] if there is no form with a field `cb`
/// that is a JSON object, or it names more than 10,000 push ids.
pub(crate) fn read(
    request: &Request<Bytes>,
    token: Option<&Secret>,
    now: Timestamp,
) -> Result<Received> {
    let body = request.body();
    if let Some(token) = token {
        let posted = field(body, "access_token").unwrap_or_default();
        let same = verify_slices_are_equal(posted.as_bytes(), token.expose().as_bytes());
        same.map_err(|_| {
            Error::new(
                ErrorKind::Denied,
                "the receipts have another access token, or none",
            )
            .advise(
                "compare `receipt_token` with the receipt settings in the console of Flyme Push",
            )
        })?;
    }
    let posted = field(body, "cb").map(|text| json(text.as_bytes()));
    let Some(Value::Object(entries)) = posted else {
        let message = "the receipts are not a form with a JSON object in `cb`";
        return Err(Error::new(ErrorKind::Invalid, message));
    };
    let named = |entry: &Value| entry["targets"].as_array().map_or(0, Vec::len);
    if entries.values().map(named).sum::<usize>() > MOST_TARGETS {
        let message = "there are more than 10000 push ids in one request";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let receipts = entries
        .iter()
        .flat_map(|(key, entry)| receipts(key, entry, now))
        .collect();
    let mut reply = Response::new(Bytes::from_static(REPLY.as_bytes()));
    let json = HeaderValue::from_static("application/json");
    reply.headers_mut().insert(CONTENT_TYPE, json);
    Ok(Received::new(receipts, reply))
}

/// The receipts of one entry; none if its `param` is no delivery of this gateway, or its type is not known.
fn receipts(key: &str, entry: &Value, now: Timestamp) -> Vec<VendorReceipt> {
    let read = || {
        let tag: DeliveryId = entry["param"].as_str()?.parse().ok()?;
        let what = what(key, entry)?;
        let tokens = entry["targets"].as_array()?.iter().filter_map(|target| {
            let token = DeviceToken::new(target.as_str()?).ok()?;
            trimmed(&token).ok()
        });
        let receipt = |token| VendorReceipt::new(tag, Some(token), now, what.clone());
        Some(tokens.map(receipt).collect())
    };
    read().unwrap_or_default()
}

/// What the type of an entry reports. It stands in the key, too: `<msgId>-<type>`.
fn what(key: &str, entry: &Value) -> Option<Late> {
    let written = text(&entry["type"]);
    let kind = match written.as_str() {
        "" => key.rsplit_once('-')?.1,
        kind => kind,
    };
    match kind {
        "1" => Some(Late::Delivered),
        "2" => Some(Late::Clicked),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use push_testkit::sample;

    use super::*;

    fn posted(cb: &str) -> Request<Bytes> {
        let body = push_kit::form::encode([("cb", cb), ("access_token", "the-token")]);
        Request::new(Bytes::from(body.expose().to_owned()))
    }

    fn known(cb: &str) -> Vec<VendorReceipt> {
        let received = read(&posted(cb), None, sample::NOW).expect("it is read");
        received.receipts
    }

    #[test]
    fn the_receipts_on_record_name_each_phone_and_what_happened() {
        let vectors: Value = serde_json::from_str(include_str!("../tests/fixtures/vectors.json"))
            .expect("the vectors are JSON");
        let [one, two] = [(); 2].map(|()| DeliveryId::new(sample::NOW));
        let cb = vectors["receipt"].as_str().expect("text");
        let cb = cb.replace("param1", &one.to_string());
        let cb = cb.replace("param2", &two.to_string());
        let receipts = known(&cb);
        assert_eq!(receipts.len(), 6);
        for receipt in receipts {
            let token = receipt.token.as_ref().map_or("", |token| token.expose());
            let (tag, what) = if token.starts_with("pushId") {
                (two, Late::Delivered)
            } else {
                (one, Late::Clicked)
            };
            assert_eq!((receipt.tag, receipt.what), (tag, what), "{token}");
            assert_eq!(receipt.at, sample::NOW);
        }
    }

    #[test]
    fn an_unknown_type_and_a_foreign_param_are_ignored() {
        let tag = DeliveryId::new(sample::NOW);
        for (entry, count) in [
            (format!(r#""m-2":{{"param":"{tag}","targets":["t"]}}"#), 1),
            (format!(r#""m":{{"param":"{tag}","targets":["t"]}}"#), 0),
            (
                format!(r#""m-1":{{"param":"{tag}","type":"1","targets":["t",7,""]}}"#),
                1,
            ),
            (
                format!(r#""m-3":{{"param":"{tag}","type":3,"targets":["t"]}}"#),
                0,
            ),
            (
                format!(r#""m-1":{{"param":"{tag}","type":1,"targets":"t"}}"#),
                0,
            ),
            (
                r#""m-1":{"param":"another","type":1,"targets":["t"]}"#.to_owned(),
                0,
            ),
            (r#""m-1":{"type":1,"targets":["t"]}"#.to_owned(), 0),
            (r#""m-1":[]"#.to_owned(), 0),
            (r#""m-1":null"#.to_owned(), 0),
        ] {
            assert_eq!(known(&format!("{{{entry}}}")).len(), count, "{entry}");
        }
    }

    #[test]
    fn an_access_token_that_is_known_must_be_posted() {
        let token = |text: &str| Some(Secret::new(text));
        let request = posted("{}");
        for (known, is_right) in [
            (None, true),
            (token("the-token"), true),
            (token("the-toke"), false),
            (token("the-tokens"), false),
        ] {
            let received = read(&request, known.as_ref(), sample::NOW);
            assert_eq!(received.is_ok(), is_right, "{known:?}");
        }
        // As some receivers take them, but Meizu does not post them.
        let json = Request::new(Bytes::from_static(b"{\"m-1\":{}}"));
        let error = read(&json, None, sample::NOW).expect_err("it is no form");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let error = read(&json, token("t").as_ref(), sample::NOW).expect_err("there is none");
        assert_eq!(error.kind(), ErrorKind::Denied);
    }

    #[test]
    fn too_many_push_ids_are_refused() {
        let tag = DeliveryId::new(sample::NOW);
        let ids = |count: usize| vec!["t"; count];
        for (count, is_read) in [(MOST_TARGETS, true), (MOST_TARGETS + 1, false)] {
            let cb = serde_json::json!({ "m-1": { "param": tag.to_string(), "type": 1, "targets": ids(count) } });
            let received = read(&posted(&cb.to_string()), None, sample::NOW);
            assert_eq!(received.is_ok(), is_read, "{count}");
        }
    }
}
