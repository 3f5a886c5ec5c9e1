//! The values of the core: what they accept, and what they never print.
use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use push_core::{
    AppId, CertificateId, Channel, Clock, Collected, DeliveryId, DeviceToken, Environment,
    ManualClock, Notification, OfflinePushInfo, Platform, Presence, Retry, Scope, Secret, Slot,
    Stage, Timestamp, TokenFault, UserId, VendorAnswer, Verdict, VerdictKind, Verdicts,
};

#[test]
fn no_secret_token_or_text_reaches_debug() {
    let token =
        DeviceToken::new("00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0")
            .unwrap();
    let notification = Notification::default()
        .with_title("Ann")
        .with_body("meet me at noon")
        .with_ext(r#"{"entity":{"sender":"ann"}}"#);
    let info = OfflinePushInfo::default().with_desc("meet me at noon");
    let shown = format!(
        "{:?} {token:?} {notification:?} {info:?}",
        Secret::new("hunter2")
    );
    for leak in ["hunter2", "00fc13", "Ann", "noon", "entity"] {
        assert!(!shown.contains(leak), "{leak} in {shown}");
    }
}

#[test]
fn fingerprints_distinguish_tokens() {
    let one = DeviceToken::new("aa").unwrap();
    let two = DeviceToken::new("ab").unwrap();
    assert_ne!(one.fingerprint(), two.fingerprint());
    assert_eq!(
        one.fingerprint(),
        DeviceToken::new("aa").unwrap().fingerprint()
    );
}

#[test]
fn ids_refuse_what_cannot_be_a_name() {
    for wrong in [String::new(), "a\nb".into(), "x".repeat(129)] {
        assert!(UserId::new(wrong.clone()).is_err());
        assert!(AppId::new(wrong).is_err());
    }
    assert_eq!(UserId::new("用户1").unwrap().as_str(), "用户1");
    for wrong in ["", "APNS", "-a", "a-", "a--b", "a b", "ä"] {
        assert!(Channel::new(wrong).is_err(), "{wrong}");
    }
    assert_eq!(Channel::new("apns").unwrap(), Channel::APNS);
    assert!(CertificateId::new(0).is_err());
    assert!(DeviceToken::new("").is_err());
    assert!(DeviceToken::new("a\u{7f}").is_err());
    assert!(serde_json::from_str::<UserId>(r#""""#).is_err());
    assert!(serde_json::from_str::<CertificateId>("0").is_err());
}

#[test]
fn every_word_reads_back() {
    fn all<
        T: std::str::FromStr<Err = push_core::Error>
            + std::fmt::Display
            + Copy
            + PartialEq
            + std::fmt::Debug,
    >(
        words: &[T],
    ) {
        for word in words {
            assert_eq!(word.to_string().parse::<T>().unwrap(), *word);
        }
        let error = "no-such-word".parse::<T>().unwrap_err();
        assert!(error.to_string().contains(&words[0].to_string()), "{error}");
    }
    all(Environment::ALL);
    all(Slot::ALL);
    all(Platform::ALL);
    all(Presence::ALL);
    all(Stage::ALL);
}

#[test]
fn a_delivery_id_is_a_uuid_of_version_7_dated_by_the_clock() {
    let id = DeliveryId::new(Timestamp::from_unix_millis(1_700_000_000_123));
    assert_eq!(id.as_uuid().get_version_num(), 7);
    let (seconds, nanos) = id.as_uuid().get_timestamp().unwrap().to_unix();
    assert_eq!((seconds, nanos / 1_000_000), (1_700_000_000, 123));
    assert_eq!(id.to_string().parse::<DeliveryId>().unwrap(), id);
    // A clock before 1970 is no reason to panic.
    assert_eq!(
        DeliveryId::new(Timestamp::from_unix_millis(-5))
            .as_uuid()
            .get_version_num(),
        7
    );
}

#[test]
fn each_target_gets_exactly_one_verdict() {
    let seen = Collected::new();
    let verdicts = Verdicts::new(3, Arc::clone(&seen) as _);
    verdicts.report(1, Verdict::accepted(VendorAnswer::new(200, "")));
    verdicts.report(1, Verdict::unknown("a second verdict"));
    verdicts.report(9, Verdict::unknown("no such target"));
    assert_eq!(seen.verdicts().len(), 1);
    drop(verdicts);
    assert_eq!(seen.verdicts().len(), 3);
    assert_eq!(seen.get(1).unwrap().kind, VerdictKind::Accepted);
    for silent in [0, 2] {
        let verdict = seen.get(silent).unwrap();
        assert_eq!(verdict.kind, VerdictKind::Unknown);
        assert_eq!(verdict.retry, Retry::Backoff);
    }
}

#[test]
fn only_transient_verdicts_advise_a_retry() {
    for (kind, retry) in [
        (VerdictKind::Accepted, Retry::Never),
        (VerdictKind::TokenDead { since: None }, Retry::Never),
        (VerdictKind::TokenUnusable(TokenFault::App), Retry::Never),
        (VerdictKind::PayloadRefused, Retry::Never),
        (VerdictKind::CredentialRefused, Retry::Backoff),
        (VerdictKind::RateLimited(Scope::Token), Retry::Backoff),
        (VerdictKind::Unavailable(Scope::Credential), Retry::Backoff),
        (VerdictKind::Unknown, Retry::Backoff),
    ] {
        assert_eq!(
            Verdict::new(kind, VendorAnswer::default()).retry,
            retry,
            "{kind:?}"
        );
    }
}

#[test]
fn a_vendors_words_are_bounded_and_lose_the_token() {
    let token = DeviceToken::new("secret-token").unwrap();
    let answer = VendorAnswer::new(400, "Bad\r\nReason")
        .with_text(format!("token secret-token is {}", "中".repeat(200)))
        .without(&token);
    assert_eq!(answer.code, "Bad  Reason");
    assert!(!answer.text.contains("secret-token"));
    assert!(answer.text.len() <= VendorAnswer::MAX_BYTES);
}

struct Flag(std::sync::atomic::AtomicUsize);
impl std::task::Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn a_manual_clock_wakes_sleepers_when_their_time_has_come() {
    let clock = ManualClock::new(Timestamp::from_unix_seconds(100));
    let flag = Arc::new(Flag(0.into()));
    let waker = Arc::clone(&flag).into();
    let mut cx = std::task::Context::from_waker(&waker);
    let mut sleep = clock.sleep(Duration::from_secs(5));
    assert!(sleep.as_mut().poll(&mut cx).is_pending());
    assert!(sleep.as_mut().poll(&mut cx).is_pending());
    assert_eq!(clock.sleepers(), 1);
    clock.advance(Duration::from_secs(4));
    assert!(sleep.as_mut().poll(&mut cx).is_pending());
    // A jump of the wall clock moves no timer.
    clock.jump_to(Timestamp::from_unix_seconds(9_999));
    assert!(sleep.as_mut().poll(&mut cx).is_pending());
    clock.advance(Duration::from_secs(1));
    assert!(flag.0.load(std::sync::atomic::Ordering::SeqCst) >= 1);
    assert!(sleep.as_mut().poll(&mut cx).is_ready());
    let mut dropped = clock.sleep(Duration::from_secs(1));
    assert!(dropped.as_mut().poll(&mut cx).is_pending());
    drop(dropped);
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn sleeps_of_one_task_do_not_take_each_others_place() {
    let clock = ManualClock::new(Timestamp::default());
    let flag = Arc::new(Flag(0.into()));
    let waker = Arc::clone(&flag).into();
    let mut cx = std::task::Context::from_waker(&waker);
    let mut long = clock.sleep(Duration::from_secs(5));
    let mut short = clock.sleep(Duration::from_secs(1));
    for _ in 0..2 {
        assert!(long.as_mut().poll(&mut cx).is_pending());
        assert!(short.as_mut().poll(&mut cx).is_pending());
        assert_eq!(clock.sleepers(), 2);
    }
    drop(short);
    assert_eq!(clock.sleepers(), 1);
    clock.advance(Duration::from_secs(5));
    assert!(flag.0.load(std::sync::atomic::Ordering::SeqCst) >= 1);
}

proptest! {
    #[test]
    fn time_arithmetic_never_overflows(at in any::<i64>(), by in any::<u64>()) {
        let time = Timestamp::from_unix_millis(at);
        let _: Timestamp = time + Duration::from_millis(by);
        let _: Timestamp = time - Duration::from_millis(by);
        let _: Duration = time.since(Timestamp::from_unix_millis(i64::MIN));
        prop_assert_eq!(Timestamp::from_unix_seconds(at).unix_millis(), at.saturating_mul(1000));
    }

    #[test]
    fn no_text_makes_an_id_panic(text in ".*") {
        drop(UserId::new(text.clone()));
        drop(Channel::new(text.clone()));
        drop(DeviceToken::new(text.clone()));
        let answer = VendorAnswer::none(&text);
        prop_assert!(answer.text.len() <= VendorAnswer::MAX_BYTES * 4);
    }
}
