//! A gateway that a test controls.
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_core::{
    Account, AppId, CertificateId, DeviceId, Receipt, ReceiptKey, Slot, UserId,
    api::{
        PresenceAnswer, PresenceBody, QuarantinedToken, ReceiptsBody, RegistrationAnswer,
        RegistrationBody, Warning, code,
    },
    async_trait,
};
use tokio::sync::Notify;

use crate::{GatewayApi, GatewayError, GatewayErrorKind};

/// A request of the client to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
// Closed: a test that follows the requests must not overlook one.
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

/// A request to the gateway, or its answer, with the number of the request. Receipts are not recorded here.
#[derive(Clone, Debug)]
// Closed: a test that follows the requests must not overlook one.
pub enum Exchange {
    /// A request, and the account that sent it.
    Asked(usize, Account, Asked),
    /// An answer. A request without an answer was cancelled by the client.
    Answered(usize, Result<(), GatewayError>),
}

/// The tokens of a device, by slot.
type Slots = BTreeMap<Slot, RegistrationBody>;

/// A gateway that records requests and follows the rules of the real one: in an app a device belongs to one user at a time
/// (S61), apps are independent of each other, and an expired ticket can only unbind. A test controls when it fails and when it
/// answers. Clones share one gateway.
#[derive(Clone, Debug)]
pub struct ScriptedGateway(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    /// Notified when held requests may continue, in the order of their arrival.
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
    quarantined: BTreeMap<Slot, Warning>,
    /// The receipt keys of the devices that have been registered.
    keys: BTreeMap<(AppId, DeviceId), ReceiptKey>,
    rotations: u32,
    switched_off: usize,
    receipts: Vec<Receipt>,
}

#[derive(Debug)]
enum Fault {
    /// Answers with this error, without processing the request.
    Fail(GatewayError),
    /// Processes the request, and answers with this error.
    Lose(GatewayError),
}

impl Default for ScriptedGateway {
    fn default() -> Self {
        Self::new()
    }
}

impl ScriptedGateway {
    /// Returns a gateway without devices that accepts every request.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            inner: Mutex::default(),
            released: Notify::new(),
        }))
    }

    /// Answers the next request with `error`. Each further call applies to the request after that.
    pub fn fail_next(&self, error: GatewayError) {
        self.lock().faults.push_back(Fault::Fail(error));
    }

    /// Processes the next request but answers it with `error`, as if the network had failed before the answer. Queued with
    /// [`ScriptedGateway::fail_next`].
    pub fn lose_next(&self, error: GatewayError) {
        self.lock().faults.push_back(Fault::Lose(error));
    }

    /// How often [`GatewayApi::switch_off`] was asked; each is an [`Asked::Unregister`] of all slots, too.
    pub fn switched_off(&self) -> usize {
        self.lock().switched_off
    }

    /// Treats `ticket` as expired from now on: it can only unbind.
    pub fn expire_ticket(&self, ticket: impl Into<String>) {
        self.lock().refused.insert(ticket.into());
    }

    /// Sets whether the credential `id` exists. All do by default.
    pub fn set_certificate(&self, id: CertificateId, is_known: bool) {
        let unknown = &mut self.lock().unknown;
        if is_known {
            unknown.remove(&id);
        } else {
            unknown.insert(id);
        }
    }

    /// Changes the master key: all devices get other receipt keys, and the old keys are refused from now on.
    pub fn rotate_receipt_keys(&self) {
        let mut inner = self.lock();
        inner.rotations += 1;
        inner.keys.clear();
    }

    /// Returns the accepted receipts in order, repeated ones included.
    pub fn receipts(&self) -> Vec<Receipt> {
        self.lock().receipts.clone()
    }

    /// Answers every request with `error` until called with `None`.
    pub fn set_down(&self, error: Option<GatewayError>) {
        self.lock().is_down = error;
    }

    /// Answers every registration with `warning` from now on.
    pub fn warn(&self, warning: Warning) {
        self.lock().warning = Some(warning);
    }

    /// Holds the answers to all requests while `held` is `true`.
    pub fn hold(&self, held: bool) {
        self.lock().is_held = held;
        if !held {
            self.0.released.notify_waiters();
        }
    }

    /// Forgets the device, as when its user was kicked.
    pub fn forget(&self, device: &DeviceId) {
        self.lock().devices.retain(|(known, _), _| known != device);
    }

    /// Forgets one token of the device, as when the vendor reports it as dead. The device stays known.
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

    /// Quarantines the token of `slot` until it is registered again.
    pub fn quarantine(&self, slot: Slot, why: Warning) {
        self.lock().quarantined.insert(slot, why);
    }

    /// Ends the quarantine of the token of `slot`, as when its credential was corrected.
    pub fn end_quarantine(&self, slot: Slot) {
        self.lock().quarantined.remove(&slot);
    }

    /// Returns all requests so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// Returns the tickets of all requests so far, in order.
    pub fn tickets(&self) -> Vec<String> {
        self.lock().tickets.clone()
    }

    /// Returns all requests and answers so far, in order.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.lock().exchanges.clone()
    }

    /// Returns the user of the device and its tokens, in the first app that has the device.
    pub fn device(&self, device: &DeviceId) -> Option<(UserId, BTreeMap<Slot, RegistrationBody>)> {
        self.devices(device).into_values().next()
    }

    /// As [`ScriptedGateway::device`], for each app that has the device.
    pub fn devices(
        &self,
        device: &DeviceId,
    ) -> BTreeMap<AppId, (UserId, BTreeMap<Slot, RegistrationBody>)> {
        let inner = self.lock();
        let entries = inner.devices.iter();
        entries
            .filter(|((known, _), _)| known == device)
            .map(|((_, app), entry)| (app.clone(), entry.clone()))
            .collect()
    }

    /// Records a request, waits while requests are held, and then processes it or fails.
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
            inner.check_ticket(account, &asked)?;
            act(inner)
        });
        let result = answer.as_ref().map(drop).map_err(Clone::clone);
        inner.exchanges.push(Exchange::Answered(number, result));
        answer
    }

    async fn held(&self) {
        loop {
            let mut released = std::pin::pin!(self.0.released.notified());
            // Enabled before the check, so that a release in between is not missed.
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
    /// Processes the request and answers it, as the faults require.
    fn answer<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, GatewayError>,
    ) -> Result<T, GatewayError> {
        let fault = self.faults.pop_front();
        let down = self.is_down.clone().map(Fault::Fail);
        match fault.or(down) {
            Some(Fault::Fail(error)) => Err(error),
            Some(Fault::Lose(error)) => {
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

    fn check_ticket(&self, account: &Account, asked: &Asked) -> Result<(), GatewayError> {
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
            inner.quarantined.remove(&slot);
            Ok(RegistrationAnswer::default()
                .with_changed(changed)
                .with_warning(inner.warning.clone())
                .with_receipt_key(inner.key_of(&account.app, device)))
        })
        .await
    }

    async fn switch_off(&self, account: &Account, device: &DeviceId) -> Result<(), GatewayError> {
        self.lock().switched_off += 1;
        self.unregister(account, device, None).await
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
                        } else if let Some(why) = inner.quarantined.get(&slot).cloned() {
                            answer.quarantined.push(QuarantinedToken::new(slot, why));
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
