//! What a notification service extension does: tell that a push has arrived.
use std::{
    fmt,
    hash::{DefaultHasher, Hasher},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use push_core::{Clock, Receipt, ReceiptKind, payload::Payload};

use crate::{
    GatewayApi, Settings, SystemClock, delivery_of,
    outbox::{Drained, Pause, SharedFolder, Signer},
};

/// The longest that the system is sure to wait for an extension.
const LONGEST: Duration = Duration::from_secs(25);

/// The longest pause after failures, whatever the gateway asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// Tells the gateway that pushes have arrived, from the process that the operating system starts for each push: on iOS the
/// notification service extension.
///
/// It needs no [`PushClient`](crate::PushClient), no login and no ticket, only the folder that app and extension share, where
/// the app has put the device's receipt key ([`Builder::extension_folder`](crate::Builder::extension_folder)). A receipt is
/// written down before it is sent. What cannot be sent in time is sent with the next push, or by the app. Any number of
/// processes may do so at once.
///
/// Nothing in here panics, fails, or takes longer than it was given: the push has to be shown in any case.
///
/// ```no_run
/// use push_client::NotificationExtension;
/// use push_core::payload::Payload;
///
/// let extension = NotificationExtension::new("/the/app/groups/folder");
/// # let user_info = serde_json::json!({});
/// let done = extension.delivered_blocking(&Payload::apns(user_info), NotificationExtension::WITHIN);
/// println!("{} sent, {} waiting", done.sent, done.waiting);
/// // And now show the push.
/// ```
pub struct NotificationExtension {
    folder: SharedFolder,
    gateway: Option<Arc<dyn GatewayApi>>,
    clock: Arc<dyn Clock>,
    settings: Settings,
}

/// What came of acknowledging a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acknowledged {
    /// So many receipts were taken by the gateway, earlier ones included.
    pub sent: usize,
    /// So many wait for the next push or for the app.
    pub waiting: usize,
    /// So many were given up: the oldest of more than 500, or the gateway refused them for good.
    pub dropped: usize,
    /// What kept them from the gateway, for a log. Holds no key and no message text.
    pub trouble: Option<String>,
}

impl NotificationExtension {
    /// A good time to give it: 5 s. The push is not shown before, if the network is bad.
    pub const WITHIN: Duration = Duration::from_secs(5);

