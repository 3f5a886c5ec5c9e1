//! The vendor on loopback, and the provider that talks to it.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Uri;
use push_core::{
    Batch, BuildContext, Clock as _, Collected, DynProvider, ManualClock, RawConfig, Verdict,
    VerdictKind, Verdicts,
};
use serde_json::Value;

use super::check::plain;
use super::{Sent, Shown, Vendor, declared::Saved};
use crate::{Alpn, Authority, Faults, HttpServer, Recorded, Reply, ServerOptions, sample};

/// How long a provider may leave a failing token endpoint alone.
pub(super) const PAUSE: Duration = Duration::from_secs(15 * 60);

pub(super) struct Stage<'a> {
    pub(super) vendor: &'a Vendor,
    pub(super) clock: ManualClock,
    pub(super) server: HttpServer,
    pub(super) provider: DynProvider,
    /// What the vendor answers to sends instead of `ok`.
    pub(super) sends: Faults,
    /// What the token endpoint answers instead of its usual.
    pub(super) auth: Faults,
    /// What the first of two steps answers instead of its usual.
    pub(super) step: Faults,
    authority: Authority,
    saved: Arc<Mutex<Saved>>,
}

/// How many requests there were so far.
#[derive(Clone, Copy)]
struct Counts {
    sends: usize,
    steps: usize,
    fetches: usize,
}

impl<'a> Stage<'a> {
    pub(super) async fn new(vendor: &'a Vendor) -> Self {
        let alpn = vendor.protocols.first().copied().unwrap_or_default();
        Self::with(vendor, alpn).await
    }

    pub(super) async fn with(vendor: &'a Vendor, alpn: Alpn) -> Self {
        let authority = Authority::new();
        let (sends, auth, step) = (Faults::new(), Faults::new(), Faults::new());
        let script = (sends.clone(), auth.clone(), step.clone());
        let ok = vendor.ok_reply();
        let (granted, saving) = (vendor.auth.clone(), vendor.step.clone());
        let saved: Arc<Mutex<Saved>> = Arc::default();
        let saves = Arc::clone(&saved);
        let mut options = ServerOptions::tls_with(&authority, alpn);
        options.log = 8192;
        options.max_body = 4 * 1024 * 1024;
        let server = HttpServer::start(options, move |request| {
            let path = request.uri().path();
            let reply = match (&granted, &saving) {
                (Some((auth, reply)), _) if auth == path => {
                    script.1.take(path).unwrap_or_else(|| reply.clone())
                }
                (_, Some((step, reply))) if step == path => {
                    script.2.take(path).unwrap_or_else(|| {
                        let mut saves = lock(&saves);
                        let id = format!("4{:023}", saves.len());
                        saves.insert(id.clone(), recorded(&request));
                        reply(&id)
                    })
                }
                _ => script.0.take(path).unwrap_or_else(|| ok.clone()),
            };
            async move { reply }
        })
        .await
        .expect("loopback can be bound");
        let clock = sample::clock();
        let provider = build(
            vendor,
            &vendor.configured(&server.url(), &authority.pem()),
            &clock,
        );
        Self {
            vendor,
            clock,
            server,
            provider,
            sends,
            auth,
            step,
            authority,
            saved,
        }
    }

    /// The same vendor, and a provider that knows nothing yet.
    pub(super) fn rebuild(&mut self) {
        self.provider = build(self.vendor, &self.config(), &self.clock);
    }

    /// The configuration that reaches the vendor.
    pub(super) fn config(&self) -> Value {
        self.vendor
            .configured(&self.server.url(), &self.authority.pem())
    }

    pub(super) fn token(&self, number: usize) -> String {
        self.vendor.token_at(&self.server.url(), number)
    }

    pub(super) fn seen(&self, number: usize) -> String {
        (self.vendor.seen_as)(&self.token(number))
    }

