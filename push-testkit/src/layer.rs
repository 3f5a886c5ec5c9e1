//! What every [`Layer`] must do: [`layer_conformance!`](crate::layer_conformance).
//!
//! The store's and the queue's suites run over a store and a queue with the layer around them. For providers, the layer stands
//! around one that notes what it is given and answers as a case says, so that what the layer changes is seen on both sides.
use std::sync::Arc;

use push_core::{AppId, BuildContext, CertificateId, CredentialRef, DynProvider, Layer};

use crate::Place;

mod passing;
mod probe;
mod sending;

pub use probe::{Answer, Probe};

/// The cases by name, for the macro.
#[doc(hidden)]
pub mod cases {
    pub use super::{passing::*, sending::*};
}

/// A provider with the layer around it.
#[derive(Debug)]
#[non_exhaustive]
pub struct LayerKit {
    /// What the layer was put around.
    pub probe: Arc<Probe>,
    /// The provider with the layer.
    pub layered: DynProvider,
    /// The layer.
    pub layer: Arc<dyn Layer>,
    /// Its clock and a directory.
    pub place: Place,
}

/// The credential of the provider in [`LayerKit`].
///
/// # Panics
/// Never: the ids are constants.
pub fn credential() -> CredentialRef {
    let app = AppId::new("app").expect("an app id");
    CredentialRef::new(app, CertificateId::new(7).expect("a certificate id"))
}

/// Runs one case with the layer that `make` builds.
///
/// # Panics
/// If the layer breaks the contract, or the case does not finish.
pub fn check<F: Future<Output = ()>>(
    make: impl FnOnce(&BuildContext) -> Arc<dyn Layer>,
    case: impl FnOnce(LayerKit) -> F,
) {
    let place = Place::new();
    let layer = make(&place.context());
    let probe = Arc::new(Probe::default());
    let inner: DynProvider = Arc::clone(&probe) as _;
    let layered = layer.provider(inner, &credential());
    let kit = LayerKit {
        probe,
        layered,
        layer,
        place,
    };
    crate::block_on(case(kit));
}

/// Expands to one test for each rule of [`Layer`], in a module `layer_conformance`.
///
/// `layer` builds the layer: `|context: &BuildContext| -> Arc<dyn Layer>`. `store` and `queue` build what the layer is put around,
/// as in [`store_conformance!`](crate::store_conformance) and [`queue_conformance!`](crate::queue_conformance), whose cases run
/// with the layer around it; both are left out together, for a layer of providers.
///
/// ```text
/// push_testkit::layer_conformance! {
///     layer: |context: &BuildContext| Arc::new(Audit::new(&context.clock)),
///     store: |place: &Place| Arc::new(MemoryStore::new(Default::default(), &place.context())),
///     queue: |place: &Place| Arc::new(MemoryQueue::new(Default::default(), &place.context())),
/// }
/// ```
#[macro_export]
macro_rules! layer_conformance {
    (layer: $layer:expr, store: $store:expr, queue: $queue:expr $(,)?) => {
        mod layer_conformance {
            #[allow(unused_imports)]
            use super::*;

            mod provider {
                #[allow(unused_imports)]
                use super::*;
                $crate::layer_conformance! { @provider $layer }
            }
            mod store {
                #[allow(unused_imports)]
                use super::*;
                fn layered(
                    place: &$crate::Place,
                ) -> $crate::__private::Arc<dyn $crate::__private::Store> {
                    let layer: $crate::__private::Arc<dyn $crate::__private::Layer> =
                        ($layer)(&place.context());
                    layer.store(($store)(place))
                }
                $crate::store_conformance!(layered);
            }
            mod queue {
                #[allow(unused_imports)]
                use super::*;
                fn layered(
                    place: &$crate::Place,
                ) -> $crate::__private::Arc<dyn $crate::__private::Queue> {
                    let layer: $crate::__private::Arc<dyn $crate::__private::Layer> =
                        ($layer)(&place.context());
                    layer.queue(($queue)(place))
                }
                $crate::queue_conformance!(layered);
            }
        }
    };
    (layer: $layer:expr $(,)?) => {
        mod layer_conformance {
            #[allow(unused_imports)]
            use super::*;
            $crate::layer_conformance! { @provider $layer }
        }
    };
    (@provider $layer:expr) => {
        $crate::layer_conformance! { @each ($layer)
            // What is passed on.
            capabilities_are_kept_but_for_sizes
            what_is_checked_and_received_is_passed_on
            what_the_vendor_says_of_a_credential_is_passed_on
            a_rotated_credential_gets_the_layer_again
            no_token_or_text_is_in_debug
            // Sending.
            each_target_reaches_the_provider_once_with_its_own_content
            each_target_gets_the_verdict_of_the_provider
            a_slow_target_delays_no_other_verdict
            an_empty_batch_is_passed_on
            a_dropped_send_drops_the_inner_one_and_accounts_for_each_target
            a_send_that_is_dropped_before_it_runs_accounts_for_each_target
            a_provider_that_gives_no_verdict_leaves_targets_unknown
            many_sends_at_once_are_all_answered
        }
    };
    (@each ($layer:expr) $($case:ident)*) => {$(
        #[test]
        fn $case() {
            $crate::layer::check($layer, $crate::layer::cases::$case);
        }
    )*};
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_in_the_macro() {
        let list = include_str!("layer.rs");
        for source in [
            include_str!("layer/passing.rs"),
            include_str!("layer/sending.rs"),
        ] {
            for line in source.lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else {
                    continue;
                };
                let name = rest.split('(').next().unwrap();
                assert!(
                    list.lines().any(|line| line.trim() == name),
                    "{name} is not in layer_conformance!"
                );
            }
        }
    }
}
