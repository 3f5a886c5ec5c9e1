//! What every [`Store`] must do: [`store_conformance!`](crate::store_conformance).
use std::{future::Future, sync::Arc};

use push_core::{ManualClock, Store};

use crate::place::{self, Place};

mod credentials;
mod fixtures;
mod presence;
mod registrations;
mod tokens;
mod traces;

/// The cases by name, for the macro.
#[doc(hidden)]
pub mod cases {
    pub use super::{credentials::*, presence::*, registrations::*, tokens::*, traces::*};
}

/// An empty store, and the clock it was built with.
#[derive(Debug)]
pub struct StoreKit {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Its clock.
    pub clock: ManualClock,
}

/// Runs one case against the store that `make` builds.
///
/// # Panics
/// If the store breaks the contract, or does not come to an end.
pub fn check<F: Future<Output = ()>>(
    make: impl FnOnce(&Place) -> Arc<dyn Store>,
    case: impl FnOnce(StoreKit) -> F,
) {
    let place = Place::new();
    place::run(async {
        let kit = StoreKit {
            store: make(&place),
            clock: place.clock.clone(),
        };
        case(kit).await;
    });
}

/// Expands to one test for each rule of [`Store`].
///
/// The argument builds an empty store: `store_conformance!(|place: &Place| Arc::new(MyStore::new(…)))`. It is called
/// once for each test; [`Place`] has the [`BuildContext`](push_core::BuildContext) and an empty directory. Needs no
/// dependency but `push-testkit` and `push-core`.
#[macro_export]
macro_rules! store_conformance {
    ($make:expr) => {
        $crate::store_conformance! { @each ($make)
            // Registrations.
            a_token_that_was_told_is_found_with_its_user
            only_news_count_as_a_change
            a_new_token_of_a_device_replaces_the_old_one
            a_device_belongs_to_the_user_who_logged_in_last
            a_device_that_nobody_was_registered_on_displaces_nobody
            a_token_told_for_another_device_is_taken_from_the_first
            a_token_moves_within_one_call_too
            two_devices_can_exchange_their_tokens
            a_reinstalled_app_takes_its_token_from_its_former_self
            the_same_token_of_another_channel_is_another_token
            one_token_can_fill_two_slots_of_a_device
            each_slot_has_a_token_of_its_own
            a_slot_is_unregistered_alone
            unregistering_takes_all_tokens_away_and_can_be_repeated
            a_late_logout_of_a_former_user_changes_nothing
            a_dead_token_is_forgotten_and_its_device_stays_known
            a_token_told_again_after_it_died_is_kept
            forgetting_what_is_not_there_does_nothing
            a_token_set_aside_is_kept
            a_token_told_again_leaves_quarantine
            a_token_told_again_since_is_not_set_aside
            a_new_token_is_not_in_the_quarantine_of_the_old_one
            a_mended_credential_gets_its_tokens_back
            devices_are_answered_in_the_order_of_the_users
            registrations_are_counted
            the_registrations_of_two_apps_never_mix
            tokens_are_stored_as_they_are
            any_number_of_registrations_can_be_told_at_once
            many_logins_on_one_device_leave_it_with_one_user
            a_token_told_from_many_devices_stays_with_one
            // Presence and badges.
            a_device_starts_online_without_a_badge
            a_device_in_background_stays_there_when_its_token_is_told_again
            a_device_that_was_offline_starts_online_again
            a_device_of_another_user_starts_online_again
            presence_is_told_for_one_device
            presence_is_told_for_a_platform_or_for_all
            presence_older_than_what_is_known_is_ignored
            presence_of_unknown_devices_is_ignored
            presence_from_before_a_logout_does_not_undo_it
            the_unread_count_is_the_base_of_the_badge
            badges_are_set_and_added_to_in_order
            a_badge_never_wraps_around
            an_unknown_device_has_no_badge
            badges_added_at_once_all_count
            presence_and_badges_of_two_apps_never_mix
            // Credentials.
            credentials_without_a_number_get_different_ones
            a_credential_can_keep_a_number_from_elsewhere
            a_number_that_is_taken_is_a_conflict
            after_the_highest_number_a_free_one_is_found
            rotating_keeps_the_id
            rotating_what_is_not_there_is_not_found
            rotating_into_something_else_is_a_conflict
            credentials_are_listed_by_id
            sealed_bytes_come_back_as_they_were
            the_credentials_of_two_apps_never_mix
            credentials_added_at_once_get_different_numbers
            // Traces.
            the_trace_of_a_message_has_all_its_events
            a_trace_is_told_oldest_first
            events_of_one_moment_stay_in_their_order
            the_trace_of_a_delivery_leaves_the_others_out
            everything_in_an_event_comes_back
            what_is_unknown_has_no_trace
            old_events_are_pruned
            a_trace_has_an_end
            the_traces_of_two_apps_never_mix
            events_appended_at_once_are_all_there
        }
    };
    (@each ($make:expr) $($case:ident)*) => {$(
        #[test]
        fn $case() {
            $crate::store::check($make, $crate::store::cases::$case);
        }
    )*};
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_in_the_macro() {
        let list = include_str!("store.rs");
        for source in [
            include_str!("store/credentials.rs"),
            include_str!("store/presence.rs"),
            include_str!("store/registrations.rs"),
            include_str!("store/tokens.rs"),
            include_str!("store/traces.rs"),
        ] {
            for line in source.lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else {
                    continue;
                };
                let name = rest.split('(').next().unwrap();
                assert!(
                    list.lines().any(|it| it.trim() == name),
                    "{name} is not in store_conformance!"
                );
            }
        }
    }
}
