use std::collections::BTreeMap;

use push_core::{
    ApnsInfo, BadgeMode, DeviceId, DeviceToken, Element, Group, GroupId, Interruption, MessageId,
    MessageKind, OfflinePushInfo, Presence, Quarantine, Sender, Sound, StoredRegistration,
    payload::{ClickTarget, Payload, Profile},
};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_760_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn user(id: &str) -> UserId {
    UserId::new(id).expect("an id")
}

fn message() -> Message {
    Message {
        id: MessageId::new("m").expect("an id"),
        kind: MessageKind::Chat,
        sender: Some(Sender {
            user: user("bob"),
            nickname: "Bob".into(),
            face_url: String::new(),
        }),
        group: None,
        receivers: vec![user("alice")],
        elements: vec![Element::Text { text: "hi".into() }],
        push: None,
        online_only: false,
        sent_at: None,
    }
}

fn pushed(push: OfflinePushInfo) -> Message {
    Message {
        push: Some(push),
        ..message()
    }
}

fn apns(apns: ApnsInfo) -> Message {
    pushed(OfflinePushInfo {
        apns,
        ..OfflinePushInfo::default()
    })
}

fn custom(desc: &str) -> Element {
    Element::Custom {
        desc: desc.into(),
        ext: r#"{"mine":1}"#.into(),
        sound: "ping.caf".into(),
    }
}

fn registration(slot: Slot, channel: Channel, id: i64) -> StoredRegistration {
    StoredRegistration {
        registration: Registration {
            app: AppId::new("chat").expect("an id"),
            user: user("alice"),
            device: DeviceId::new("phone").expect("an id"),
            slot,
            channel,
            certificate: CertificateId::new(id).expect("an id"),
            environment: Environment::Production,
            token: DeviceToken::new(format!("token-{id}")).expect("a token"),
            told_at: NOW - DAY,
        },
        quarantine: None,
    }
}

fn phone() -> Device {
    Device {
        device: DeviceId::new("phone").expect("an id"),
        platform: Some(Platform::Ios),
        presence: Presence::Background,
        presence_at: NOW - MINUTE,
        badge: 0,
        registrations: vec![registration(Slot::Alert, Channel::APNS, 1)],
    }
}

/// 1: APNs production alerts; 2: APNs production VoIP; 3: FCM; 4: APNs sandbox; 5: not compiled in.
fn credentials() -> Credentials {
    let facts = |channel, environment, slots| CredentialFacts {
        channel,
        environment,
        slots,
        max_ttl: Some(30 * DAY),
    };
    let production = Some(Environment::Production);
    let alert: &'static [Slot] = &[Slot::Alert];
    let all = [
        (1, Ok(facts(Channel::APNS, production, alert))),
        (2, Ok(facts(Channel::APNS, production, &[Slot::Voip]))),
        (3, Ok(facts(Channel::FCM, None, alert))),
        (
            4,
            Ok(facts(Channel::APNS, Some(Environment::Sandbox), alert)),
        ),
        (5, Err(reasons::NO_PROVIDER)),
    ];
    all.into_iter()
        .map(|(id, facts)| (CertificateId::new(id).expect("an id"), facts))
        .collect()
}

