use push_core::{
    AppId, Audience, BadgeMode, Class, Delivery, DeviceToken, Element, Group, GroupId,
    Interruption, MessageId, MessageKind, Notification, OfflinePushInfo, Presence, Quarantine,
    Sender, Sound, TextUnit,
    payload::{ClickTarget, Payload, Profile},
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
    Sender {
        user: user("bob"),
        nickname: nickname.into(),
        face_url: String::new(),
    }
}

fn group(name: &str) -> Group {
    Group {
        id: GroupId::new("g1").expect("an id"),
        name: name.into(),
    }
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
    StoredRegistration {
        registration: Registration::new(
            owner,
            channel,
            certificate(id),
            Environment::Production,
            DeviceToken::new(format!("token-{id}")).expect("a token"),
            NOW - DAY,
        )
        .with_slot(slot),
        quarantine: None,
    }
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

/// S88.
#[test]
fn elements_become_text_without_separators_in_the_chosen_language() {
    let mut all = message();
    all.sender = Some(sender(""));
    all.elements = vec![
        Element::Text { text: "a".into() },
        Element::Image {},
        Element::Sound {},
        Element::File {},
        Element::Face {},
        Element::Location {},
        custom("from custom"),
        Element::Text { text: "b".into() },
    ];
    assert_eq!(
        body(&all),
        "a[image][audio][file][Face][Location]from customb"
    );
    let chinese = DecisionSettings {
        locale: Locale::Zh,
        ..DecisionSettings::default()
    };
    all.elements = vec![Element::Face {}, Element::Location {}];
    let sent = outcome_with(&all, &phone(), &chinese).expect("a push");
    assert_eq!(sent.body, "[表情][位置]");
}

/// S89.
#[test]
fn the_text_says_who_wrote_it_and_where() {
    let with = |nickname: &str, group_name: Option<&str>| {
        let mut it = message();
        it.sender = Some(sender(nickname));
        it.group = group_name.map(group);
        body(&it)
    };
    assert_eq!(with("Bob", None), "Bob:hi");
    assert_eq!(with("", None), "hi");
    assert_eq!(with("Bob", Some("Team")), "Bob(Team):hi");
    assert_eq!(with("", Some("Team")), "(Team):hi");
    assert_eq!(with("Bob", Some("")), "Bob:hi");
}

/// S90.
#[test]
fn a_custom_message_without_desc_is_not_pushed() {
    let mut it = message();
    it.elements = vec![custom("")];
    assert_eq!(outcome(&it, &phone()), Err("custom-without-desc"));
    it.elements = vec![custom("look")];
    assert_eq!(body(&it), "Bob:look");
    // With push settings, the element's own desc does not count (S91).
    it.push = Some(OfflinePushInfo::default());
    assert_eq!(outcome(&it, &phone()), Err("custom-without-desc"));
    it.push = Some(OfflinePushInfo {
        desc: "offer".into(),
        ..OfflinePushInfo::default()
    });
    assert_eq!(body(&it), "offer");
    it.push = None;
    it.elements = vec![custom(""), Element::Text { text: "hi".into() }];
    assert_eq!(body(&it), "Bob:hi");
}

/// S91.
#[test]
fn what_comes_with_the_message_beats_what_is_derived() {
    let mut it = pushed_json(json!({
        "title": "general",
        "desc": "given",
        "ext": r#"{"theirs":1}"#,
        "apns": { "title": "for Apple", "sound": "bell.caf" },
    }));
    it.elements = vec![custom("of the element")];
    let apple = sent(&it);
    assert_eq!(
        (apple.title.as_str(), apple.body.as_str()),
        ("for Apple", "given")
    );
    assert_eq!(apple.ext, r#"{"theirs":1}"#);
    assert_eq!(apple.sound, Sound::Named("bell.caf".into()));
    let other = outcome(&it, &android()).expect("a push");
    assert_eq!(
        (other.title.as_str(), other.body.as_str()),
        ("general", "given")
    );
    assert_eq!(other.sound, Sound::Default, "the sound is for Apple only");

    let mut alone = message();
    alone.elements = vec![custom("look")];
    let alone = sent(&alone);
    assert_eq!(alone.ext, r#"{"mine":1}"#);
    assert_eq!(alone.sound, Sound::Named("ping.caf".into()));
}

/// S92, S81.
#[test]
fn a_message_may_forbid_its_push() {
    let disabled = pushed(OfflinePushInfo {
        disabled: true,
        ..OfflinePushInfo::default()
    });
    assert_eq!(outcome(&disabled, &phone()), Err("push-disabled"));
    let mut online = message();
    online.online_only = true;
    assert_eq!(outcome(&online, &phone()), Err("online-only"));
}

/// S93.
#[test]
fn a_push_without_title_and_text_is_refused() {
    let mut it = pushed(OfflinePushInfo::default());
    it.kind = MessageKind::Push;
    assert_eq!(outcome(&it, &phone()), Err("empty-text"));
    it.push = Some(OfflinePushInfo {
        title: "Sale".into(),
        ..OfflinePushInfo::default()
    });
    assert_eq!(sent(&it).title, "Sale");
    let mut empty = message();
    empty.elements = Vec::new();
    assert_eq!(outcome(&empty, &phone()), Err("empty-text"));
}

/// S94.
#[test]
fn the_badge_follows_set_then_add_then_mode() {
    use BadgeMode::{Count, Ignore};
    let plan = |kind, set, add, mode| {
        let mut it = pushed(OfflinePushInfo {
            title: "t".into(),
            badge_set: set,
            badge_add: add,
            badge_mode: mode,
            ..OfflinePushInfo::default()
        });
        it.kind = kind;
        badge(&it)
    };
    let (chat, push) = (MessageKind::Chat, MessageKind::Push);
    let set = |number| Ok(Badge::Set(number));
    // An addition to an unknown base shows as the number added here.
    assert_eq!(plan(chat, None, None, None), set(1));
    assert_eq!(plan(push, None, None, None), Ok(Badge::Leave));
    assert_eq!(plan(push, None, None, Some(Count)), set(1));
    assert_eq!(plan(chat, None, None, Some(Ignore)), Ok(Badge::Leave));
    assert_eq!(plan(chat, None, Some(7), Some(Ignore)), set(7));
    assert_eq!(plan(chat, Some(0), Some(7), Some(Count)), set(0));
    assert_eq!(plan(chat, Some(999), None, None), set(999));
    for (set, add) in [
        (Some(1000), None),
        (None, Some(0)),
        (None, Some(100)),
        (Some(1), Some(0)),
    ] {
        assert_eq!(plan(chat, set, add, None), Err("badge-out-of-range"));
    }
}

/// S96.
#[test]
fn apples_settings_reach_the_notification() {
    let it = sent(&apns(json!({
        "subtitle": "sub",
        "image": "https://example.org/a.png",
        "interruption": "time-sensitive",
    })));
    assert_eq!(it.subtitle, "sub");
    assert_eq!(it.image, "https://example.org/a.png");
    assert!(it.mutable, "an image needs the app's extension");
    assert_eq!(it.interruption, Some(Interruption::TimeSensitive));
    assert!(!sent(&message()).mutable);
    assert!(sent(&apns(json!({ "mutable_content": true }))).mutable);
    let always = DecisionSettings {
        mutable_content: true,
        ..DecisionSettings::default()
    };
    let it = outcome_with(&message(), &phone(), &always).expect("a push");
    assert!(it.mutable);

    let background = apns(json!({ "content_available": true }));
    assert_eq!(sent(&background).kind, NotificationKind::Background);
    assert_eq!(badge(&background), Ok(Badge::Leave));
}

/// S97.
#[test]
fn the_names_of_sounds_mean_what_they_mean_in_the_sdk() {
    for (name, sound) in [
        ("", Sound::Default),
        ("kIOSOfflinePushDefaultSound", Sound::Default),
        ("kIOSOfflinePushNoSound", Sound::Silent),
        ("bell.caf", Sound::Named("bell.caf".into())),
    ] {
        let message = apns(json!({ "sound": name }));
        assert_eq!(sent(&message).sound, sound, "{name}");
    }
}

/// S13.
#[test]
fn the_gateway_writes_the_ext_that_opens_the_chat() {
    let target = |message: &Message| {
        Payload::intent(sent(message).ext)
            .target(Profile::Android)
            .expect("a target")
    };
    assert_eq!(target(&message()), ClickTarget::User(user("bob")));
    let in_group = message().with_group(group("Team"));
    assert_eq!(
        target(&in_group),
        ClickTarget::Group(GroupId::new("g1").expect("an id"))
    );
    let call = apns(json!({ "voip": true }));
    assert!(matches!(target(&call), ClickTarget::Call(_)));

    let mut long = message();
    long.elements = vec![Element::Text {
        text: "字".repeat(3000),
    }];
    let long = sent(&long);
    assert!(
        long.ext.len() < 600,
        "ext is never cut, so it must be small"
    );
    assert!(long.body.len() <= 4096 && long.body.ends_with("..."));

    let mut pure = pushed(OfflinePushInfo {
        desc: "Sale".into(),
        ..OfflinePushInfo::default()
    });
    pure.sender = None;
    assert_eq!(sent(&pure).ext, "");
}

/// S19.
#[test]
fn an_ext_that_is_no_object_is_refused_or_wrapped() {
    let with = |ext: &str| {
        pushed(OfflinePushInfo {
            ext: ext.into(),
            ..OfflinePushInfo::default()
        })
    };
    let wrap = DecisionSettings {
        wrap_ext: true,
        ..DecisionSettings::default()
    };
    for ext in ["open this", "[1]", "\"text\"", "{"] {
        assert_eq!(outcome(&with(ext), &phone()), Err("ext-not-json"), "{ext}");
        let wrapped = outcome_with(&with(ext), &phone(), &wrap)
            .expect("a push")
            .ext;
        let object: Value = serde_json::from_str(&wrapped).expect("JSON");
        assert_eq!(object["ext"], ext);
    }
    assert_eq!(sent(&with("{}")).ext, "{}");
}

/// S62, S63, S64.
#[test]
fn presence_decides_who_is_pushed_to() {
    use Presence::{Background, Offline, Online, PushOnline};
    let (ios, web) = (Some(Platform::Ios), Some(Platform::Web));
    let seconds = Duration::from_secs;
    let table = [
        (Online, seconds(0), ios, "online-in-foreground"),
        (Online, seconds(399), ios, "online-in-foreground"),
        // The connection is gone, and there was no report of it.
        (Online, seconds(400), ios, ""),
        (Online, 7 * DAY, ios, "push-online-too-long"),
        (Background, seconds(0), ios, ""),
        (Background, DAY, ios, ""),
        (Background, 7 * DAY, ios, "push-online-too-long"),
        (PushOnline, seconds(0), ios, ""),
        (PushOnline, 7 * DAY - seconds(1), ios, ""),
        (PushOnline, 7 * DAY, ios, "push-online-too-long"),
        (PushOnline, DAY, None, ""),
        (PushOnline, DAY, Some(Platform::Android), ""),
        (PushOnline, DAY, Some(Platform::Ipad), ""),
        (Offline, seconds(0), ios, "logged-out"),
        (Offline, 30 * DAY, ios, "logged-out"),
        (Background, seconds(0), web, ""),
        (PushOnline, seconds(0), web, "disconnected"),
        (Online, seconds(400), web, "disconnected"),
        (
            PushOnline,
            seconds(0),
            Some(Platform::Desktop),
            "disconnected",
        ),
    ];
    for (presence, ago, platform, reason) in table {
        let mut device = phone();
        device.presence = presence;
        device.presence_at = NOW - ago;
        device.facts.platform = platform;
        device.registrations[0].registration.reported_at = NOW - 30 * DAY;
        let code = outcome(&message(), &device).err().unwrap_or_default();
        assert_eq!(code, reason, "{presence} {ago:?} {platform:?}");
    }
    let longer = DecisionSettings {
        push_online_for: 30 * DAY,
        ..DecisionSettings::default()
    };
    let mut device = phone();
    device.presence = PushOnline;
    device.presence_at = NOW - 20 * DAY;
    device.registrations[0].registration.reported_at = NOW - 30 * DAY;
    assert!(outcome_with(&message(), &device, &longer).is_ok());
    // The app was opened since, and registered its token.
    device.registrations[0].registration.reported_at = NOW - DAY;
    assert!(outcome(&message(), &device).is_ok());
}

/// S57, S123 and the rest of what can be wrong with a token.
#[test]
fn every_fault_of_a_registration_has_its_own_reason() {
    let with = |change: fn(&mut StoredRegistration)| {
        let mut device = phone();
        change(&mut device.registrations[0]);
        outcome(&message(), &device).expect_err("it should be skipped")
    };
    assert_eq!(
        with(|it| it.registration.environment = Environment::Sandbox),
        "environment-mismatch"
    );
    assert_eq!(
        with(|it| it.registration.certificate = CertificateId::new(4).expect("an id")),
        "environment-mismatch"
    );
    assert_eq!(
        with(|it| it.registration.certificate = CertificateId::new(99).expect("an id")),
        "certificate-unknown"
    );
    assert_eq!(
        with(|it| it.registration.certificate = CertificateId::new(5).expect("an id")),
        "no-provider"
    );
    assert_eq!(
        with(|it| it.registration.certificate = CertificateId::new(3).expect("an id")),
        "channel-mismatch"
    );
    assert_eq!(
        with(|it| it.registration.certificate = CertificateId::new(2).expect("an id")),
        "slot-unsupported"
    );
    assert_eq!(
        with(|it| {
            it.quarantine = Some(Quarantine {
                reason: "token-of-another-app".into(),
                at: NOW,
            });
        }),
        "token-of-another-app"
    );
    assert_eq!(
        with(|it| it.registration.slot = Slot::Voip),
        "no-token",
        "a VoIP token is for calls only"
    );
    let mut bare = phone();
    bare.registrations.clear();
    assert_eq!(outcome(&message(), &bare), Err("no-token"));
}

/// S60.
#[test]
fn a_call_falls_back_to_an_alert_when_the_voip_token_is_of_no_use() {
    let call = apns(json!({ "voip": true }));
    let mut device = phone();
    assert_eq!(
        outcome(&call, &device).map(|it| it.kind),
        Ok(NotificationKind::Alert)
    );
    device
        .registrations
        .push(registration(Slot::Voip, Channel::APNS, 2));
    assert_eq!(
        outcome(&call, &device).map(|it| it.kind),
        Ok(NotificationKind::Voip)
    );
    assert_eq!(
        outcome(&message(), &device).map(|it| it.kind),
        Ok(NotificationKind::Alert)
    );
    device.registrations[1].quarantine = Some(Quarantine {
        reason: "environment-mismatch".into(),
        at: NOW,
    });
    assert_eq!(
        outcome(&call, &device).map(|it| it.kind),
        Ok(NotificationKind::Alert)
    );
}

#[test]
fn the_time_to_live_is_never_zero_by_accident_and_never_beyond_the_vendors() {
    let ends = |ttl, sent_at| {
        let mut it = pushed(OfflinePushInfo {
            ttl_seconds: ttl,
            ..OfflinePushInfo::default()
        });
        it.sent_at = sent_at;
        outcome(&it, &phone()).map(|it| it.expires_at.expect("an end"))
    };
    assert_eq!(ends(None, None), Ok(NOW + 7 * DAY));
    assert_eq!(ends(Some(0), None), Err("ttl-zero"));
    assert_eq!(ends(Some(60), None), Ok(NOW + MINUTE));
    assert_eq!(ends(Some(u32::MAX), None), Ok(NOW + 30 * DAY));
    assert_eq!(ends(Some(60), Some(NOW - MINUTE)), Err("expired"));
    // A sender's clock that runs ahead does not make it live longer.
    assert_eq!(ends(Some(60), Some(NOW + DAY)), Ok(NOW + MINUTE));
}

#[test]
fn a_collapse_key_is_bounded_and_vendor_fields_travel() {
    let with = |collapse: String| {
        pushed_json(json!({
            "collapse": collapse,
            "vendor": { "fcm": { "a": 1 }, "apns": { "b": 2 } },
        }))
    };
    let notification = sent(&with("k".repeat(64)));
    assert_eq!(notification.collapse.len(), 64);
    assert_eq!(Value::Object(notification.vendor), json!({ "b": 2 }));
    let other = outcome(&with(String::new()), &android()).expect("a push");
    assert_eq!(Value::Object(other.vendor), json!({ "a": 1 }));
    assert_eq!(
        outcome(&with("k".repeat(65)), &phone()),
        Err("collapse-too-long")
    );
}

/// The devices that get a push with its channel, and the codes for the others.
type Decided = (Vec<(String, String)>, Vec<(String, &'static str)>);

/// What is decided for `devices` of `who`.
fn decide_all(
    message: &Message,
    who: &str,
    devices: Vec<Device>,
    settings: &DecisionSettings,
) -> Decided {
    let prepared = prepare(message, NOW, settings).expect("pushable");
    let receiver = Receiver::new(user(who), devices);
    let mut decision = Decision::default();
    decide(
        &prepared,
        &receiver,
        &credentials(),
        NOW,
        settings,
        &mut decision,
    );
    let pushes = decision.pushes.iter().map(|push| match push.to {
        To::Device { registration, .. } => (
            registration.device.to_string(),
            registration.channel.to_string(),
        ),
        To::Token { .. } => panic!("no token was named"),
    });
    let skips = decision.skips.iter().map(|skip| {
        let device = skip.device.as_ref().map(ToString::to_string);
        (device.unwrap_or_default(), skip.reason.code)
    });
    (pushes.collect(), skips.collect())
}

/// S74.
#[test]
fn all_devices_are_pushed_to_or_only_the_last_active_one() {
    let device = |name: &str, ago| {
        let mut device = named(name);
        device.presence_at = NOW - ago;
        device
    };
    let mut gone = device("gone", Duration::ZERO);
    gone.presence = Presence::Offline;
    let devices = vec![device("old", 3 * MINUTE), device("new", MINUTE), gone];
    let settings = DecisionSettings::default();
    let (all, _) = decide_all(&message(), "alice", devices.clone(), &settings);
    assert_eq!(all.len(), 2);
    let only = DecisionSettings {
        last_active_device_only: true,
        ..DecisionSettings::default()
    };
    let (one, skips) = decide_all(&message(), "alice", devices, &only);
    assert_eq!(one.len(), 1);
    assert_eq!(
        skips,
        [
            ("old".to_owned(), "not-last-active-device"),
            ("gone".to_owned(), "logged-out")
        ]
    );
}

/// S119.
#[test]
fn a_user_who_reads_on_the_desktop_is_still_pushed_to_on_the_phone() {
    let mut desktop = named("desktop");
    desktop.facts.platform = Some(Platform::Desktop);
    desktop.presence = Presence::Online;
    desktop.registrations.clear();
    let settings = DecisionSettings::default();
    let (pushes, skips) = decide_all(&message(), "alice", vec![desktop, phone()], &settings);
    assert_eq!(pushes.len(), 1);
    assert_eq!(skips[0].1, "online-in-foreground");
}

#[test]
fn the_sender_and_unknown_users_get_nothing() {
    let settings = DecisionSettings::default();
    let (_, sender) = decide_all(&message(), "bob", vec![phone()], &settings);
    assert_eq!(sender[0].1, "sender-himself");
    let (_, stranger) = decide_all(&message(), "alice", Vec::new(), &settings);
    assert_eq!(stranger[0].1, "never-registered");
    let mut no_receiver = message();
    no_receiver.audience = Audience::Users(Vec::new());
    assert_eq!(
        prepare(&no_receiver, NOW, &settings).map(drop),
        Err(reasons::NO_RECEIVERS)
    );
}

/// S125+.
#[test]
fn each_device_is_reached_by_its_own_channel() {
    let settings = DecisionSettings::default();
    let (pushes, _) = decide_all(&message(), "alice", vec![phone(), android()], &settings);
    let channels: Vec<&str> = pushes.iter().map(|(_, channel)| channel.as_str()).collect();
    assert_eq!(channels, ["apns", "fcm"]);
}

/// S125+.
#[test]
fn the_channels_of_a_slot_are_tried_by_rank_and_then_by_the_latest() {
    let settings = DecisionSettings::default();
    let channel = |device: &Device| {
        let (pushes, _) = decide_all(&message(), "alice", vec![device.clone()], &settings);
        pushes.first().map(|(_, channel)| channel.clone())
    };
    let mut device = phone();
    let mut second = registration(Slot::Alert, Channel::FCM, 3);
    second.registration.reported_at = NOW;
    device.registrations.push(second);
    assert_eq!(channel(&device).as_deref(), Some("fcm"), "the latest");
    device.registrations[1].registration.rank = 1;
    assert_eq!(channel(&device).as_deref(), Some("apns"), "the first rank");
    device.registrations[0].quarantine = Some(Quarantine {
        reason: "token-suspect".into(),
        at: NOW,
    });
    assert_eq!(channel(&device).as_deref(), Some("fcm"), "the next rank");
}

#[test]
fn a_kind_that_the_vendor_does_not_have_is_skipped_with_its_reason() {
    let mut credentials = credentials();
    let Some(Ok(facts)) = credentials.get_mut(&certificate(1)) else {
        panic!("it is there");
    };
    facts.kinds = &[NotificationKind::Alert];
    let background = apns(json!({ "content_available": true }));
    let settings = DecisionSettings::default();
    assert_eq!(
        delivery(&background, &phone(), &credentials, &settings).map(drop),
        Err("kind-unsupported")
    );
}

/// S99.
#[test]
fn text_is_cut_to_the_limits_of_the_vendor_that_shows_it() {
    let mut credentials = credentials();
    let Some(Ok(facts)) = credentials.get_mut(&certificate(1)) else {
        panic!("it is there");
    };
    facts.text = TextLimits {
        title: 4,
        body: 5,
        unit: TextUnit::Chars,
    };
    let long = pushed_json(json!({ "title": "字字字字字字", "desc": "abcdefgh" }));
    let settings = DecisionSettings::default();
    let short = delivery(&long, &phone(), &credentials, &settings).expect("a push");
    let notification = &short.content.notification;
    assert_eq!(notification.title, "字字字…");
    assert_eq!(notification.body, "abcd…");
    let whole = outcome(&long, &android()).expect("a push");
    assert_eq!(whole.body, "abcdefgh");
}

#[test]
fn a_number_alone_goes_to_vendors_that_can_show_it() {
    let only_badge =
        |set: u32| pushed_json(json!({ "badge_set": set })).with_kind(MessageKind::Push);
    let without_text = |set| {
        let mut message = only_badge(set);
        message.elements.clear();
        message
    };
    assert_eq!(badge(&without_text(0)), Ok(Badge::Set(0)));
    assert_eq!(sent(&without_text(3)).body, "");
    assert_eq!(outcome(&without_text(3), &android()), Err("empty-text"));
}

#[test]
fn every_push_has_a_collapse_key_that_follows_from_its_message() {
    assert_eq!(sent(&message()).collapse, "m");
    let mut long = message();
    long.id = MessageId::new("m".repeat(100)).expect("an id");
    let key = sent(&long).collapse;
    assert_eq!(key.len(), 64);
    assert_eq!(sent(&long).collapse, key);
}

#[test]
fn equal_content_has_one_id_and_different_content_has_another() {
    let settings = DecisionSettings::default();
    let id = |message: &Message, device: &Device| {
        let delivery = delivery(message, device, &credentials(), &settings);
        delivery.expect("a push").content.id
    };
    assert_eq!(id(&message(), &phone()), id(&message(), &named("other")));
    let other = message().with_text("more");
    assert_ne!(id(&message(), &phone()), id(&other, &phone()));
    let mut next = message();
    next.id = MessageId::new("n").expect("an id");
    assert_ne!(id(&message(), &phone()), id(&next, &phone()));
}

#[test]
fn the_class_follows_from_the_message_unless_it_is_given() {
    let class = |message: &Message| {
        let settings = DecisionSettings::default();
        let delivery = delivery(message, &phone(), &credentials(), &settings);
        delivery.expect("a push").content.class.clone()
    };
    assert_eq!(class(&message()), Class::CHAT);
    assert_eq!(class(&apns(json!({ "voip": true }))), Class::CALL);
    let notice = pushed_json(json!({ "desc": "Sale" })).with_kind(MessageKind::Push);
    assert_eq!(class(&notice), Class::NOTICE);
    let own = message().with_class(Class::MARKETING);
    assert_eq!(class(&own), Class::MARKETING);
}

/// For callers that keep tokens themselves.
#[test]
fn a_token_is_pushed_to_without_registration_if_it_fits_its_credential() {
    let outcome = |address: &TokenAddress| {
        let settings = DecisionSettings::default();
        let message = message();
        let prepared = prepare(&message, NOW, &settings).expect("pushable");
        let mut decision = Decision::default();
        decide_token(&prepared, 4, address, &credentials(), NOW, &mut decision);
        match decision.skips.first() {
            Some(skip) => {
                assert_eq!(skip.token, Some(4));
                Err(skip.reason.code)
            }
            None => Ok(decision.pushes[0].certificate),
        }
    };
    let token = || DeviceToken::new("ab").expect("a token");
    let mut address = TokenAddress::new(certificate(1), token());
    assert_eq!(outcome(&address), Ok(certificate(1)));
    address.environment = Some(Environment::Sandbox);
    assert_eq!(outcome(&address), Err("environment-mismatch"));
    let unknown = TokenAddress::new(certificate(99), token());
    assert_eq!(outcome(&unknown), Err("certificate-unknown"));
    let mut voip = TokenAddress::new(certificate(1), token());
    voip.slot = Slot::Voip;
    assert_eq!(outcome(&voip), Err("slot-unsupported"));
}

#[test]
fn a_title_is_found_for_vendors_that_need_one() {
    let android = android();
    let title = |message: &Message| outcome(message, &android).map(|it| it.title);
    assert_eq!(title(&message()), Ok("Bob".to_owned()));
    let in_group = message().with_group(group("Team"));
    assert_eq!(title(&in_group), Ok("Team".to_owned()));
    assert_eq!(sent(&message()).title, "", "an iPhone shows the app's name");
}

#[test]
fn every_reason_has_a_code_of_its_own_and_a_text() {
    let mut codes: Vec<&str> = push_core::REASONS.iter().map(|it| it.code).collect();
    assert!(codes.len() >= 35);
    codes.sort_unstable();
    let count = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), count);
    for reason in push_core::REASONS {
        assert!(!reason.text.is_empty(), "{reason:?}");
        let well_formed = reason
            .code
            .bytes()
            .all(|it| it.is_ascii_lowercase() || it == b'-');
        assert!(well_formed, "{reason:?}");
    }
}