    /// Sends `batch` and returns every verdict.
    ///
    /// Fails if a target was sent to more than once: a provider does not retry, except after renewed authentication (S120).
    pub(super) async fn send(&self, batch: Batch) -> Vec<Verdict> {
        let before = self.counts();
        let targets = batch.targets.len();
        let verdicts = sample::send(&self.provider, batch).await;
        self.check_counts(before, targets, &verdicts);
        verdicts
    }

    /// Sends the sample to the token of this number.
    pub(super) async fn send_to(&self, number: usize) -> Verdict {
        let batch = plain(sample::notification(), [self.token(number)]);
        self.send(batch).await.remove(0)
    }

    /// The sample to the fewest targets that the vendor takes in two steps; to one where it has one step. The first has the token
    /// of this number.
    pub(super) fn in_steps(&self, number: usize) -> Batch {
        let numbers = number..number + self.vendor.step_from;
        plain(
            sample::notification(),
            numbers.map(|number| self.token(number)),
        )
    }

    /// Sends `batch`, which must be accepted, and returns what is shown.
    pub(super) async fn shown(&self, batch: Batch) -> Vec<Shown> {
        let before = self.sent().len();
        for verdict in self.send(batch).await {
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        }
        self.shown_since(before)
    }

    /// Sends the sample to one token, every send being answered with `reply`.
    pub(super) async fn answered(&self, reply: &Reply) -> Verdict {
        self.sends.clear();
        self.sends.always(reply.clone());
        self.send_to(0).await
    }

    /// What is shown of the sends after the first `before`.
    pub(super) fn shown_since(&self, before: usize) -> Vec<Shown> {
        let read = self.vendor.read();
        self.sent()[before..]
            .iter()
            .flat_map(|sent| read(sent))
            .collect()
    }

    /// The requests to the vendor's send path: those that can make a phone ring.
    pub(super) fn sent(&self) -> Vec<Sent> {
        let saved = Arc::new(lock(&self.saved).clone());
        let mut requests = self.server.log().requests();
        requests.retain(|request| {
            let path = request.uri.path();
            !self.vendor.is_auth(path) && !self.vendor.is_step(path)
        });
        requests
            .into_iter()
            .map(|request| Sent::new(request, Arc::clone(&saved)))
            .collect()
    }

    /// The vendor's answer to each request, if `dead` is dead (in the form of [`Vendor::seen_as`]) and all others are alive.
    pub(super) fn partial(&self, dead: Vec<String>) -> Reply {
        let (read, ok) = (self.vendor.read(), self.vendor.ok_reply());
        let answer = self.vendor.partial.clone().expect("declare `partial`");
        let saved = Arc::clone(&self.saved);
        Reply::with(move |request| {
            let sent = Sent::new(recorded(request), Arc::new(lock(&saved).clone()));
            let tokens = read(&sent).into_iter().flat_map(|shown| shown.tokens);
            let all: Vec<String> = tokens.collect();
            let mut gone = all.clone();
            gone.retain(|token| dead.contains(token));
            if gone.is_empty() {
                ok.clone()
            } else {
                answer(&all, &gone)
            }
        })
    }

    /// How often the token endpoint was asked.
    pub(super) fn fetched(&self) -> usize {
        self.counts().fetches
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts {
            sends: 0,
            steps: 0,
            fetches: 0,
        };
        for request in self.server.log().requests() {
            let path = request.uri.path();
            if self.vendor.is_auth(path) {
                counts.fetches += 1;
            } else if self.vendor.is_step(path) {
                counts.steps += 1;
            } else {
                counts.sends += 1;
            }
        }
        counts
    }

