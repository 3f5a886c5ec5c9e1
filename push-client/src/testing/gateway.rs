//! A gateway that does what a test says.
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_core::{
    Account, AppId, CertificateId, DeviceId, Receipt, ReceiptKey, Slot, UserId,
    api::{
        PresenceAnswer, PresenceBody, ReceiptsBody, RegistrationAnswer, RegistrationBody, SetAside,
        Warning, code,
    },
    async_trait,
};
use tokio::sync::Notify;

use crate::{GatewayApi, GatewayError, GatewayErrorKind};

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
    Receipts(DeviceId, ReceiptsBody),
}

/// One side of an exchange with the gateway about an account, so of no receipts; the number is that of the question.
#[derive(Clone, Debug)]
pub enum Exchange {
    /// It was asked, by this account.
    Asked(usize, Account, Asked),
    /// It answered; a question without an answer was given up by who asked.
    Answered(usize, Result<(), GatewayError>),
}

/// The tokens of a device, by slot.
type Slots = BTreeMap<Slot, RegistrationBody>;

/// A gateway that remembers what it was asked and keeps the rules of real ones: in an app a device belongs to one user at a
/// time (S61), one app knows nothing of another's, and an expired ticket is good for unbinding only. It fails and waits as
/// told. Clones are the same gateway.
#[derive(Clone, Debug)]
pub struct ScriptedGateway(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    /// When what was held may go on, in the order in which it was asked.
    released: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    asked: Vec<Asked>,
    tickets: Vec<String>,
    exchanges: Vec<Exchange>,
    devices: BTreeMap<(DeviceId, AppId), (UserId, Slots)>,
    faults: VecDeque<Fault>,
    refused: BTreeSet<String>,
    unknown: BTreeSet<CertificateId>,
    is_down: Option<GatewayError>,
    is_held: bool,
    warning: Option<Warning>,
    aside: BTreeMap<Slot, Warning>,
    /// Devices that have been registered, and so know their key.
    keys: BTreeMap<(AppId, DeviceId), ReceiptKey>,
    rotations: u32,
    receipts: Vec<Receipt>,
}

