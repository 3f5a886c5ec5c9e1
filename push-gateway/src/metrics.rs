//! Counters, as plain numbers and as Prometheus text.
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// A counter: its name and its labels, as Prometheus has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Series {
    /// The name, as in `offline_push_verdicts_total`.
    pub name: &'static str,
    /// Labels and their values. The first is always `app`, which is empty for what belongs to none.
    pub labels: Vec<(&'static str, String)>,
}

/// The counters' values at one moment.
pub type Snapshot = BTreeMap<Series, u64>;

/// Declares counters: one line each makes the method that counts, with its labels, and the text that Prometheus shows.
macro_rules! counters {
    ($($(#[$doc:meta])* $method:ident($($label:ident),*) = $name:literal: $help:literal;)*) => {
        const HELP: &[(&str, &str)] = &[$(($name, $help)),*];

        impl Metrics {
            $(
                $(#[$doc])*
                pub(crate) fn $method(&self, $($label: &str,)* count: u64) {
                    self.add($name, &[$((stringify!($label), $label)),*], count);
                }
            )*
        }
    };
}

counters! {
    messages(app) = "offline_push_messages_total": "Messages submitted.";
    skipped(app, reason) = "offline_push_skipped_total": "Receivers and devices that got no push, by reason.";
    queued(app, channel) = "offline_push_queued_total": "Deliveries queued, by channel.";
    verdicts(app, channel, kind) = "offline_push_verdicts_total": "Vendors' answers, and what layers postponed, by channel and kind.";
    settled(app, channel, reason) = "offline_push_settled_total": "Deliveries that are done, by channel and reason.";
    damaged(part) = "offline_push_damaged_total": "Stored rows that cannot be read: deliveries that the queue moved aside since its file was made, and rows that the store skipped since the start.";
    lost(app) = "offline_push_lost_total": "Deliveries that were accepted and are lost, or may be: the queue's file was replaced, their records are damaged, or nothing says how they ended.";
    alarms(app, reason) = "offline_push_alarms_total": "Credentials suspended, by reason.";
    presence_ahead(app) = "offline_push_presence_ahead_total": "Reports of presence of a time over a minute ahead of the gateway's clock.";
    refusals(credential, why) = "offline_push_http_refused_total": "Requests whose key, ticket or signature was refused, by what was shown.";
    trace_dropped() = "offline_push_trace_dropped_total": "Trace events lost to a full buffer or a failing store.";
    responses(status) = "offline_push_http_responses_total": "Answers of the HTTP API, by status.";
}

/// Counts. Batches are counted at once, so that a lock a batch is all it costs.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<Snapshot>);

impl Metrics {
    fn add(&self, name: &'static str, labels: &[(&'static str, &str)], count: u64) {
        if count == 0 {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(series(name, labels)).or_default() += count;
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The first label is always `app`.
fn series(name: &'static str, labels: &[(&'static str, &str)]) -> Series {
    let is_of_app = labels.first().is_some_and(|(label, _)| *label == "app");
    let none = (!is_of_app).then(|| ("app", String::new()));
    let labels = labels
        .iter()
        .map(|(label, value)| (*label, (*value).to_owned()));
    Series {
        name,
        labels: none.into_iter().chain(labels).collect(),
    }
}

/// Writes counters in Prometheus' text format (version 0.0.4).
pub fn prometheus(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    let mut last = "";
    for (series, value) in snapshot {
        if series.name != last {
            last = series.name;
            let help = HELP
                .iter()
                .find(|(name, _)| *name == last)
                .map_or("", |(_, help)| help);
            text += &format!("# HELP {last} {help}\n# TYPE {last} counter\n");
        }
        let labels: Vec<String> = series
            .labels
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        text += &format!("{last}{{{}}} {value}\n", labels.join(","));
    }
    text
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_written_as_prometheus_reads_them() {
        let metrics = Metrics::default();
        let app = "my \"app\"";
        metrics.queued(app, "sample", 2);
        metrics.queued(app, "sample", 1);
        metrics.skipped(app, "logged-out", 4);
        metrics.skipped(app, "no-token", 0);
        let text = prometheus(&metrics.snapshot());
        assert!(text.contains("# TYPE offline_push_queued_total counter\n"));
        assert!(
            text.contains(
                "offline_push_queued_total{app=\"my \\\"app\\\"\",channel=\"sample\"} 3\n"
            )
        );
        assert!(text.contains("reason=\"logged-out\"} 4\n"));
        assert!(!text.contains("no-token"));
    }
}
