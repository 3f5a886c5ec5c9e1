//! What is decided for one message and one receiver, without store or queue.
mod contents;
mod devices;
mod tokens;
mod words;

use push_core::{
    AppId, Audience, Badge, BadgeStyle, CertificateId, Delivery, Device, DeviceId, DeviceToken,
    Element, Environment, Group, GroupId, MessageId, Notification, NotificationKind,
    OfflinePushInfo, Platform, Presence, Registration, Sender, Slot, StoredRegistration,
    TextLimits, UserId,
};
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_760_000_000);

const MINUTE: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn user(id: &str) -> UserId {
    UserId::new(id).expect("an id")
}

fn sender(nickname: &str) -> Sender {
    Sender::new(user("bob")).with_nickname(nickname)
}

fn group(name: &str) -> Group {
    Group::new(GroupId::new("g1").expect("an id"), name)
}

fn message() -> Message {
    let id = MessageId::new("m").expect("an id");
    Message::new(id, Audience::user(user("alice")))
        .with_sender(sender("Bob"))
        .with_text("hi")
}

fn pushed(push: OfflinePushInfo) -> Message {
    message().with_push(push)
}

/// A message with push settings as they are spelled in JSON.
fn pushed_json(push: Value) -> Message {
    pushed(serde_json::from_value(push).expect("push settings"))
}

/// With settings for the channel `apns`, in Tencent's spelling.
fn apns(apns: Value) -> Message {
    pushed_json(json!({ "apns": apns }))
}

fn custom(desc: &str) -> Element {
    Element::Custom {
        desc: desc.into(),
        ext: r#"{"mine":1}"#.into(),
        sound: "ping.caf".into(),
    }
}

fn registration(slot: Slot, channel: Channel, id: i64) -> StoredRegistration {
    let owner = push_core::DeviceRef::new(
        AppId::new("chat").expect("an id"),
        user("alice"),
        DeviceId::new("phone").expect("an id"),
    );
    StoredRegistration::new(
        Registration::new(
            owner,
            channel,
            certificate(id),
            Environment::Production,
            DeviceToken::new(format!("token-{id}")).expect("a token"),
            NOW - DAY,
        )
        .with_slot(slot),
    )
}

fn certificate(id: i64) -> CertificateId {
    CertificateId::new(id).expect("an id")
}

fn named(name: &str) -> Device {
    let mut device = Device::new(DeviceId::new(name).expect("an id"), NOW - MINUTE, 7);
    device.facts.platform = Some(Platform::Ios);
    device.presence = Presence::Background;
    device.registrations = vec![registration(Slot::Alert, Channel::APNS, 1)];
    device
}

fn phone() -> Device {
    named("phone")
}

fn android() -> Device {
    let mut device = named("android");
    device.facts.platform = Some(Platform::Android);
    device.registrations = vec![registration(Slot::Alert, Channel::FCM, 3)];
    device
}

/// 1: APNs production alerts; 2: APNs production VoIP; 3: FCM; 4: APNs sandbox; 5: not compiled in.
fn credentials() -> Credentials {
    const KINDS: &[NotificationKind] = &[
        NotificationKind::Alert,
        NotificationKind::Background,
        NotificationKind::Voip,
    ];
    let facts = |channel, environment, slots| CredentialFacts {
        channel,
        environment,
        slots,
        kinds: KINDS,
        max_ttl: Some(30 * DAY),
        text: TextLimits::NONE,
        needs_title: false,
        badge: BadgeStyle::Set,
        repair: "",
    };
    let production = Some(Environment::Production);
    let alert: &'static [Slot] = &[Slot::Alert];
    let mut titled = facts(Channel::FCM, None, alert);
    titled.needs_title = true;
    let all = [
        (1, Ok(facts(Channel::APNS, production, alert))),
        (2, Ok(facts(Channel::APNS, production, &[Slot::Voip]))),
        (3, Ok(titled)),
        (
            4,
            Ok(facts(Channel::APNS, Some(Environment::Sandbox), alert)),
        ),
        (5, Err(reasons::NO_PROVIDER)),
    ];
    all.into_iter()
        .map(|(id, facts)| (certificate(id), facts))
        .collect()
}

/// The delivery that a device gets, or the code of the reason why it gets none.
fn delivery(
    message: &Message,
    device: &Device,
    credentials: &Credentials,
    settings: &DecisionSettings,
) -> Result<Delivery, &'static str> {
    let prepared = prepare(message, NOW, settings).map_err(|reason| reason.code)?;
    let receiver = Receiver::new(user("alice"), vec![device.clone()]);
    let mut decision = Decision::default();
    decide(
        &prepared,
        &receiver,
        credentials,
        NOW,
        settings,
        &mut decision,
    );
    assert_eq!(decision.pushes.len() + decision.skips.len(), 1);
    match decision.pushes.first() {
        None => Err(decision.skips[0].reason.code),
        Some(push) => {
            let app = AppId::new("chat").expect("an id");
            let number = match push.badge {
                Some(BadgeArithmetic::Set(number) | BadgeArithmetic::Add(number)) => Some(number),
                None => None,
            };
            let facts = credentials[&push.certificate].as_ref().expect("facts");
            let badge = push.badge_of(facts, number);
            Ok(Contents::new(&app, &prepared).delivery(push, facts, badge, NOW))
        }
    }
}

fn outcome_with(
    message: &Message,
    device: &Device,
    settings: &DecisionSettings,
) -> Result<Notification, &'static str> {
    delivery(message, device, &credentials(), settings)
        .map(|delivery| delivery.content.notification.clone())
}

fn badge(message: &Message) -> Result<Badge, &'static str> {
    let settings = DecisionSettings::default();
    delivery(message, &phone(), &credentials(), &settings).map(|delivery| delivery.badge)
}

fn outcome(message: &Message, device: &Device) -> Result<Notification, &'static str> {
    outcome_with(message, device, &DecisionSettings::default())
}

fn sent(message: &Message) -> Notification {
    outcome(message, &phone()).expect("it should be pushed")
}

fn body(message: &Message) -> String {
    sent(message).body
}

#[test]
fn every_reason_has_a_code_of_its_own_and_a_text() {
    let mut codes: Vec<&str> = Reason::linked().map(|it| it.code).collect();
    assert!(codes.len() >= 35);
    codes.sort_unstable();
    let count = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), count);
    for reason in Reason::linked() {
        assert!(!reason.text.is_empty(), "{reason:?}");
        let well_formed = reason
            .code
            .bytes()
            .all(|it| it.is_ascii_lowercase() || it == b'-');
        assert!(well_formed, "{reason:?}");
    }
}
