//! Making a message fit: each platform's part is counted by itself.
//!
//! Google documents one limit for "notification and data" and not how the parts for several platforms are added up; its error names
//! one platform ("Android message is too big"), whose message alone is made of these parts.
use push_core::{Verdict, api::DELIVERY_KEY};
use push_kit::payload::fit;
use serde_json::Value;

use super::{AndroidForm, object};

/// What one platform gets of a message.
struct Platform {
    /// The parts that count.
    parts: Vec<&'static str>,
    /// The texts that are cut where they are too large, in this order.
    texts: Vec<&'static str>,
}

/// The most bytes of one platform's part, and what it consists of. JSON is counted, which is a little more than FCM counts.
fn platforms(message: &Value, android: AndroidForm) -> [Platform; 3] {
    const TEXTS: [&str; 2] = ["/notification/body", "/notification/title"];
    let (body, title) = match android {
        AndroidForm::V1 => ("/android/notification/body", "/android/notification/title"),
        AndroidForm::V2 => (
            "/android_v2/remote_notification/notification/body",
            "/android_v2/remote_notification/notification/title",
        ),
    };
    // An alert of its own replaces the texts that all platforms share.
    let apple = match message.pointer("/apns/payload/aps/alert") {
        Some(_) => Platform {
            parts: vec!["/apns/payload", "/data"],
            texts: vec![
                "/apns/payload/aps/alert",
                "/apns/payload/aps/alert/body",
                "/apns/payload/aps/alert/subtitle",
                "/apns/payload/aps/alert/title",
            ],
        },
        None => Platform {
            parts: vec!["/notification", "/apns/payload", "/data"],
            texts: TEXTS.to_vec(),
        },
    };
    [
        Platform {
            parts: vec!["/notification", android.shown(), "/data", android.data()],
            texts: vec![TEXTS[0], body, TEXTS[1], title],
        },
        apple,
        Platform {
            parts: vec![
                "/notification",
                "/webpush/notification",
                "/data",
                "/webpush/data",
            ],
            texts: vec![
                TEXTS[0],
                "/webpush/notification/body",
                TEXTS[1],
                "/webpush/notification/title",
            ],
        },
    ]
}

impl Platform {
    fn size(&self, message: &Value) -> usize {
        self.parts
            .iter()
            .filter_map(|pointer| message.pointer(pointer))
            .map(|part| part.to_string().len())
            .sum()
    }
}

/// The size of the largest platform's part of `message`, in bytes.
pub(super) fn of(message: &Value, android: AndroidForm) -> usize {
    let sizes = platforms(message, android).map(|platform| platform.size(message));
    sizes.into_iter().max().unwrap_or_default()
}

/// Returns `message` with texts that are cut until no platform's part has more than `max` bytes. Where that is not enough the
/// delivery goes, too: a receipt is worth less than the message.
///
/// # Errors
/// The verdict on it, if there is too little text to cut.
pub(super) fn fitted(message: Value, android: AndroidForm, max: usize) -> Result<Value, Verdict> {
    if of(&message, android) <= max {
        return Ok(message);
    }
    let mut whole = message.clone();
    if let Ok(message) = cut(message, android, max) {
        return Ok(message);
    }
    for pointer in ["/data", android.data(), "/webpush/data"] {
        if let Some(data) = object(&mut whole, pointer) {
            data.remove(DELIVERY_KEY);
        }
    }
    cut(whole, android, max).map_err(|excess| too_large(excess, max))
}

fn cut(mut message: Value, android: AndroidForm, max: usize) -> Result<Value, usize> {
    for platform in platforms(&message, android) {
        fit(&mut message, max, &platform.texts, |message| {
            platform.size(message)
        })?;
    }
    Ok(message)
}

fn too_large(excess: usize, max: usize) -> Verdict {
    Verdict::payload_refused(
        "payload-too-large",
        format!(
            "notification and data take {excess} bytes more than the {max} that FCM accepts, and there is too little text to \
             cut; shorten `ext` or the vendor fields"
        ),
    )
}
