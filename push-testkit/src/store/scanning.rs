//! Tags, and pages of the users that an audience selects.
#![allow(missing_docs)] // The names say it all.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use push_core::{
    Audience, Channel, Cursor, DeviceFacts, ErrorKind, Page, Presence, Receiver, Store, Tag,
    TagExpr, TokenAddress,
};

use super::{
    StoreKit,
    fixtures::{
        Dice, app, certificate, device, devices, over, owner, receivers, register, registration,
        tags, token, unregister, user, users, within,
    },
};
use crate::place::together;

async fn page(
    store: &Arc<dyn Store>,
    audience: &Audience,
    after: Option<Cursor>,
    limit: usize,
) -> Page<Receiver> {
    let page = store
        .scan(&app("im"), audience, after, limit)
        .await
        .expect("scans");
    assert!(page.items.len() <= limit);
    page
}

/// All receivers, in pages of `limit`.
async fn scan(store: &Arc<dyn Store>, audience: &Audience, limit: usize) -> Vec<Receiver> {
    let mut all = Vec::new();
    let mut after = None;
    for _ in 0..10_000 {
        let page = page(store, audience, after, limit).await;
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
    panic!("the pages do not come to an end");
}

fn names(receivers: &[Receiver]) -> Vec<&str> {
    let users = receivers.iter();
    users.map(|receiver| receiver.user.as_str()).collect()
}

async fn set_tags(kit: &StoreKit, of: &str, words: &[&str]) {
    kit.store
        .set_tags(&app("im"), &user(of), tags(words.iter().copied()))
        .await
        .expect("sets tags");
}

fn has(word: &str) -> TagExpr {
    TagExpr::Has(Tag::new(word).expect("a tag"))
}

fn not(condition: TagExpr) -> TagExpr {
    TagExpr::Not(Box::new(condition))
}

pub async fn tags_are_replaced_and_returned_sorted(kit: StoreKit) {
    let of = async |within, of| {
        let found = kit.store.tags(&app(within), &user(of)).await;
        found.expect("finds tags")
    };
    assert_eq!(of("im", "alice").await, []);
    set_tags(&kit, "alice", &["vip", "Ärzte", "beta", "vip", "%"]).await;
    assert_eq!(
        of("im", "alice").await,
        tags(["%", "beta", "vip", "Ärzte"]),
        "also for a user without devices"
    );
    assert_eq!(of("im", "bob").await, []);
    assert_eq!(of("other", "alice").await, []);
    set_tags(&kit, "alice", &["staff"]).await;
    assert_eq!(of("im", "alice").await, tags(["staff"]));
    // They are the user's, not the device's.
    register(&kit.store, registration("alice", "phone", "t1")).await;
    unregister(&kit.store, "alice", "phone", None).await;
    register(&kit.store, registration("bob", "phone", "t1")).await;
    assert_eq!(of("im", "alice").await, tags(["staff"]));
    set_tags(&kit, "alice", &[]).await;
    assert_eq!(of("im", "alice").await, []);
}

pub async fn a_user_with_too_many_tags_is_refused(kit: StoreKit) {
    let words: Vec<_> = (0..=Tag::MAX_PER_USER)
        .map(|number| format!("tag-{number:03}"))
        .collect();
    let all = tags(words.iter().map(String::as_str));
    let set = async |tags: Vec<Tag>| kit.store.set_tags(&app("im"), &user("alice"), tags).await;
    let most = all[..Tag::MAX_PER_USER].to_vec();
    set(most.clone()).await.expect("sets the most tags");
    let error = set(all).await.expect_err("there is one too many");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let found = kit.store.tags(&app("im"), &user("alice")).await;
    assert_eq!(found.expect("finds tags"), most, "nothing changed");
    let twice = [most.clone(), most].concat();
    set(twice).await.expect("the same tag twice is one");
}

pub async fn everybody_comes_once_in_the_order_of_ids(kit: StoreKit) {
    // By bytes: upper case first, then lower case, then the others.
    let ids = ["B", "Z", "a", "aa", "b", "user 1", "ä", "用户"];
    for (number, of) in ids.iter().enumerate().rev() {
        let on = format!("device-{number}");
        register(&kit.store, registration(of, &on, &on)).await;
    }
    register(&kit.store, registration("a", "second", "t2")).await;
    register(
        &kit.store,
        within("other", registration("elsewhere", "tv", "t3")),
    )
    .await;
    for limit in [1, 2, 3, 7, 8, 9, usize::MAX] {
        let found = scan(&kit.store, &Audience::Everybody, limit).await;
        assert_eq!(names(&found), ids, "in pages of {limit}");
    }
    let found = scan(&kit.store, &Audience::Everybody, 3).await;
    assert_eq!(found, receivers(&kit.store, &users(ids)).await);
    let elsewhere = kit
        .store
        .scan(&app("third"), &Audience::Everybody, None, 5)
        .await
        .expect("scans");
    assert_eq!(elsewhere, Page::last(Vec::new()));
}

pub async fn users_without_a_token_are_everybody_too(kit: StoreKit) {
    register(&kit.store, registration("gone", "phone", "t1")).await;
    unregister(&kit.store, "gone", "phone", None).await;
    kit.store
        .register(&owner("silent", "tv"), &DeviceFacts::default(), Vec::new())
        .await
        .expect("stores facts");
    register(&kit.store, registration("lost", "tablet", "t2")).await;
    register(&kit.store, registration("taker", "tablet", "t2")).await;
    set_tags(&kit, "tagged", &["vip"]).await;
    let found = scan(&kit.store, &Audience::Everybody, 2).await;
    assert_eq!(
        names(&found),
        ["gone", "silent", "taker"],
        "those who have a device, whatever its state"
    );
    assert_eq!(found[0].devices[0].presence, Presence::Offline);
}

pub async fn everybody_comes_once_while_others_register(kit: StoreKit) {
    let before: Vec<_> = (0..200)
        .map(|number| format!("user-{:03}", number * 2))
        .collect();
    for of in &before {
        register(&kit.store, registration(of, of, of)).await;
    }
    let scanned = Arc::new(AtomicBool::new(false));
    let others = (0..3).map(|task| {
        let (store, scanned) = (Arc::clone(&kit.store), Arc::clone(&scanned));
        async move {
            let mut dice = Dice(task);
            while !scanned.load(Ordering::Relaxed) {
                let number = dice.roll(400);
                let of = format!("user-{number:03}");
                match dice.roll(3) {
                    0 if number % 2 == 1 => {
                        unregister(&store, &of, &of, None).await;
                    }
                    _ => {
                        let again = registration(&of, &of, &of);
                        register(&store, again).await;
                    }
                }
                tokio::task::yield_now().await;
            }
            Vec::new()
        }
    });
    let scans = {
        let (store, scanned) = (Arc::clone(&kit.store), Arc::clone(&scanned));
        async move {
            let mut all = Vec::new();
            for limit in [1, 7, 50] {
                all.push(scan(&store, &Audience::Everybody, limit).await);
            }
            scanned.store(true, Ordering::Relaxed);
            all
        }
    };
    type Scans = std::pin::Pin<Box<dyn Future<Output = Vec<Vec<Receiver>>> + Send>>;
    let mut tasks: Vec<Scans> = others.map(|task| Box::pin(task) as Scans).collect();
    tasks.push(Box::pin(scans));
    let found = together(tasks).await.concat();
    assert_eq!(found.len(), 3);
    for all in found {
        let names = names(&all);
        assert!(names.is_sorted_by(|a, b| a < b), "no user comes twice");
        let names: BTreeSet<_> = names.into_iter().collect();
        for of in &before {
            assert!(names.contains(of.as_str()), "{of} is missing");
        }
    }
}

pub async fn listed_users_come_once_in_their_order(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("alice", "tablet", "t2")).await;
    register(&kit.store, registration("bob", "tv", "t3")).await;
    let listed = users(["bob", "zoe", "alice", "bob", "carol", "alice"]);
    let once = users(["bob", "zoe", "alice", "carol"]);
    let expected = receivers(&kit.store, &once).await;
    for limit in [1, 2, 3, 10] {
        let found = scan(&kit.store, &Audience::Users(listed.clone()), limit).await;
        assert_eq!(found, expected, "in pages of {limit}");
    }
    let none = page(&kit.store, &Audience::Users(Vec::new()), None, 5).await;
    assert_eq!(none, Page::last(Vec::new()));
}

