//! A layer of your own: an audit of every push, and a queue whose first call fails, as faults for a test would be.
//!
//! Run it: `cargo run --example custom_layer`. Nothing leaves this machine: a simulator on 127.0.0.1 replaces Apple.
//!
//! ```toml
//! [dependencies]
//! offline-push = { version = "0.1", default-features = false, features = [
//!     "gateway", "provider-apns", "queue-memory", "simulators", "store-memory"] }
//! serde_json = "1"
//! tokio = { version = "1", features = ["macros", "rt-multi-thread", "time"] }
//! ```
//!
//! For production, write the audit where you keep records, and leave the fault out. A layer that others are to use in a
//! configuration is a plugin: `cargo xtask new-plugin layer-NAME`. `push_testkit::layer_conformance!` tests what a layer must keep.
#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use std::{
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use offline_push::{
    AppId, AroundProvider, AroundQueue, Batch, CertificateId, CredentialRef, DynProvider,
    Environment, ErrorKind, Gateway as _, Layer, Layered, Message, Operation, Provider, Queue,
    Verdicts, async_trait,
    gateway::{Gateway, Upload},
    provider::apns::simulator::{Options, Simulator},
};
use serde_json::json;
use tokio::time::timeout;

// begin layer
/// Keeps one line for each push: which message went to which delivery, and what the vendor said.
#[derive(Clone, Debug, Default)]
struct Audit(Arc<Mutex<Vec<String>>>);

impl Layer for Audit {
    fn provider(&self, inner: DynProvider, _: &CredentialRef) -> DynProvider {
        Arc::new(Layered::new(inner, self.clone()))
    }
}

// Of all methods of a provider, only `send` is changed; the others are forwarded.
#[async_trait]
impl AroundProvider for Audit {
    async fn send(&self, inner: &dyn Provider, batch: Batch, verdicts: Verdicts) {
        let targets = batch.targets.iter();
        let what: Vec<_> = targets
            .map(|target| (target.content.message.clone(), target.delivery))
            .collect();
        let lines = Arc::clone(&self.0);
        let verdicts = verdicts.observed(move |verdicts| {
            for (position, verdict) in verdicts {
                let (message, delivery) = &what[*position];
                let line = format!("{message} {delivery} {}", verdict.kind.as_str());
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push(line);
            }
        });
        inner.send(batch, verdicts).await;
    }
}

/// Makes the first call of the queue fail.
#[derive(Debug, Default)]
struct FirstPutFails(AtomicBool);

impl Layer for FirstPutFails {
    fn queue(&self, inner: Arc<dyn Queue>) -> Arc<dyn Queue> {
        Arc::new(Layered::new(inner, Self::default()))
    }
}

impl AroundQueue for FirstPutFails {
    async fn call<T: Send, F: Future<Output = offline_push::Result<T>> + Send>(
        &self,
        operation: Operation,
        future: F,
    ) -> offline_push::Result<T> {
        if operation.name == "put" && !self.0.swap(true, Ordering::SeqCst) {
            let what = "the queue is away";
            return Err(offline_push::Error::new(ErrorKind::Unavailable, what));
        }
        future.await
    }
}
// end layer

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let apple = Simulator::start(Options::default()).await?;
    let iphone = apple.install("com.example.im", Environment::Production);

    // The first layer is outermost.
    let audit = Audit::default();
    let gateway = Gateway::in_memory()
        .layer(audit.clone())
        .layer(FirstPutFails::default())
        // The simulator listens on this machine.
        .allow_loopback()
        .start()
        .await?;
    let app = AppId::new("im")?;
    let upload = Upload::of(&apple.credential("com.example.im", Environment::Production))
        .with_id(CertificateId::new(7)?);
    gateway.add_credential(&app, upload).await?;

    let message: Message = serde_json::from_value(json!({
        "id": "m-1",
        "audience": {"tokens": [{"certificate_id": 7, "token": iphone.token()}]},
        "elements": [{"type": "text", "text": "lunch at noon?"}],
    }))?;
    let failed = gateway.submit(&app, vec![message.clone()]).await;
    let failed = failed.err().ok_or("the queue was to fail")?;
    println!("the first attempt: {failed}");
    gateway.submit(&app, vec![message]).await?;
    let arrival = timeout(Duration::from_secs(10), iphone.wait_for(1)).await?;
    arrival.ok_or("the phone does not exist any more")?;
    // Waits for the vendor's answer, so that the audit is complete.
    gateway.shutdown().await;

    let lines = audit.0.lock().unwrap_or_else(PoisonError::into_inner);
    println!("the audit: {lines:?}");
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("m-1 ") && lines[0].ends_with(" accepted"));
    Ok(())
}
