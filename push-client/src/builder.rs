//! Builds a client and checks its configuration before it starts.
use std::{panic::Location, sync::Arc};

use push_core::{
    AnyDescriptor, BuildContext, CertificateIds, Clock, DeviceId, Error, ErrorKind, Interceptor,
    LoginBridge, LoginKind, RawConfig, Registry, Result, RouteHandler, linked_interceptors,
    linked_route_handlers,
};

use crate::{
    Event, GatewayApi, HostHooks, Phone, PushClient, Settings, StateStore, SystemClock,
    outbox::SharedFolder,
    shared::{Named, Parts, Shared},
    state::{self, State},
};

impl PushClient {
    /// Returns a builder without linked parts: for tests, and for static libraries, in which the linker keeps no hook.
    pub fn builder(phone: Arc<dyn Phone>, gateway: Arc<dyn GatewayApi>) -> Builder {
        Builder::new(phone, gateway)
    }

    /// Returns a builder with the linked parts: the `certificate_id!`s, `route_handler!`s and `interceptor!`s of the app, and the
    /// login bridges of `builtin` (the facade's `BUILTIN` table, or `&[]`) and of `register_plugin!`. More can be added.
    ///
    /// # Errors
    /// If a certificate id is not a number that a credential has, or two parts share a name.
    pub fn linked(
        phone: Arc<dyn Phone>,
        gateway: Arc<dyn GatewayApi>,
        builtin: &[AnyDescriptor],
    ) -> Result<Builder> {
        Builder::new(phone, gateway).linked(builtin)
    }
}

/// The parts of a client. [`Builder::start`] reports what is missing and how to add it.
#[must_use = "a client does nothing until it is started"]
#[derive(Debug)]
pub struct Builder {
    phone: Arc<dyn Phone>,
    gateway: Arc<dyn GatewayApi>,
    certificates: CertificateIds,
    routes: Vec<Named<dyn RouteHandler>>,
    interceptors: Vec<Named<dyn Interceptor>>,
    bridges: Vec<(String, Arc<dyn LoginBridge>)>,
    needs_bridge: bool,
    store: Option<Arc<dyn StateStore>>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    device: Option<DeviceId>,
    hooks: Option<Arc<HostHooks>>,
    folder: Option<SharedFolder>,
}

impl Builder {
    pub(crate) fn new(phone: Arc<dyn Phone>, gateway: Arc<dyn GatewayApi>) -> Self {
        Self {
            phone,
            gateway,
            certificates: CertificateIds::default(),
            routes: Vec::new(),
            interceptors: Vec::new(),
            bridges: Vec::new(),
            needs_bridge: true,
            store: None,
            clock: Arc::new(SystemClock),
            settings: Settings::default(),
            device: None,
            hooks: None,
            folder: None,
        }
    }

    /// Adds the linked parts, as [`PushClient::linked`] does. Call it after [`Builder::clock`].
    ///
    /// # Errors
    /// The errors of [`PushClient::linked`].
    pub fn linked(mut self, builtin: &[AnyDescriptor]) -> Result<Self> {
        self.certificates = CertificateIds::linked()?;
        for hook in linked_route_handlers()? {
            self.routes.push(Named {
                name: hook.name.to_owned(),
                order: hook.order,
                hook: hook.build(),
                place: hook.place(),
            });
        }
        for hook in linked_interceptors()? {
            self.interceptors.push(Named {
                name: hook.name.to_owned(),
                order: hook.order,
                hook: hook.build(),
                place: hook.place(),
            });
        }
        let registry = Registry::linked(builtin)?;
        let context = BuildContext::new(Arc::clone(&self.clock));
        let bridges: Vec<&'static str> = registry
            .iter()
            .filter(|plugin| plugin.kind() == <LoginKind as push_core::Kind>::LABEL)
            .map(|plugin| plugin.name())
            .collect();
        for name in bridges {
            let bridge = registry.build::<LoginKind>(name, RawConfig::empty(), &context)?;
            self = self.bridge(name, bridge);
        }
        Ok(self)
    }

