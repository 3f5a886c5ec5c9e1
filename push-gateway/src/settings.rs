//! What an operator can choose.
use std::{path::PathBuf, sync::Arc, time::Duration};

use push_core::{
    AddressPolicy, BuildContext, Clock, Describe, Error, ErrorKind, Faults, Result, Secret,
};
use push_http::{Client, HttpConfig, MAX_RESPONSE_BYTES, MAX_WAITING, TokioClock};
use serde::{Deserialize, Serialize};

use crate::decision::{DecisionSettings, check_policies};

/// The shortest duration that can be written and is longer than zero.
pub(crate) const LEAST: Duration = Duration::from_millis(1);

/// All settings of a gateway. Every field has a default that suits production.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Describe)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// Who gets a push, and what it says.
    pub decision: DecisionSettings,
    /// How deliveries travel from the queue to the vendors.
    pub pipeline: PipelineSettings,
    /// How long things are kept, and how many at once.
    pub limits: Limits,
    /// The URL under which vendors reach this gateway to post receipts, with https and without a path. Without it there are none.
    #[describe(example = "https://push.example.com")]
    pub public_url: Option<String>,
    /// Which addresses the connections of credentials may reach, checked after their names are resolved: `public`, `loopback`,
    /// `any`, or a list such as `["public", "10.1.0.0/16"]`.
    ///
    /// `public` keeps them away from this machine and its networks: a credential names hosts, and a caller who may upload one would
    /// otherwise reach every host that this machine reaches. With the simulators of `offline-push simulate` write
    /// `["public", "loopback"]`. Plain http is for listed networks only.
    #[serde(skip_serializing)]
    pub addresses: AddressPolicy,
    /// The proxy through which vendors are reached, `http://[user:password@]host:port`.
    ///
    /// Credentials name none of their own unless `addresses` is `any`.
    #[serde(skip_serializing)]
    #[describe(example = "http://proxy.example.com:3128")]
    pub proxy: Option<Secret>,
    /// The largest response body that a credential may allow (`http.max_response_bytes`), in bytes.
    #[describe(min = 1, max = MAX_RESPONSE_BYTES, unit = "bytes")]
    pub max_response_bytes: usize,
    /// The most requests that a credential may let wait for a connection to one origin (`http.max_waiting`).
    #[describe(min = 1, max = MAX_WAITING)]
    pub max_waiting: usize,
    /// The folder at which relative paths in a credential's configuration start; empty for the working directory. The program
    /// sets it to the folder of its configuration.
    #[serde(skip)]
    pub folder: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            decision: DecisionSettings::default(),
            pipeline: PipelineSettings::default(),
            limits: Limits::default(),
            public_url: None,
            addresses: AddressPolicy::public_only(),
            proxy: None,
            max_response_bytes: 1024 * 1024,
            max_waiting: 10_000,
            folder: PathBuf::new(),
        }
    }
}

impl Settings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with everything that is wrong, each with its key.
    pub fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        self.check_ranges(&mut faults);
        let pipeline = &self.pipeline;
        faults.refuse(
            pipeline.backoff_max < pipeline.backoff_base,
            "pipeline.backoff_base",
            "must not be above `backoff_max`",
        );
        faults.refuse(
            self.public_url
                .as_deref()
                .is_some_and(|url| !is_origin(url)),
            "public_url",
            "must be like `https://push.example.com`, without a path",
        );
        faults.keep(self.check_proxy());
        let policies = check_policies(&self.decision.policies);
        faults.keep(policies.map_err(|error| error.under("decision")));
        faults.result()
    }

    fn check_proxy(&self) -> Result<()> {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock);
        let only_proxy = BuildContext::new(Arc::clone(&clock))
            .with_addresses(self.addresses.clone())
            .with_proxy(self.proxy.clone());
        match Client::new(HttpConfig::default().within(&only_proxy), clock) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::new(ErrorKind::Config, error.message())
                .at("proxy")
                .advise(
                    error
                        .advice()
                        .unwrap_or("write it like `http://proxy.example.com:3128`"),
                )),
        }
    }

    push_core::setters! {
        with_decision(decision: DecisionSettings);
        with_pipeline(pipeline: PipelineSettings);
        with_limits(limits: Limits);
        with_public_url(public_url: impl Into<Option<String>>);
        with_addresses(addresses: AddressPolicy);
        with_proxy(proxy: impl Into<Option<Secret>>);
        with_max_response_bytes(max_response_bytes: usize);
        with_max_waiting(max_waiting: usize);
        with_folder(folder: impl Into<PathBuf>);
    }
}

impl Settings {
    /// What credentials are built with.
    pub(crate) fn build_context(&self, clock: Arc<dyn Clock>) -> BuildContext {
        BuildContext::new(clock)
            .with_folder(&self.folder)
            .with_addresses(self.addresses.clone())
            .with_proxy(self.proxy.clone())
            .with_limits(self.max_response_bytes, self.max_waiting)
    }
}

/// Whether `url` is an https URL with nothing behind the host and port.
fn is_origin(url: &str) -> bool {
    url.parse::<http::Uri>().is_ok_and(|uri| {
        uri.scheme_str() == Some("https")
            && push_http::port_of(&uri).is_some()
            && uri
                .authority()
                .is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.path() == "/"
            && uri.query().is_none()
    })
}

