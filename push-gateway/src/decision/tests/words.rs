//! Title, text, `ext` and sound.
use push_core::{
    Element, GroupId, MessageKind, OfflinePushInfo, Sound, TextUnit,
    payload::{ClickTarget, Payload, Profile},
};
use serde_json::{Value, json};

use super::*;

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
    it.push = Some(OfflinePushInfo::default().with_desc("offer"));
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

/// S93.
#[test]
fn a_push_without_title_and_text_is_refused() {
    let mut it = pushed(OfflinePushInfo::default());
    it.kind = MessageKind::Push;
    assert_eq!(outcome(&it, &phone()), Err("empty-text"));
    it.push = Some(OfflinePushInfo::default().with_title("Sale"));
    assert_eq!(sent(&it).title, "Sale");
    let mut empty = message();
    empty.elements = Vec::new();
    assert_eq!(outcome(&empty, &phone()), Err("empty-text"));
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

    let mut pure = pushed(OfflinePushInfo::default().with_desc("Sale"));
    pure.sender = None;
    assert_eq!(sent(&pure).ext, "");
}

/// S19.
#[test]
fn an_ext_that_is_no_object_is_refused_or_wrapped() {
    let with = |ext: &str| pushed(OfflinePushInfo::default().with_ext(ext));
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

/// S99.
#[test]
fn text_is_cut_to_the_limits_of_the_vendor_that_shows_it() {
    let mut credentials = credentials();
    let Some(Ok(facts)) = credentials.get_mut(&certificate(1)) else {
        panic!("it is there");
    };
    facts.text = TextLimits::new(4, 5, TextUnit::Chars);
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
fn a_title_is_found_for_vendors_that_need_one() {
    let android = android();
    let title = |message: &Message| outcome(message, &android).map(|it| it.title);
    assert_eq!(title(&message()), Ok("Bob".to_owned()));
    let in_group = message().with_group(group("Team"));
    assert_eq!(title(&in_group), Ok("Team".to_owned()));
    assert_eq!(sent(&message()).title, "", "an iPhone shows the app's name");
}
