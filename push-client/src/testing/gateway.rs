//! A gateway that does what a test says.
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_core::{
    Account, DeviceId, Slot, UserId,
    api::{PresenceBody, ReceiptsBody, RegistrationAnswer, RegistrationBody, Warning},
    async_trait,
};
use tokio::sync::watch;

use crate::{GatewayApi, GatewayError};

/// What the client asked of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// [`GatewayApi::register`].
    Register(UserId, Slot, RegistrationBody),
    /// [`GatewayApi::unregister`].
    Unregister(UserId, Option<Slot>),
    /// [`GatewayApi::presence`].
    Presence(UserId, PresenceBody),
    /// [`GatewayApi::receipts`].
    Receipts(UserId, ReceiptsBody),
}

/// A gateway that remembers what it was asked and keeps the rule of real ones: a device belongs to one user at a time (S61).
/// It fails and waits as told. Clones are the same gateway.
#[derive(Clone, Debug)]
pub struct ScriptedGateway(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    is_held: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inner {
    asked: Vec<Asked>,
    tickets: Vec<String>,
    devices: BTreeMap<DeviceId, (UserId, BTreeMap<Slot, RegistrationBody>)>,
    faults: VecDeque<GatewayError>,
    is_down: Option<GatewayError>,
    warning: Option<Warning>,
}

impl Default for ScriptedGateway {
    fn default() -> Self {
        Self::new()
    }
}

impl ScriptedGateway {
    /// A gateway that knows nobody and takes everything.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            inner: Mutex::default(),
            is_held: watch::Sender::new(false),
        }))
    }

    /// Answers the next request with `error`; called again, the one after that.
    pub fn fail_next(&self, error: GatewayError) {
        self.lock().faults.push_back(error);
    }

    /// Answers every request with `error` until told otherwise.
    pub fn set_down(&self, error: Option<GatewayError>) {
        self.lock().is_down = error;
    }

    /// Warns of every registration from now on.
    pub fn warn(&self, warning: Warning) {
        self.lock().warning = Some(warning);
    }

    /// Remembers requests but answers none of them until told otherwise.
    pub fn hold(&self, held: bool) {
        self.0.is_held.send_replace(held);
    }

    /// Forgets the device, as when its user was kicked.
    pub fn forget(&self, device: &DeviceId) {
        self.lock().devices.remove(device);
    }

    /// Everything that was asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// The tickets of everything that was asked so far, in order.
    pub fn tickets(&self) -> Vec<String> {
        self.lock().tickets.clone()
    }

    /// Whose the device is, and its tokens: who would get a push there.
    pub fn device(&self, device: &DeviceId) -> Option<(UserId, BTreeMap<Slot, RegistrationBody>)> {
        self.lock().devices.get(device).cloned()
    }

    async fn take(&self, account: &Account, asked: Asked) -> Result<(), GatewayError> {
        {
            let mut inner = self.lock();
            inner.asked.push(asked);
            inner.tickets.push(account.credential.expose().to_owned());
        }
        // The sender lives in `self`, so waiting cannot fail.
        drop(self.0.is_held.subscribe().wait_for(|it| !*it).await);
        let mut inner = self.lock();
        match inner.faults.pop_front().or_else(|| inner.is_down.clone()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl GatewayApi for ScriptedGateway {
    async fn register(
        &self,
        account: &Account,
        device: &DeviceId,
        slot: Slot,
        body: &RegistrationBody,
    ) -> Result<RegistrationAnswer, GatewayError> {
        let asked = Asked::Register(account.user.clone(), slot, body.clone());
        self.take(account, asked).await?;
        let mut inner = self.lock();
        let warning = inner.warning.clone();
        let (user, slots) = inner
            .devices
            .entry(device.clone())
            .or_insert_with(|| (account.user.clone(), BTreeMap::new()));
        if *user != account.user {
            *user = account.user.clone();
            slots.clear();
        }
        let changed = slots.insert(slot, body.clone()).as_ref() != Some(body);
        Ok(RegistrationAnswer { changed, warning })
    }

    async fn unregister(
        &self,
        account: &Account,
        device: &DeviceId,
        slot: Option<Slot>,
    ) -> Result<(), GatewayError> {
        self.take(account, Asked::Unregister(account.user.clone(), slot))
            .await?;
        let mut inner = self.lock();
        let Some((user, slots)) = inner.devices.get_mut(device) else {
            return Ok(());
        };
        if *user == account.user {
            match slot {
                Some(slot) => drop(slots.remove(&slot)),
                None => drop(inner.devices.remove(device)),
            }
        }
        Ok(())
    }

    async fn presence(
        &self,
        account: &Account,
        device: &DeviceId,
        body: &PresenceBody,
    ) -> Result<(), GatewayError> {
        self.take(account, Asked::Presence(account.user.clone(), *body))
            .await?;
        let inner = self.lock();
        match inner.devices.get(device) {
            Some((user, _)) if *user == account.user => Ok(()),
            _ => Err(GatewayError::new(
                crate::GatewayErrorKind::DeviceUnknown,
                push_core::api::code::DEVICE_UNKNOWN,
                "this user has no such device",
            )),
        }
    }

    async fn receipts(&self, account: &Account, body: &ReceiptsBody) -> Result<(), GatewayError> {
        self.take(account, Asked::Receipts(account.user.clone(), body.clone()))
            .await
    }
}
