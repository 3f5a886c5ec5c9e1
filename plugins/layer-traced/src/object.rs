//! Around a store or queue.
use std::{fmt, sync::Arc};

use push_core::{AroundQueue, AroundStore, Clock, Operation, Result};
use tracing::Instrument as _;

use crate::{
    Level,
    event::{Begun, at_level, outcome},
};

/// Logs every call.
pub(crate) struct TracedObject {
    name: &'static str,
    level: Level,
    clock: Arc<dyn Clock>,
}

impl TracedObject {
    pub(crate) const fn new(name: &'static str, level: Level, clock: Arc<dyn Clock>) -> Self {
        Self { name, level, clock }
    }

    async fn logged<T>(
        &self,
        operation: Operation,
        future: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let begun = Begun::now(&self.clock);
        let Operation { name, rows, .. } = operation;
        let span = match self.name {
            "queue" => at_level!(self.level, span, "queue", operation = name, rows),
            _ => at_level!(self.level, span, "store", operation = name, rows),
        };
        let result = future.instrument(span.clone()).await;
        let outcome = outcome(&result);
        let duration_ms = begun.duration_ms();
        span.in_scope(|| {
            at_level!(
                self.level,
                event,
                operation = name,
                rows,
                outcome,
                duration_ms,
                "{}",
                self.name
            );
        });
        result
    }
}

impl AroundQueue for TracedObject {
    fn call<T: Send, F: Future<Output = Result<T>> + Send>(
        &self,
        operation: Operation,
        future: F,
    ) -> impl Future<Output = Result<T>> + Send {
        self.logged(operation, future)
    }
}

impl AroundStore for TracedObject {
    fn call<T: Send, F: Future<Output = Result<T>> + Send>(
        &self,
        operation: Operation,
        future: F,
    ) -> impl Future<Output = Result<T>> + Send {
        self.logged(operation, future)
    }
}

impl fmt::Debug for TracedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedObject")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
