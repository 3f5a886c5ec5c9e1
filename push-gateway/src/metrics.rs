//! Counters, as plain numbers and as Prometheus text.
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use push_core::{AppId, Channel};

/// A counter: its name and its labels, in Prometheus' words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// The name, as in `offline_push_verdicts_total`.
    pub name: &'static str,
    /// Labels and their values. The first is always `app`, which is empty for what belongs to none.
    pub labels: Vec<(&'static str, String)>,
}

/// The counters' values at one moment.
pub type Snapshot = BTreeMap<Series, u64>;

const HELP: [(&str, &str); 8] = [
    ("offline_push_messages_total", "Messages submitted."),
    (
        "offline_push_skipped_total",
        "Receivers and devices that got no push, by reason.",
    ),
    (
        "offline_push_queued_total",
        "Deliveries queued, by channel.",
    ),
    (
        "offline_push_verdicts_total",
        "Vendors' answers, by channel and kind.",
    ),
    (
        "offline_push_settled_total",
        "Deliveries that are done, by channel and reason.",
    ),
    (
        "offline_push_alarms_total",
        "Credentials suspended, by reason.",
    ),
    (
        "offline_push_trace_dropped_total",
        "Trace events lost to a full buffer or a failing store.",
    ),
    (
        "offline_push_http_responses_total",
        "Answers of the HTTP API, by status.",
    ),
];

/// Counts. Batches are counted at once, so that a lock a batch is all it costs.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<Snapshot>);

impl Metrics {
    fn add(&self, counts: impl IntoIterator<Item = (Series, u64)>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (series, count) in counts {
            *all.entry(series).or_default() += count;
        }
    }

    fn one(&self, name: &'static str, app: &AppId, labels: &[(&'static str, &str)], count: u64) {
        if count > 0 {
            self.add([(series(name, app.as_str(), labels), count)]);
        }
    }

    pub(crate) fn messages(&self, app: &AppId, count: u64) {
        self.one("offline_push_messages_total", app, &[], count);
    }

    pub(crate) fn skipped(&self, app: &AppId, reason: &str, count: u64) {
        self.one(
            "offline_push_skipped_total",
            app,
            &[("reason", reason)],
            count,
        );
    }

    pub(crate) fn queued(&self, app: &AppId, channel: &Channel, count: u64) {
        let labels = [("channel", channel.as_str())];
        self.one("offline_push_queued_total", app, &labels, count);
    }

    pub(crate) fn verdicts(&self, app: &AppId, channel: &Channel, kind: &str, count: u64) {
        let labels = [("channel", channel.as_str()), ("kind", kind)];
        self.one("offline_push_verdicts_total", app, &labels, count);
    }

    pub(crate) fn settled(&self, app: &AppId, channel: &Channel, reason: &str, count: u64) {
        let labels = [("channel", channel.as_str()), ("reason", reason)];
        self.one("offline_push_settled_total", app, &labels, count);
    }

    pub(crate) fn alarm(&self, app: &AppId, reason: &str) {
        self.one("offline_push_alarms_total", app, &[("reason", reason)], 1);
    }

    pub(crate) fn trace_dropped(&self, count: u64) {
        self.add([(series("offline_push_trace_dropped_total", "", &[]), count)]);
    }

    pub(crate) fn response(&self, status: u16) {
        let status = status.to_string();
        let labels = [("status", status.as_str())];
        self.add([(series("offline_push_http_responses_total", "", &labels), 1)]);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn series(name: &'static str, app: &str, labels: &[(&'static str, &str)]) -> Series {
    let mut all = vec![("app", app.to_owned())];
    all.extend(
        labels
            .iter()
            .map(|(label, value)| (*label, (*value).to_owned())),
    );
    Series { name, labels: all }
}

/// Writes counters in Prometheus' text format (version 0.0.4).
pub fn prometheus(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    let mut last = "";
    for (series, value) in snapshot {
        if series.name != last {
            last = series.name;
            let help = HELP.iter().find(|it| it.0 == last).map_or("", |it| it.1);
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
        let app = AppId::new("my \"app\"").unwrap();
        metrics.queued(&app, &Channel::APNS, 2);
        metrics.queued(&app, &Channel::APNS, 1);
        metrics.skipped(&app, "logged-out", 4);
        metrics.skipped(&app, "no-token", 0);
        let text = prometheus(&metrics.snapshot());
        assert!(text.contains("# TYPE offline_push_queued_total counter\n"));
        assert!(
            text.contains("offline_push_queued_total{app=\"my \\\"app\\\"\",channel=\"apns\"} 3\n")
        );
        assert!(text.contains("reason=\"logged-out\"} 4\n"));
        assert!(!text.contains("no-token"));
    }
}
