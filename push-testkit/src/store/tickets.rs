//! Tickets: bound to one device, revoked by a kick or logout.
#![allow(missing_docs)] // The names say it all.
use std::{sync::Arc, time::Duration};

use push_core::{
    Admitted, Clock as _, DeviceFacts, EndCause, Platform, Presence, PresenceChange, Registered,
    Registration, ShownTicket, Slot, TicketId,
    TicketRefusal::{OtherDevice, Revoked, TooManyDevices},
    Timestamp,
};

use super::{
    StoreKit,
    fixtures::{
        app, at, devices, lost, only_device, owner, pair, presence, register, registration,
        reported, tokens, unregister, within,
    },
};
use crate::{place::together, sample::NOW};

/// No limit that a case could reach.
const MANY: usize = 1_000;

/// A ticket that was issued `seconds` after the beginning and is good for an hour.
fn ticket(number: u8, seconds: i64) -> ShownTicket {
    ticket_until(number, seconds, at(seconds + 3600))
}

fn ticket_until(number: u8, seconds: i64, end: Timestamp) -> ShownTicket {
    ShownTicket::new(TicketId::new([number; 16]), at(seconds), end)
}

async fn admit(kit: &StoreKit, of: &str, on: &str, ticket: &ShownTicket) -> Admitted<()> {
    let nothing = DeviceFacts::default();
    let admitted = kit.store.admit(&owner(of, on), ticket, &nothing).await;
    admitted.expect("checks the ticket")
}

async fn register_with(
    kit: &StoreKit,
    ticket: &ShownTicket,
    max_devices: usize,
    it: Registration,
) -> Admitted<Vec<Registered>> {
    let owner = it.owner();
    kit.store
        .register_with(
            ticket,
            max_devices,
            &owner,
            &DeviceFacts::default(),
            vec![it],
        )
        .await
        .expect("checks the ticket")
}

fn of(platform: Platform) -> DeviceFacts {
    DeviceFacts::default().with_platform(platform)
}

async fn report(kit: &StoreKit, change: PresenceChange) {
    let set = kit.store.set_presence(&app("im"), vec![change]).await;
    set.expect("sets presence");
}

async fn kick(kit: &StoreKit, of: &str, on: Option<&str>, when: Timestamp) {
    report(kit, presence(of, on, Presence::Offline, when)).await;
}

pub async fn a_ticket_is_bound_to_the_first_device_that_shows_it(kit: StoreKit) {
    let first = ticket(1, 0);
    let it = registration("alice", "phone", "t1");
    let done = register_with(&kit, &first, MANY, it.clone()).await;
    assert_eq!(done, Ok(vec![Registered::new(true, Vec::new())]));
    let again = register_with(&kit, &first, MANY, it).await;
    assert_eq!(
        again,
        Ok(vec![Registered::default()]),
        "as often as it likes"
    );
    assert_eq!(admit(&kit, "alice", "phone", &first).await, Ok(()));
    assert_eq!(
        admit(&kit, "alice", "tablet", &first).await,
        Err(OtherDevice)
    );
    let other = registration("alice", "tablet", "t2");
    let refused = register_with(&kit, &first, MANY, other.clone()).await;
    assert_eq!(refused, Err(OtherDevice));
    assert_eq!(tokens(&kit.store, "alice").await, [pair("phone", "t1")]);
    // Showing it is enough, and another ticket is another matter.
    assert_eq!(admit(&kit, "alice", "tablet", &ticket(2, 0)).await, Ok(()));
    assert_eq!(
        admit(&kit, "alice", "phone", &ticket(2, 0)).await,
        Err(OtherDevice)
    );
    let done = register_with(&kit, &ticket(2, 0), MANY, other).await;
    assert!(done.is_ok());
}

