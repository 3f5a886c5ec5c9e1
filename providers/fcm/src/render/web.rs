//! What browsers get beside `notification` and `data`: `webpush`, which FCM hands to the browser's push service.
use push_core::{Content, NotificationKind, Priority, Sound, Timestamp};
use push_kit::collapse::collapse_word;
use serde_json::{Map, Value, json};

use super::{MAX_TTL, Style, collapse, put};

/// The longest `Topic`, in characters of base64url (RFC 8030 §5.4).
const MAX_TOPIC: usize = 32;

/// `webpush` of every target of `content`: the headers of RFC 8030, and options of the Notifications API.
pub(super) fn config(content: &Content, style: &Style, now: Timestamp) -> Map<String, Value> {
    let notification = &content.notification;
    let mut headers = Map::new();
    if let Some(at) = notification.expires_at {
        let ttl = at.since(now).min(MAX_TTL).as_secs();
        put(&mut headers, "TTL", &ttl.to_string());
    }
    let urgency = match notification.priority {
        Priority::High => "high",
        Priority::Normal => "normal",
        Priority::Low => "low",
    };
    put(&mut headers, "Urgency", urgency);
    if notification.collapse_waiting {
        let key = collapse(content);
        put(&mut headers, "Topic", &collapse_word(&key, MAX_TOPIC));
    }
    let mut web = Map::new();
    web.insert("headers".into(), headers.into());
    if notification.kind == NotificationKind::Alert {
        let mut shown = Map::new();
        put(&mut shown, "tag", &collapse(content));
        // A browser replaces a notification silently unless it is asked to alert again.
        let alert = match notification.sound {
            Sound::Silent => "silent",
            Sound::Default | Sound::Named(_) => "renotify",
        };
        shown.insert(alert.into(), true.into());
        web.insert("notification".into(), shown.into());
        if !style.web_link.is_empty() {
            web.insert("fcm_options".into(), json!({ "link": style.web_link }));
        }
    }
    web
}
