//! The requests.
use std::{borrow::Cow, time::Duration};

use push_core::{
    ADDRESSING_FIELDS, Badge, Batch, DeliveryId, NotificationKind, Target, Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};
use serde_json::{Map, Value, json};

use crate::{fault::Fault, provider::Core};

pub(crate) const MAX_PAYLOAD: usize = 4096;
pub(crate) const MIN_TTL: Duration = Duration::from_secs(60);
pub(crate) const MAX_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// One message and the positions of its targets in the batch.
pub(crate) struct Message {
    pub(crate) positions: Vec<usize>,
    pub(crate) payload: Map<String, Value>,
}

/// Groups the targets that get the same, and renders each group once.
pub(crate) fn messages(core: &Core, batch: &Batch) -> Result<Vec<Message>, Verdict> {
    let mut groups: Vec<(Vec<usize>, &Target)> = Vec::new();
    for (position, target) in batch.targets.iter().enumerate() {
        if core.breaks(Fault::LastTargetsDropped) && position >= 50 {
            break;
        }
        let same = |other: &Target| {
            (other.content.id == target.content.id || core.breaks(Fault::FirstContentForAll))
                && (other.badge == target.badge || core.breaks(Fault::FirstBadgeForAll))
        };
        match groups.iter_mut().find(|(_, other)| same(other)) {
            Some((positions, _)) => positions.push(position),
            None => groups.push((vec![position], target)),
        }
    }
    groups
        .into_iter()
        .map(|(positions, target)| {
            let payload = payload(core, batch, &positions, target)?;
            Ok(Message { positions, payload })
        })
        .collect()
}

fn payload(
    core: &Core,
    batch: &Batch,
    positions: &[usize],
    target: &Target,
) -> Result<Map<String, Value>, Verdict> {
    let wanted = &target.content.notification;
    if let Some(field) = forbidden(core, &wanted.vendor)
        && !core.breaks(Fault::FieldsOnlyChecked)
    {
        let text = format!("the vendor field `{field}` cannot be set");
        return Err(Verdict::payload_refused("field", text));
    }
    let mut ext = Cow::Borrowed(wanted.ext.as_str());
    if core.breaks(Fault::ExtShortened) {
        ext = Cow::Owned(ext.chars().take(2000).collect());
    } else if core.breaks(Fault::ExtWrittenAgain)
        && let Ok(value) = serde_json::from_str::<Value>(&ext)
    {
        ext = Cow::Owned(value.to_string());
    }
    let mut data = Map::new();
    if !ext.is_empty() && !core.breaks(Fault::ExtMissing) {
        data.insert("ext".to_owned(), json!(ext));
    }
    if positions.len() == 1 || core.breaks(Fault::DeliveryOfFirst) {
        data.insert(DELIVERY_KEY.to_owned(), json!(target.delivery.to_string()));
    }
    if let Some(user) = receiver(core, batch, positions, target) {
        data.insert(RECEIVER_KEY.to_owned(), json!(user));
    }
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("data", data.into());
    let background = wanted.kind == NotificationKind::Background;
    if !background || core.breaks(Fault::BackgroundShown) {
        let limits = core.capabilities.text;
        put("title", cut(core, &wanted.title, limits.title).into());
        put("text", cut(core, &wanted.body, limits.body).into());
    }
    match target.badge {
        Badge::Set(0) if core.breaks(Fault::BadgeZeroMissing) => {}
        Badge::Set(number) if core.breaks(Fault::BadgeAdded) => {
            put("badge_add", number.into());
        }
        Badge::Set(number) => {
            put("badge", number.into());
        }
        _ => {}
    }
    put("ttl", ttl(core, wanted.expires_at).into());
    let mut collapse = wanted.collapse.clone();
    if core.breaks(Fault::CollapseCut) {
        collapse = collapse.chars().take(32).collect();
    }
    put("replaces", collapse.into());
    let tag = match batch.targets.first() {
        Some(first) if !core.breaks(Fault::NewTagOnRepeat) => first.delivery,
        _ => DeliveryId::new(core.clock.now()),
    };
    put("tag", tag.to_string().into());
    put("android", json!({ "importance": "high", "light": true }));
    if let Some(category) = &core.config.category {
        put("category", category.as_str().into());
    }
    if core.breaks(Fault::OverlayShallow) {
        out.extend(wanted.vendor.clone());
    } else {
        overlay(core, &mut out, &wanted.vendor);
    }
    let size = Value::Object(out.clone()).to_string().len();
    if size > MAX_PAYLOAD {
        let text = format!("{size} bytes, of which {MAX_PAYLOAD} are allowed");
        return Err(Verdict::payload_refused("too large", text));
    }
    Ok(out)
}

