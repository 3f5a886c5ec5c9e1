//! Spans and events of a level that is known only at run time.
use std::{sync::Arc, time::Duration};

use push_core::{Clock, Error, Timestamp};

/// Expands to an event or a span of the level `$level`: its place is made at compile time, so there is one for each level.
macro_rules! at_level {
    ($level:expr, $macro:ident, $($rest:tt)+) => {
        match $level {
            $crate::Level::Error => tracing::$macro!(target: $crate::TARGET, tracing::Level::ERROR, $($rest)+),
            $crate::Level::Warn => tracing::$macro!(target: $crate::TARGET, tracing::Level::WARN, $($rest)+),
            $crate::Level::Info => tracing::$macro!(target: $crate::TARGET, tracing::Level::INFO, $($rest)+),
            $crate::Level::Debug => tracing::$macro!(target: $crate::TARGET, tracing::Level::DEBUG, $($rest)+),
            $crate::Level::Trace => tracing::$macro!(target: $crate::TARGET, tracing::Level::TRACE, $($rest)+),
        }
    };
}
pub(crate) use at_level;

/// When a call began.
pub(crate) struct Begun {
    clock: Arc<dyn Clock>,
    at: Timestamp,
}

impl Begun {
    pub(crate) fn now(clock: &Arc<dyn Clock>) -> Self {
        Self {
            at: clock.now(),
            clock: Arc::clone(clock),
        }
    }

    pub(crate) fn duration_ms(&self) -> u64 {
        let duration: Duration = self.clock.now().since(self.at);
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
    }
}

/// `ok`, or the kind of the error.
pub(crate) fn outcome<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) => error.kind().as_str(),
    }
}
