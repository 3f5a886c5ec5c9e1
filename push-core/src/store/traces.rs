//! The store of traces.
use std::fmt;

use crate::{
    AppId, Cursor, DeliveryId, DeviceId, Error, ErrorKind, MessageId, Page, Result, Stage,
    Timestamp, TraceEvent, UserId, async_trait,
};

/// The most events of one trace that are returned: a message to a million phones has millions.
pub const TRACE_LIMIT: usize = 10_000;

/// Which events [`TraceStore::find`] returns. What is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceQuery {
    /// Those of this user.
    pub user: Option<UserId>,
    /// Those of this device.
    pub device: Option<DeviceId>,
    /// Those of this message.
    pub message: Option<MessageId>,
    /// Those at this time or later.
    pub from: Option<Timestamp>,
    /// Those before this time.
    pub until: Option<Timestamp>,
}

impl TraceQuery {
    /// Every event of an app.
    pub fn all() -> Self {
        Self::default()
    }

    /// Returns `true` if `event` is one of those.
    pub fn selects(&self, event: &TraceEvent) -> bool {
        (self.user.is_none() || self.user == event.user)
            && (self.device.is_none() || self.device == event.device)
            && self
                .message
                .as_ref()
                .is_none_or(|message| *message == event.message)
            && self.from.is_none_or(|from| from <= event.at)
            && self.until.is_none_or(|until| event.at < until)
    }

    crate::setters! {
        with_user(user: impl Into<Option<UserId>>);
        with_device(device: impl Into<Option<DeviceId>>);
        with_message(message: impl Into<Option<MessageId>>);
        with_from(from: impl Into<Option<Timestamp>>);
        with_until(until: impl Into<Option<Timestamp>>);
    }
}

/// A stage that a delivery reached on the phone, reported by the phone or the vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mark {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Only if it went to this device; `None` for any.
    pub device: Option<DeviceId>,
    /// [`Stage::Delivered`], [`Stage::Shown`] or [`Stage::Clicked`].
    pub stage: Stage,
    /// When it reached it.
    pub at: Timestamp,
}

impl Mark {
    /// A mark of `delivery`; `device` is the one that reports it, if one does.
    pub const fn new(
        delivery: DeliveryId,
        device: Option<DeviceId>,
        stage: Stage,
        at: Timestamp,
    ) -> Self {
        Self {
            delivery,
            device,
            stage,
            at,
        }
    }

    /// Checks that the stage is one that a phone or a vendor reports.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] otherwise.
    pub fn check(&self) -> Result<()> {
        match self.stage {
            Stage::Delivered | Stage::Shown | Stage::Clicked => Ok(()),
            other => Err(Error::new(
                ErrorKind::Invalid,
                format!("the stage `{other}` cannot be recorded"),
            )
            .advise("record `delivered`, `shown` or `clicked`; append other events")),
        }
    }
}

/// The traces of messages and deliveries.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of traces",
    note = "a store implements `RegistrationStore`, `CredentialStore` and `TraceStore`, each with `#[async_trait]` above the `impl`"
)]
#[async_trait]
pub trait TraceStore: fmt::Debug + Send + Sync + 'static {
    /// Appends events. When it returns, they survive the end of the process, however it ends; they may not survive the end of
    /// the machine: a trace explains a push, it does not carry it. A trace read afterwards has them.
    ///
    /// # Errors
    /// If it fails, none of the events is stored. After [`ErrorKind::Busy`] and [`ErrorKind::Unavailable`] the caller may append
    /// them again.
    async fn append(&self, events: Vec<TraceEvent>) -> Result<()>;

    /// Records stages that deliveries reached on the phone, durably, and returns, for each, whether it was new. The event takes
    /// message, user, device, channel and credential from those that the delivery has. A stage that the delivery has already, a
    /// delivery that is not known, or one that went to another device is not recorded. Atomic: the same mark recorded twice at
    /// the same time is one event.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if a mark has another stage than those of [`Mark::stage`].
    async fn record(&self, app: &AppId, marks: Vec<Mark>) -> Result<Vec<bool>>;

    /// Returns the events of one delivery, oldest first, with those of its message that concern no other delivery, user or
    /// device; at most [`TRACE_LIMIT`]. Events of one moment are in the order they were appended.
    async fn trace_of_delivery(&self, app: &AppId, delivery: DeliveryId)
    -> Result<Vec<TraceEvent>>;

    /// Returns the events of one message, oldest first; at most [`TRACE_LIMIT`]. Events of one moment are in the order they
    /// were appended.
    async fn trace_of_message(&self, app: &AppId, message: &MessageId) -> Result<Vec<TraceEvent>>;

    /// Returns a page of the events that `query` selects, newest first, of at most `limit` events, from `after` on. Events of
    /// one moment are in the reverse of the order they were appended.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if `limit` is 0, or `after` does not come from this method.
    async fn find(
        &self,
        app: &AppId,
        query: &TraceQuery,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<TraceEvent>>;

    /// Returns the apps that have events, each once: to compare all traces with a queue. A store that does not know returns none.
    async fn traced_apps(&self) -> Result<Vec<AppId>> {
        Ok(Vec::new())
    }

    /// Deletes events older than `before`; returns how many.
    async fn prune_traces(&self, before: Timestamp) -> Result<u64>;
}