pub async fn a_ticket_shown_on_many_devices_at_once_is_bound_to_one(kit: StoreKit) {
    let shown = ticket(1, 0);
    let admitted = together((0..64).map(|number| {
        let (store, shown) = (Arc::clone(&kit.store), shown.clone());
        async move {
            let it = registration("alice", &format!("phone-{number}"), &format!("t{number}"));
            store
                .register_with(&shown, MANY, &it.owner(), &DeviceFacts::default(), vec![it])
                .await
                .expect("checks the ticket")
        }
    }))
    .await;
    assert_eq!(admitted.iter().filter(|done| done.is_ok()).count(), 1);
    assert_eq!(devices(&kit.store, "alice").await.len(), 1);
}

pub async fn a_ticket_from_before_a_kick_is_refused(kit: StoreKit) {
    let old = ticket(1, 0);
    let it = registration("alice", "phone", "t1");
    let done = register_with(&kit, &old, MANY, it.clone()).await;
    assert!(done.is_ok());
    kick(&kit, "alice", Some("phone"), at(60)).await;
    let before = only_device(&kit.store, "alice").await;
    assert_eq!(admit(&kit, "alice", "phone", &old).await, Err(Revoked));
    let refused = register_with(&kit, &old, MANY, reported(at(61), it.clone())).await;
    assert_eq!(refused, Err(Revoked));
    assert_eq!(
        only_device(&kit.store, "alice").await,
        before,
        "what is refused changes nothing"
    );
    // A ticket from the moment of the kick or later is a new login.
    for (number, seconds) in [(2, 60), (3, 61)] {
        let new = ticket(number, seconds);
        let done = register_with(&kit, &new, MANY, reported(at(61), it.clone())).await;
        assert!(done.is_ok());
    }
    assert_eq!(
        only_device(&kit.store, "alice").await.presence,
        Presence::Online
    );
    // The new login does not bring the old ticket back.
    assert_eq!(admit(&kit, "alice", "phone", &old).await, Err(Revoked));
    // A kick of an earlier time that is reported late revokes nothing newer, and forgets nothing.
    kick(&kit, "alice", Some("phone"), at(30)).await;
    assert_eq!(admit(&kit, "alice", "phone", &ticket(3, 61)).await, Ok(()));
    assert_eq!(
        admit(&kit, "alice", "phone", &ticket(4, 45)).await,
        Err(Revoked)
    );
}

pub async fn a_kick_revokes_the_tickets_of_the_devices_that_it_names(kit: StoreKit) {
    for (on, facts) in [
        ("a-phone", of(Platform::Ios)),
        ("b-pad", of(Platform::Ipad)),
        ("c-unknown", DeviceFacts::default()),
    ] {
        let it = registration("alice", on, on);
        let stored = kit.store.register(&it.owner(), &facts, vec![it]).await;
        stored.expect("registers");
    }
    register(&kit.store, registration("bob", "d-phone", "t4")).await;
    let good = async |who: &str, on: &str| admit(&kit, who, on, &ticket(on.as_bytes()[0], 5)).await;
    kick(&kit, "alice", Some("b-pad"), at(10)).await;
    assert_eq!(good("alice", "b-pad").await, Err(Revoked));
    for (who, on) in [
        ("alice", "a-phone"),
        ("alice", "c-unknown"),
        ("bob", "d-phone"),
    ] {
        assert_eq!(good(who, on).await, Ok(()), "{on}");
    }
    let mut of_platform = presence("alice", None, Presence::Offline, at(20));
    of_platform.platform = Some(Platform::Ios);
    report(&kit, of_platform).await;
    assert_eq!(good("alice", "a-phone").await, Err(Revoked));
    assert_eq!(good("alice", "c-unknown").await, Ok(()), "it is of none");
    // A device that is not known yet may be of any, whatever it says: it may be the one that was kicked.
    let unused = ticket(b'e', 15);
    assert_eq!(admit(&kit, "alice", "e-new", &unused).await, Err(Revoked));
    let it = registration("alice", "e-new", "t5");
    for platform in [Platform::Ios, Platform::Android] {
        let done = kit
            .store
            .register_with(&unused, MANY, &it.owner(), &of(platform), vec![it.clone()])
            .await;
        assert_eq!(done.expect("checks the ticket"), Err(Revoked));
    }
    kick(&kit, "alice", None, at(30)).await;
    for on in ["a-phone", "c-unknown", "e-new", "f-new"] {
        assert_eq!(good("alice", on).await, Err(Revoked), "{on}");
    }
    assert_eq!(good("bob", "d-phone").await, Ok(()));
}

