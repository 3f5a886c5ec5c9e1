//! Vendor fields: what they change, and what they must not.
use push_core::{ADDRESSING_FIELDS, ErrorKind, VerdictKind};
use serde_json::{Map, Value, json};

use crate::conformance::{
    Shown, Vendor,
    check::plain,
    stage::{Stage, context, raw},
};
use crate::{Authority, block_on, sample};

/// One delivery with vendor fields and one without: the same ids, so that their payloads can be compared.
async fn shown_with(stage: &Stage<'_>, fields: &Map<String, Value>) -> (Shown, Shown) {
    let mut notification = sample::notification();
    let plain = sample::content(notification.clone());
    notification.vendor.clone_from(fields);
    let target =
        sample::target(stage.token(0), &plain).with_receiver(Some(sample::user("the-receiver")));
    let mut overlaid = target.clone();
    overlaid.content = sample::content(notification);
    let mut one = sample::batch_of([target]);
    let before = stage.shown(one.clone()).await.remove(0);
    one.targets = vec![overlaid];
    let after = stage.shown(one).await.remove(0);
    (before, after)
}

/// [`Vendor::overlay`]: the payload with the fields merged into it, objects deeply, everything else replaced. What the
/// credential's configuration set gives way; everything else stays.
pub fn vendor_fields_are_merged_into_the_payload(vendor: &Vendor) {
    block_on(async {
        for fields in &vendor.overlay {
            let fields = fields.as_object().expect("`overlay` lists objects");
            let stage = Stage::new(vendor).await;
            stage
                .provider
                .check_fields(fields)
                .expect("fields of `overlay` are accepted");
            let (before, after) = shown_with(&stage, fields).await;
            let mut wanted = before.payload.clone();
            let root = wanted.pointer_mut(&vendor.overlay_root);
            merge(root.expect("`overlay_root` is in the payload"), fields);
            assert_ne!(wanted, before.payload, "{fields:?} changes nothing");
            assert_eq!(after.payload, wanted, "with the fields {fields:?}");
            assert_eq!(
                (after.tokens, after.ext, after.delivery, after.receiver),
                (before.tokens, before.ext, before.delivery, before.receiver)
            );
        }
    });
}

fn merge(into: &mut Value, fields: &Map<String, Value>) {
    if !into.is_object() {
        *into = json!({});
    }
    let Some(map) = into.as_object_mut() else {
        return;
    };
    for (key, value) in fields {
        match (map.get_mut(key), value) {
            (Some(inner @ Value::Object(_)), Value::Object(value)) => merge(inner, value),
            _ => {
                map.insert(key.clone(), value.clone());
            }
        }
    }
}

/// [`Vendor::protected_fields`], [`ADDRESSING_FIELDS`], and every field in which the payload shows the token, the click data,
/// the receiver or the delivery: refused by name at submission, and never sent.
pub fn a_vendor_field_never_changes_receiver_credential_or_click_data(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let (shown, _) = shown_with(&stage, &Map::new()).await;
        let found = protected(vendor, &shown);
        let declared = vendor.protected_fields.iter().cloned();
        let addressing = ADDRESSING_FIELDS
            .iter()
            .flat_map(|name| [(*name).to_owned(), name.to_ascii_uppercase()])
            .map(|name| json!({ name: "elsewhere-000000" }));
        for fields in declared.chain(found).chain(addressing) {
            let fields = fields
                .as_object()
                .expect("`protected_fields` lists objects");
            let error = stage.provider.check_fields(fields);
            let error = error.expect_err(&format!("{fields:?} is protected"));
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            let names: Vec<&str> = keys(fields).collect();
            assert!(
                names.iter().any(|name| error.to_string().contains(name)),
                "the error names the field, one of {names:?}: {error}"
            );
            let mut notification = sample::notification();
            notification.vendor.clone_from(fields);
            let before = stage.server.log().total();
            let batch = plain(notification, [stage.token(1)]);
            let verdict = stage.send(batch).await.remove(0);
            assert_eq!(
                verdict.kind,
                VerdictKind::PayloadRefused,
                "{fields:?}: {verdict:?}"
            );
            let said = format!("{} {}", verdict.answer.code, verdict.answer.text);
            assert!(
                names.iter().any(|name| said.contains(name)),
                "the verdict names the field, one of {names:?}: {said}"
            );
            assert_eq!(stage.server.log().total(), before, "{fields:?} was sent");
        }
    });
}

/// What of the last request says to whom and as whom it is sent: where it goes, who sends it, and every header that names a
/// topic, an app or a token.
fn route(stage: &Stage<'_>) -> Vec<String> {
    let sent = stage.sent();
    let last = sent.last().expect("a request");
    let names = ["authorization", "host", "topic", "app", "project", "token"];
    let mut route = vec![last.method.to_string(), last.uri.to_string()];
    let headers = last.headers.iter();
    route.extend(
        headers
            .filter(|(name, _)| names.iter().any(|part| name.as_str().contains(part)))
            .map(|(name, value)| format!("{name}: {value:?}")),
    );
    route.sort();
    route
}

