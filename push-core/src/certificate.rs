//! Which credential a build of an app uses: the `certificate_id!` macro.
use std::collections::BTreeMap;

use crate::{CertificateId, Environment, Error, ErrorKind, Result, Slot};

/// What one `certificate_id!` says.
#[derive(Clone, Copy, Debug)]
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

mod slice {
    // linkme places statics in a section of the binary.
    #![allow(unsafe_code)]
    use super::CertificateEntry;

    /// Every `certificate_id!` that the linker kept, in no order.
    #[linkme::distributed_slice]
    pub static CERTIFICATE_IDS: [CertificateEntry];
}
pub use slice::CERTIFICATE_IDS;

/// The certificate ids of this build, by channel and slot, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateIds(BTreeMap<(String, Slot), (CertificateId, Environment)>);

impl CertificateIds {
    /// The ids that `certificate_id!` left for the linker.
    ///
    /// # Errors
    /// As [`CertificateIds::new`].
    pub fn linked() -> Result<Self> {
        Self::new(CERTIFICATE_IDS.iter().copied())
    }

    /// Checks `entries`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an id that is zero or negative, and for two different ids of one channel and slot.
    pub fn new(entries: impl IntoIterator<Item = CertificateEntry>) -> Result<Self> {
        let mut ids = BTreeMap::new();
        for entry in entries {
            let at = format!("{}:{}", entry.place.0, entry.place.1);
            let build = if entry.debug { "debug" } else { "release" };
            let id = CertificateId::new(entry.id).map_err(|_| {
                Error::new(
                    ErrorKind::Config,
                    format!(
                        "the {build} certificate id of {} is {}, which no credential has",
                        entry.channel, entry.id
                    ),
                )
                .at(&at)
                .advise(format!(
                    "write the number that `offline-push credential add` printed: certificate_id!({}, debug = …, release = …)",
                    entry.channel
                ))
            })?;
            let environment = if entry.debug {
                Environment::Sandbox
            } else {
                Environment::Production
            };
            let old = ids.insert((entry.channel.to_owned(), entry.slot), (id, environment));
            if old.is_some_and(|old| old != (id, environment)) {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!(
                        "two certificate ids for channel {} and slot {}",
                        entry.channel, entry.slot
                    ),
                )
                .at(at)
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
                    "write certificate_id!({channel}, {}debug = 31287, release = 31288) with your own numbers in the app's crate",
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

/// Names the credential that this app's tokens belong to, one number for debug builds and one for releases:
/// `certificate_id!(apns, debug = 31287, release = 31288);`
///
/// Which one counts is decided where the macro is written, by the profile that crate is built with; debug builds
/// belong to the sandbox. For another kind of token: `certificate_id!(apns, slot = Voip, debug = 1, release = 2);`
#[macro_export]
macro_rules! certificate_id {
    ($channel:ident, slot = $slot:ident, debug = $debug:expr, release = $release:expr $(,)?) => {
        const _: () = {
            #[allow(unsafe_code)]
            #[$crate::__private::linkme::distributed_slice($crate::CERTIFICATE_IDS)]
            #[linkme(crate = $crate::__private::linkme)]
            static ENTRY: $crate::CertificateEntry = $crate::CertificateEntry {
                channel: ::core::stringify!($channel),
                slot: $crate::Slot::$slot,
                id: if ::core::cfg!(debug_assertions) {
                    $debug
                } else {
                    $release
                },
                debug: ::core::cfg!(debug_assertions),
                place: (::core::file!(), ::core::line!()),
            };
        };
    };
    ($channel:ident, debug = $debug:expr, release = $release:expr $(,)?) => {
        $crate::certificate_id!($channel, slot = Alert, debug = $debug, release = $release);
    };
}
