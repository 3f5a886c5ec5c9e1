//! A simulated TPNS and a provider that sends to it.
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, request::Builder};
use push_core::{
    Batch, BuildContext, Clock, DynProvider, Environment, ManualClock, Notification, RawConfig,
    Timestamp, VerdictKind,
};
use push_http::{Client, HttpClient};
use push_provider_tpns::{
    PLUGIN,
    simulator::{Options, Phone, Route, Simulator},
};
use push_testkit::{
    Recorded, json, sample,
    serde_json::{self, Value},
};

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) simulator: Simulator,
    pub(crate) provider: DynProvider,
    is_ios: bool,
}

#[allow(dead_code, reason = "each test binary uses a part of it")]
impl World {
    pub(crate) async fn android() -> Self {
        Self::with_android(&json!({})).await
    }

    pub(crate) async fn ios() -> Self {
        Self::with_ios(&json!({})).await
    }

    /// The simulator's configuration for Android with these keys over it.
    pub(crate) async fn with_android(keys: &Value) -> Self {
        Self::with(false, keys).await
    }

    pub(crate) async fn with_ios(keys: &Value) -> Self {
        Self::with(true, keys).await
    }

    async fn with(is_ios: bool, keys: &Value) -> Self {
        let clock = Arc::new(sample::clock());
        let options = Options::default().with_clock(Arc::<ManualClock>::clone(&clock));
        let simulator = Simulator::start(options).await.expect("a free port");
        let mut config = if is_ios {
            simulator.ios()
        } else {
            simulator.android()
        };
        for (key, value) in keys.as_object().expect("an object") {
            config[key] = value.clone();
        }
        let context = BuildContext::new(Arc::<ManualClock>::clone(&clock));
        let provider = PLUGIN.build(Self::raw(&config), &context);
        Self {
            clock,
            simulator,
            provider: provider.expect("a credential"),
            is_ios,
        }
    }

    pub(crate) fn raw(config: &Value) -> RawConfig {
        RawConfig::from_json(config).expect("a configuration")
    }

    pub(crate) const fn is_ios(&self) -> bool {
        self.is_ios
    }

    /// A phone of the credential's platform that shows badges.
    pub(crate) fn phone(&self) -> Phone {
        match self.is_ios {
            true => self.simulator.install_ios(Environment::Production),
            false => self.simulator.install(Route::Huawei),
        }
    }

    pub(crate) async fn send(&self, batch: Batch) -> Vec<VerdictKind> {
        let verdicts = sample::send(&self.provider, batch).await;
        verdicts.into_iter().map(|verdict| verdict.kind).collect()
    }

    pub(crate) async fn send_to(&self, phone: &Phone) -> VerdictKind {
        sample::send_one(&self.provider, phone.token()).await.kind
    }

    /// The `message` of the request that sends `notification`, which a new phone gets.
    pub(crate) async fn message_of(&self, notification: Notification) -> Value {
        let phone = self.phone();
        let batch = sample::batch(notification, [phone.token()]);
        assert_eq!(self.send(batch).await, [VerdictKind::Accepted]);
        let arrival = phone.arrivals().pop().expect("it arrived");
        arrival.message().clone()
    }

    /// Sends a request as a client of its own would, by Basic; returns code and words of the answer.
    pub(crate) async fn ask(&self, body: &Value) -> (i64, String) {
        let pair = if self.is_ios {
            "MTYwMDAwMDAwMTp0cG5zLXNpbXVsYXRvci1zZWNyZXQ="
        } else {
            "MTUwMDAwMDAwMTp0cG5zLXNpbXVsYXRvci1zZWNyZXQ="
        };
        let request = self
            .request()
            .header("authorization", format!("Basic {pair}"));
        self.post(request, Bytes::from(body.to_string())).await
    }

    /// Sends a request once more, as it was.
    pub(crate) async fn replay(&self, recorded: &Recorded) -> (i64, String) {
        let mut request = self.request();
        for name in ["accessid", "timestamp", "sign"] {
            request = request.header(name, recorded.header(name).expect("it is signed"));
        }
        self.post(request, recorded.body.clone()).await
    }

    fn request(&self) -> Builder {
        let config = self.simulator.android();
        let url = config["endpoint"].as_str().expect("text");
        Request::post(format!("{url}/v3/push/app"))
    }

    async fn post(&self, request: Builder, body: Bytes) -> (i64, String) {
        let config = self.simulator.android();
        let http = serde_json::from_value(config["http"].clone()).expect("settings of a client");
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let client = Client::new(http, clock).expect("a client");
        let request = request.body(body).expect("a request");
        let answer = client.send(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let json: Value = serde_json::from_slice(answer.body()).expect("JSON");
        let code = json["ret_code"].as_i64().expect("a number");
        (
            code,
            json["err_msg"].as_str().unwrap_or_default().to_owned(),
        )
    }
}

/// This machine's time.
#[allow(dead_code, reason = "each test binary uses a part of it")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    Timestamp::from_unix_millis(
        i64::try_from(since.as_millis()).expect("before the year 292,000,000"),
    )
}