/// [`Vendor::bending`]: fields that are accepted although they change to whom the vendor takes a request to be. What the vendor
/// then says of the token is the message's fault, and costs no token. Fields of [`Vendor::overlay`] that change it must be declared.
pub fn a_verdict_on_what_the_message_bent_costs_no_token(vendor: &Vendor) {
    block_on(async {
        for fields in vendor.overlay.iter().chain(&vendor.bending) {
            let stage = Stage::new(vendor).await;
            let map = fields.as_object().expect("objects are listed");
            shown_with(&stage, &Map::new()).await;
            let plain_route = route(&stage);
            shown_with(&stage, map).await;
            let is_bent = route(&stage) != plain_route;
            assert_eq!(
                is_bent,
                vendor.bending.contains(fields),
                "declare {fields} under `bending` if it changes {plain_route:?}, and only then"
            );
        }
        let accusing = vendor
            .token_unusable
            .iter()
            .filter(|(fault, _)| fault.accuses_credential())
            .map(|(_, reply)| reply);
        let replies: Vec<_> = vendor.token_dead.iter().chain(accusing).collect();
        for fields in &vendor.bending {
            for reply in &replies {
                let stage = Stage::new(vendor).await;
                stage.sends.always((*reply).clone());
                let mut notification = sample::notification();
                notification.vendor = fields.as_object().expect("objects are listed").clone();
                let batch = plain(notification, [stage.token(0)]);
                let verdict = stage.send(batch).await.remove(0);
                let costs = matches!(
                    verdict.kind,
                    VerdictKind::TokenDead { .. }
                        | VerdictKind::TokenUnusable(_)
                        | VerdictKind::CredentialRefused
                );
                assert!(!costs, "{fields}, {reply:?}: {verdict:?}");
            }
        }
    });
}

/// Every key of `fields`, at any depth.
fn keys(fields: &Map<String, Value>) -> Box<dyn Iterator<Item = &str> + '_> {
    Box::new(fields.iter().flat_map(|(key, value)| {
        let inner = value
            .as_object()
            .map_or_else(|| Box::new(std::iter::empty()) as Box<_>, keys);
        std::iter::once(key.as_str()).chain(inner)
    }))
}

/// Fields that would replace what must stay, found where the payload shows it.
fn protected(vendor: &Vendor, shown: &Shown) -> Vec<Value> {
    let stays: Vec<&str> = shown
        .tokens
        .iter()
        .chain(&shown.ext)
        .chain(&shown.delivery)
        .chain(&shown.receiver)
        .map(String::as_str)
        .filter(|text| text.len() >= 3)
        .collect();
    let mut found = Vec::new();
    if let Some(root) = shown.payload.pointer(&vendor.overlay_root) {
        let holds = |text: &str| stays.contains(&text);
        places(root, &holds, &mut |path| {
            let leaf = json!("elsewhere-000000");
            found.push(path.iter().rev().fold(leaf, |inner, key| {
                let mut map = Map::new();
                map.insert((*key).to_owned(), inner);
                Value::Object(map)
            }));
        });
    }
    found
}

/// Calls `found` with the path of each key whose value, or an element of whose array, is a text that `holds`.
fn places(value: &Value, holds: &dyn Fn(&str) -> bool, found: &mut dyn FnMut(&[&str])) {
    fn walk<'a>(
        value: &'a Value,
        path: &mut Vec<&'a str>,
        holds: &dyn Fn(&str) -> bool,
        found: &mut dyn FnMut(&[&str]),
    ) {
        let Value::Object(map) = value else { return };
        for (key, value) in map {
            path.push(key);
            let stays = |value: &Value| value.as_str().is_some_and(holds);
            let here = match value {
                Value::Array(list) => list.iter().any(stays),
                other => stays(other),
            };
            if here {
                found(path);
            }
            walk(value, path, holds, found);
            path.pop();
        }
    }
    walk(value, &mut Vec::new(), holds, found);
}

/// Fields that the provider refuses to lay over are also refused where the gateway did not ask before: without
/// [`Vendor::overlay`], nothing is sent with any.
pub fn fields_that_are_refused_are_not_sent(vendor: &Vendor) {
    if !vendor.overlay.is_empty() {
        return;
    }
    block_on(async {
        let stage = Stage::new(vendor).await;
        let mut notification = sample::notification();
        notification.vendor.insert("any_field".to_owned(), json!(1));
        let batch = plain(notification, [stage.token(0)]);
        let verdict = stage.send(batch).await.remove(0);
        assert_eq!(verdict.kind, VerdictKind::PayloadRefused, "{verdict:?}");
        assert_eq!(stage.server.log().total(), 0);
    });
}

/// `check_fields` is for text that arrives with messages: it is pure, and no input makes it panic.
pub fn vendor_fields_of_any_form_are_checked_without_a_runtime(vendor: &Vendor) {
    let config = vendor.configured("https://localhost:1", &Authority::new().pem());
    let provider = vendor
        .descriptor
        .build(raw(&config), &context(&sample::clock()))
        .expect("the configuration of the suite builds a provider");
    let mut deep = json!(1);
    for _ in 0..120 {
        deep = json!({ "a": [deep] });
    }
    let odd = [
        json!(null),
        json!(-1),
        json!([]),
        json!({}),
        json!("\u{0}"),
        json!(1e300),
        deep,
    ];
    let names = vendor
        .overlay
        .iter()
        .chain(&vendor.protected_fields)
        .filter_map(Value::as_object)
        .flat_map(|fields| fields.keys().map(String::as_str));
    for name in names.chain(["", "\u{0}", "a.b", "no_such_field"]) {
        for value in &odd {
            let mut fields = Map::new();
            fields.insert(name.to_owned(), value.clone());
            // Accepted or refused, it returns.
            if let Err(error) = provider.check_fields(&fields) {
                assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            }
        }
    }
}