#[derive(Debug)]
enum Fault {
    /// It is not done, and this is the answer.
    Fail(GatewayError),
    /// It is done, but the answer is this one.
    Lose(GatewayError),
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
            released: Notify::new(),
        }))
    }

    /// Answers the next request with `error`; called again, the one after that.
    pub fn fail_next(&self, error: GatewayError) {
        self.lock().faults.push_back(Fault::Fail(error));
    }

    /// Does what the next request asks, and answers it with `error`, as when the network breaks in between; in line with
    /// [`ScriptedGateway::fail_next`].
    pub fn lose_next(&self, error: GatewayError) {
        self.lock().faults.push_back(Fault::Lose(error));
    }

    /// Takes `ticket` for expired from now on: it can still unbind, and nothing else.
    pub fn expire_ticket(&self, ticket: impl Into<String>) {
        self.lock().refused.insert(ticket.into());
    }

    /// Whether there is a credential of this id; there is, until told otherwise.
    pub fn set_certificate(&self, id: CertificateId, is_known: bool) {
        let unknown = &mut self.lock().unknown;
        if is_known {
            unknown.remove(&id);
        } else {
            unknown.insert(id);
        }
    }

    /// Gets another master key: the receipt keys of all devices change, and the old ones are refused from now on.
    pub fn rotate_receipt_keys(&self) {
        let mut inner = self.lock();
        inner.rotations += 1;
        inner.keys.clear();
    }

    /// The receipts that were taken, in order; the same one told twice is there twice.
    pub fn receipts(&self) -> Vec<Receipt> {
        self.lock().receipts.clone()
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
        self.lock().is_held = held;
        if !held {
            self.0.released.notify_waiters();
        }
    }

    /// Forgets the device, as when its user was kicked.
    pub fn forget(&self, device: &DeviceId) {
        self.lock().devices.retain(|(it, _), _| it != device);
    }

    /// Forgets one token of the device, as when the vendor said that it is dead: the device stays known.
    pub fn forget_token(&self, device: &DeviceId, slot: Slot) {
        for ((_, _), (_, slots)) in self
            .lock()
            .devices
            .iter_mut()
            .filter(|it| it.0.0 == *device)
        {
            slots.remove(&slot);
        }
    }

    /// Sets the token of `slot` aside until it is told again.
    pub fn set_aside(&self, slot: Slot, why: Warning) {
        self.lock().aside.insert(slot, why);
    }

    /// Pushes to the token of `slot` again, as when its credential was mended.
    pub fn take_back(&self, slot: Slot) {
        self.lock().aside.remove(&slot);
    }

    /// Everything that was asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// The tickets of everything that was asked so far, in order.
    pub fn tickets(&self) -> Vec<String> {
        self.lock().tickets.clone()
    }

    /// Everything that was asked and answered so far, in order.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.lock().exchanges.clone()
    }

    /// Whose the device is, and its tokens: who would get a push there. Of several apps that have it, the first.
    pub fn device(&self, device: &DeviceId) -> Option<(UserId, BTreeMap<Slot, RegistrationBody>)> {
        self.devices(device).into_values().next()
    }

    /// As [`ScriptedGateway::device`], in each app that has it.
    pub fn devices(
        &self,
        device: &DeviceId,
    ) -> BTreeMap<AppId, (UserId, BTreeMap<Slot, RegistrationBody>)> {
        let inner = self.lock();
        let theirs = inner.devices.iter().filter(|it| it.0.0 == *device);
        theirs
            .map(|((_, app), it)| (app.clone(), it.clone()))
            .collect()
    }

    /// Remembers what is asked, waits while it is held, and then does it or not.
    async fn take<T: Default>(
        &self,
        account: &Account,
        asked: Asked,
        act: impl FnOnce(&mut Inner) -> Result<T, GatewayError> + Send,
    ) -> Result<T, GatewayError> {
        let number = {
            let mut inner = self.lock();
            let number = inner.asked.len();
            inner.asked.push(asked.clone());
            let ticket = account.credential.expose().to_owned();
            inner.tickets.push(ticket);
            let exchange = Exchange::Asked(number, account.clone(), asked.clone());
            inner.exchanges.push(exchange);
            number
        };
        self.held().await;
        let mut inner = self.lock();
        let answer = inner.answer(|inner| {
            inner.believe(account, &asked)?;
            act(inner)
        });
        let told = answer.as_ref().map(drop).map_err(Clone::clone);
        inner.exchanges.push(Exchange::Answered(number, told));
        answer
    }

    async fn held(&self) {
        loop {
            let mut released = std::pin::pin!(self.0.released.notified());
            // From here on, so that no release in between is missed.
            released.as_mut().enable();
            if !self.lock().is_held {
                return;
            }
            released.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Does it or not, and answers or not.
    fn answer<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, GatewayError>,
    ) -> Result<T, GatewayError> {
        let fault = self.faults.pop_front();
        let down = self.is_down.clone().map(Fault::Fail);
        match fault.or(down) {
            Some(Fault::Fail(error)) => Err(error),
            Some(Fault::Lose(error)) => {
                // Whatever it would have answered.
                drop(act(self));
                Err(error)
            }
            None => act(self),
        }
    }

    fn key_of(&mut self, app: &AppId, device: &DeviceId) -> ReceiptKey {
        let key = format!(
            "receipt-key-{}-of-{app}-{}",
            self.rotations,
            self.keys.len()
        );
        self.keys
            .entry((app.clone(), device.clone()))
            .or_insert_with(|| ReceiptKey::new(key).unwrap_or_else(|error| panic!("{error}")))
            .clone()
    }

    fn believe(&self, account: &Account, asked: &Asked) -> Result<(), GatewayError> {
        let is_unbinding = matches!(asked, Asked::Unregister(..));
        if is_unbinding || !self.refused.contains(account.credential.expose()) {
            return Ok(());
        }
        Err(GatewayError::new(
            GatewayErrorKind::TicketRefused,
            code::TICKET_REFUSED,
            "the ticket has expired",
        ))
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
        self.take(account, asked, |inner| {
            if inner.unknown.contains(&body.certificate_id) {
                return Err(GatewayError::new(
                    GatewayErrorKind::CertificateUnknown,
                    code::CERTIFICATE_UNKNOWN,
                    format!("there is no credential {}", body.certificate_id),
                ));
            }
            let key = (device.clone(), account.app.clone());
            let (user, slots) = inner
                .devices
                .entry(key)
                .or_insert_with(|| (account.user.clone(), BTreeMap::new()));
            if *user != account.user {
                *user = account.user.clone();
                slots.clear();
            }
            let changed = slots.insert(slot, body.clone()).as_ref() != Some(body);
            inner.aside.remove(&slot);
            Ok(RegistrationAnswer {
                changed,
                warning: inner.warning.clone(),
                receipt_key: Some(inner.key_of(&account.app, device)),
            })
        })
        .await
    }

    async fn unregister(
        &self,
        account: &Account,
        device: &DeviceId,
        slot: Option<Slot>,
    ) -> Result<(), GatewayError> {
        let asked = Asked::Unregister(account.user.clone(), slot);
        self.take(account, asked, |inner| {
            let key = (device.clone(), account.app.clone());
            if let Some((user, slots)) = inner.devices.get_mut(&key)
                && *user == account.user
            {
                match slot {
                    Some(slot) => drop(slots.remove(&slot)),
                    None => drop(inner.devices.remove(&key)),
                }
            }
            Ok(())
        })
        .await
    }

    async fn presence(
        &self,
        account: &Account,
        device: &DeviceId,
        body: &PresenceBody,
        registered: &[Slot],
    ) -> Result<PresenceAnswer, GatewayError> {
        let asked = Asked::Presence(account.user.clone(), *body);
        self.take(account, asked, |inner| {
            let key = (device.clone(), account.app.clone());
            match inner.devices.get(&key) {
                Some((user, slots)) if *user == account.user => {
                    let mut answer = PresenceAnswer::default();
                    for &slot in registered {
                        if !slots.contains_key(&slot) {
                            answer.forgotten.push(slot);
                        } else if let Some(why) = inner.aside.get(&slot).cloned() {
                            answer.set_aside.push(SetAside { slot, why });
                        }
                    }
                    Ok(answer)
                }
                _ => Err(GatewayError::new(
                    GatewayErrorKind::DeviceUnknown,
                    code::DEVICE_UNKNOWN,
                    "this user has no such device",
                )),
            }
        })
        .await
    }

    async fn receipts(
        &self,
        app: &AppId,
        device: &DeviceId,
        key: &ReceiptKey,
        body: &ReceiptsBody,
    ) -> Result<(), GatewayError> {
        let asked = Asked::Receipts(device.clone(), body.clone());
        self.lock().asked.push(asked);
        self.held().await;
        self.lock().answer(|inner| {
            if inner.keys.get(&(app.clone(), device.clone())) != Some(key) {
                return Err(GatewayError::new(
                    GatewayErrorKind::ReceiptKeyRefused,
                    code::RECEIPT_KEY_REFUSED,
                    "this is not the key of this device",
                ));
            }
            if body.receipts.len() > ReceiptsBody::MAX {
                return Err(GatewayError::new(
                    GatewayErrorKind::Refused,
                    "invalid",
                    "at most 100 receipts in one request",
                ));
            }
            inner.receipts.extend(body.receipts.iter().cloned());
            Ok(())
        })
    }
}