pub async fn a_kick_revokes_tickets_of_devices_that_never_registered(kit: StoreKit) {
    kick(&kit, "alice", Some("phone"), at(10)).await;
    kick(&kit, "bob", None, at(10)).await;
    for who in ["alice", "bob"] {
        let it = registration(who, "phone", "t1");
        let refused = register_with(&kit, &ticket(1, 9), MANY, it.clone()).await;
        assert_eq!(refused, Err(Revoked), "{who}");
        assert_eq!(devices(&kit.store, who).await, []);
    }
    let it = registration("alice", "tablet", "t2");
    assert!(register_with(&kit, &ticket(2, 10), MANY, it).await.is_ok());
}

// S41, S67
pub async fn a_spare_ticket_does_not_bring_a_kicked_phone_back(kit: StoreKit) {
    for (number, on) in [(1, "phone"), (2, "tablet")] {
        let it = registration("alice", on, on);
        let done = register_with(&kit, &ticket(number, 0), MANY, it).await;
        assert!(done.is_ok());
    }
    let (spare, shown, newer) = (ticket(3, 1), ticket(4, 1), ticket(5, 11));
    // One of them under an invented id, before the kick.
    assert_eq!(admit(&kit, "alice", "made-up", &shown).await, Ok(()));
    kit.clock.advance(Duration::from_secs(10));
    kick(&kit, "alice", Some("phone"), at(10)).await;
    for (on, with) in [
        ("phone", &spare),
        ("another", &spare),
        ("made-up", &shown),
        ("made-up", &spare),
    ] {
        let it = registration("alice", on, "t9");
        let refused = register_with(&kit, with, MANY, it).await;
        assert_eq!(refused, Err(Revoked), "{on}");
        assert_eq!(admit(&kit, "alice", on, with).await, Err(Revoked), "{on}");
    }
    assert_eq!(
        tokens(&kit.store, "alice").await,
        [pair("phone", "phone"), pair("tablet", "tablet")]
    );
    // Neither the user's other devices lose their tickets, nor others theirs.
    for with in [&ticket(2, 0), &spare] {
        let it = registration("alice", "tablet", "tablet");
        let done = register_with(&kit, with, MANY, it).await;
        assert!(done.is_ok());
    }
    let of_bob = registration("bob", "another", "t8");
    let done = register_with(&kit, &ticket(6, 1), MANY, of_bob).await;
    assert!(done.is_ok());
    // The next login on a device that is new.
    let it = registration("alice", "another", "t9");
    assert!(register_with(&kit, &newer, MANY, it).await.is_ok());
    // A logout is an end like a kick.
    unregister(&kit.store, "alice", "tablet", None).await;
    let it = registration("alice", "third", "t7");
    let refused = register_with(&kit, &ticket(7, 9), MANY, it).await;
    assert_eq!(refused, Err(Revoked));
}

