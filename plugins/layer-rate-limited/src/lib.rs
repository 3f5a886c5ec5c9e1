//! A layer that keeps each credential below a number of deliveries a second: [`RateLimited`].
//!
//! In every period of *t* seconds, at most `per_second` × *t* + `burst` deliveries of one credential reach its vendor. A delivery
//! waits in the layer for at most `max_wait`; what would wait longer goes back to the queue as
//! [`VerdictKind::Postponed`](push_core::VerdictKind::Postponed), which costs no attempt. While deliveries of several message
//! classes wait, each class gets its share.
mod around;
mod limiter;
mod waiting;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use push_core::{
    BuildContext, Class, Clock, CredentialRef, Describe, DynProvider, Faults, Layer, LayerKind,
    Layered, Plugin, Result, Selection,
};
use serde::Deserialize;

use crate::{around::Around, limiter::Limiter};

/// The most deliveries a second that can be configured.
const FASTEST: u32 = 1_000_000;
/// The largest share of a class.
const LARGEST_SHARE: u32 = 1000;
/// The longest wait that can be configured: well below the time that an attempt may take by default.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The shortest.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// What a [`RateLimited`] allows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RateLimitedConfig {
    /// How many deliveries of each credential are sent a second.
    #[describe(min = 1, max = FASTEST, example = 500)]
    pub per_second: u32,
    /// How many may be sent at once after a pause; as many as `per_second` if it is left out.
    #[serde(default)]
    #[describe(min = 1, max = FASTEST, example = 500)]
    pub burst: Option<u32>,
    /// How long a delivery may wait in the layer before it goes back to the queue.
    ///
    /// Shorter than the time that an attempt may take (`gateway.pipeline.attempt_timeout`), of which it is a part.
    #[serde(default = "five_seconds", with = "push_core::duration")]
    #[describe(min = SHORTEST_WAIT, max = LONGEST_WAIT)]
    pub max_wait: Duration,
    /// The share of each class while deliveries of several classes wait, from 1 to 1,000; a class that is not listed has 1.
    #[serde(default = "usual_shares")]
    pub shares: BTreeMap<Class, u32>,
    /// The credentials that it is for; all if it is left out.
    #[serde(default)]
    pub only: Selection,
}

const fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

fn usual_shares() -> BTreeMap<Class, u32> {
    BTreeMap::from([(Class::CALL, 8), (Class::CHAT, 4), (Class::NOTICE, 2)])
}

impl RateLimitedConfig {
    /// `per_second` deliveries a second of every credential; all else by default.
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second,
            burst: None,
            max_wait: five_seconds(),
            shares: usual_shares(),
            only: Selection::default(),
        }
    }

    fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        self.check_ranges(&mut faults);
        for (class, share) in &self.shares {
            faults.refuse(
                !(1..=LARGEST_SHARE).contains(share),
                &format!("shares.{}", class.as_str()),
                "must be from 1 to 1000",
            );
        }
        faults.keep(self.only.check().map_err(|error| error.under("only")));
        faults.result()
    }
}

/// Keeps each credential below a number of deliveries a second.
pub struct RateLimited {
    config: RateLimitedConfig,
    clock: Arc<dyn Clock>,
    /// Kept when a provider is built again: a rotation is no new quota.
    limiters: Mutex<HashMap<CredentialRef, Arc<Limiter>>>,
}

impl RateLimited {
    /// A layer that allows what `config` says, by this clock.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](push_core::ErrorKind::Config), naming each key that is wrong.
    pub fn new(config: RateLimitedConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        config.check()?;
        Ok(Self {
            config,
            clock,
            limiters: Mutex::default(),
        })
    }
}

impl Layer for RateLimited {
    fn provider(&self, inner: DynProvider, credential: &CredentialRef) -> DynProvider {
        let channel = &inner.capabilities().channel;
        if !self.config.only.selects(credential, channel) {
            return inner;
        }
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = limiters
            .entry(credential.clone())
            .or_insert_with(|| Arc::new(Limiter::new(&self.config, Arc::clone(&self.clock))));
        let around = Around::new(Arc::clone(limiter), inner.capabilities());
        Arc::new(Layered::new(inner, around))
    }
}

impl fmt::Debug for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimited")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// The plugin `layer/rate-limited`.
#[derive(Debug)]
pub struct RateLimitedPlugin;

impl Plugin for RateLimitedPlugin {
    type Kind = LayerKind;
    type Config = RateLimitedConfig;
    const NAME: &'static str = "rate-limited";

    fn build(config: RateLimitedConfig, context: &BuildContext) -> Result<Arc<dyn Layer>> {
        Ok(Arc::new(RateLimited::new(
            config,
            Arc::clone(&context.clock),
        )?))
    }
}

push_core::register_plugin!(RateLimitedPlugin);