/// The notification that a device gets, or the code of the reason why it gets none.
fn outcome_with(
    message: &Message,
    device: &Device,
    settings: &DecisionSettings,
) -> Result<Notification, &'static str> {
    let prepared = prepare(message, NOW, settings).map_err(|it| it.code)?;
    let alice = user("alice");
    let devices = [device.clone()];
    let mut decision = Decision::default();
    decide(
        &prepared,
        &alice,
        &devices,
        &credentials(),
        NOW,
        settings,
        &mut decision,
    );
    assert_eq!(decision.pushes.len() + decision.skips.len(), 1);
    match decision.pushes.first() {
        None => Err(decision.skips[0].reason.code),
        Some(push) => {
            let app = AppId::new("chat").expect("an id");
            let badge = match push.badge {
                Some(BadgeArithmetic::Set(number) | BadgeArithmetic::Add(number)) => {
                    Badge::Set(number)
                }
                None => Badge::Leave,
            };
            let delivery = Notifications::new(&prepared).delivery(&app, push, badge, NOW);
            Ok(Notification::clone(&delivery.notification))
        }
    }
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
    all.sender = Some(Sender {
        nickname: String::new(),
        ..all.sender.expect("a sender")
    });
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
    let with = |nickname: &str, group: Option<&str>| {
        let mut it = message();
        it.sender = Some(Sender {
            user: user("bob"),
            nickname: nickname.into(),
            face_url: String::new(),
        });
        it.group = group.map(|name| Group {
            id: GroupId::new("g").expect("an id"),
            name: name.into(),
        });
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
    let mut it = pushed(OfflinePushInfo {
        title: "general".into(),
        desc: "given".into(),
        ext: r#"{"theirs":1}"#.into(),
        apns: ApnsInfo {
            title: "for Apple".into(),
            sound: "bell.caf".into(),
            ..ApnsInfo::default()
        },
        ..OfflinePushInfo::default()
    });
    it.elements = vec![custom("of the element")];
    let apple = sent(&it);
    assert_eq!(
        (apple.title.as_str(), apple.body.as_str()),
        ("for Apple", "given")
    );
    assert_eq!(apple.ext, r#"{"theirs":1}"#);
    assert_eq!(apple.sound, Sound::Named("bell.caf".into()));
    let mut android = phone();
    android.registrations = vec![registration(Slot::Alert, Channel::FCM, 3)];
    let other = outcome(&it, &android).expect("a push");
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
        outcome(&it, &phone()).map(|it| it.badge)
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
    let it = sent(&apns(ApnsInfo {
        subtitle: "sub".into(),
        image: "https://example.org/a.png".into(),
        interruption: Some(Interruption::TimeSensitive),
        ..ApnsInfo::default()
    }));
    assert_eq!(it.subtitle, "sub");
    assert_eq!(it.image, "https://example.org/a.png");
    assert!(it.mutable, "an image needs the app's extension");
    assert_eq!(it.interruption, Some(Interruption::TimeSensitive));
    assert!(!sent(&message()).mutable);
    let mutable = ApnsInfo {
        mutable_content: true,
        ..ApnsInfo::default()
    };
    assert!(sent(&apns(mutable)).mutable);
    let always = DecisionSettings {
        mutable_content: true,
        ..DecisionSettings::default()
    };
    let it = outcome_with(&message(), &phone(), &always).expect("a push");
    assert!(it.mutable);

    let background = sent(&apns(ApnsInfo {
        content_available: true,
        ..ApnsInfo::default()
    }));
    assert_eq!(background.kind, NotificationKind::Background);
    assert_eq!(background.badge, Badge::Leave);
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
        let info = ApnsInfo {
            sound: name.into(),
            ..ApnsInfo::default()
        };
        assert_eq!(sent(&apns(info)).sound, sound, "{name}");
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
    let mut group = message();
    group.group = Some(Group {
        id: GroupId::new("g1").expect("an id"),
        name: "Team".into(),
    });
    assert_eq!(
        target(&group),
        ClickTarget::Group(GroupId::new("g1").expect("an id"))
    );
    let call = apns(ApnsInfo {
        voip: true,
        ..ApnsInfo::default()
    });
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
        let object: serde_json::Value = serde_json::from_str(&wrapped).expect("JSON");
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
        // The connection is gone and nobody said so.
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
        device.platform = platform;
        device.registrations[0].registration.told_at = NOW - 30 * DAY;
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
    device.registrations[0].registration.told_at = NOW - 30 * DAY;
    assert!(outcome_with(&message(), &device, &longer).is_ok());
    // The app was opened since, and told its token.
    device.registrations[0].registration.told_at = NOW - DAY;
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
    let call = apns(ApnsInfo {
        voip: true,
        ..ApnsInfo::default()
    });
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
        pushed(OfflinePushInfo {
            collapse,
            vendor: BTreeMap::from([(Channel::FCM, serde_json::json!({"a": 1}))]),
            ..OfflinePushInfo::default()
        })
    };
    let notification = sent(&with("k".repeat(64)));
    assert_eq!(notification.collapse.len(), 64);
    assert_eq!(notification.vendor[&Channel::FCM]["a"], 1);
    assert_eq!(
        outcome(&with("k".repeat(65)), &phone()),
        Err("collapse-too-long")
    );
}

