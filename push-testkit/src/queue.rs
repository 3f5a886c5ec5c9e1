//! What every [`Queue`] must do: [`queue_conformance!`](crate::queue_conformance).
use std::{future::Future, sync::Arc};

use push_core::{ManualClock, Queue};

use crate::place::{self, Place};

mod calls;
mod cancelling;
mod fixtures;
mod lanes;
mod leasing;
mod model;
mod putting;
mod shares;

/// The cases by name, for the macro.
#[doc(hidden)]
pub mod cases {
    pub use super::{cancelling::*, lanes::*, leasing::*, putting::*};
}

pub use fixtures::{delivery, delivery_with};
pub use model::check_model;
pub use shares::check_shares;

/// An empty queue, and the clock it was built with.
#[derive(Debug)]
#[non_exhaustive]
pub struct QueueKit {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// Its clock.
    pub clock: ManualClock,
}

/// Runs one case against the queue that `make` builds.
///
/// # Panics
/// If the queue breaks the contract, or the case does not finish.
pub fn check<F: Future<Output = ()>>(
    make: impl FnOnce(&Place) -> Arc<dyn Queue>,
    case: impl FnOnce(QueueKit) -> F,
) {
    let place = Place::new();
    place::run(async {
        let kit = QueueKit {
            queue: make(&place),
            clock: place.clock.clone(),
        };
        case(kit).await;
    });
}

/// Expands to one test for each rule of [`Queue`].
///
/// The argument builds an empty queue: `queue_conformance!(|place: &Place| Arc::new(MyQueue::new(…)))`. It is called
/// once for each test, and many times for the property test, each time with a [`Place`] of its own, which has the
/// [`BuildContext`](push_core::BuildContext) and an empty directory. Needs no dependency but `push-testkit` and `push-core`.
#[macro_export]
macro_rules! queue_conformance {
    ($make:expr) => {
        $crate::queue_conformance! { @each ($make)
            // Putting.
            what_is_put_is_leased_as_it_was
            a_delivery_put_again_is_a_duplicate
            a_delivery_put_twice_in_one_call_is_a_duplicate
            an_acknowledged_delivery_is_a_duplicate_for_a_day
            a_message_put_again_is_remembered_for_another_day
            a_message_that_was_put_or_recalled_is_remembered_for_a_day
            what_waits_or_is_leased_is_held_and_nothing_else
            a_queue_that_is_in_order_says_so
            a_cancelled_delivery_is_a_duplicate
            another_app_message_address_or_channel_is_no_duplicate
            any_number_of_deliveries_can_be_put_at_once
            of_the_same_delivery_put_by_many_one_is_new
            a_delivery_waits_until_it_is_due
            a_delivery_without_a_due_time_is_due_at_once
            deliveries_of_one_content_share_it
            each_delivery_keeps_its_own_badge_and_content
            deliveries_of_many_messages_keep_their_contents
            a_recall_fences_messages_never_seen
            a_fence_lasts_for_an_hour_and_is_forgotten_some_day
            // Leasing.
            the_one_due_first_is_leased_first
            no_more_than_the_limit_are_leased
            a_leased_delivery_is_not_leased_again
            a_delivery_whose_lease_ended_is_due_again
            no_lease_is_taken_before_the_queues_clock_ends_it
            a_lease_lasts_at_most_the_longest_wait
            a_lease_that_ended_and_was_taken_does_nothing
            an_acknowledged_delivery_is_done
            a_lease_that_never_was_does_nothing
            a_returned_delivery_waits_for_its_time
            an_attempt_without_the_vendor_does_not_count
            a_lease_is_returned_once
            a_delivery_keeps_the_batch_it_was_returned_with
            deliveries_returned_in_one_batch_follow_each_other
            no_lease_is_named_twice
            a_clock_that_was_ahead_delays_nothing_for_hours
            many_workers_lease_each_delivery_once
            // Lanes, hastening, replacing.
            lanes_of_credential_and_class_do_not_mix
            a_lane_reports_depth_next_due_and_oldest
            an_empty_lane_is_not_reported
            hastening_makes_postponed_deliveries_due
            a_replaced_delivery_changes_its_lane_and_keeps_its_attempts
            a_replaced_delivery_can_be_cancelled
            a_replacement_that_is_another_delivery_is_refused
            many_puts_and_leases_at_once_lose_nothing
            // Cancelling.
            a_recalled_message_is_cancelled
            a_device_that_logged_out_is_cancelled
            a_logout_fences_deliveries_of_an_earlier_revision
            a_slot_that_was_switched_off_is_fenced_alone
            a_conversation_that_was_read_is_cancelled
            expired_deliveries_that_are_not_leased_are_cancelled
            an_expiry_that_meets_leases_ends_each_delivery_once
            a_cancelled_lease_does_nothing
            cancelling_what_is_not_there_changes_nothing
            no_more_than_the_limit_are_cancelled_in_one_call
            a_fence_stands_before_its_deliveries_are_removed
            no_earlier_delivery_survives_a_logout
            no_delivery_survives_a_recall
            deliveries_left_of_a_message_keep_their_content
        }
    };
    (@each ($make:expr) $($case:ident)*) => {$(
        #[test]
        fn $case() {
            $crate::queue::check($make, $crate::queue::cases::$case);
        }
    )*

        #[test]
        fn any_calls_in_any_order_return_what_the_model_returns() {
            $crate::queue::check_model($make);
        }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_in_the_macro() {
        let list = include_str!("queue.rs");
        for source in [
            include_str!("queue/cancelling.rs"),
            include_str!("queue/lanes.rs"),
            include_str!("queue/leasing.rs"),
            include_str!("queue/putting.rs"),
        ] {
            for line in source.lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else {
                    continue;
                };
                let name = rest.split('(').next().unwrap();
                assert!(
                    list.lines().any(|line| line.trim() == name),
                    "{name} is not in queue_conformance!"
                );
            }
        }
    }
}
