//! The app on the phones, as an app developer writes it.
use std::{path::Path, sync::Arc};

use offline_push::{
    Account, AppId, BuildContext, CertificateEntry, CertificateIds, Channel, Click, Handled,
    Interceptor, LoginKind, Opened, Platform, RawConfig, Registry, Result, RouteHandler, Secret,
    Slot, UserId,
    client::{
        Event, HttpGateway, MemoryState, Permission, PushClient, Responder, Token, TokenAnswer,
    },
    http::{HttpConfig, TokioClock},
    payload::{ClickTarget, Payload},
};
use tokio::{sync::broadcast, time};

use super::{
    trouble,
    world::{APP, PATIENCE},
};

/// Returns the numbers that the upload of the credentials returned; the kind of build selects Apple's.
///
/// An app writes them as `certificate_id!(apns, debug = 31287, release = 31288)`, and registers its handlers at link time. The
/// demo does not: it is part of a library, and the linker would give its numbers and handlers to every program with that library.
fn certificates() -> Result<CertificateIds> {
    let is_debug = cfg!(debug_assertions);
    let place = (file!(), line!());
    CertificateIds::new(
        [
            ("apns", if is_debug { 31287 } else { 31288 }),
            ("fcm", 31290),
            ("huawei", 31291),
        ]
        .map(|(channel, id)| CertificateEntry::new(channel, Slot::Alert, id, is_debug, place)),
    )
}

/// Opens chats. A real handler would show the conversation's view.
#[derive(Debug)]
struct OpenChat;

impl RouteHandler for OpenChat {
    fn matches(&self, target: &ClickTarget) -> bool {
        target.navigate_ids().is_some()
    }
    fn open(&self, _click: &Click) -> Opened {
        Opened::Done
    }
}

/// Handles clicks on pushes about orders, which open no chat.
#[derive(Debug)]
struct OpenOrder;

impl Interceptor for OpenOrder {
    fn intercept(&self, payload: &Payload) -> Handled {
        let ext = payload.raw().get("ext").and_then(|it| it.as_str());
        if ext.is_some_and(|it| it.contains("\"order\"")) {
            Handled::Yes
        } else {
            Handled::No
        }
    }
}

/// The functions of a phone's operating system that push needs.
#[derive(Debug)]
pub(super) struct Phone {
    pub(super) channel: Channel,
    pub(super) kind: Platform,
    pub(super) token: String,
}

impl offline_push::client::Phone for Phone {
    fn channel(&self) -> Channel {
        self.channel.clone()
    }
    fn device_kind(&self) -> Option<Platform> {
        Some(self.kind)
    }
    fn ask_permission(&self, answer: Responder<Permission>) {
        answer.answer(Permission::Granted);
    }
    fn request_token(&self, _slot: Slot, answer: Responder<TokenAnswer>) {
        answer.answer(Ok(Token::Text(self.token.clone())));
    }
}

/// An app that is running on a phone, and the events it reports.
#[derive(Debug)]
pub(super) struct App {
    pub(super) client: PushClient,
    events: broadcast::Receiver<Event>,
}

impl App {
    /// Starts the app with its handlers and the automatic login bridge.
    /// `shared` is the folder that it shares with its notification service extension.
    pub(super) async fn start(phone: Phone, gateway: &str, shared: &Path) -> Result<Self> {
        let http = Arc::new(HttpGateway::new(gateway, HttpConfig::default())?);
        let context = BuildContext::new(Arc::new(TokioClock));
        let bridge = Registry::new(offline_push::BUILTIN.iter().copied())?.build::<LoginKind>(
            "auto",
            RawConfig::empty(),
            &context,
        )?;
        let client = PushClient::builder(Arc::new(phone), http)
            .certificates(certificates()?)
            .route("open chat", OpenChat)
            .interceptor("open order", OpenOrder)
            .bridge("auto", bridge)
            .state(MemoryState::default())
            .extension_folder(shared)
            .start()
            .await?;
        Ok(Self::of(client))
    }

    /// Starts the app on another user's phone, and logs in. `certificates` `None` means those of the demo.
    pub(super) async fn start_for(
        phone: Phone,
        gateway: &str,
        account: Account,
        certificates: Option<CertificateEntry>,
    ) -> Result<Self> {
        let http = Arc::new(HttpGateway::new(gateway, HttpConfig::default())?);
        let certificates = match certificates {
            Some(entry) => CertificateIds::new([entry])?,
            None => self::certificates()?,
        };
        let client = PushClient::builder(Arc::new(phone), http)
            .certificates(certificates)
            .route("open chat", OpenChat)
            .state(MemoryState::default())
            .without_bridge()
            .start()
            .await?;
        let app = Self::of(client);
        app.client.session().register(account, "demo").await?;
        Ok(app)
    }

    fn of(client: PushClient) -> Self {
        Self {
            events: client.subscribe(),
            client,
        }
    }

    /// Waits for the next event that `wanted` selects. Returns an error if there is none within five seconds.
    pub(super) async fn event<T: Send>(
        &mut self,
        what: &str,
        wanted: impl Fn(&Event) -> Option<T> + Send + Sync,
    ) -> Result<T> {
        let next = async {
            loop {
                match self.events.recv().await {
                    Ok(event) => {
                        if let Some(found) = wanted(&event) {
                            return Some(found);
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        };
        match time::timeout(PATIENCE, next).await {
            Ok(Some(found)) => Ok(found),
            _ => Err(trouble(format!("the app did not report that {what}"))),
        }
    }

    /// Waits until the gateway has the app's token. Returns its warning, if it has one.
    pub(super) async fn uploaded(&mut self) -> Result<Option<String>> {
        self.event("its token was uploaded", |event| match event {
            Event::Uploaded { warning, .. } => Some(warning.as_ref().map(|it| it.code.clone())),
            _ => None,
        })
        .await
    }

    /// Waits until a click has opened its target. Returns handler and target.
    pub(super) async fn opened(&mut self) -> Result<(String, ClickTarget)> {
        self.event("a click opened its target", |event| match event {
            Event::Opened { by, target } => Some((by.clone(), target.clone())),
            _ => None,
        })
        .await
    }
}

/// A user's account in the demo's app.
pub(super) fn account(user: &str, ticket: Secret) -> Result<Account> {
    Ok(Account::new(AppId::new(APP)?, UserId::new(user)?, ticket))
}
