//! The vendor on loopback, and the provider that talks to it.
use std::{sync::Arc, time::Duration};

use push_core::{
    Batch, BuildContext, Collected, DynProvider, ManualClock, RawConfig, Verdict, Verdicts,
};
use serde_json::Value;

use super::Vendor;
use crate::{Alpn, Authority, Faults, HttpServer, Reply, ServerOptions, sample};

pub(super) struct Stage<'a> {
    pub(super) vendor: &'a Vendor,
    pub(super) clock: ManualClock,
    pub(super) server: HttpServer,
    pub(super) provider: DynProvider,
    /// What the vendor answers to sends instead of `ok`.
    pub(super) sends: Faults,
    /// What the token endpoint answers instead of its usual.
    pub(super) auth: Faults,
}

impl<'a> Stage<'a> {
    pub(super) async fn new(vendor: &'a Vendor) -> Self {
        let alpn = vendor.protocols.first().copied().unwrap_or_default();
        Self::with(vendor, alpn).await
    }

    pub(super) async fn with(vendor: &'a Vendor, alpn: Alpn) -> Self {
        let authority = Authority::new();
        let (sends, auth) = (Faults::new(), Faults::new());
        let script = (sends.clone(), auth.clone());
        let ok = vendor.ok_reply();
        let granted = vendor.auth.clone();
        let mut options = ServerOptions::tls_with(&authority, alpn);
        options.log = 8192;
        options.max_body = 4 * 1024 * 1024;
        let server = HttpServer::start(options, move |request| {
            let path = request.uri().path();
            let reply = match &granted {
                Some((auth, reply)) if auth == path => {
                    script.1.take(path).unwrap_or_else(|| reply.clone())
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
        }
    }

    /// Sends the sample to one token, everything being answered with `reply`.
    pub(super) async fn answered(&self, reply: &Reply) -> Verdict {
        self.sends.clear();
        self.sends.always(reply.clone());
        sample::send_one(&self.provider, &(self.vendor.token)(0)).await
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

    /// Waits until the vendor has read `count` sends.
    pub(super) async fn wait_for_sends(&self, count: usize) {
        crate::until(|| self.vendor.sends(self.server.log()).len() >= count).await;
    }

    /// Lets the clock run, an hour at most, until `task` is done.
    pub(super) async fn let_time_pass(&self, task: &tokio::task::JoinHandle<()>) {
        for _ in 0..120 {
            // Whoever waits for a socket or for another task gets a chance between two steps of the clock.
            for _ in 0..50 {
                if task.is_finished() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            self.clock.advance(Duration::from_secs(30));
        }
        panic!("the send did not end within an hour of the clock");
    }
}

pub(super) fn build(vendor: &Vendor, config: &Value, clock: &ManualClock) -> DynProvider {
    vendor
        .descriptor
        .build(raw(config), &BuildContext::new(Arc::new(clock.clone())))
        .expect("the configuration of the suite builds a provider")
}

pub(super) fn raw(config: &Value) -> RawConfig {
    RawConfig::from_json(config).expect("`config` makes a JSON object")
}