    /// With the folder that app and extension share. Nothing is read yet, and nothing need be there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let settings = Settings {
            // Every attempt that fails makes a person wait for a push.
            retry_first: Duration::from_secs(15),
            retry_most: Duration::from_secs(15 * 60),
            ..Settings::default()
        };
        Self {
            folder: SharedFolder::new(folder),
            gateway: None,
            clock: Arc::new(SystemClock),
            settings,
        }
    }

    /// Another gateway than that whose address the app has left in the folder.
    #[must_use]
    pub fn gateway(mut self, gateway: Arc<dyn GatewayApi>) -> Self {
        self.gateway = Some(gateway);
        self
    }

    /// Where time comes from. [`SystemClock`] by default.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// A push has arrived: writes that down, and tells the gateway everything that waits. Takes at most `within`, and never
    /// more than 25 s.
    ///
    /// After a failure the gateway is left alone for up to 15 s, doubling to up to 15 min: until then receipts are only written down.
    pub async fn delivered(&self, payload: &Payload, within: Duration) -> Acknowledged {
        let mut done = Acknowledged::default();
        // Not even the first look at the folder is before the time begins to run.
        let timeout = self.clock.sleep(within.min(LONGEST));
        match delivery_of(payload) {
            None => done.trouble = Some("the push names no delivery to acknowledge".to_owned()),
            Some(delivery) => {
                let receipt = Receipt {
                    delivery,
                    what: ReceiptKind::Delivered,
                    at: self.clock.now(),
                };
                match self.folder.put(&receipt) {
                    Ok(dropped) => done.dropped += dropped,
                    Err(error) => {
                        done.trouble = Some(format!("the receipt cannot be kept: {error}"));
                    }
                }
            }
        }
        let mut told = Drained::default();
        let trouble = tokio::select! {
            biased;
            sent = self.send(&mut told) => sent.err(),
            () = timeout => {
                self.failed(None);
                Some("the gateway did not answer in time".to_owned())
            }
        };
        done.sent = told.sent;
        done.dropped += told.refused;
        done.trouble = done.trouble.or(trouble);
        done.waiting = self.folder.waiting().map_or(0, |it| it.len());
        done
    }

    /// As [`NotificationExtension::delivered`], for callers without a runtime, or within one that they do not know of: it runs
    /// on a thread and a runtime of its own.
    pub fn delivered_blocking(&self, payload: &Payload, within: Duration) -> Acknowledged {
        let failed = |why: String| Acknowledged {
            trouble: Some(why),
            ..Acknowledged::default()
        };
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| format!("no runtime could be made: {error}"))?;
            let done = runtime.block_on(self.delivered(payload, within));
            // A name may still be looked up, which cannot be interrupted and is not to be waited for.
            runtime.shutdown_background();
            Ok(done)
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("push-receipts".to_owned());
            match thread.spawn_scoped(scope, work) {
                Ok(thread) => match thread.join() {
                    Ok(done) => done.unwrap_or_else(failed),
                    Err(_) => failed("acknowledging failed inside".to_owned()),
                },
                Err(error) => failed(format!("no thread could be started: {error}")),
            }
        })
    }

    async fn send(&self, told: &mut Drained) -> Result<(), String> {
        let words = |error: std::io::Error| format!("the shared folder cannot be used: {error}");
        if self.folder.waiting().map_err(words)?.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let pause = self.folder.pause(now, LONGEST_PAUSE);
        if now < pause.until {
            return Err(format!(
                "the gateway is left alone for another {} s after {} failures",
                pause.until.since(now).as_secs(),
                pause.failures
            ));
        }
        let signer = self.folder.signer().map_err(|it| it.to_string())?;
        let signer = signer.ok_or(
            "the app has left no receipt key yet: it does so when it has registered, if it names this folder to \
             `Builder::extension_folder`",
        )?;
        let gateway = match &self.gateway {
            Some(gateway) => Arc::clone(gateway),
            None => gateway_of(&signer)?,
        };
        self.folder
            .drain(&signer, &*gateway, told)
            .await
            .map_err(words)?;
        if let Some(error) = &told.error {
            self.failed(error.retry_after);
            return Err(error.to_string());
        }
        self.folder.end_pause();
        match &told.refusal {
            Some(refusal) => Err(refusal.to_string()),
            None => Ok(()),
        }
    }

    /// One failure more: the next attempt is a while from now.
    fn failed(&self, at_least: Option<Duration>) {
        let now = self.clock.now();
        let failures = self
            .folder
            .pause(now, LONGEST_PAUSE)
            .failures
            .saturating_add(1);
        let signer = self.folder.signer().ok().flatten();
        let mut spread = DefaultHasher::new();
        spread.write(
            signer
                .as_ref()
                .map_or(&[], |it| it.device.as_str().as_bytes()),
        );
        let pause = self
            .settings
            .pause(failures, spread.finish())
            .max(at_least.unwrap_or_default())
            .min(LONGEST_PAUSE);
        self.folder.set_pause(Pause {
            failures,
            until: now + pause,
        });
    }
}

#[cfg(feature = "http")]
fn gateway_of(signer: &Signer) -> Result<Arc<dyn GatewayApi>, String> {
    let address = signer.gateway.as_ref().ok_or(
        "the app's gateway has no address to leave in the shared folder; pass one to `NotificationExtension::gateway`",
    )?;
    let mut config = push_http::HttpConfig::default();
    config.extra_ca_pem.clone_from(&address.ca_pem);
    config.only_extra_ca = address.only_ca;
    config.max_connections = 1;
    let gateway = crate::HttpGateway::new(&address.url, config).map_err(|it| it.to_string())?;
    Ok(Arc::new(gateway))
}

#[cfg(not(feature = "http"))]
fn gateway_of(_: &Signer) -> Result<Arc<dyn GatewayApi>, String> {
    Err("this was built without the feature `http`; pass a gateway to `NotificationExtension::gateway`".to_owned())
}

impl fmt::Debug for NotificationExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationExtension")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}