// S43, S47
pub async fn a_logout_revokes_the_tickets_of_its_device(kit: StoreKit) {
    for (number, on) in [(1, "phone"), (2, "tablet")] {
        let it = registration("alice", on, on);
        let done = register_with(&kit, &ticket(number, 0), MANY, it).await;
        assert!(done.is_ok());
    }
    kit.clock.advance(Duration::from_secs(10));
    unregister(&kit.store, "alice", "phone", Some(Slot::Alert)).await;
    assert_eq!(
        admit(&kit, "alice", "phone", &ticket(1, 0)).await,
        Ok(()),
        "push was switched off, and may be switched on again"
    );
    let phone = owner("alice", "phone");
    let off = kit.store.unregister(&phone, None, EndCause::SwitchedOff);
    off.await.expect("unregisters");
    assert_eq!(admit(&kit, "alice", "phone", &ticket(1, 0)).await, Ok(()));
    let mut off = presence("alice", None, Presence::Offline, at(10));
    off.because = Some(EndCause::SwitchedOff);
    report(&kit, off).await;
    assert_eq!(admit(&kit, "alice", "phone", &ticket(1, 0)).await, Ok(()));
    unregister(&kit.store, "alice", "phone", None).await;
    assert_eq!(
        admit(&kit, "alice", "phone", &ticket(1, 0)).await,
        Err(Revoked)
    );
    assert_eq!(admit(&kit, "alice", "tablet", &ticket(2, 0)).await, Ok(()));
    assert_eq!(admit(&kit, "alice", "phone", &ticket(3, 10)).await, Ok(()));
    // Of a device that is another user's by now, too: the old ticket must not take it back.
    register(&kit.store, registration("bob", "tablet", "t2")).await;
    unregister(&kit.store, "alice", "tablet", None).await;
    let back = registration("alice", "tablet", "t2");
    assert_eq!(
        register_with(&kit, &ticket(2, 0), MANY, back).await,
        Err(Revoked)
    );
    assert_eq!(tokens(&kit.store, "bob").await, [pair("tablet", "t2")]);
}

pub async fn a_user_has_no_more_devices_than_allowed(kit: StoreKit) {
    let add = async |number: u8, on: &str| {
        let issued = 100 * i64::from(number);
        let it = registration("alice", on, on);
        register_with(&kit, &ticket(number, issued), 2, it).await
    };
    assert!(add(1, "a").await.is_ok());
    assert!(add(2, "b").await.is_ok());
    assert_eq!(add(3, "c").await, Err(TooManyDevices));
    assert_eq!(devices(&kit.store, "alice").await.len(), 2);
    assert_eq!(
        admit(&kit, "alice", "d", &ticket(3, 300)).await,
        Ok(()),
        "the refused registration bound the ticket to nothing"
    );
    assert!(
        add(1, "a").await.is_ok(),
        "known devices register as before"
    );
    let of_bob = registration("bob", "c", "c");
    assert!(
        register_with(&kit, &ticket(4, 100), 2, of_bob)
            .await
            .is_ok(),
        "each user has a limit of its own"
    );
    // Neither a device that was kicked counts, nor one without a token.
    kick(&kit, "alice", Some("a"), at(450)).await;
    assert!(add(5, "e").await.is_ok());
    unregister(&kit.store, "alice", "b", Some(Slot::Alert)).await;
    assert!(add(6, "f").await.is_ok());
    assert_eq!(
        add(7, "b").await,
        Err(TooManyDevices),
        "it would count again"
    );
    // A device that changes hands is the new user's.
    let taken = register_with(&kit, &ticket(8, 100), 2, registration("bob", "e", "e")).await;
    let taken = taken.expect("bob has one device");
    assert_eq!(lost(&taken[0].displaced), [("alice", "e", None)]);
    assert!(add(9, "g").await.is_ok());
}

pub async fn the_tickets_of_two_apps_never_mix(kit: StoreKit) {
    let shown = ticket(1, 0);
    assert_eq!(admit(&kit, "alice", "phone", &shown).await, Ok(()));
    kick(&kit, "alice", None, at(10)).await;
    let there = within("other", registration("alice", "tablet", "t1"));
    let done = register_with(&kit, &shown, MANY, there).await;
    assert!(
        done.is_ok(),
        "neither the binding nor the kick is of this app"
    );
}

pub async fn bindings_and_revocations_are_kept_as_long_as_they_matter(kit: StoreKit) {
    let long = ticket_until(1, 0, NOW + ShownTicket::MAX_LIFE);
    assert_eq!(admit(&kit, "alice", "phone", &long).await, Ok(()));
    kick(&kit, "bob", None, at(1)).await;
    kit.clock
        .advance(ShownTicket::MAX_LIFE - Duration::from_secs(1));
    // What others do gives the store a reason to clear up.
    for number in 2..40 {
        let now = kit.clock.now().unix_seconds() - NOW.unix_seconds();
        let fresh = ticket_until(number, now, at(now + 60));
        assert_eq!(admit(&kit, "carol", "phone", &fresh).await, Ok(()));
        kick(&kit, "carol", None, at(now)).await;
    }
    assert_eq!(
        admit(&kit, "alice", "tablet", &long).await,
        Err(OtherDevice)
    );
    let of_bob = ticket_until(200, 0, NOW + ShownTicket::MAX_LIFE);
    assert_eq!(admit(&kit, "bob", "phone", &of_bob).await, Err(Revoked));
}

