//! Layers: their order, what they forward, and what they see of verdicts.
use std::sync::{Arc, Mutex};

use push_core::{
    AppId, AroundProvider, Batch, BatchId, Capabilities, CertificateId, Channel, Collected,
    Content, ContentId, CredentialRef, DeliveryId, DeviceToken, DynProvider, Environment, Health,
    Layer, Layered, Layers, MessageId, Notification, Provider, Result, Slot, Target, Timestamp,
    VendorAnswer, Verdict, VerdictKind, Verdicts, async_trait,
};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

/// Accepts the first target and forgets the others.
#[derive(Debug)]
struct Forgetful(Capabilities);

#[async_trait]
impl Provider for Forgetful {
    fn capabilities(&self) -> &Capabilities {
        &self.0
    }
    async fn send(&self, _: Batch, verdicts: Verdicts) {
        verdicts.report(0, Verdict::accepted(VendorAnswer::new(200, "")));
    }
    async fn verify(&self) -> Result<Health> {
        Ok(Health::accepted("a test"))
    }
    fn check_token(&self, _: Slot, _: &DeviceToken) -> Result<DeviceToken> {
        DeviceToken::new("canonical")
    }
}

type Seen = Arc<Mutex<Vec<String>>>;

/// Notes the verdicts that it sees.
#[derive(Clone, Debug)]
struct Noting(&'static str, Seen);

impl Layer for Noting {
    fn provider(&self, inner: DynProvider, _: &CredentialRef) -> DynProvider {
        Arc::new(Layered::new(inner, self.clone()))
    }
}

#[async_trait]
impl AroundProvider for Noting {
    async fn send(&self, inner: &dyn Provider, batch: Batch, verdicts: Verdicts) {
        let Self(name, seen) = self.clone();
        seen.lock()
            .expect("the fixture works")
            .push(format!("{name} sends"));
        let verdicts = verdicts.observed(move |verdicts| {
            for (position, verdict) in verdicts {
                let kind = verdict.kind.as_str();
                let line = format!("{name} sees {position} {kind}");
                seen.lock().expect("the fixture works").push(line);
            }
        });
        inner.send(batch, verdicts).await;
    }
}

fn batch(targets: usize) -> Batch {
    let content = Arc::new(Content::new(
        ContentId::new(NOW),
        AppId::new("app").expect("the fixture works"),
        MessageId::new("message").expect("the fixture works"),
        push_core::Class::CHAT,
        Notification::default(),
    ));
    let target = |number| {
        let token = DeviceToken::new(format!("token-{number}")).expect("the fixture works");
        Target::new(DeliveryId::new(NOW), token, Arc::clone(&content))
    };
    let targets = (0..targets).map(target).collect();
    Batch::new(
        BatchId::new(NOW),
        Environment::Production,
        Slot::Alert,
        targets,
    )
}

fn layered(layers: &Layers) -> DynProvider {
    let capabilities = Capabilities::new(Channel::known("acme"), 4096);
    let credential = CredentialRef::new(
        AppId::new("app").expect("the fixture works"),
        CertificateId::new(1).expect("the fixture works"),
    );
    layers.provider(Arc::new(Forgetful(capabilities)), &credential)
}

fn finish(future: impl Future<Output = ()>) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(future).poll(&mut context).is_ready());
}

#[test]
fn the_first_layer_is_outermost_and_sees_verdicts_last() {
    let seen = Seen::default();
    let layers = Layers::new()
        .with(Arc::new(Noting("outer", Arc::clone(&seen))))
        .with(Arc::new(Noting("inner", Arc::clone(&seen))));
    let collected = Collected::new();
    let sink: Arc<Collected> = Arc::clone(&collected);
    let provider = layered(&layers);
    finish(provider.send(batch(2), Verdicts::new(2, sink)));
    // The one without a verdict is unknown to every layer.
    let expected = [
        "outer sends",
        "inner sends",
        "inner sees 0 accepted",
        "outer sees 0 accepted",
        "inner sees 1 unknown",
        "outer sees 1 unknown",
    ];
    assert_eq!(*seen.lock().expect("the fixture works"), expected);
    let kinds: Vec<VerdictKind> = collected
        .verdicts()
        .iter()
        .map(|(_, verdict)| verdict.kind)
        .collect();
    assert_eq!(kinds, [VerdictKind::Accepted, VerdictKind::Unknown]);
}

#[test]
fn what_a_layer_does_not_change_is_the_inner_providers() {
    let seen = Seen::default();
    let provider = layered(&Layers::new().with(Arc::new(Noting("one", seen))));
    assert_eq!(provider.capabilities().channel.as_str(), "acme");
    let token = DeviceToken::new("as-it-came").expect("the fixture works");
    let checked = provider
        .check_token(Slot::Alert, &token)
        .expect("the fixture works");
    assert_eq!(checked.expose(), "canonical");
    assert!(format!("{provider:?}").contains("Forgetful"));
}

#[test]
fn without_layers_an_object_is_returned_as_it_is() {
    assert!(Layers::new().is_empty());
    let text = format!("{:?}", layered(&Layers::new()));
    assert!(text.starts_with("Forgetful"), "{text}");
}
