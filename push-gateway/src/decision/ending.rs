//! Why there is no device or no token: what the store remembers of how push ended.
use std::collections::{BTreeSet, HashMap};

use push_core::{EndCause, Ending, Reason, Slot, UserId};

use super::{Skip, reasons};

/// The reason for which push ended; `None` for a cause of a newer version, or a refusal whose reason it does not know.
pub(crate) fn reason_of(cause: EndCause, refusal: Option<&str>) -> Option<Reason> {
    Some(match cause {
        EndCause::LoggedOut => reasons::LOGGED_OUT,
        EndCause::Kicked => reasons::KICKED,
        EndCause::LoginExpired => reasons::LOGIN_EXPIRED,
        EndCause::SwitchedOff => reasons::SWITCHED_OFF,
        EndCause::Withdrawn => reasons::TOKEN_WITHDRAWN,
        EndCause::Offline => reasons::OFFLINE,
        EndCause::DeviceTaken => reasons::DEVICE_TAKEN,
        EndCause::TokenTaken => reasons::TOKEN_TAKEN,
        EndCause::TokenDead => reasons::TOKEN_DEAD,
        EndCause::Refused => return refusal.and_then(Reason::find).copied(),
        _ => return None,
    })
}

/// The users whose endings can say more than `skips` do.
pub(crate) fn unexplained(skips: &[Skip]) -> BTreeSet<UserId> {
    skips
        .iter()
        .filter(|skip| {
            [
                reasons::NEVER_REGISTERED,
                reasons::OFFLINE,
                reasons::NO_TOKEN,
            ]
            .contains(&skip.reason)
        })
        .filter_map(|skip| skip.user.clone())
        .collect()
}

/// Replaces the reasons of `skips` by those with which push ended, where `endings` have them.
pub(crate) fn explain(skips: &mut [Skip], endings: &HashMap<UserId, Vec<Ending>>) {
    for skip in skips {
        let Some(of_user) = skip.user.as_ref().and_then(|user| endings.get(user)) else {
            continue;
        };
        let of = |slot| {
            of_user
                .iter()
                .find(|ending| ending.device == skip.device && ending.slot == slot)
        };
        let ending = match skip.reason {
            reasons::NEVER_REGISTERED | reasons::OFFLINE => of(None),
            reasons::NO_TOKEN => of(Some(Slot::Alert)).or_else(|| of(None)),
            _ => None,
        };
        let reason = ending.and_then(|ending| reason_of(ending.cause, ending.reason.as_deref()));
        skip.reason = reason.unwrap_or(skip.reason);
    }
}

#[cfg(test)]
mod tests {
    use push_core::{DeviceId, Timestamp};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn alice() -> UserId {
        UserId::new("alice").expect("an id")
    }

    fn phone() -> DeviceId {
        DeviceId::new("phone").expect("an id")
    }

    fn explained(mut skip: Skip, endings: Vec<Ending>) -> &'static str {
        explain(
            std::slice::from_mut(&mut skip),
            &HashMap::from([(alice(), endings)]),
        );
        skip.reason.code
    }

    #[test]
    fn every_cause_of_an_end_has_a_reason_of_its_own() {
        let mut codes = BTreeSet::new();
        for &cause in EndCause::ALL {
            let reason = reason_of(cause, Some("certificate-unknown")).expect("a reason");
            assert!(codes.insert(reason.code), "{cause}: {}", reason.code);
        }
        assert_eq!(reason_of(EndCause::Refused, Some("of tomorrow")), None);
    }

    #[test]
    fn a_user_without_devices_gets_the_reason_of_the_user_as_a_whole() {
        let skip = || Skip::user(&alice(), reasons::NEVER_REGISTERED);
        assert_eq!(explained(skip(), vec![]), "never-registered");
        let taken = Ending::new(EndCause::DeviceTaken, NOW);
        assert_eq!(explained(skip(), vec![taken]), "device-taken");
        let refused = Ending::new(EndCause::Refused, NOW).because(Some("channel-mismatch".into()));
        assert_eq!(explained(skip(), vec![refused]), "channel-mismatch");
        let of_device = Ending::new(EndCause::LoggedOut, NOW).on(phone(), None);
        assert_eq!(explained(skip(), vec![of_device]), "never-registered");
    }

    #[test]
    fn a_device_without_a_token_gets_the_reason_of_its_slot_before_its_own() {
        let skip = || Skip::device(Some(&alice()), &phone(), reasons::NO_TOKEN);
        let of_device = || Ending::new(EndCause::SwitchedOff, NOW).on(phone(), None);
        let of_slot = |slot| Ending::new(EndCause::TokenDead, NOW).on(phone(), Some(slot));
        assert_eq!(explained(skip(), vec![of_slot(Slot::Voip)]), "no-token");
        assert_eq!(explained(skip(), vec![of_device()]), "switched-off");
        let both = vec![of_device(), of_slot(Slot::Alert)];
        assert_eq!(explained(skip(), both), "token-dead");
    }

    #[test]
    fn reasons_that_say_enough_stay() {
        let skip = Skip::device(Some(&alice()), &phone(), reasons::ONLINE_IN_FOREGROUND);
        assert!(unexplained(std::slice::from_ref(&skip)).is_empty());
        let ended = Ending::new(EndCause::Kicked, NOW).on(phone(), None);
        assert_eq!(explained(skip, vec![ended]), "online-in-foreground");
    }
}