pub async fn listed_devices_come_with_their_users(kit: StoreKit) {
    for (of, on) in [
        ("alice", "a1"),
        ("alice", "a2"),
        ("alice", "a3"),
        ("bob", "b1"),
        ("carol", "c1"),
    ] {
        register(&kit.store, registration(of, on, on)).await;
    }
    let listed = ["c1", "none", "a3", "b1", "a1", "c1", "a3"].map(device);
    let audience = Audience::Devices(listed.to_vec());
    let listing = async |limit| -> Vec<(String, Vec<String>)> {
        let found = scan(&kit.store, &audience, limit).await;
        found
            .iter()
            .map(|receiver| {
                let devices = receiver.devices.iter();
                (
                    receiver.user.to_string(),
                    devices.map(|device| device.device.to_string()).collect(),
                )
            })
            .collect()
    };
    let of = |of: &str, on: &[&str]| {
        let on = on.iter().map(|on| (*on).to_owned()).collect();
        (of.to_owned(), on)
    };
    assert_eq!(
        listing(3).await,
        [
            of("carol", &["c1"]),
            of("alice", &["a3", "a1"]),
            of("bob", &["b1"])
        ]
    );
    for limit in [1, 2, 10] {
        let mut on: Vec<_> = listing(limit)
            .await
            .into_iter()
            .flat_map(|(_, on)| on)
            .collect();
        on.sort();
        assert_eq!(on, ["a1", "a3", "b1", "c1"], "in pages of {limit}");
    }
    let found = scan(&kit.store, &audience, 3).await;
    assert_eq!(
        found[2].devices,
        devices(&kit.store, "bob").await,
        "with everything that a decision needs"
    );
}

