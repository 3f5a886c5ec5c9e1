//! A gateway that records what it is asked for.
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_core::{
    AppId, Error, ErrorKind, Gateway, Message, MessageId, PresenceChange, Receipt, Result,
    Submitted, async_trait,
};
use tokio::sync::watch;

/// A call of the gateway.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Asked {
    /// [`Gateway::submit`] with one message; a call with two is recorded as two.
    Message(AppId, Box<Message>),
    /// [`Gateway::set_presence`].
    Presence(AppId, Vec<PresenceChange>),
    /// [`Gateway::recall`].
    Recall(AppId, MessageId),
    /// [`Gateway::receipts`].
    Receipts(AppId, Vec<Receipt>),
}

/// A gateway that records what it is asked for. Clones are one gateway.
#[derive(Clone)]
pub struct GatewayRecorder(Arc<Shared>);

struct Shared {
    asked: Mutex<Vec<Asked>>,
    refusal: Mutex<Option<ErrorKind>>,
    held: watch::Sender<bool>,
}

impl GatewayRecorder {
    /// One that accepts everything.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            asked: Mutex::default(),
            refusal: Mutex::default(),
            held: watch::Sender::new(false),
        }))
    }

    /// What it was asked for and accepted, in order.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.0.asked).clone()
    }

    /// The messages among it.
    pub fn messages(&self) -> Vec<Message> {
        let asked = self.asked().into_iter();
        asked
            .filter_map(|asked| match asked {
                Asked::Message(_, message) => Some(*message),
                _ => None,
            })
            .collect()
    }

    /// Makes it refuse everything with an error of `kind`, or accept again.
    pub fn refuse(&self, kind: Option<ErrorKind>) {
        *lock(&self.0.refusal) = kind;
    }

    /// Makes every call wait before it is recorded, or lets those that wait go on.
    pub fn hold(&self, hold: bool) {
        self.0.held.send_replace(hold);
    }

    async fn record(&self, asked: impl IntoIterator<Item = Asked>) -> Result<()> {
        let mut held = self.0.held.subscribe();
        // The sender lives in `self`.
        held.wait_for(|held| !held).await.map(drop).unwrap_or(());
        if let Some(kind) = *lock(&self.0.refusal) {
            return Err(Error::new(kind, "the gateway of this test refuses"));
        }
        lock(&self.0.asked).extend(asked);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Gateway for GatewayRecorder {
    async fn submit(&self, app: &AppId, messages: Vec<Message>) -> Result<Vec<Submitted>> {
        let answers = messages
            .iter()
            .map(|message| Submitted::new(message.id.clone()))
            .collect();
        let asked = messages
            .into_iter()
            .map(|message| Asked::Message(app.clone(), Box::new(message)));
        self.record(asked).await?;
        Ok(answers)
    }

    async fn set_presence(&self, app: &AppId, changes: Vec<PresenceChange>) -> Result<()> {
        self.record([Asked::Presence(app.clone(), changes)]).await
    }

    async fn recall(&self, app: &AppId, message: &MessageId) -> Result<u64> {
        self.record([Asked::Recall(app.clone(), message.clone())])
            .await?;
        Ok(1)
    }

    async fn receipts(&self, app: &AppId, receipts: Vec<Receipt>) -> Result<()> {
        self.record([Asked::Receipts(app.clone(), receipts)]).await
    }
}

impl fmt::Debug for GatewayRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayRecorder")
            .field("asked", &lock(&self.0.asked).len())
            .finish_non_exhaustive()
    }
}
