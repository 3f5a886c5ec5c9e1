//! Counters of a simulator.

/// Makes a struct of counters, each a `u64`, and the atomic numbers behind it.
///
/// ```
/// push_testkit::counters! {
///     /// What was counted since the start.
///     pub struct Counters of Numbers {
///         /// Requests that were read.
///         requests,
///         /// Requests that were accepted.
///         accepted,
///     }
/// }
/// let numbers = Numbers::default();
/// numbers.requests.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
/// assert_eq!(numbers.read().requests, 1);
/// assert_eq!(numbers.read().to_json()["accepted"], 0);
/// ```
#[macro_export]
macro_rules! counters {
    (
        $(#[$doc:meta])*
        pub struct $counters:ident of $numbers:ident {
            $($(#[$field_doc:meta])* $field:ident,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $counters {
            $($(#[$field_doc])* pub $field: u64,)*
        }

        impl $counters {
            /// The counters as a JSON object.
            pub fn to_json(&self) -> $crate::serde_json::Value {
                $crate::json!({ $(stringify!($field): self.$field),* })
            }
        }

        #[derive(Debug, Default)]
        struct $numbers {
            $($field: ::std::sync::atomic::AtomicU64,)*
        }

        impl $numbers {
            fn read(&self) -> $counters {
                $counters {
                    $($field: self.$field.load(::std::sync::atomic::Ordering::Relaxed),)*
                }
            }
        }
    };
}
