//! What the OpenAPI document says of bodies whose types live in `push-core`, which knows nothing of OpenAPI. A test
//! compares each with what the type really writes.
#![allow(dead_code)]
use std::collections::BTreeMap;

use utoipa::ToSchema;

/// One IM message to one user or to the members of a group.
#[derive(ToSchema)]
#[schema(as = Message)]
pub(super) struct MessageDoc {
    /// The message's id in the IM system. The same id twice is one message for a receiver.
    id: String,
    /// `chat` (counts on the badge by default) or `push`.
    kind: Option<String>,
    /// `call`, `chat`, `notice`, `marketing` or a word of your own; absent: by kind and settings.
    class: Option<String>,
    /// The author; absent for a pure push.
    sender: Option<SenderDoc>,
    /// The group it was written in; absent for one-to-one.
    group: Option<GroupDoc>,
    /// User ids. The sender, if among them, gets no push. Either this or `audience`.
    receivers: Option<Vec<String>>,
    /// Whom it is for, if not `receivers`.
    audience: Option<AudienceDoc>,
    /// What it consists of, in order.
    elements: Option<Vec<ElementDoc>>,
    /// Push settings that came with it.
    push: Option<PushDoc>,
    /// Only for receivers who are connected: never pushed.
    online_only: Option<bool>,
    /// When it was sent, in milliseconds since 1970; absent for now.
    sent_at: Option<i64>,
}

/// Whom a message is for: exactly one member, or the text `everybody`.
#[derive(ToSchema)]
#[schema(as = Audience)]
pub(super) struct AudienceDoc {
    /// Users, on all their devices.
    users: Option<Vec<String>>,
    /// Devices.
    devices: Option<Vec<String>>,
    /// Tokens that the caller keeps itself, without registration.
    tokens: Option<Vec<TokenAddressDoc>>,
    /// Users whose tags match: `{"has":"vip"}`, `{"all":[…]}`, `{"any":[…]}`, `{"not":…}`.
    tags: Option<serde_json::Value>,
}

/// A token that the caller keeps itself.
#[derive(ToSchema)]
#[schema(as = TokenAddress)]
pub(super) struct TokenAddressDoc {
    certificate_id: i64,
    token: String,
    /// `alert`, `voip` or `live-activity`; `alert` if absent.
    slot: Option<String>,
    /// The credential's if absent.
    environment: Option<String>,
}

/// The author of a message.
#[derive(ToSchema)]
#[schema(as = Sender)]
pub(super) struct SenderDoc {
    user: String,
    nickname: Option<String>,
    face_url: Option<String>,
}

/// The group a message was written in.
#[derive(ToSchema)]
#[schema(as = Group)]
pub(super) struct GroupDoc {
    id: String,
    name: Option<String>,
}

/// A part of a message.
#[derive(ToSchema)]
#[schema(as = Element)]
pub(super) struct ElementDoc {
    /// `text`, `image`, `sound`, `video`, `file`, `face`, `location`, `relay` or `custom`.
    r#type: String,
    /// Of a `text`.
    text: Option<String>,
    /// Of a `custom`: without one here or in `push`, it is not pushed.
    desc: Option<String>,
    /// Of a `custom`.
    ext: Option<String>,
    /// Of a `custom`.
    sound: Option<String>,
}

/// The push settings that come with a message.
#[derive(ToSchema)]
#[schema(as = OfflinePushInfo)]
pub(super) struct PushDoc {
    /// No offline push for this message.
    disabled: Option<bool>,
    title: Option<String>,
    /// A second line, where the vendor has one.
    subtitle: Option<String>,
    /// The text; takes precedence over the text derived from the elements.
    desc: Option<String>,
    /// The address of a picture, https.
    image: Option<String>,
    /// `none`, `default`, or the name of a file in the app.
    sound: Option<String>,
    /// `passive`, `active`, `time-sensitive` or `critical`.
    interruption: Option<String>,
    /// Lets the app change the notification before it is shown.
    mutable: Option<bool>,
    /// Wakes the app, shows nothing.
    background: Option<bool>,
    /// An incoming call.
    call: Option<bool>,
    /// A JSON object as text; absent: the gateway writes one that names the chat.
    ext: Option<String>,
    /// How long it is worth delivering; 0 pushes to no device.
    ttl_seconds: Option<u32>,
    /// 0 to 999; takes precedence over `badge_add`.
    badge_set: Option<u32>,
    /// 1 to 99; takes precedence over `badge_mode`.
    badge_add: Option<u32>,
    /// `count` or `ignore`.
    badge_mode: Option<String>,
    /// `low`, `normal` or `high`.
    priority: Option<String>,
    /// At most 64 bytes; replaces an earlier notification with the same key.
    collapse: Option<String>,
    /// What differs for one channel, by channel.
    channels: Option<BTreeMap<String, OverridesDoc>>,
    /// What differs for the channel `apns`, in Tencent's spelling.
    apns: Option<ApnsDoc>,
    /// Fields in each vendor's own format, by channel; the same as `fields` in `channels`.
    vendor: Option<BTreeMap<String, serde_json::Value>>,
}

