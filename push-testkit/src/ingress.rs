//! What every [`Ingress`] must do: [`ingress_conformance!`](crate::ingress_conformance).
use std::{fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use push_core::{BuildContext, Ingress, ManualClock, Timestamp};

use crate::sample;

mod calls;
mod input;
mod recorder;
mod refusals;
mod replay;

pub use recorder::{Asked, GatewayRecorder};

/// The cases by name, for the macro.
#[doc(hidden)]
pub mod cases {
    pub use super::{calls::*, input::*, refusals::*, replay::*};
}

/// The system that calls the ingress under test, and the ingress. Each driver is a system of its own.
pub trait IngressDriver: Send + Sync + 'static {
    /// Builds the ingress. Its clock is that of `context`.
    fn ingress(&self, context: &BuildContext) -> Arc<dyn Ingress>;

    /// The body of a call that hands one message, presence change, recall or receipt to the gateway. Each number is another
    /// call; for messages, another message.
    fn call(&self, number: u32) -> Vec<u8>;

    /// An authentic request with `body`, whatever it holds, that is made at `now`.
    fn request(&self, body: Vec<u8>, now: Timestamp) -> Request<Bytes>;

    /// Requests with `body` that the system did not make: one without a proof, and one for each way in which a proof can be
    /// wrong, as in another secret, another body's signature, a part of the secret.
    fn forged(&self, body: Vec<u8>, now: Timestamp) -> Vec<Request<Bytes>>;

    /// Bodies that are no call: what the protocol forbids.
    fn malformed(&self) -> Vec<Vec<u8>>;

    /// What must not be shown: secrets of the configuration.
    fn secrets(&self) -> Vec<String>;

    /// How long after it was made a request is accepted, for protocols that date their requests. Default: for ever.
    fn lifetime(&self) -> Option<Duration> {
        None
    }

    /// What an answer says. Default: the HTTP status. For protocols that answer 200 with a code of their own.
    fn outcome(&self, answer: &Response<Bytes>) -> Outcome {
        match answer.status().as_u16() {
            200..=299 => Outcome::Accepted,
            429 | 500.. => Outcome::Unavailable,
            _ => Outcome::Refused,
        }
    }
}

/// What an answer says to the caller.
// Closed: a caller goes on, changes the call, or repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The gateway has accepted what the call is about.
    Accepted,
    /// The call is wrong: the caller must change it.
    Refused,
    /// The same call may succeed later.
    Unavailable,
}

/// An ingress, the system that calls it, and a gateway that records what it is asked.
pub struct IngressKit {
    driver: Arc<dyn IngressDriver>,
    ingress: Arc<dyn Ingress>,
    gateway: GatewayRecorder,
    clock: ManualClock,
}

impl fmt::Debug for IngressKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IngressKit")
            .field("ingress", &self.ingress)
            .field("gateway", &self.gateway)
            .finish_non_exhaustive()
    }
}

impl IngressKit {
    fn now(&self) -> Timestamp {
        push_core::Clock::now(&self.clock)
    }

    /// Hands `request` to the ingress.
    async fn send(&self, request: Request<Bytes>) -> (Outcome, Response<Bytes>) {
        let shown = String::from_utf8_lossy(request.body());
        let shown: String = shown.chars().take(200).collect();
        let (ingress, gateway) = (Arc::clone(&self.ingress), Arc::new(self.gateway.clone()));
        // As a task, so that a panic shows the body that caused it.
        let answer = tokio::spawn(async move { ingress.handle(gateway, request).await }).await;
        let answer = answer
            .unwrap_or_else(|error| panic!("the ingress panicked ({error}) at the body `{shown}`"));
        (self.driver.outcome(&answer), answer)
    }

    /// Sends an authentic request with `body`.
    async fn send_body(&self, body: impl Into<Vec<u8>>) -> Outcome {
        let request = self.driver.request(body.into(), self.now());
        self.send(request).await.0
    }

    /// Sends the `number`-th call.
    async fn call(&self, number: u32) -> Outcome {
        self.send_body(self.driver.call(number)).await
    }

    /// Checks that the gateway was asked for nothing.
    fn untouched(&self, what: &str) {
        let asked = self.gateway.asked();
        assert!(
            asked.is_empty(),
            "the gateway was asked for {} because of {what}",
            asked.len()
        );
    }
}

/// Runs one case against the driver that `make` builds.
///
/// # Panics
/// If the ingress breaks the contract, or does not come to an end.
pub fn check<D: IngressDriver, F: Future<Output = ()>>(
    make: impl FnOnce() -> D,
    case: impl FnOnce(IngressKit) -> F,
) {
    crate::block_on(async {
        let clock = sample::clock();
        let driver = Arc::new(make());
        let context = BuildContext::new(Arc::new(clock.clone()));
        let kit = IngressKit {
            ingress: driver.ingress(&context),
            driver,
            gateway: GatewayRecorder::new(),
            clock,
        };
        case(kit).await;
    });
}

/// Expands to one test for each rule of [`Ingress`].
///
/// The argument builds an [`IngressDriver`](crate::ingress::IngressDriver): `ingress_conformance!(Driver::new)`. It is called
/// once for each test, inside a tokio runtime with one thread.
#[macro_export]
macro_rules! ingress_conformance {
    ($make:expr) => {
        $crate::ingress_conformance! { @each ($make)
            // Calls.
            the_prefix_is_a_path
            a_call_reaches_the_gateway_and_is_accepted
            a_call_is_answered_after_the_gateway_has_accepted_it
            a_call_that_the_gateway_cannot_accept_now_may_be_repeated
            a_call_that_the_gateway_refuses_is_refused
            // Authentication.
            a_forged_call_is_refused_and_does_nothing
            a_forged_call_is_refused_whatever_its_body
            neither_answers_nor_debug_show_a_secret
            // Bounds and bad input.
            what_is_no_call_is_refused_and_does_nothing
            a_part_of_a_call_does_nothing
            a_body_of_eight_mebibytes_or_of_deep_nesting_is_refused
            no_changed_byte_of_a_call_makes_the_ingress_fail
            another_path_is_refused
            another_method_is_refused
            // Replay.
            a_repeated_call_is_the_same_message_or_refused
            different_calls_are_different_messages
            a_request_is_accepted_for_its_lifetime_and_no_longer
        }
    };
    (@each ($make:expr) $($case:ident)*) => {$(
        #[test]
        fn $case() {
            $crate::ingress::check($make, $crate::ingress::cases::$case);
        }
    )*};
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_in_the_macro() {
        let list = include_str!("ingress.rs");
        for source in [
            include_str!("ingress/calls.rs"),
            include_str!("ingress/input.rs"),
            include_str!("ingress/refusals.rs"),
            include_str!("ingress/replay.rs"),
        ] {
            for line in source.lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else {
                    continue;
                };
                let name = rest.split('(').next().unwrap();
                assert!(
                    list.lines().any(|line| line.trim() == name),
                    "{name} is not in ingress_conformance!"
                );
            }
        }
    }
}
