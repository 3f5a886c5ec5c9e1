//! The whole way of a receipt: from a phone through Huawei to the receipt address of a gateway, into its trace and registrations.
use std::{sync::Arc, time::Duration};

use push_core::{
    AppId, Clock, DeliveryId, DeviceId, DeviceToken, Environment, Gateway as _, ManualClock,
    Message, Presence, PresenceChange, Secret, Slot, Stage, TraceEvent, UserId,
    api::RegistrationBody,
};
use push_gateway::{
    Gateway, Settings, Upload,
    http::{HttpSettings, router, serve},
};
use push_http::{Client, HttpConfig};
use push_provider_huawei::simulator::{Options, Phone, Simulator};
use push_testkit::{block_on, eventually, json, sample, serde_json};
use tokio::net::TcpListener;

// The store and the queue of the gateway register themselves.
use push_queue_memory as _;
use push_store_memory as _;

/// What the operator enters in AppGallery Connect begins with it.
const PUBLIC: &str = "https://push.example.com";

const KEY: &str = "the-receipt-key-of-a-test";

struct World {
    clock: ManualClock,
    huawei: Simulator,
    gateway: Gateway,
    /// The credential's receipt address, on loopback.
    address: String,
    certificate: push_core::CertificateId,
}

fn app() -> AppId {
    AppId::new("im").expect("an id")
}

impl World {
    /// A gateway with a credential of the simulated Huawei, and its API on loopback.
    async fn new() -> Self {
        let clock = sample::clock();
        let options = Options::default().with_clock(Arc::new(clock.clone()));
        let huawei = Simulator::start(options).await.expect("a free port");
        let mut settings = Settings::default();
        settings.public_url = Some(PUBLIC.to_owned());
        let gateway = Gateway::in_memory()
            .settings(settings)
            .clock(Arc::new(clock.clone()))
            .allow_loopback()
            .start()
            .await
            .expect("a gateway");
        let mut config = huawei.config();
        config["receipt_user"] = json!("imuser");
        config["receipt_key"] = json!(KEY);
        let upload = Upload::new("huawei", config);
        let info = gateway.add_credential(&app(), upload).await;
        let info = info.expect("the credential is right");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let local = format!("http://{}", listener.local_addr().expect("an address"));
        let address = info.receipts.expect("a receipt address");
        let http = HttpSettings::default();
        let routes = router(&gateway, &http, &[]).expect("a router");
        tokio::spawn(async move { serve(listener, routes, &http, std::future::pending()).await });
        Self {
            clock,
            huawei,
            gateway,
            address: address.replace(PUBLIC, &local),
            certificate: info.id,
        }
    }

    /// Logs a user in on a new phone, and locks it.
    async fn login(&self, name: &str) -> Phone {
        let phone = self.huawei.install();
        let user: UserId = name.parse().expect("an id");
        let device: DeviceId = format!("phone-of-{name}").parse().expect("an id");
        let registration = RegistrationBody::new(
            push_core::Channel::HUAWEI,
            self.certificate,
            Environment::Production,
            DeviceToken::new(phone.token()).expect("a token"),
        );
        let app = app();
        let registered = self
            .gateway
            .register(&app, &user, &device, Slot::Alert, registration);
        registered.await.expect("it is registered");
        let locked = PresenceChange::new(user, Presence::Background, self.gateway.now()).on(device);
        let reported = self.gateway.set_presence(&app, vec![locked]).await;
        reported.expect("it is recorded");
        phone
    }

    async fn submit(&self, id: &str, names: &[&str]) -> push_core::Submitted {
        let message: Message = serde_json::from_value(json!({
            "id": id,
            "sender": { "user": "bob", "nickname": "Bob" },
            "receivers": names,
            "elements": [{ "type": "text", "text": "lunch at noon?" }],
        }))
        .expect("a message");
        let submitted = self.gateway.submit(&app(), vec![message]).await;
        submitted.expect("it is decided").remove(0)
    }

