//! Which of a user's devices get a push: presence, order, platforms.
use push_core::{Audience, Presence, Quarantine};

use super::*;

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
        (Offline, seconds(0), ios, "offline"),
        (Offline, 30 * DAY, ios, "offline"),
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

/// The devices that get a push with its channel, and the codes for the others.
type Decided = (Vec<(String, String)>, Vec<(String, &'static str)>);

/// What is decided for `devices` of `who`.
fn decide_all(
    message: &Message,
    who: &str,
    devices: Vec<Device>,
    settings: &DecisionSettings,
) -> Decided {
    decide_for(message, &Receiver::new(user(who), devices), settings)
}

fn decide_for(message: &Message, receiver: &Receiver, settings: &DecisionSettings) -> Decided {
    let prepared = prepare(message, NOW, settings).expect("pushable");
    let mut decision = Decision::default();
    decide(
        &prepared,
        receiver,
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
            ("gone".to_owned(), "offline")
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
    device.registrations[0].quarantine = Some(Quarantine::new("token-suspect", NOW));
    assert_eq!(channel(&device).as_deref(), Some("fcm"), "the next rank");
}

#[test]
fn what_is_damaged_in_the_store_is_called_so_and_not_missing() {
    let settings = DecisionSettings::default();
    let id = |name: &str| DeviceId::new(name).expect("an id");
    let mut without_token = named("tablet");
    without_token.registrations.clear();
    without_token.has_damaged = true;
    let mut with_token = named("tv");
    with_token.has_damaged = true;
    let devices = vec![without_token, with_token];
    let damaged = vec![Some(id("phone")), None];
    let receiver = Receiver::new(user("alice"), devices).with_damaged(damaged);
    let (pushes, skips) = decide_for(&message(), &receiver, &settings);
    assert_eq!(pushes.len(), 1, "{pushes:?}");
    let names = ["phone", "", "tablet"];
    let expected = names.map(|name| (name.to_owned(), "record-damaged"));
    assert_eq!(skips, expected);
    let nothing_else = Receiver::new(user("alice"), Vec::new()).with_damaged(vec![None]);
    let (_, skips) = decide_for(&message(), &nothing_else, &settings);
    assert_eq!(skips, [(String::new(), "record-damaged")]);
}