pub async fn a_kick_ends_the_login_whose_ticket_it_revokes(kit: StoreKit) {
    let phone = || reported(at(10), registration("alice", "phone", "t1"));
    let kick = |when| presence("alice", Some("phone"), Presence::Offline, when);
    let first = register_with(&kit, &ticket(1, 5), MANY, phone()).await;
    first.expect("the ticket is good");
    // Neither the first registration nor a later one with the same ticket is newer than the ticket.
    let again = register_with(&kit, &ticket(1, 5), MANY, phone()).await;
    again.expect("the ticket is good");
    let before = set_presence(&kit, kick(at(5))).await;
    assert_eq!(before, 0, "it was issued at that time");
    assert_eq!(set_presence(&kit, kick(at(6))).await, 1);
    assert_eq!(
        admit(&kit, "alice", "phone", &ticket(1, 5)).await,
        Err(Revoked)
    );
    // A newer ticket is a newer login, also where the device never was offline.
    for (number, issued) in [(2, 20), (3, 30)] {
        let again = register_with(&kit, &ticket(number, issued), MANY, phone()).await;
        again.expect("the ticket is good");
        assert_eq!(set_presence(&kit, kick(at(issued))).await, 0);
    }
    assert_eq!(set_presence(&kit, kick(at(31))).await, 1);
}

pub async fn a_kick_of_now_ends_logins_from_before_the_clock_was_set_back(kit: StoreKit) {
    for (number, kicked) in [(1, Some("phone")), (2, None)] {
        let ahead = ticket(number, 7200);
        let phone = reported(at(7201), registration("alice", "phone", "t1"));
        let first = register_with(&kit, &ahead, MANY, phone).await;
        first.expect("the ticket is good");
        let mut kick = presence("alice", kicked, Presence::Offline, at(10));
        assert_eq!(set_presence(&kit, kick.clone()).await, 0);
        assert_eq!(admit(&kit, "alice", "phone", &ahead).await, Ok(()));
        kick.is_latest = true;
        assert_eq!(set_presence(&kit, kick).await, 1);
        assert_eq!(admit(&kit, "alice", "phone", &ahead).await, Err(Revoked));
        // Nor does the phone come back by a report that was under way.
        let mut used = presence("alice", Some("phone"), Presence::Background, at(9000));
        used.by_phone = true;
        assert_eq!(set_presence(&kit, used).await, 0);
        // A login that is dated right is good.
        let right = ticket(number + 10, 20);
        let phone = reported(at(20), registration("alice", "phone", "t1"));
        let again = register_with(&kit, &right, MANY, phone).await;
        again.expect("the ticket is good");
        assert_eq!(
            only_device(&kit.store, "alice").await.presence,
            Presence::Online
        );
    }
}

pub async fn a_logout_revokes_tickets_from_before_the_clock_was_set_back(kit: StoreKit) {
    let ahead = ticket(1, 7200);
    let phone = reported(at(7201), registration("alice", "phone", "t1"));
    let first = register_with(&kit, &ahead, MANY, phone).await;
    first.expect("the ticket is good");
    let ended = unregister(&kit.store, "alice", "phone", None).await;
    assert!(ended.is_some());
    assert_eq!(admit(&kit, "alice", "phone", &ahead).await, Err(Revoked));
    assert_eq!(admit(&kit, "alice", "phone", &ticket(2, 20)).await, Ok(()));
}

async fn set_presence(kit: &StoreKit, change: PresenceChange) -> u64 {
    let set = kit.store.set_presence(&app("im"), vec![change]).await;
    set.expect("sets presence").accepted
}
