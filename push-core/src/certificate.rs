//! Which credential a build of an app uses: the `certificate_id!` macro.
use std::collections::BTreeMap;

use crate::{CertificateId, Environment, Error, ErrorKind, Result, Slot, class::is_word};

/// What one `certificate_id!` says.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CertificateEntry {
    /// The channel's name.
    pub channel: &'static str,
    /// What the tokens are for.
    pub slot: Slot,
    /// The id for this build.
    pub id: i64,
    /// Whether this build is a debug build.
    pub debug: bool,
    /// Where it is written, as file and line.
    pub place: (&'static str, u32),
}

inventory::collect!(CertificateEntry);

impl CertificateEntry {
    /// An entry that was written at `place`, a file and a line.
    pub const fn new(
        channel: &'static str,
        slot: Slot,
        id: i64,
        debug: bool,
        place: (&'static str, u32),
    ) -> Self {
        Self {
            channel,
            slot,
            id,
            debug,
            place,
        }
    }

    /// Every `certificate_id!` that the linker kept, in no order.
    pub fn linked() -> impl Iterator<Item = Self> {
        inventory::iter::<Self>.into_iter().copied()
    }

    /// What `certificate_id!` expands to. Both numbers are checked in every build, so that a wrong number for releases
    /// does not wait for the release.
    #[doc(hidden)]
    pub const fn of_build(
        channel: &'static str,
        slot: Slot,
        numbers: (i64, i64),
        debug: bool,
        place: (&'static str, u32),
    ) -> Self {
        assert!(
            is_word(channel),
            "certificate_id!: the channel is 1 to 32 lower-case letters, digits and single hyphens, as in \
             \"web-push\""
        );
        assert!(
            is_id(numbers.0),
            "certificate_id!: `debug` is the id that the gateway gave the credential of the sandbox, from 1 to \
             4294967295"
        );
        assert!(
            is_id(numbers.1),
            "certificate_id!: `release` is the id that the gateway gave the credential of production, from 1 to \
             4294967295"
        );
        Self {
            channel,
            slot,
            id: if debug { numbers.0 } else { numbers.1 },
            debug,
            place,
        }
    }

    /// The place as file and line.
    fn at(&self) -> String {
        format!("{}:{}", self.place.0, self.place.1)
    }
}

const fn is_id(number: i64) -> bool {
    number >= 1 && number <= u32::MAX as i64
}

/// The certificate ids of this build, by channel and slot, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateIds(BTreeMap<(String, Slot), (CertificateId, Environment)>);

impl CertificateIds {
    /// The ids that `certificate_id!` left for the linker.
    ///
    /// # Errors
    /// As [`CertificateIds::new`].
    pub fn linked() -> Result<Self> {
        Self::new(CertificateEntry::linked())
    }

    /// Checks `entries`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an id that is zero or negative, and for two different ids of one channel and slot,
    /// with both places.
    pub fn new(entries: impl IntoIterator<Item = CertificateEntry>) -> Result<Self> {
        let mut ids = BTreeMap::new();
        let mut places = BTreeMap::<_, Vec<String>>::new();
        for entry in entries {
            let build = if entry.debug { "debug" } else { "release" };
            let id = CertificateId::new(entry.id).map_err(|_| {
                Error::new(
                    ErrorKind::Config,
                    format!(
                        "the {build} certificate id of {} is {}, which no credential has",
                        entry.channel, entry.id
                    ),
                )
                .at(entry.at())
                .advise(format!(
                    "write the id that the gateway gave the credential when it was uploaded: certificate_id!({}, debug = …, release = …)",
                    written(entry.channel)
                ))
            })?;
            let environment = if entry.debug {
                Environment::Sandbox
            } else {
                Environment::Production
            };
            let key = (entry.channel.to_owned(), entry.slot);
            let old = ids.insert(key.clone(), (id, environment));
            let at = places.entry(key).or_default();
            at.push(entry.at());
            if old.is_some_and(|old| old != (id, environment)) {
                // The linker keeps no order.
                at.sort();
                return Err(Error::new(
                    ErrorKind::Config,
                    format!(
                        "two certificate ids for channel {} and slot {}",
                        entry.channel, entry.slot
                    ),
                )
                .at(at.join(", "))
                .advise("keep one certificate_id! for each channel and slot"));
            }
        }
        Ok(Self(ids))
    }

    /// These and the id of one more channel and slot, for an app that says it at run time; the later one counts.
    #[must_use]
    pub fn with(
        mut self,
        channel: &str,
        slot: Slot,
        id: CertificateId,
        environment: Environment,
    ) -> Self {
        self.0.insert((channel.to_owned(), slot), (id, environment));
        self
    }

    /// The id and environment of this build for `channel` and `slot`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if there is none: a token without a certificate id would be accepted everywhere and never
    /// receive a push (S51).
    pub fn get(&self, channel: &str, slot: Slot) -> Result<(CertificateId, Environment)> {
        self.0
            .get(&(channel.to_owned(), slot))
            .copied()
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Config,
                    format!("no certificate id for channel {channel} and slot {slot}"),
                )
                .advise(format!(
                    "write certificate_id!({}, {}debug = 31287, release = 31288) with your own numbers in the app's crate",
                    written(channel),
                    match slot {
                        Slot::Alert => "",
                        Slot::Voip => "slot = Voip, ",
                        Slot::LiveActivity => "slot = LiveActivity, ",
                    }
                ))
            })
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The channel as `certificate_id!` takes it: a word, or text in quotes.
fn written(channel: &str) -> String {
    if channel.contains('-') {
        format!("\"{channel}\"")
    } else {
        channel.to_owned()
    }
}

/// Names the credential that this app's tokens belong to, one number for debug builds and one for releases:
/// `certificate_id!(apns, debug = 31287, release = 31288);`
///
/// Which one counts is decided where the macro is written, by the profile that crate is built with; debug builds
/// belong to the sandbox. For another kind of token: `certificate_id!(apns, slot = Voip, debug = 1, release = 2);`
/// A channel whose name has a hyphen stands in quotes: `certificate_id!("web-push", debug = 3, release = 4);`
///
/// The channel's form and both numbers are checked at compile time, whatever the profile. It works in crates with
/// `#![forbid(unsafe_code)]`.
///
/// ```compile_fail,E0080
/// push_core::certificate_id!(sample, debug = 31287, release = 0);
/// ```
/// ```compile_fail,E0080
/// push_core::certificate_id!(sample, debug = -1, release = 31288);
/// ```
/// ```compile_fail,E0080
/// push_core::certificate_id!("Web Push", debug = 31287, release = 31288);
/// ```
#[macro_export]
macro_rules! certificate_id {
    (@entry $channel:expr, $slot:ident, $debug:expr, $release:expr) => {
        const _: () = {
            const ENTRY: $crate::CertificateEntry = $crate::CertificateEntry::of_build(
                $channel,
                $crate::Slot::$slot,
                ($debug, $release),
                ::core::cfg!(debug_assertions),
                (::core::file!(), ::core::line!()),
            );
            $crate::__private::inventory::submit! { ENTRY }
        };
    };
    ($channel:ident, slot = $slot:ident, debug = $debug:expr, release = $release:expr $(,)?) => {
        $crate::certificate_id!(@entry ::core::stringify!($channel), $slot, $debug, $release);
    };
    ($channel:literal, slot = $slot:ident, debug = $debug:expr, release = $release:expr $(,)?) => {
        $crate::certificate_id!(@entry $channel, $slot, $debug, $release);
    };
    ($channel:ident, debug = $debug:expr, release = $release:expr $(,)?) => {
        $crate::certificate_id!(@entry ::core::stringify!($channel), Alert, $debug, $release);
    };
    ($channel:literal, debug = $debug:expr, release = $release:expr $(,)?) => {
        $crate::certificate_id!(@entry $channel, Alert, $debug, $release);
    };
    ($first:ident - $($rest:tt)*) => {
        ::core::compile_error!(
            "certificate_id!: write a channel with a hyphen in quotes, as in certificate_id!(\"web-push\", debug = 3, \
             release = 4)"
        );
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "certificate_id!: write certificate_id!(CHANNEL, debug = 31287, release = 31288) with your channel and numbers; `slot = \
             Voip` or `slot = LiveActivity` stands after the channel"
        );
    };
}