    /// Sends a message to these users, and returns the deliveries once Huawei accepted them.
    async fn send(&self, id: &str, names: &[&str]) -> Vec<DeliveryId> {
        let submitted = self.submit(id, names).await;
        assert_eq!(submitted.skipped.len(), 0, "{:?}", submitted.skipped);
        let ids: Vec<_> = submitted
            .deliveries
            .iter()
            .map(|delivery| delivery.id)
            .collect();
        for id in &ids {
            self.until(*id, |event| event.stage == Stage::Settled).await;
        }
        ids
    }

    /// The trace of a delivery, once it has an event like this.
    async fn until(&self, id: DeliveryId, has: fn(&TraceEvent) -> bool) -> Vec<TraceEvent> {
        eventually(async || {
            let trace = self.gateway.trace_of_delivery(&app(), id).await;
            let trace = trace.expect("the store answers");
            trace.iter().any(has).then_some(trace)
        })
        .await
    }

    /// Lets Huawei post what it owes.
    async fn post(&self, key: &str) -> (usize, usize) {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let client = Client::new(HttpConfig::default(), clock).expect("a client");
        let key = Secret::new(key);
        let signer = Some(("imuser", &key));
        let posted = self
            .huawei
            .post_receipts(&client, &self.address, signer)
            .await;
        (posted.taken, posted.due)
    }
}

fn stages(trace: &[TraceEvent]) -> Vec<Stage> {
    trace.iter().map(|event| event.stage).collect()
}

#[test]
fn each_delivery_of_one_request_gets_the_receipt_of_its_own_phone() {
    block_on(async {
        let world = World::new().await;
        let names = ["alice", "carol", "dave"];
        let mut phones = Vec::new();
        for name in names {
            phones.push(world.login(name).await);
        }
        phones[1].switch_off();
        let deliveries = world.send("m1", &names).await;
        assert_eq!(
            world.huawei.counters().send_requests,
            1,
            "one request for all"
        );
        assert_eq!(
            world.post("another key").await,
            (0, 2),
            "forged receipts are refused"
        );
        assert_eq!(world.post(KEY).await, (2, 0));
        for at in [0, 2] {
            world
                .until(deliveries[at], |event| event.stage == Stage::Delivered)
                .await;
        }
        let trace = world.gateway.trace_of_delivery(&app(), deliveries[1]).await;
        let off = stages(&trace.expect("the store answers"));
        assert!(!off.contains(&Stage::Delivered), "{off:?}");
        phones[1].switch_on();
        assert_eq!(world.post(KEY).await, (1, 0));
        world
            .until(deliveries[1], |event| event.stage == Stage::Delivered)
            .await;
    });
}

/// S121+
#[test]
fn a_phone_that_lost_its_app_gets_nothing_more_and_its_neighbour_does() {
    block_on(async {
        let world = World::new().await;
        let gone = world.login("alice").await;
        let other = world.login("carol").await;
        world.clock.advance(Duration::from_secs(60));
        gone.uninstall_unnoticed();
        let deliveries = world.send("m1", &["alice", "carol"]).await;
        assert_eq!(world.post(KEY).await, (2, 0));
        let is_dead: fn(&TraceEvent) -> bool =
            |event| event.reason.as_deref() == Some("token-dead");
        world.until(deliveries[0], is_dead).await;
        let left = world.submit("m2", &["alice"]).await;
        assert_eq!(left.deliveries.len(), 0, "{left:?}");
        world.send("m3", &["carol"]).await;
        assert_eq!((gone.arrived(), other.arrived()), (0, 2));
    });
}

#[test]
fn notifications_that_are_switched_off_are_in_the_trace() {
    block_on(async {
        let world = World::new().await;
        let phone = world.login("alice").await;
        phone.set_muted(true);
        let deliveries = world.send("m1", &["alice"]).await;
        assert_eq!(world.post(KEY).await, (1, 0));
        let is_muted: fn(&TraceEvent) -> bool =
            |event| event.reason.as_deref() == Some("token-muted");
        world.until(deliveries[0], is_muted).await;
    });
}