    /// Sets the certificate ids of this build of the app.
    pub fn certificates(mut self, certificates: CertificateIds) -> Self {
        self.certificates = certificates;
        self
    }

    /// Adds a route handler with order 0.
    #[track_caller]
    pub fn route(self, name: impl Into<String>, handler: impl RouteHandler) -> Self {
        self.route_in_order(name, 0, Arc::new(handler))
    }

    /// Adds a route handler. Handlers are called by ascending order, then by name.
    #[track_caller]
    pub fn route_in_order(
        mut self,
        name: impl Into<String>,
        order: i32,
        handler: Arc<dyn RouteHandler>,
    ) -> Self {
        self.routes.push(Named {
            name: name.into(),
            order,
            hook: handler,
            place: Location::caller(),
        });
        self
    }

    /// Adds an interceptor with order 0.
    #[track_caller]
    pub fn interceptor(self, name: impl Into<String>, interceptor: impl Interceptor) -> Self {
        self.interceptor_in_order(name, 0, Arc::new(interceptor))
    }

    /// Adds an interceptor. Interceptors are called by ascending order, then by name.
    #[track_caller]
    pub fn interceptor_in_order(
        mut self,
        name: impl Into<String>,
        order: i32,
        interceptor: Arc<dyn Interceptor>,
    ) -> Self {
        self.interceptors.push(Named {
            name: name.into(),
            order,
            hook: interceptor,
            place: Location::caller(),
        });
        self
    }

    /// Adds a login bridge. Several may run at once (S45).
    pub fn bridge(mut self, name: impl Into<String>, bridge: Arc<dyn LoginBridge>) -> Self {
        self.bridges.push((name.into(), bridge));
        self
    }

    /// Allows a client without a login bridge: the app calls [`PushClient::session`] itself.
    pub fn without_bridge(mut self) -> Self {
        self.needs_bridge = false;
        self
    }