fn decide_all<'a>(
    message: &'a Message,
    who: &'a UserId,
    devices: &'a [Device],
    settings: &DecisionSettings,
) -> Decision<'a> {
    let prepared = prepare(message, NOW, settings).expect("pushable");
    let mut decision = Decision::default();
    decide(
        &prepared,
        who,
        devices,
        &credentials(),
        NOW,
        settings,
        &mut decision,
    );
    decision
}

/// S74.
#[test]
fn all_devices_are_pushed_to_or_only_the_last_active_one() {
    let device = |name: &str, ago| Device {
        device: DeviceId::new(name).expect("an id"),
        presence_at: NOW - ago,
        ..phone()
    };
    let devices = [
        device("old", 3 * MINUTE),
        device("new", MINUTE),
        Device {
            presence: Presence::Offline,
            ..device("gone", Duration::ZERO)
        },
    ];
    let (it, alice) = (message(), user("alice"));
    let all = decide_all(&it, &alice, &devices, &DecisionSettings::default());
    assert_eq!(all.pushes.len(), 2);
    let only = DecisionSettings {
        last_active_device_only: true,
        ..DecisionSettings::default()
    };
    let one = decide_all(&it, &alice, &devices, &only);
    assert_eq!(one.pushes.len(), 1);
    let reasons: Vec<_> = one
        .skips
        .iter()
        .map(|it| (it.device.expect("a device").device.as_str(), it.reason.code))
        .collect();
    assert_eq!(
        reasons,
        [("old", "not-last-active-device"), ("gone", "logged-out")]
    );
}

/// S119.
#[test]
fn a_user_who_reads_on_the_desktop_is_still_pushed_to_on_the_phone() {
    let desktop = Device {
        device: DeviceId::new("desktop").expect("an id"),
        platform: Some(Platform::Desktop),
        presence: Presence::Online,
        registrations: Vec::new(),
        ..phone()
    };
    let devices = [desktop, phone()];
    let (it, alice) = (message(), user("alice"));
    let decision = decide_all(&it, &alice, &devices, &DecisionSettings::default());
    assert_eq!(decision.pushes.len(), 1);
    assert_eq!(decision.skips[0].reason.code, "online-in-foreground");
}

/// The sender, and the receivers that nobody knows.
#[test]
fn the_sender_and_strangers_get_nothing() {
    let it = message();
    let (bob, alice) = (user("bob"), user("alice"));
    let phones = [phone()];
    let settings = DecisionSettings::default();
    let himself = decide_all(&it, &bob, &phones, &settings);
    assert_eq!(himself.skips[0].reason.code, "sender-himself");
    let stranger = decide_all(&it, &alice, &[], &settings);
    assert_eq!(stranger.skips[0].reason.code, "never-registered");
    let mut nobody = message();
    nobody.receivers.clear();
    assert_eq!(
        prepare(&nobody, NOW, &settings).map(drop),
        Err(reasons::NO_RECEIVERS)
    );
}

/// S125+.
#[test]
fn each_device_is_reached_by_its_own_channel() {
    let mut android = phone();
    android.device = DeviceId::new("android").expect("an id");
    android.platform = Some(Platform::Android);
    android.registrations = vec![registration(Slot::Alert, Channel::FCM, 3)];
    let devices = [phone(), android];
    let (it, alice) = (message(), user("alice"));
    let decision = decide_all(&it, &alice, &devices, &DecisionSettings::default());
    let channels: Vec<_> = decision
        .pushes
        .iter()
        .map(|it| it.registration.channel.as_str())
        .collect();
    assert_eq!(channels, ["apns", "fcm"]);
}

#[test]
fn a_title_is_found_for_vendors_that_need_one() {
    let mut android = phone();
    android.registrations = vec![registration(Slot::Alert, Channel::FCM, 3)];
    let title = |message: &Message| outcome(message, &android).map(|it| it.title);
    assert_eq!(title(&message()), Ok("Bob".to_owned()));
    let mut group = message();
    group.group = Some(Group {
        id: GroupId::new("g").expect("an id"),
        name: "Team".into(),
    });
    assert_eq!(title(&group), Ok("Team".to_owned()));
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