    fn check_counts(&self, before: Counts, targets: usize, verdicts: &[Verdict]) {
        let now = self.counts();
        let renewed = self.vendor.access_expired.is_some()
            && (now.fetches > before.fetches.max(1)
                || verdicts
                    .iter()
                    .any(|verdict| verdict.kind == VerdictKind::CredentialRefused));
        let most = if renewed { 2 } else { 1 };
        let mut times: HashMap<String, usize> = HashMap::new();
        for shown in self.shown_since(before.sends) {
            for token in shown.tokens {
                *times.entry(token).or_default() += 1;
            }
        }
        assert!(
            times.values().all(|times| *times <= most),
            "a target was sent to {} times: only the pipeline retries",
            times.values().max().unwrap_or(&0)
        );
        let sends = now.sends - before.sends;
        assert!(
            sends <= most * targets,
            "{sends} requests for {targets} targets"
        );
        let steps = now.steps - before.steps;
        assert!(
            steps <= most * targets,
            "{steps} first steps for {targets} targets"
        );
        assert!(
            now.fetches - before.fetches <= 2,
            "the token endpoint was asked {} times for one send",
            now.fetches - before.fetches
        );
    }

    /// Begins to send in a task of its own.
    pub(super) fn begin(&self, batch: Batch) -> (tokio::task::JoinHandle<()>, Arc<Collected>) {
        let collected = Collected::new();
        let sink: Arc<Collected> = Arc::clone(&collected);
        let verdicts = Verdicts::new(batch.targets.len(), sink);
        let provider = Arc::clone(&self.provider);
        let task = tokio::spawn(async move { provider.send(batch, verdicts).await });
        (task, collected)
    }

    /// Sends the sample to the token of this number while the clock runs, for what is answered by silence.
    pub(super) async fn send_while_time_passes(&self, number: usize) -> Verdict {
        let batch = plain(sample::notification(), [self.token(number)]);
        self.sent_while_time_passes(batch).await.remove(0)
    }

    /// Sends `batch` while the clock runs, and returns every verdict.
    pub(super) async fn sent_while_time_passes(&self, batch: Batch) -> Vec<Verdict> {
        let before = self.counts();
        let targets = batch.targets.len();
        let heard = self.server.log().total();
        let (task, collected) = self.begin(batch);
        // The connection is made before the clock runs.
        crate::until(|| task.is_finished() || self.server.log().total() > heard).await;
        self.let_time_pass(&task).await;
        let verdicts: Vec<Verdict> = (0..targets)
            .map(|position| collected.get(position).expect("there is a verdict"))
            .collect();
        self.check_counts(before, targets, &verdicts);
        verdicts
    }

    /// Waits until the vendor has read `count` sends.
    pub(super) async fn wait_for_sends(&self, count: usize) {
        crate::until(|| self.sent().len() >= count).await;
    }

    /// Lets the clock run, an hour at most, until `task` is done.
    pub(super) async fn let_time_pass(&self, task: &tokio::task::JoinHandle<()>) {
        let start = self.clock.now();
        while self.clock.now().since(start) <= Duration::from_secs(60 * 60) {
            // Whatever waits for a socket or for another task runs before the clock does.
            crate::until_idle().await;
            if task.is_finished() {
                return;
            }
            self.clock.advance(Duration::from_secs(30));
        }
        panic!("the send did not end within an hour of the clock");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn recorded(request: &http::Request<bytes::Bytes>) -> Recorded {
    Recorded {
        method: request.method().clone(),
        uri: request.uri().clone(),
        headers: request.headers().clone(),
        body: request.body().clone(),
        connection: 0,
    }
}

/// What every provider of the suite is built with: the vendor's receipts go to an address.
pub(super) fn context(clock: &ManualClock) -> BuildContext {
    let receipts = Uri::from_static("https://gateway.example/v1/vendor-receipts/0123456789abcdef");
    BuildContext::new(Arc::new(clock.clone())).with_receipts(Some(receipts))
}

pub(super) fn build(vendor: &Vendor, config: &Value, clock: &ManualClock) -> DynProvider {
    let context = context(clock);
    let provider = vendor
        .descriptor
        .build(raw(config), &context)
        .expect("the configuration of the suite builds a provider");
    match &vendor.layer {
        Some(layer) => layer(&context).provider(provider, &crate::layer::credential()),
        None => provider,
    }
}

pub(super) fn raw(config: &Value) -> RawConfig {
    RawConfig::from_json(config).expect("`config` makes a JSON object")
}
