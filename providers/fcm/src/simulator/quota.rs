//! FCM's limits of rate, as *Throttling and quotas* has them.
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use push_core::Timestamp;
use push_testkit::{Reply, json, serde_json::Value};

use super::{failure, fcm_error};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Messages to one device in a minute and in an hour.
const OF_DEVICE: [(usize, Duration); 2] = [(240, MINUTE), (5000, HOUR)];

/// Messages of one project in a minute.
const OF_PROJECT: u64 = 600_000;

/// Messages with a collapse key to one device: how many at once, and the pause after which one more is accepted.
const COLLAPSIBLE: (u32, Duration) = (20, Duration::from_secs(3 * 60));

/// What was sent lately.
#[derive(Default)]
pub(super) struct Quotas(Mutex<State>);

#[derive(Default)]
struct State {
    /// The minute that began with the first message of the project, and its messages.
    project: Option<(Timestamp, u64)>,
    devices: HashMap<String, Device>,
}

#[derive(Default)]
struct Device {
    /// When each message of the last hour was sent.
    sent: VecDeque<Timestamp>,
    /// Messages with a collapse key that count, and since when one is forgotten after each pause.
    collapsible: u32,
    since: Timestamp,
}

impl Quotas {
    /// Counts a message at `now`, to `device` if it has one.
    ///
    /// # Errors
    /// The answer, if it is one too many.
    pub(super) fn count(
        &self,
        device: Option<&str>,
        is_collapsible: bool,
        now: Timestamp,
    ) -> Result<(), Reply> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, sent) = state
            .project
            .filter(|(began, _)| now.since(*began) < MINUTE)
            .unwrap_or((now, 0));
        state.project = Some((began, sent + 1));
        if sent >= OF_PROJECT {
            return Err(exceeded("project", began + MINUTE, now));
        }
        let Some(device) = device else {
            return Ok(());
        };
        let device = state.devices.entry(device.to_owned()).or_default();
        while device.sent.front().is_some_and(|at| now.since(*at) >= HOUR) {
            device.sent.pop_front();
        }
        for (most, period) in OF_DEVICE {
            let oldest = device.sent.len().checked_sub(most);
            if let Some(at) = oldest.map(|oldest| device.sent[oldest])
                && now.since(at) < period
            {
                return Err(exceeded("device", at + period, now));
            }
        }
        if is_collapsible {
            let (most, pause) = COLLAPSIBLE;
            let pauses = now.since(device.since).as_secs() / pause.as_secs();
            let over = u32::try_from(pauses).unwrap_or(u32::MAX);
            device.collapsible = device.collapsible.saturating_sub(over);
            device.since = if device.collapsible == 0 {
                now
            } else {
                device.since + pause * over
            };
            if device.collapsible >= most {
                return Err(exceeded("device", device.since + pause, now));
            }
            device.collapsible += 1;
        }
        device.sent.push_back(now);
        Ok(())
    }
}

/// The limit of `subject` is reached until `until`.
fn exceeded(subject: &str, until: Timestamp, now: Timestamp) -> Reply {
    let detail: Value = json!({
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{ "subject": subject, "description": format!("{subject} message rate exceeded") }],
    });
    let wait = until.since(now).as_secs().max(1).to_string();
    failure(
        429,
        "RESOURCE_EXHAUSTED",
        "Quota exceeded",
        &[fcm_error("QUOTA_EXCEEDED"), detail],
    )
    .header("retry-after", &wait)
}

#[cfg(test)]
mod tests {
    use push_testkit::sample::NOW;

    use super::*;

    fn sent(quotas: &Quotas, count: usize, collapsible: bool, at: Timestamp) -> usize {
        (0..count)
            .take_while(|_| quotas.count(Some("phone"), collapsible, at).is_ok())
            .count()
    }

    #[test]
    fn a_device_gets_its_messages_of_a_minute_and_of_an_hour_and_others_their_own() {
        let quotas = Quotas::default();
        assert_eq!(sent(&quotas, 300, false, NOW), 240);
        let reply = quotas.count(Some("phone"), false, NOW).unwrap_err();
        assert_eq!(reply.header_value("retry-after"), Some("60"));
        quotas.count(Some("other"), false, NOW).unwrap();
        quotas.count(None, false, NOW).unwrap();
        let minutes = (1..60).map(|minute| sent(&quotas, 300, false, NOW + MINUTE * minute));
        assert_eq!(minutes.sum::<usize>(), 5000 - 240);
        assert_eq!(sent(&quotas, 300, false, NOW + HOUR), 240);
    }

    #[test]
    fn messages_with_a_collapse_key_come_back_one_in_three_minutes() {
        let quotas = Quotas::default();
        assert_eq!(sent(&quotas, 30, true, NOW), 20);
        assert_eq!(sent(&quotas, 1, false, NOW), 1);
        assert_eq!(sent(&quotas, 5, true, NOW + MINUTE * 2), 0);
        assert_eq!(sent(&quotas, 5, true, NOW + MINUTE * 3), 1);
        assert_eq!(sent(&quotas, 5, true, NOW + MINUTE * 10), 2);
        assert_eq!(sent(&quotas, 30, true, NOW + HOUR * 24), 20);
    }
}
