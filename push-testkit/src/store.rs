//! What every [`Store`] must do: [`store_conformance!`](crate::store_conformance).
use std::{future::Future, sync::Arc};

use push_core::{ManualClock, Store};

use crate::place::{self, Place};

mod badges;
mod credentials;
mod devices;
mod displacing;
mod endings;
mod fixtures;
mod logout;
mod lookups;
mod marks;
mod presence;
mod registrations;
mod scanning;
mod searching;
mod tickets;
mod tokens;
mod traces;

/// The cases by name, for the macro.
#[doc(hidden)]
pub mod cases {
    pub use super::{
        badges::*, credentials::*, devices::*, displacing::*, endings::*, logout::*, lookups::*,
        marks::*, presence::*, registrations::*, scanning::*, searching::*, tickets::*, tokens::*,
        traces::*,
    };
}

/// An empty store, and the clock it was built with.
#[derive(Debug)]
#[non_exhaustive]
pub struct StoreKit {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Its clock.
    pub clock: ManualClock,
}

/// Runs one case against the store that `make` builds.
///
/// # Panics
/// If the store breaks the contract, or the case does not end.
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
            a_registered_token_is_found_with_its_user
            only_news_count_as_a_change
            a_new_token_replaces_the_old_one_of_its_key
            each_slot_has_a_token_of_its_own
            a_slot_has_a_token_for_each_channel_and_instance
            a_slot_keeps_the_instances_that_were_reported_last
            the_same_token_of_another_channel_is_another_token
            one_token_can_fill_two_slots_of_a_device
            a_registration_of_another_device_than_the_call_is_refused
            registrations_are_counted
            the_registrations_of_two_apps_never_mix
            tokens_are_stored_as_they_are
            any_number_of_registrations_can_be_stored_at_once
            // Devices that change hands, and tokens that move.
            a_device_belongs_to_the_user_who_logged_in_last
            a_device_without_registrations_displaces_no_user
            a_token_registered_for_another_device_leaves_only_its_slot
            a_token_that_leaves_two_slots_ends_each_once
            one_login_can_displace_a_user_and_another_device
            two_devices_can_exchange_their_tokens
            a_reinstalled_app_takes_its_token_from_its_former_self
            many_logins_on_one_device_leave_it_with_one_user
            a_token_registered_from_many_devices_stays_with_one
            // Logouts.
            a_slot_is_unregistered_alone
            unregistering_removes_all_tokens_and_can_be_repeated
            a_logout_ends_a_device_that_was_kicked_or_has_no_token
            a_late_logout_of_a_former_user_changes_nothing
            // Tickets.
            a_ticket_is_bound_to_the_first_device_that_shows_it
            a_ticket_shown_on_many_devices_at_once_is_bound_to_one
            a_ticket_from_before_a_kick_is_refused
            a_kick_revokes_the_tickets_of_the_devices_that_it_names
            a_spare_ticket_does_not_bring_a_kicked_phone_back
            a_kick_revokes_tickets_of_devices_that_never_registered
            a_kick_ends_the_login_whose_ticket_it_revokes
            a_kick_of_now_ends_logins_from_before_the_clock_was_set_back
            a_logout_revokes_the_tickets_of_its_device
            a_logout_revokes_tickets_from_before_the_clock_was_set_back
            a_user_has_no_more_devices_than_allowed
            the_tickets_of_two_apps_never_mix
            bindings_and_revocations_are_kept_as_long_as_they_matter
            // How push ended.
            the_cause_that_ended_a_device_or_slot_is_remembered
            the_first_cause_of_an_offline_device_stays
            the_former_user_of_a_device_is_remembered
            a_token_that_moved_or_died_is_remembered_for_its_slot
            a_refused_registration_is_remembered
            the_endings_of_two_apps_never_mix
            // Dead and quarantined tokens.
            a_dead_token_is_forgotten_and_its_device_stays_known
            a_token_registered_again_after_it_died_is_kept
            forgetting_what_is_not_there_does_nothing
            a_quarantined_token_is_kept
            a_token_registered_again_leaves_quarantine
            a_token_registered_again_since_is_not_quarantined
            a_new_token_is_not_in_the_quarantine_of_the_old_one
            a_repaired_credential_gets_its_tokens_back
            a_token_in_several_slots_is_handled_in_all_of_them
            // Facts and revisions.
            facts_are_stored_and_absent_ones_stay
            a_change_of_facts_counts_with_the_first_registration
            facts_without_a_registration_change_only_facts
            a_revision_grows_whenever_push_ends_or_begins
            a_revision_follows_the_clock_and_never_goes_back
            no_revision_is_given_twice
            // Reading users, slots and tokens.
            receivers_are_returned_in_the_order_of_the_users
            a_slot_resolves_to_the_token_that_it_has_now
            a_token_is_found_with_the_device_that_holds_it
            of_two_slots_with_a_token_the_first_is_its_holder
            // Tags and audiences.
            tags_are_replaced_and_returned_sorted
            a_user_with_too_many_tags_is_refused
            everybody_comes_once_in_the_order_of_ids
            users_without_a_token_are_everybody_too
            everybody_comes_once_while_others_register
            listed_users_come_once_in_their_order
            listed_devices_come_with_their_users
            tokens_select_no_user
            tags_select_users_who_have_a_device
            any_condition_selects_what_it_says
            a_few_among_many_users_are_found
            a_scan_that_cannot_be_right_is_refused
            // Presence.
            a_device_starts_online_without_a_badge
            a_device_in_background_stays_there_when_it_registers_again
            a_device_that_was_offline_starts_online_again
            a_device_of_another_user_starts_online_again
            presence_is_set_for_one_device
            presence_is_set_for_a_platform_or_for_all
            a_device_that_goes_offline_is_ended
            a_repeated_kick_ends_the_device_again
            presence_older_than_what_is_known_is_ignored
            an_end_counts_however_often_the_phone_reports_since
            an_end_from_before_the_login_was_confirmed_is_ignored
            presence_of_unknown_devices_is_ignored
            presence_from_before_a_logout_does_not_undo_it
            the_presence_of_two_apps_never_mixes
            // Badges.
            the_unread_count_is_the_base_of_the_badge
            badges_are_set_and_added_to_in_order
            a_badge_never_wraps_around
            an_unknown_device_has_no_badge
            a_message_changes_a_badge_once
            one_message_changes_the_badge_of_each_device
            a_badge_change_is_remembered_for_a_day
            badges_changed_at_once_all_count
            a_message_submitted_many_times_at_once_counts_once
            repeated_badge_changes_lead_where_single_ones_do
            // Credentials.
            a_free_number_is_another_for_each_credential
            a_credential_can_keep_a_number_from_elsewhere
            a_number_that_is_taken_is_a_conflict
            after_the_highest_number_a_free_one_is_found
            rotating_keeps_the_id
            rotating_what_is_not_there_is_not_found
            rotating_into_something_else_is_a_conflict
            credentials_are_listed_by_id
            sealed_bytes_come_back_as_they_were
            the_credentials_of_two_apps_never_mix
            of_credentials_added_at_once_one_gets_a_number
            a_removed_credential_is_gone_and_its_registrations_stay
            the_number_of_a_removed_credential_is_never_given_again
            a_credential_sealed_in_another_form_keeps_all_else
            the_check_of_the_key_is_replaced_only_by_who_knows_it
            of_checks_of_the_key_stored_at_once_one_is_kept
            // Traces.
            the_trace_of_a_message_has_all_its_events
            a_trace_is_returned_oldest_first
            events_of_one_moment_stay_in_their_order
            the_trace_of_a_delivery_leaves_the_others_out
            everything_in_an_event_comes_back
            what_is_unknown_has_no_trace
            old_events_are_pruned
            the_apps_that_have_traces_are_known
            a_trace_has_an_end
            the_traces_of_two_apps_never_mix
            events_appended_at_once_are_all_there
            // Marks.
            a_mark_takes_what_is_known_of_its_delivery
            a_stage_is_recorded_once
            marks_of_unknown_deliveries_and_other_devices_are_not_recorded
            only_stages_of_the_phone_can_be_recorded
            marks_recorded_at_once_are_new_once
            // Searches of traces.
            events_are_found_newest_first
            events_are_found_by_whatever_is_asked_for
            new_events_do_not_disturb_the_pages_of_a_search
            a_few_among_many_events_are_found
            a_search_that_cannot_be_right_is_refused
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
            include_str!("store/badges.rs"),
            include_str!("store/credentials.rs"),
            include_str!("store/devices.rs"),
            include_str!("store/displacing.rs"),
            include_str!("store/endings.rs"),
            include_str!("store/logout.rs"),
            include_str!("store/lookups.rs"),
            include_str!("store/marks.rs"),
            include_str!("store/presence.rs"),
            include_str!("store/registrations.rs"),
            include_str!("store/scanning.rs"),
            include_str!("store/searching.rs"),
            include_str!("store/tickets.rs"),
            include_str!("store/tokens.rs"),
            include_str!("store/traces.rs"),
        ] {
            for line in source.lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else {
                    continue;
                };
                let name = rest.split('(').next().unwrap();
                assert!(
                    list.lines().any(|line| line.trim() == name),
                    "{name} is not in store_conformance!"
                );
            }
        }
    }
}
