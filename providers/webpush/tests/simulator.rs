//! The provider against the vendor's simulator.
use std::sync::Arc;

use push_core::{BuildContext, Clock, DynProvider, RawConfig, VerdictKind};
use push_provider_webpush::{
    PLUGIN,
    simulator::{Options, Simulator},
};
use push_testkit::{block_on, sample};

async fn start() -> (Simulator, DynProvider) {
    let clock: Arc<dyn Clock> = Arc::new(sample::clock());
    let options = Options::default().with_clock(Arc::clone(&clock));
    let simulator = Simulator::start(options)
        .await
        .expect("loopback can be bound");
    let config = RawConfig::from_json(&simulator.config()).expect("an object");
    let provider = PLUGIN.build(config, &BuildContext::new(clock));
    (simulator, provider.expect("the simulator's configuration"))
}

#[test]
fn a_notification_arrives_on_the_phone() {
    block_on(async {
        let (simulator, provider) = start().await;
        let phone = simulator.install();
        let verdict = sample::send_one(&provider, phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        let arrivals = phone.arrivals();
        assert_eq!(arrivals.len(), 1);
        assert_eq!(arrivals[0].title(), sample::TITLE);
        assert_eq!(arrivals[0].text(), sample::BODY);
        assert_eq!(arrivals[0].data()["ext"], sample::EXT);
        assert_eq!(phone.badge(), 3);
        let health = provider.verify().await.expect("the simulator answers");
        assert_eq!(health.acceptance, push_core::Acceptance::Accepted);
    });
}

#[test]
fn the_token_of_a_deleted_app_is_dead() {
    block_on(async {
        let (simulator, provider) = start().await;
        let phone = simulator.install();
        phone.uninstall();
        let verdict = sample::send_one(&provider, phone.token()).await;
        let dead = matches!(verdict.kind, VerdictKind::TokenDead { .. });
        assert!(dead, "{verdict:?}");
        assert!(phone.arrivals().is_empty());
    });
}

#[test]
fn the_longest_texts_are_taken() {
    block_on(async {
        let (simulator, provider) = start().await;
        let phone = simulator.install();
        let mut notification = sample::notification();
        notification.title = "你好😀".repeat(100);
        notification.body = "👨\u{200d}👩\u{200d}👧".repeat(300);
        let batch = sample::batch(notification, [phone.token()]);
        let verdict = sample::send(&provider, batch).await.remove(0);
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        assert_eq!(phone.arrivals()[0].title().encode_utf16().count(), 50);
    });
}