pub async fn tokens_select_no_user(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let audience = Audience::Tokens(vec![TokenAddress::new(certificate(31287), token("t1"))]);
    let found = page(&kit.store, &audience, None, 5).await;
    assert_eq!(found, Page::last(Vec::new()));
}

pub async fn tags_select_users_who_have_a_device(kit: StoreKit) {
    for of in ["alice", "bob", "carol", "dave"] {
        register(&kit.store, registration(of, of, of)).await;
        let second = over(Channel::known("second"), registration(of, of, of));
        register(&kit.store, second).await;
    }
    set_tags(&kit, "alice", &["vip"]).await;
    set_tags(&kit, "bob", &["vip", "muted"]).await;
    set_tags(&kit, "carol", &["staff"]).await;
    set_tags(&kit, "unknown", &["vip"]).await;
    let there = app("other");
    kit.store
        .set_tags(&there, &user("dave"), tags(["vip"]))
        .await
        .expect("sets tags");
    for (condition, expected) in [
        (has("vip"), &["alice", "bob"][..]),
        (has("VIP"), &[]),
        (
            TagExpr::All(vec![has("vip"), not(has("muted"))]),
            &["alice"],
        ),
        (
            TagExpr::Any(vec![has("staff"), has("muted"), has("vip")]),
            &["alice", "bob", "carol"],
        ),
        (not(has("vip")), &["carol", "dave"]),
        (TagExpr::All(Vec::new()), &["alice", "bob", "carol", "dave"]),
        (TagExpr::Any(Vec::new()), &[]),
    ] {
        for limit in [1, 2, 10] {
            let audience = Audience::Tags(condition.clone());
            let found = scan(&kit.store, &audience, limit).await;
            assert_eq!(names(&found), expected, "{condition:?}");
            let all = receivers(&kit.store, &users(expected.iter().copied())).await;
            assert_eq!(found, all);
        }
    }
}

