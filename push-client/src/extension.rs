//! The client of a notification service extension, which acknowledges that a push has arrived.
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

/// The longest time for which the system is sure to wait for an extension.
const LONGEST: Duration = Duration::from_secs(25);

/// The longest pause after failures, even if the gateway asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// Acknowledges pushes to the gateway from the process that the operating system starts for each push: on iOS the notification
/// service extension.
///
/// It needs no [`PushClient`](crate::PushClient), no login and no ticket. It needs the folder that app and extension share, in
/// which the app has stored the device's receipt key ([`Builder::extension_folder`](crate::Builder::extension_folder)). A receipt
/// is stored before it is sent. Receipts that cannot be sent in time are sent with the next push, or by the app. Any number of
/// processes may do so at once.
///
/// Its methods do not panic, do not fail, and do not take longer than `within`, because the push must be shown in any case.
///
/// ```no_run
/// use push_client::NotificationExtension;
/// use push_core::payload::Payload;
///
/// let extension = NotificationExtension::new("/the/app/groups/folder");
/// # let user_info = serde_json::json!({});
/// let done = extension.delivered_blocking(&Payload::apns(user_info), NotificationExtension::WITHIN);
/// println!("{} sent, {} waiting", done.sent, done.waiting);
/// // Then show the push.
/// ```
pub struct NotificationExtension {
    folder: SharedFolder,
    gateway: Option<Arc<dyn GatewayApi>>,
    clock: Arc<dyn Clock>,
    settings: Settings,
}

/// The result of acknowledging a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acknowledged {
    /// The number of receipts that the gateway accepted, earlier ones included.
    pub sent: usize,
    /// The number of receipts that wait for the next push or for the app.
    pub waiting: usize,
    /// The number of receipts that were discarded: the oldest of more than 500, or refused by the gateway for good.
    pub dropped: usize,
    /// Why receipts wait or were discarded, for a log. Holds no key and no message text.
    pub problem: Option<String>,
}

impl NotificationExtension {
    /// The recommended time limit: 5 s. On a bad network the push is shown only after it.
    pub const WITHIN: Duration = Duration::from_secs(5);

    /// Uses the folder that app and extension share. Reads nothing yet; the folder may be empty.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let settings = Settings {
            // Every failed attempt delays a push.
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

    /// Sets the gateway. By default the app's gateway, whose address the app has stored in the folder.
    #[must_use]
    pub fn gateway(mut self, gateway: Arc<dyn GatewayApi>) -> Self {
        self.gateway = Some(gateway);
        self
    }

    /// Sets the clock. Default: [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Stores a receipt for the push `payload`, and sends all waiting receipts to the gateway. Takes at most `within`, and never
    /// more than 25 s.
    ///
    /// After a failure it sends nothing for up to 15 s, doubling with each failure up to 15 min; receipts are only stored then.
    pub async fn delivered(&self, payload: &Payload, within: Duration) -> Acknowledged {
        let mut done = Acknowledged::default();
        // The time starts before the folder is read.
        let timeout = self.clock.sleep(within.min(LONGEST));
        match delivery_of(payload) {
            None => done.problem = Some("the push names no delivery to acknowledge".to_owned()),
            Some(delivery) => {
                let receipt = Receipt::new(delivery, ReceiptKind::Delivered, self.clock.now());
                match self.folder.put(&receipt) {
                    Ok(dropped) => done.dropped += dropped,
                    Err(error) => {
                        done.problem = Some(format!("the receipt cannot be kept: {error}"));
                    }
                }
            }
        }
        let mut drained = Drained::default();
        let problem = tokio::select! {
            biased;
            sent = self.send(&mut drained) => sent.err(),
            () = timeout => {
                self.failed(None);
                Some("the gateway did not answer in time".to_owned())
            }
        };
        done.sent = drained.sent;
        done.dropped += drained.refused;
        done.problem = done.problem.or(problem);
        done.waiting = self.folder.waiting().map_or(0, |waiting| waiting.len());
        done
    }

    /// As [`NotificationExtension::delivered`], on a thread and a runtime of its own: for callers outside a runtime, or callers
    /// that may be inside one.
    pub fn delivered_blocking(&self, payload: &Payload, within: Duration) -> Acknowledged {
        let failed = |why: String| Acknowledged {
            problem: Some(why),
            ..Acknowledged::default()
        };
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| format!("no runtime could be made: {error}"))?;
            let done = runtime.block_on(self.delivered(payload, within));
            // A DNS lookup may still run, which cannot be interrupted; do not wait for it.
            runtime.shutdown_background();
            Ok(done)
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("push-receipts".to_owned());
            match thread.spawn_scoped(scope, work) {
                Ok(thread) => match thread.join() {
                    Ok(done) => done.unwrap_or_else(failed),
                    Err(_) => failed("the thread that acknowledges pushes has panicked".to_owned()),
                },
                Err(error) => failed(format!("no thread could be started: {error}")),
            }
        })
    }

    async fn send(&self, drained: &mut Drained) -> Result<(), String> {
        let unusable = |error: std::io::Error| format!("the shared folder cannot be used: {error}");
        if self.folder.waiting().map_err(unusable)?.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let pause = self.folder.pause(now, LONGEST_PAUSE);
        if now < pause.until {
            return Err(format!(
                "waiting another {} s before the next request, after {} failures",
                pause.until.since(now).as_secs(),
                pause.failures
            ));
        }
        let signer = self.folder.signer().map_err(|error| error.to_string())?;
        let signer = signer.ok_or(
            "the folder has no receipt key yet: the app stores it after its registration, if it passes this folder to \
             `Builder::extension_folder`",
        )?;
        let gateway = match &self.gateway {
            Some(gateway) => Arc::clone(gateway),
            None => gateway_of(&signer)?,
        };
        self.folder
            .drain(&signer, &*gateway, &*self.clock, drained)
            .await
            .map_err(unusable)?;
        if let Some(error) = &drained.error {
            self.failed(error.retry_after);
            return Err(error.to_string());
        }
        self.folder.end_pause();
        match &drained.refusal {
            Some(refusal) => Err(refusal.to_string()),
            None => Ok(()),
        }
    }

    /// Counts a failure and sets the pause before the next attempt.
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
                .map_or(&[], |signer| signer.device.as_str().as_bytes()),
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
        "the app's gateway has no address to store in the shared folder; pass one to `NotificationExtension::gateway`",
    )?;
    let mut config = push_http::HttpConfig::default();
    config.extra_ca_pem.clone_from(&address.ca_pem);
    config.only_extra_ca = address.only_ca;
    config.max_connections = 1;
    let gateway =
        crate::HttpGateway::new(&address.url, config).map_err(|error| error.to_string())?;
    Ok(Arc::new(gateway))
}

#[cfg(not(feature = "http"))]
fn gateway_of(_: &Signer) -> Result<Arc<dyn GatewayApi>, String> {
    Err("push-client was built without the feature `http`; pass a gateway to `NotificationExtension::gateway`".to_owned())
}

impl fmt::Debug for NotificationExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationExtension")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}
