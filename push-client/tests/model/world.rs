//! The client under test, with an app, a phone and a gateway that the operations control.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU32, atomic::Ordering::SeqCst},
    time::Duration,
};

use push_client::{
    ClickSource, Completed, Completion, Deferral, GatewayError, GatewayErrorKind, MemoryState,
    Permission, Process, PushClient, SlotState, Token,
    testing::{ScriptedGateway, ScriptedPhone},
};
use push_core::{
    AppId, CertificateEntry, CertificateIds, DeliveryId, Handled, ManualClock, Opened, Presence,
    RouteHandler, Slot, Timestamp, UserId,
    api::RegistrationBody,
    async_trait,
    payload::{ClickTarget, Entity, Ext, Payload},
};
use push_login_auto::{AutoLogin, LoginCenter, LoginFault, LoginSystem};
use push_login_manual::{ManualLogin, Service};
use push_testkit::{runtime, until_idle};
use serde_json::json;
use tokio::{runtime::Runtime, sync::watch};

use crate::{
    logins::Answer,
    operations::{Gives, Handler, What, Who, account},
};

pub(crate) const SLOTS: [Slot; 3] = [Slot::Alert, Slot::Voip, Slot::LiveActivity];

/// The login bridges that the app has linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bridges {
    Auto,
    Manual,
    Both,
}

/// The app's handlers and interceptor, which stay over a restart, and what they recorded.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) handler: Handler,
    pub(crate) intercepts: bool,
    pub(crate) opened: Vec<(u32, UserId)>,
}

/// The IM kit's connection to its server.
#[derive(Debug)]
struct System {
    accepts: Mutex<bool>,
    answer: Mutex<Answer>,
    gate: watch::Sender<u64>,
}

#[async_trait]
impl LoginSystem for System {
    async fn login(&self, _: &push_core::Account) -> Result<(), LoginFault> {
        if *lock(&self.accepts) {
            Ok(())
        } else {
            Err(LoginFault::new(70001, "the userSig has expired"))
        }
    }

    async fn logout(&self, _: &push_core::Account) -> Result<(), LoginFault> {
        let answer = *lock(&self.answer);
        match answer {
            Answer::Yes => Ok(()),
            Answer::No => Err(LoginFault::new(9508, "the network is down")),
            Answer::Later => {
                // The sender lives in `self`, so waiting cannot fail.
                drop(self.gate.subscribe().changed().await);
                Ok(())
            }
        }
    }
}

/// The number of calls of a callback, and whether the app deferred it.
struct Callback {
    calls: Arc<AtomicU32>,
    is_deferred: bool,
}

/// The parts that end with the process.
struct Alive {
    runtime: Runtime,
    client: PushClient,
    phone: ScriptedPhone,
    system: Arc<System>,
    center: LoginCenter,
    manual: ManualLogin,
    services: Vec<(u32, Service)>,
    deferred: Vec<Deferral>,
    completions: Vec<Callback>,
}

pub(crate) struct World {
    pub(crate) bridges: Bridges,
    answers_calls: bool,
    pub(crate) gateway: ScriptedGateway,
    pub(crate) clock: ManualClock,
    app: Arc<Mutex<App>>,
    store: Arc<MemoryState>,
    gives: BTreeMap<Slot, Gives>,
    permission: Permission,
    alive: Option<Alive>,
}

pub(crate) fn token(slot: Slot, number: u8) -> String {
    format!("{slot}{number}")
}