    /// Sets the store of the state that survives a restart, usually a [`FileState`](crate::FileState).
    pub fn state(mut self, store: impl StateStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// As [`Builder::state`], with a store that other code also holds.
    pub fn shared_state(mut self, store: Arc<dyn StateStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Sets the clock. Default: [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets times and limits.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets the device's id, for an app that has one already. By default the first start generates one and stores it.
    pub fn device(mut self, device: DeviceId) -> Self {
        self.device = Some(device);
        self
    }

    /// Sets the hooks that share the operating system's callbacks. The client installs its observer there.
    pub fn hooks(mut self, hooks: Arc<HostHooks>) -> Self {
        self.hooks = Some(hooks);
        self
    }

    /// Sets the folder that the app shares with its notification service extension: on iOS that of an app group. It must exist.
    /// The client stores there what a [`NotificationExtension`](crate::NotificationExtension) needs, readable only by the app's
    /// user, and sends the receipts that the extension could not send. On iOS, keep the folder's data protection at "until first
    /// user authentication", the default, because pushes also arrive while the phone is locked.
    pub fn extension_folder(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.folder = Some(SharedFolder::new(path));
        self
    }

    /// Checks the configuration and starts the client. The client requests nothing from the platform before the first login
    /// (S36). It sends the requests and receipts that an earlier run could not send.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a certificate id is missing (S51), a name is used twice, there is no login bridge or no state
    /// store, or the call is not inside a tokio runtime; the text says what to add. [`ErrorKind::Conflict`] if a newer version of
    /// the app wrote the state.
    pub async fn start(self) -> Result<PushClient> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| {
            missing(
                "the push client was started outside a tokio runtime",
                "call start() inside #[tokio::main], or from Runtime::block_on of a runtime that the app keeps",
            )
        })?;
        let channel = self.phone.channel();
        let slots = self.phone.slots();
        for slot in &slots {
            self.certificates.get(channel.as_str(), *slot)?;
        }
        if self.needs_bridge && self.bridges.is_empty() {
            return Err(missing(
                "there is no login bridge, so no login would reach the client",
                "enable the feature `login-auto` or `login-manual`; in a static library pass one with .bridge(\"auto\", …); or call \
                 .without_bridge() and use session()",
            ));
        }
        let store = self.store.ok_or_else(|| {
            missing(
                "there is no store for the client's state, so every start would register a new device",
                "pass .state(FileState::new(path)) with a path in the app's private folder",
            )
        })?;
        let routes = sorted(self.routes, "route handlers")?;
        let interceptors = sorted(self.interceptors, "interceptors")?;
        let opens_nothing = routes.is_empty() && interceptors.is_empty();

        let loading = Arc::clone(&store);
        let loaded = tokio::task::spawn_blocking(move || loading.load())
            .await
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "the state store failed").because(error)
            })??;
        let mut lost = None;
        let known = match loaded.as_deref().map(state::load) {
            Some(Ok(known)) => Some(known),
            Some(Err(error)) if error.kind() == ErrorKind::Corrupt => {
                lost = Some(error.to_string());
                None
            }
            Some(Err(error)) => return Err(error),
            None => None,
        };
        let is_new = known.is_none();
        let mut state = match known {
            Some(known) => known,
            None => State::new(new_device()?),
        };
        if let Some(device) = self.device
            && device != state.device
        {
            // The confirmed registrations are those of another device.
            state.device = device;
            state.bindings.clear();
            state.receipt_key = None;
        }
        let shared = Shared::new(
            Parts {
                device_kind: self.phone.device_kind(),
                phone: self.phone,
                channel,
                slots,
                gateway: self.gateway,
                certificates: self.certificates,
                routes,
                interceptors,
                store,
                clock: self.clock,
                settings: self.settings,
                folder: self.folder,
                runtime,
            },
            state,
        );
        if is_new {
            shared.changed();
        }
        let client = PushClient::run(Arc::clone(&shared), self.bridges);
        if let Some(lost) = lost {
            shared.emit(Event::StateLost(lost));
        }
        if opens_nothing {
            let error = missing(
                "there is no route handler, so a click on a notification will open nothing",
                "write route_handler!(\"chat\", OpenChat) beside the handler, or pass \
                 .route(\"chat\", Navigate::new(|user, group| …)); in a static library only the latter is kept",
            );
            shared.emit(Event::StartedWithout(Arc::new(error)));
        }
        if let Some(hooks) = self.hooks {
            hooks.install(client.observer());
        }
        Ok(client)
    }
}

fn missing(what: &str, advice: &str) -> Error {
    Error::new(ErrorKind::Config, what)
        .at("push client")
        .advise(advice)
}

fn new_device() -> Result<DeviceId> {
    DeviceId::new(uuid::Uuid::now_v7().to_string())
}

fn sorted<T: ?Sized>(mut all: Vec<Named<T>>, what: &str) -> Result<Vec<Named<T>>> {
    all.sort_by(|a, b| (a.order, &a.name).cmp(&(b.order, &b.name)));
    let mut names: Vec<(&str, &Location<'_>)> = all
        .iter()
        .map(|named| (named.name.as_str(), named.place))
        .collect();
    names.sort_unstable();
    if let Some([one, other]) = names.array_windows().find(|[a, b]| a.0 == b.0) {
        let place = |it: &Location<'_>| format!("{}:{}", it.file(), it.line());
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "two {what} are called `{}`: at {} and at {}",
                one.0,
                place(one.1),
                place(other.1)
            ),
        )
        .at("push client")
        .advise("rename one of them"));
    }
    Ok(all)
}

impl<T: ?Sized> std::fmt::Debug for Named<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (order {})", self.name, self.order)
    }
}
