//! What every [`Queue`] must do: [`queue_conformance!`](crate::queue_conformance).
use std::{future::Future, sync::Arc};

use push_core::{ManualClock, Queue};

use crate::place::{self, Place};

mod fixtures;
mod lanes;
mod leasing;
mod putting;

/// The cases by name, for the macro.
#[doc(hidden)]
pub mod cases {
    pub use super::{lanes::*, leasing::*, putting::*};
}

pub use fixtures::delivery;

/// An empty queue, and the clock it was built with.
#[derive(Debug)]
pub struct QueueKit {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// Its clock.
    pub clock: ManualClock,
}

/// Runs one case against the queue that `make` builds.
///
/// # Panics
/// If the queue breaks the contract, or does not come to an end.
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
/// once for each test; [`Place`] has the [`BuildContext`](push_core::BuildContext) and an empty directory. Needs no
/// dependency but `push-testkit` and `push-core`.
#[macro_export]
macro_rules! queue_conformance {
    ($make:expr) => {
        $crate::queue_conformance! { @each ($make)
            // Putting.
            what_is_put_is_leased_as_it_was
            a_delivery_put_again_is_a_duplicate
            a_delivery_put_twice_in_one_call_is_a_duplicate
            a_delivery_that_was_acknowledged_is_a_duplicate_for_a_day
            a_delivery_that_was_cancelled_is_a_duplicate
            another_app_message_user_device_or_slot_is_no_duplicate
            any_number_of_deliveries_can_be_put_at_once
            of_the_same_delivery_put_by_many_one_is_new
            each_delivery_keeps_its_own_notification
            deliveries_of_many_messages_share_nothing_but_what_they_should
            // Leasing.
            the_oldest_due_is_leased_first
            no_more_than_the_limit_are_leased
            what_is_held_is_not_leased_again
            what_was_held_too_long_is_due_again
            a_lost_lease_does_nothing
            what_is_acknowledged_is_done
            a_lease_that_never_was_does_nothing
            what_is_given_back_waits_for_its_time
            an_attempt_that_never_was_does_not_count
            a_lease_is_given_back_once
            no_lease_is_named_twice
            what_was_decided_in_the_future_is_due_at_once
            many_workers_lease_each_delivery_once
            // Lanes, hastening, cancelling.
            lanes_do_not_mix
            a_lane_says_how_much_waits_and_until_when
            an_empty_lane_is_no_lane
            hastening_makes_what_waits_due_at_once
            a_recalled_message_is_cancelled
            a_device_that_logged_out_is_cancelled
            what_has_expired_and_nobody_holds_is_cancelled
            what_has_expired_is_cancelled_so_many_at_a_time
            what_is_cancelled_cannot_be_acknowledged
            cancelling_nothing_is_no_harm
            what_is_left_of_a_message_keeps_its_notification
            many_puts_and_leases_at_once_lose_nothing
        }
    };
    (@each ($make:expr) $($case:ident)*) => {$(
        #[test]
        fn $case() {
            $crate::queue::check($make, $crate::queue::cases::$case);
        }
    )*};
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_in_the_macro() {
        let list = include_str!("queue.rs");
        for source in [
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
                    list.lines().any(|it| it.trim() == name),
                    "{name} is not in queue_conformance!"
                );
            }
        }
    }
}