/// What differs for one channel.
#[derive(ToSchema)]
#[schema(as = Overrides)]
pub(super) struct OverridesDoc {
    title: Option<String>,
    subtitle: Option<String>,
    desc: Option<String>,
    image: Option<String>,
    sound: Option<String>,
    interruption: Option<String>,
    mutable: Option<bool>,
    background: Option<bool>,
    call: Option<bool>,
    /// Fields in the vendor's own format, laid over the rendered payload.
    fields: Option<serde_json::Value>,
}

/// Push settings for the channel `apns`, in Tencent's spelling.
#[derive(ToSchema)]
#[schema(as = ApnsInfo)]
pub(super) struct ApnsDoc {
    title: Option<String>,
    subtitle: Option<String>,
    image: Option<String>,
    mutable_content: Option<bool>,
    /// `kIOSOfflinePushNoSound`, `kIOSOfflinePushDefaultSound`, or a file name.
    sound: Option<String>,
    /// `passive`, `active`, `time-sensitive` or `critical`.
    interruption: Option<String>,
    content_available: Option<bool>,
    voip: Option<bool>,
}

/// What the gateway did with a submitted message.
#[derive(ToSchema)]
#[schema(as = Submitted)]
pub(super) struct SubmittedDoc {
    message: String,
    deliveries: Vec<DeliveryDoc>,
    skipped: Vec<SkippedDoc>,
}

/// A delivery and its receiver.
#[derive(ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryDoc {
    /// A UUID.
    id: String,
    user: Option<String>,
    device: Option<String>,
    /// The token's place in the audience, if tokens were addressed.
    token: Option<usize>,
    channel: String,
}

/// A receiver, device or token that gets no push, and why.
#[derive(ToSchema)]
#[schema(as = Skipped)]
pub(super) struct SkippedDoc {
    user: Option<String>,
    device: Option<String>,
    /// The token's place in the audience, if tokens were addressed.
    token: Option<usize>,
    /// A code; `GET /v1/reasons` explains them.
    reason: String,
}

/// A token of the device in the path.
#[derive(ToSchema)]
#[schema(as = Registration)]
pub(super) struct RegistrationDoc {
    channel: String,
    /// A Live Activity's id; absent for the slots that a device has once.
    instance: Option<String>,
    /// The order in which the channels of the slot are tried, smallest first; 0 if absent.
    rank: Option<u8>,
    certificate_id: i64,
    /// `sandbox` or `production`.
    environment: String,
    token: String,
    /// `ios`, `ipad`, `android`, `harmony`, `web` or `desktop`.
    platform: Option<String>,
    /// The language of the app's interface, a BCP 47 tag.
    language: Option<String>,
    /// A name of the IANA time zone database.
    time_zone: Option<String>,
    /// `granted`, `provisional`, `denied` or `not-asked`.
    permission: Option<String>,
    /// The brand of the phone.
    brand: Option<String>,
    /// The version of the app.
    app_version: Option<String>,
}

/// What the gateway did with a token.
#[derive(ToSchema)]
#[schema(as = RegistrationAnswer)]
pub(super) struct RegistrationAnswerDoc {
    changed: bool,
    warning: Option<WarningDoc>,
    /// What the device signs its receipts with.
    receipt_key: Option<String>,
}

/// Something that was accepted but will not work.
#[derive(ToSchema)]
#[schema(as = Warning)]
pub(super) struct WarningDoc {
    code: String,
    text: String,
}

/// Where the device in the path is now.
#[derive(ToSchema)]
#[schema(as = Presence)]
pub(super) struct PresenceDoc {
    /// `online`, `background`, `push-online` or `offline`.
    presence: String,
    /// Since when that is so, by the device's clock, in milliseconds since 1970.
    at: i64,
    /// What the device's clock shows when this is sent. The gateway goes by the time between `at` and this and by its own
    /// clock; if absent, by the time the report comes.
    now: Option<i64>,
    /// The base of the badge.
    unread: Option<u32>,
}

/// What is wrong with tokens that the device reports as registered.
#[derive(ToSchema)]
#[schema(as = PresenceAnswer)]
pub(super) struct PresenceAnswerDoc {
    /// Slots whose token the gateway has removed: `alert`, `voip` or `live-activity`.
    forgotten: Vec<String>,
    quarantined: Vec<QuarantinedTokenDoc>,
}

/// A token that is kept but not pushed to.
#[derive(ToSchema)]
#[schema(as = QuarantinedToken)]
pub(super) struct QuarantinedTokenDoc {
    slot: String,
    /// The code is one that `GET /v1/reasons` explains.
    why: WarningDoc,
}

/// What happened to deliveries on the device; at most 100.
#[derive(ToSchema)]
#[schema(as = Receipts)]
pub(super) struct ReceiptsDoc {
    receipts: Vec<ReceiptDoc>,
    /// What the device's clock shows when this is sent, by which `at` is corrected.
    now: Option<i64>,
}

/// What happened to a delivery on the device.
#[derive(ToSchema)]
#[schema(as = Receipt)]
pub(super) struct ReceiptDoc {
    delivery: String,
    /// `delivered` or `clicked`.
    what: String,
    at: i64,
}

/// An error answer (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDoc {
    r#type: String,
    title: String,
    status: u16,
    detail: Option<String>,
    /// A stable code for programs.
    code: String,
}