pub(crate) fn certificate(slot: Slot) -> i64 {
    match slot {
        Slot::Alert => 31287,
        Slot::Voip => 31290,
        _ => 31300,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A handler for chats and groups, or for calls, that answers as the app's state requires.
#[derive(Debug)]
struct Opens(Arc<Mutex<App>>, bool);

impl RouteHandler for Opens {
    fn matches(&self, target: &ClickTarget) -> bool {
        matches!(target, ClickTarget::Call(_)) == self.1
    }

    fn open(&self, click: &push_core::Click) -> Opened {
        let mut app = lock(&self.0);
        match app.handler {
            Handler::NotReady => Opened::NotReady,
            Handler::Failing => Opened::Failed("no such view".to_owned()),
            Handler::Ready => {
                let profile = click.payload.shape().profile();
                let entity = click.payload.entity(profile).expect("a target has one");
                let number = entity.sender.trim_start_matches(['@', 'c']);
                let number = number.parse().expect("every sender is a number");
                app.opened.push((number, click.user.clone()));
                Opened::Done
            }
        }
    }
}

/// Returns the payload of click `click` on `what`.
pub(crate) fn payload(click: u32, what: What, has_delivery: bool) -> Payload {
    let entity = match what {
        What::Chat => Some(Entity::for_user_message(format!("c{click}"), "", "", "hi")),
        What::Group => Some(Entity::for_group_message(
            format!("@c{click}"),
            "",
            "",
            "hi",
        )),
        What::Call => Some(Entity::for_user_message(format!("c{click}"), "", "", "{}").calling()),
        What::NoExt | What::Foreign => None,
    };
    let mut payload = json!({ "aps": { "alert": format!("number {click}") } });
    if let Some(entity) = entity {
        payload["ext"] = Ext::new(entity).to_json_string().into();
    }
    if what == What::Foreign {
        payload["ext"] = format!(r#"{{"order":{click}}}"#).into();
    }
    if has_delivery {
        payload["delivery"] = delivery(click).to_string().into();
    }
    Payload::apns(payload)
}

fn delivery(click: u32) -> DeliveryId {
    format!("0190163d-8694-739b-aea5-{click:012x}")
        .parse()
        .expect("a UUIDv7")
}

pub(crate) fn error(kind: GatewayErrorKind) -> GatewayError {
    GatewayError::new(kind, "", "as the test says").with_retry_after(
        (kind == GatewayErrorKind::TooFrequent).then_some(Duration::from_secs(600)),
    )
}

impl World {
    pub(crate) fn new(bridges: Bridges, answers_calls: bool) -> Self {
        let mut world = Self {
            bridges,
            answers_calls,
            gateway: ScriptedGateway::new(),
            clock: ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)),
            app: Arc::new(Mutex::new(App {
                handler: Handler::Ready,
                intercepts: false,
                opened: Vec::new(),
            })),
            store: Arc::new(MemoryState::new()),
            gives: BTreeMap::from([
                (Slot::Alert, Gives::Token(0)),
                (Slot::Voip, Gives::Token(0)),
            ]),
            permission: Permission::Granted,
            alive: None,
        };
        world.start();
        world
    }

    /// Starts a process.
    fn start(&mut self) {
        self.start_with(|_| ());
    }

    /// Starts a process. Calls `look` before the client has sent a request.
    pub(crate) fn start_with(&mut self, look: impl FnOnce(&Self)) {
        let runtime = runtime();
        let phone =
            ScriptedPhone::iphone(&[Slot::Alert, Slot::Voip]).permitting(self.permission.clone());
        let system = Arc::new(System {
            accepts: Mutex::new(true),
            answer: Mutex::new(Answer::Yes),
            gate: watch::Sender::new(0),
        });
        let center = LoginCenter::with(Arc::clone(&system) as _);
        let manual = ManualLogin::new();
        let certificates = SLOTS.map(|slot| {
            CertificateEntry::new(
                "apns",
                slot,
                certificate(slot),
                true,
                ("app/src/main.rs", 7),
            )
        });
        let app = Arc::clone(&self.app);
        let mut builder =
            PushClient::builder(Arc::new(phone.clone()), Arc::new(self.gateway.clone()))
                .certificates(CertificateIds::new(certificates).expect("good certificate ids"))
                .clock(Arc::new(self.clock.clone()))
                .shared_state(Arc::clone(&self.store) as _)
                .route("chat", Opens(Arc::clone(&self.app), false))
                .interceptor(
                    "process",
                    Process::new(move |_: &Payload| {
                        if lock(&app).intercepts {
                            Handled::Yes
                        } else {
                            Handled::No
                        }
                    }),
                );
        if self.answers_calls {
            builder = builder.route("call", Opens(Arc::clone(&self.app), true));
        }
        if self.bridges != Bridges::Manual {
            builder = builder.bridge("auto", Arc::new(AutoLogin::new(center.clone())));
        }
        if self.bridges != Bridges::Auto {
            builder = builder.bridge("manual", Arc::new(manual.clone()));
        }
        let client = runtime
            .block_on(builder.start())
            .expect("the client starts");
        self.alive = Some(Alive {
            runtime,
            client,
            phone,
            system,
            center,
            manual,
            services: Vec::new(),
            deferred: Vec::new(),
            completions: Vec::new(),
        });
        for (slot, gives) in self.gives.clone() {
            self.phone_gives(slot, gives);
        }
        look(self);
        self.settle();
    }

    fn alive(&self) -> &Alive {
        self.alive.as_ref().expect("a process runs")
    }

    pub(crate) fn client(&self) -> &PushClient {
        &self.alive().client
    }

    pub(crate) fn phone(&self) -> &ScriptedPhone {
        &self.alive().phone
    }

    pub(crate) fn app(&self) -> MutexGuard<'_, App> {
        lock(&self.app)
    }

    /// Ends the process in an orderly way.
    pub(crate) fn close(&mut self) {
        let client = self.client().clone();
        self.alive().runtime.block_on(client.close());
        drop(client);
        self.settle();
    }

    /// Ends the process without closing the client.
    pub(crate) fn die(&mut self) {
        let alive = self.alive.take().expect("a process runs");
        // Tasks end at their next await. A save that has begun is finished.
        drop(alive.runtime);
    }

    /// Runs all tasks until none makes progress, saving included.
    pub(crate) fn settle(&self) {
        self.alive().runtime.block_on(until_idle());
    }

    /// Yields to all tasks `turns` times.
    pub(crate) fn turns(&self, turns: u8) {
        self.alive().runtime.block_on(async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        });
    }

    // The login systems.

    pub(crate) fn server(&self, accepts: bool, answer: Answer) {
        let system = &self.alive().system;
        *lock(&system.accepts) = accepts;
        *lock(&system.answer) = answer;
    }

    pub(crate) fn log_in(&self, who: Who, ticket: Option<u32>) {
        let center = self.alive().center.clone();
        let logging_in = self.alive().runtime.spawn(async move {
            // An error is emitted as an event.
            drop(center.login(account(who, ticket)).await);
        });
        drop(logging_in);
        self.turns(3);
    }

    pub(crate) fn open_local_store(&self, who: Who) {
        let center = self.alive().center.clone();
        let opening = center.login_local_only(account(who, Some(0)));
        let opened = self.alive().runtime.block_on(opening);
        opened.expect("the kit knows the app");
    }

    pub(crate) fn log_out(&self) {
        let center = self.alive().center.clone();
        let leaving = self.alive().runtime.spawn(async move {
            drop(center.logout().await);
        });
        drop(leaving);
        self.turns(3);
    }

    pub(crate) fn slow_logouts_end(&self) {
        self.alive().system.gate.send_modify(|count| *count += 1);
    }

    pub(crate) fn kick(&self) {
        self.alive().center.kicked_offline();
    }

    pub(crate) fn expire(&self) {
        self.alive().center.user_sig_expired();
    }

    pub(crate) fn register(&mut self, number: u32, who: Who, ticket: Option<u32>) {
        let alive = self.alive.as_mut().expect("a process runs");
        let service = alive.manual.register_service(account(who, ticket));
        alive.services.push((number, service));
    }

    pub(crate) fn unregister(&self) {
        self.alive().manual.unregister_service();
    }

    /// Unregisters the first registration by hand of this process. Returns its number.
    pub(crate) fn unregister_first(&self) -> Option<u32> {
        let (number, service) = self.alive().services.first()?;
        service.unregister(push_core::LogoutCause::Logout);
        Some(*number)
    }

    // The phone.

    pub(crate) fn phone_gives(&mut self, slot: Slot, gives: Gives) {
        self.gives.insert(slot, gives);
        match gives {
            Gives::Token(number) => {
                self.phone()
                    .give(slot, Ok(Token::Text(token(slot, number))));
            }
            Gives::Nothing => self.phone().give(slot, Err("not now".to_owned())),
            Gives::Later => self.phone().give_later(slot),
        }
    }

    pub(crate) fn given(&self, slot: Slot) -> Option<u8> {
        match self.gives.get(&slot)? {
            Gives::Token(number) => Some(*number),
            Gives::Nothing | Gives::Later => None,
        }
    }

    pub(crate) fn deny_permission(&mut self) {
        self.permission = Permission::Denied;
        drop(self.phone().clone().permitting(Permission::Denied));
    }

    /// Returns a completion that must be called once; with `deferred`, by the app.
    pub(crate) fn completion(&mut self, deferred: bool) -> Completion {
        let calls = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&calls);
        let completion = Completion::new(move |_| {
            count.fetch_add(1, SeqCst);
        });
        let alive = self.alive.as_mut().expect("a process runs");
        alive.completions.push(Callback {
            calls,
            is_deferred: deferred,
        });
        if deferred {
            alive.deferred.push(completion.defer());
        }
        completion
    }

    pub(crate) fn complete_deferred(&mut self) {
        let alive = self.alive.as_mut().expect("a process runs");
        for deferral in alive.deferred.drain(..) {
            deferral.complete(Completed::NewData);
        }
    }

    /// Returns the number of calls of each callback of this process.
    pub(crate) fn completed(&self) -> Vec<u32> {
        let completions = self.alive().completions.iter();
        completions
            .map(|callback| callback.calls.load(SeqCst))
            .collect()
    }

    /// Returns a callback that was called twice, or that was not deferred and is still open.
    pub(crate) fn wrongly_completed(&self) -> Option<usize> {
        let mut completions = self.alive().completions.iter();
        completions.position(|callback| {
            let calls = callback.calls.load(SeqCst);
            calls > 1 || (calls == 0 && !callback.is_deferred)
        })
    }

    pub(crate) fn click(&mut self, source: ClickSource, payload: Payload, deferred: bool) {
        let completion = self.completion(deferred);
        match source {
            ClickSource::Launch if !deferred => {
                self.client().launched(payload);
                completion.complete(Completed::NoData);
            }
            source => self.client().clicked(source, payload, completion),
        }
    }

    pub(crate) fn arrive(&mut self, payload: Payload) {
        let completion = self.completion(false);
        self.client().arrived(payload, completion);
    }

    pub(crate) fn place(&self, presence: Presence) {
        match presence {
            Presence::Online => self.client().foreground(),
            _ => self.client().background(None),
        }
    }

    // Observations.

    /// Returns the phone's user and tokens at the gateway, for each app that has tokens of it.
    pub(crate) fn bound(&self) -> BTreeMap<AppId, (UserId, BTreeMap<Slot, RegistrationBody>)> {
        let mut bound = self.gateway.devices(&self.client().device());
        bound.retain(|_, (_, tokens)| !tokens.is_empty());
        bound
    }

    pub(crate) fn slot(&self, slot: Slot) -> SlotState {
        self.client().slot(slot)
    }

    pub(crate) fn count(&self, event: &str) -> u64 {
        self.client().counts().get(event).copied().unwrap_or(0)
    }
}