fn receiver(core: &Core, batch: &Batch, positions: &[usize], target: &Target) -> Option<String> {
    let first = target.receiver.as_ref()?;
    let all = positions
        .iter()
        .all(|at| batch.targets[*at].receiver.as_ref() == Some(first));
    let named = all || core.breaks(Fault::ReceiverOfFirst);
    (named && !core.breaks(Fault::ReceiverMissing)).then(|| first.to_string())
}

fn cut<'a>(core: &Core, text: &'a str, limit: usize) -> Cow<'a, str> {
    if core.breaks(Fault::TextNotCut) {
        return text.into();
    }
    if core.breaks(Fault::TextCutInBytes) {
        return push_core::TextUnit::Bytes.cut(text, limit);
    }
    if core.breaks(Fault::TextCutInCharacter) {
        let mut used = 0;
        let kept = text.chars().take_while(|character| {
            used += character.len_utf16();
            used <= limit
        });
        return kept.collect::<String>().into();
    }
    core.capabilities.text.unit.cut(text, limit)
}

fn ttl(core: &Core, expires_at: Option<push_core::Timestamp>) -> u64 {
    let Some(at) = expires_at.filter(|_| !core.breaks(Fault::ExpiryIgnored)) else {
        return 86_400;
    };
    let mut left = at.since(core.clock.now());
    if !core.breaks(Fault::TtlTooShort) {
        left = left.max(MIN_TTL);
    }
    if !core.breaks(Fault::TtlTooLong) {
        left = left.min(MAX_TTL);
    }
    if core.breaks(Fault::TtlInMillis) {
        return left.as_secs() * 1000;
    }
    left.as_secs()
}

/// The first field that may not be set, with the object it is in.
pub(crate) fn forbidden(core: &Core, fields: &Map<String, Value>) -> Option<String> {
    const OURS: [&str; 4] = ["to", "topic", "tag", "message_id"];
    let first = OURS
        .into_iter()
        .find(|key| fields.contains_key(*key) && !core.breaks(Fault::FieldRedirects));
    let addressing = fields
        .keys()
        .find(|key| {
            ADDRESSING_FIELDS
                .iter()
                .any(|name| name.eq_ignore_ascii_case(key))
        })
        .filter(|_| !core.breaks(Fault::FieldRedirects) && !core.breaks(Fault::FieldAddresses));
    if let Some(field) = addressing {
        return Some(field.clone());
    }
    let data = match fields.get("data") {
        None => None,
        Some(_) if core.breaks(Fault::FieldChangesExt) => None,
        Some(Value::Object(data)) => ["ext", DELIVERY_KEY, RECEIVER_KEY]
            .into_iter()
            .find(|key| data.contains_key(*key)),
        Some(_) => Some("data"),
    };
    first.or(data).map(str::to_owned)
}

fn overlay(core: &Core, into: &mut Map<String, Value>, fields: &Map<String, Value>) {
    for (key, value) in fields {
        match (into.get_mut(key), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => overlay(core, inner, value),
            (Some(_), _) if core.breaks(Fault::OverlayFromCredential) => {}
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}
