//! A gateway in this process.
use std::sync::Arc;

use offline_push::{
    AddressPolicy, AppId, BuildContext, Clock, QueueKind, RawConfig, Secret, StoreKind,
    gateway::{
        Gateway, MasterKey, Parts, Settings,
        http::{ApiKey, HttpSettings, KeyScope, router, serve},
    },
    http::TokioClock,
};
use tokio::{net::TcpListener, sync::oneshot};

/// A gateway in memory, with its HTTP API. Dropping it stops the server.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) gateway: Gateway,
    pub(crate) url: String,
    _stop: oneshot::Sender<()>,
}

impl Served {
    /// With an API key for `app` that may do everything.
    pub(crate) async fn start(app: &str, key: &str, settings: Settings) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock);
        let context = BuildContext::new(Arc::clone(&clock));
        let registry = Arc::new(offline_push::registry().expect("the plugins are linked"));
        let secret = MasterKey::generate().expect("the system has randomness");
        let gateway = Gateway::new(
            Parts::new(
                registry
                    .build::<StoreKind>("memory", RawConfig::empty(), &context)
                    .expect("the store needs no configuration"),
                registry
                    .build::<QueueKind>("memory", RawConfig::empty(), &context)
                    .expect("the queue needs no configuration"),
                registry,
                clock,
                MasterKey::parse(&secret).expect("a fresh key"),
            )
            .with_settings(
                settings
                    // The simulators listen on this machine.
                    .with_addresses(AddressPolicy::public_only().allow_loopback()),
            ),
        )
        .expect("the settings work");
        let http = HttpSettings::default().with_keys(vec![ApiKey::new(
            "test",
            AppId::new(app).expect("an app id"),
            vec![KeyScope::Server, KeyScope::Admin],
            Secret::new(key),
        )]);
        let routes = router(&gateway, &http, &[]).expect("the settings work");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the listener is bound");
        gateway
            .start()
            .await
            .expect("the master key is that of the store");
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(
            async move { serve(listener, routes, &http, async { drop(stopped.await) }).await },
        );
        Self {
            gateway,
            url: format!("http://{address}"),
            _stop: stop,
        }
    }
}
