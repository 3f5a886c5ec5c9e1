//! Where each push is, and why it did not arrive.
use std::{borrow::Cow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    AppId, CertificateId, Channel, DeliveryId, DeviceId, MessageId, Timestamp, UserId,
    VendorAnswer, channel::word_enum,
};

word_enum! {
    /// How far a push has come.
    #[non_exhaustive]
    Stage("stage") {
        /// The gateway accepted the message.
        Accepted = "accepted",
        /// The gateway decided who gets a push and what it says.
        Decided = "decided",
        /// The delivery is stored in the queue.
        Queued = "queued",
        /// A provider was asked again to send it. The first attempt has no event of its own.
        Attempt = "attempt",
        /// The vendor answered, or did not answer in time.
        Answered = "answered",
        /// The gateway acted on the answer.
        Settled = "settled",
        /// It reached the phone.
        Delivered = "delivered",
        /// The phone showed it.
        Shown = "shown",
        /// A person clicked on it.
        Clicked = "clicked",
    }
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TraceEvent {
    /// The app.
    pub app: AppId,
    /// The message.
    pub message: MessageId,
    /// The delivery, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// The receiver, where the event concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The device, where the event concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// The channel, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// The credential, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateId>,
    /// When.
    pub at: Timestamp,
    /// How far it has come.
    pub stage: Stage,
    /// The code of a [`Reason`]: why it went this way; `None` where nothing needs a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// Which attempt, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The vendor's error code and message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Arc<VendorAnswer>>,
    /// The fingerprint of the token that was tried ([`DeviceToken::fingerprint`](crate::DeviceToken::fingerprint)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl TraceEvent {
    /// An event of a whole message.
    pub const fn new(app: AppId, message: MessageId, at: Timestamp, stage: Stage) -> Self {
        Self {
            app,
            message,
            delivery: None,
            user: None,
            device: None,
            channel: None,
            certificate: None,
            at,
            stage,
            reason: None,
            attempt: None,
            answer: None,
            token: None,
        }
    }

    /// An event of one delivery.
    pub fn of(delivery: &crate::Delivery, at: Timestamp, stage: Stage) -> Self {
        Self {
            delivery: Some(delivery.id),
            user: delivery.user().cloned(),
            device: delivery.device().cloned(),
            channel: Some(delivery.channel.clone()),
            certificate: Some(delivery.certificate),
            ..Self::new(
                delivery.app().clone(),
                delivery.message().clone(),
                at,
                stage,
            )
        }
    }

    /// Says why.
    #[must_use]
    pub fn because(mut self, reason: &Reason) -> Self {
        self.reason = Some(Cow::Borrowed(reason.code));
        self
    }

    crate::setters! {
        with_app(app: AppId);
        with_delivery(delivery: impl Into<Option<DeliveryId>>);
        with_user(user: impl Into<Option<UserId>>);
        with_device(device: impl Into<Option<DeviceId>>);
        with_channel(channel: impl Into<Option<Channel>>);
        with_certificate(certificate: impl Into<Option<CertificateId>>);
        with_at(at: Timestamp);
        with_stage(stage: Stage);
        with_reason(reason: impl Into<Option<Cow<'static, str>>>);
        with_attempt(attempt: impl Into<Option<u32>>);
        with_answer(answer: impl Into<Option<Arc<VendorAnswer>>>);
        with_token(token: impl Into<Option<String>>);
    }
}

/// Why a push went the way it went: a stable code, what it means, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reason {
    /// The stable code, as in `logged-out`.
    pub code: &'static str,
    /// What happened, for a person.
    pub text: &'static str,
    /// What to do about it; empty if nothing is wrong.
    pub advice: &'static str,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

mod slice {
    // linkme places statics in a section of the binary.
    #![allow(unsafe_code)]
    use super::Reason;

    /// The tables of [`reasons!`](crate::reasons), constants that need no code at start.
    #[doc(hidden)]
    #[linkme::distributed_slice]
    pub static REASON_TABLES: [&'static [Reason]];
}
#[doc(hidden)]
pub use slice::REASON_TABLES;

impl Reason {
    /// A reason with its stable code, what it means, and what to do about it.
    pub const fn new(code: &'static str, text: &'static str, advice: &'static str) -> Self {
        Self { code, text, advice }
    }

    /// Every reason that the linker kept, in no order.
    pub fn linked() -> impl Iterator<Item = &'static Self> {
        REASON_TABLES.iter().copied().flatten()
    }

    /// The reason with this code, if this program knows it.
    pub fn find(code: &str) -> Option<&'static Self> {
        Self::linked().find(|reason| reason.code == code)
    }
}

/// Declares reasons as public constants, and lists them in [`Reason::linked`]:
/// `reasons! { /// Docs. LOGGED_OUT = "logged-out": "the user has logged out", ""; }`
///
/// The table is placed in a section of the binary, which a crate under `#![forbid(unsafe_code)]` cannot do; `deny` is no obstacle.
#[macro_export]
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal: $text:literal, $advice:literal;)*) => {
        $(
            $(#[$doc])*
            pub const $name: $crate::Reason = $crate::Reason::new($code, $text, $advice);
        )*
        const _: () = {
            #[allow(unsafe_code)]
            #[$crate::__private::linkme::distributed_slice($crate::REASON_TABLES)]
            #[linkme(crate = $crate::__private::linkme)]
            static TABLE: &[$crate::Reason] = &[$($name),*];
        };
    };
}