pub async fn any_condition_selects_what_it_says(kit: StoreKit) {
    let words = ["a", "b", "c", "d"];
    let mut dice = Dice(11);
    let mut everybody: BTreeMap<String, Vec<Tag>> = BTreeMap::new();
    for number in 0..120 {
        let of = format!("user-{number:03}");
        let own: Vec<_> = words.iter().filter(|_| dice.roll(3) == 0).collect();
        let own: Vec<&str> = own.into_iter().copied().collect();
        set_tags(&kit, &of, &own).await;
        // Every sixth has tags, but no device.
        if number % 6 != 0 {
            register(&kit.store, registration(&of, &of, &of)).await;
            everybody.insert(of, tags(own));
        }
    }
    for _ in 0..60 {
        let condition = random(&mut dice, &words, 4);
        let expected: Vec<_> = everybody
            .iter()
            .filter(|(_, tags)| condition.matches(tags))
            .map(|(of, _)| of.as_str())
            .collect();
        let limit = 1 + dice.roll(50);
        let found = scan(&kit.store, &Audience::Tags(condition.clone()), limit).await;
        assert_eq!(names(&found), expected, "{condition:?}, pages of {limit}");
    }
}

fn random(dice: &mut Dice, words: &[&str], depth: usize) -> TagExpr {
    let parts = |dice: &mut Dice| -> Vec<TagExpr> {
        let count = dice.roll(4).min(3);
        (0..count).map(|_| random(dice, words, depth - 1)).collect()
    };
    match dice.roll(if depth == 1 { 1 } else { 4 }) {
        1 => TagExpr::All(parts(dice)),
        2 => TagExpr::Any(parts(dice)),
        3 => not(random(dice, words, depth - 1)),
        _ => has(words[dice.roll(words.len())]),
    }
}

pub async fn a_few_among_many_users_are_found(kit: StoreKit) {
    // More than a store may look at for one page; at once, because one after the other they take long.
    together((0..2500).map(|number| {
        let store = Arc::clone(&kit.store);
        async move {
            let of = format!("user-{number:04}");
            let word = if number % 1000 == 999 {
                "rare"
            } else {
                "usual"
            };
            register(&store, registration(&of, &of, &of)).await;
            store
                .set_tags(&app("im"), &user(&of), tags([word]))
                .await
                .expect("sets tags");
        }
    }))
    .await;
    for condition in [has("rare"), not(has("usual"))] {
        let found = scan(&kit.store, &Audience::Tags(condition), 1).await;
        assert_eq!(names(&found), ["user-0999", "user-1999"]);
    }
    let found = scan(&kit.store, &Audience::Tags(has("usual")), 100).await;
    assert_eq!(found.len(), 2498);
    let listed = (0..2500).map(|number| device(&format!("none-{number}")));
    let listed: Vec<_> = listed.chain([device("user-0001")]).collect();
    let found = scan(&kit.store, &Audience::Devices(listed), 1).await;
    assert_eq!(names(&found), ["user-0001"]);
}

pub async fn a_scan_that_cannot_be_right_is_refused(kit: StoreKit) {
    for of in ["alice", "bob", "carol"] {
        register(&kit.store, registration(of, of, of)).await;
    }
    let listed = Audience::Users(users(["alice", "bob", "carol"]));
    let of_ids = page(&kit.store, &Audience::Everybody, None, 1).await.next;
    let of_list = page(&kit.store, &listed, None, 1).await.next;
    let deep = (0..TagExpr::MAX_DEPTH).fold(has("a"), |inner, _| not(inner));
    for (audience, after, limit) in [
        (Audience::Everybody, None, 0),
        (listed.clone(), None, 0),
        (listed, of_ids, 5),
        (Audience::Everybody, of_list, 5),
        (Audience::Everybody, Some(Cursor::new("")), 5),
        (Audience::Everybody, Some(Cursor::new("elsewhere:7")), 5),
        (Audience::Tags(deep), None, 5),
    ] {
        let error = kit
            .store
            .scan(&app("im"), &audience, after, limit)
            .await
            .expect_err("it cannot be right");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{audience:?}");
    }
}