/// How deliveries travel from the queue to the vendors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Describe)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PipelineSettings {
    /// The most deliveries of one credential and class that are with the vendor at the same time.
    #[describe(min = 1)]
    pub in_flight: usize,
    /// The most deliveries of one credential and class that wait in the queue.
    ///
    /// More are skipped, or refused if there is nothing else to push, so that a credential that does not send leaves room for the
    /// others. Compared with every `sweep`, so that a burst can exceed it.
    #[describe(min = 1)]
    pub lane_depth: u64,
    /// How long a vendor may take to answer before a delivery counts as unanswered.
    #[serde(with = "push_http::duration")]
    #[describe(min = LEAST)]
    pub attempt_timeout: Duration,
    /// How often a delivery is sent whose outcome may be that the phone has it already.
    ///
    /// A delivery that the vendor certainly did not accept is tried until its time to live ends.
    #[describe(min = 1)]
    pub max_attempts: u32,
    /// The longest wait before the second attempt; doubles with every further one. Not above `backoff_max`.
    #[serde(with = "push_http::duration")]
    #[describe(min = LEAST)]
    pub backoff_base: Duration,
    /// The longest wait between two attempts, unless the vendor asks for more.
    #[serde(with = "push_http::duration")]
    pub backoff_max: Duration,
    /// When a suspended credential is first tried again, with one delivery; doubles with every refusal.
    ///
    /// One that had just been accepted is tried once more immediately.
    #[serde(with = "push_http::duration")]
    pub probe_first: Duration,
    /// The longest wait between two such trials.
    #[serde(with = "push_http::duration")]
    pub probe_max: Duration,
    /// Over which time a credential's refused tokens are counted.
    #[serde(with = "push_http::duration")]
    pub guard_window: Duration,
    /// From how many refused tokens on their share matters.
    pub guard_min: usize,
    /// The share of refused tokens from which on the credential is suspected instead.
    #[describe(min = 0.0, max = 1.0)]
    pub guard_share: f64,
    /// How often the queue is asked for lanes that were not announced: other gateways' deliveries, expired leases.
    #[serde(with = "push_http::duration")]
    pub sweep: Duration,
    /// How long a shutdown waits for the vendors' answers.
    #[serde(with = "push_http::duration")]
    pub drain: Duration,
    /// Makes the random part of waiting times repeatable: for tests.
    #[describe(example = 1)]
    pub seed: Option<u64>,
}

impl Default for PipelineSettings {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            in_flight: 2000,
            lane_depth: 1_000_000,
            attempt_timeout: MINUTE,
            max_attempts: 30,
            backoff_base: Duration::from_secs(1),
            backoff_max: 10 * MINUTE,
            probe_first: Duration::from_secs(30),
            probe_max: 15 * MINUTE,
            guard_window: 10 * MINUTE,
            guard_min: 50,
            guard_share: 0.8,
            sweep: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            seed: None,
        }
    }
}

/// How long things are kept, and how many at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Describe)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// How many messages one call may submit.
    pub messages: usize,
    /// How many receivers the messages of one call may have together.
    pub receivers: usize,
    /// How long traces are kept.
    #[serde(with = "push_http::duration")]
    pub traces: Duration,
    /// How many trace events may wait to be stored; more are counted and dropped.
    pub trace_buffer: usize,
    /// How long before its expiry a credential is reported.
    #[serde(with = "push_http::duration")]
    pub expiry_warning: Duration,
    /// How long a vendor may take to say whether it accepts a credential.
    #[serde(with = "push_http::duration")]
    #[describe(min = LEAST)]
    pub verify_timeout: Duration,
    /// How often expiring credentials, rotations by other gateways and old traces are looked at.
    #[serde(with = "push_http::duration")]
    pub housekeeping: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            messages: 500,
            receivers: 10_000,
            traces: 7 * DAY,
            trace_buffer: 200_000,
            expiry_warning: 30 * DAY,
            verify_timeout: Duration::from_secs(10),
            housekeeping: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_only_public_addresses_are_reached() {
        let settings = Settings::default();
        let written: Settings = serde_json::from_str("{}").expect("every key has a default");
        assert_eq!(written, settings);
        settings.check().expect("the defaults work");
        let permits = |address: &str| settings.addresses.permits(address.parse().expect(address));
        assert!(permits("17.188.143.34"));
        for private in [
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "fe80::1",
            "fd00::1",
        ] {
            assert!(!permits(private), "{private}");
        }
        let own: Settings = serde_json::from_str(r#"{"addresses": ["public", "loopback"]}"#)
            .expect("an operator can allow it");
        assert!(
            own.addresses
                .permits("127.0.0.1".parse().expect("an address"))
        );
        assert!(
            !own.addresses
                .permits("10.0.0.1".parse().expect("an address"))
        );
    }

    #[test]
    fn limits_and_a_proxy_that_cannot_work_are_named() {
        for (json, key) in [
            (r#"{"max_response_bytes": 0}"#, "max_response_bytes"),
            (r#"{"max_response_bytes": 16777217}"#, "max_response_bytes"),
            (r#"{"max_waiting": 0}"#, "max_waiting"),
            (r#"{"proxy": "ftp://user:secret@proxy"}"#, "proxy"),
        ] {
            let settings: Settings = serde_json::from_str(json).expect(json);
            let error = settings.check().expect_err(json);
            assert_eq!(error.place(), Some(key), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
