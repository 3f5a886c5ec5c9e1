//! The table of channels in the README, from what each provider says of itself.
use std::time::Duration;

use offline_push::{
    BadgeStyle, Batching, BuildContext, Capabilities, NotificationKind, ProviderKind, RawConfig,
    TextLimits, TextUnit, http::TokioClock,
};
use push_testkit::{
    block_on,
    simulator::{Options, simulators},
};

const HEAD: &str = "\
| channel | sends | targets a request | badge | collapse | lives | payload | title, body |
|---|---|---|---|---|---|---|---|
";

/// The table, with a row for every provider of this build that has a simulator: its credential is a valid one.
pub(super) fn table() -> String {
    let registry = offline_push::registry().expect("the plugins are linked");
    let mut table = HEAD.to_owned();
    for simulator in simulators() {
        let config = block_on(async {
            let running = (simulator.start)(Options::default())
                .await
                .expect("it starts");
            running.credentials().remove(0).config
        });
        let raw = RawConfig::from_json(&config).expect("a table");
        let context = BuildContext::new(std::sync::Arc::new(TokioClock))
            .with_addresses(offline_push::AddressPolicy::public_only().allow_loopback());
        let provider = registry
            .build::<ProviderKind>(simulator.name, raw, &context)
            .expect("the simulator's credential is valid");
        table += &row(provider.capabilities());
    }
    table
}

fn row(can: &Capabilities) -> String {
    let kinds: Vec<&str> = can.kinds.iter().map(kind).collect();
    let batch = match can.batching {
        Batching::Uniform if can.max_batch > 1 => {
            format!("{} with one text", number(can.max_batch))
        }
        _ => number(can.max_batch),
    };
    let badge = match can.badge {
        BadgeStyle::Set => "set",
        BadgeStyle::CountUp => "added",
        _ => "none",
    };
    let collapse = if can.collapse { "yes" } else { "no" };
    let lives = can.max_ttl.map_or_else(|| "not limited".to_owned(), days);
    format!(
        "| {} | {} | {batch} | {badge} | {collapse} | {lives} | {} B | {} |\n",
        can.channel,
        kinds.join(", "),
        number(can.max_payload),
        texts(can.text),
    )
}

fn kind(kind: &NotificationKind) -> &'static str {
    match kind {
        NotificationKind::Alert => "alerts",
        NotificationKind::Background => "data",
        NotificationKind::Voip => "calls",
        NotificationKind::LiveActivity => "Live Activities",
        _ => "others",
    }
}

fn texts(limits: TextLimits) -> String {
    if limits.title == usize::MAX && limits.body == usize::MAX {
        return "by the payload".to_owned();
    }
    let unit = match limits.unit {
        TextUnit::Chars => "characters",
        TextUnit::Utf16 => "UTF-16 units",
        TextUnit::HalfWidth => "half-width columns",
        TextUnit::Bytes => "bytes",
        _ => "units",
    };
    let limit = |limit: usize| match limit {
        usize::MAX => "-".to_owned(),
        limit => number(limit),
    };
    format!("{}, {} {unit}", limit(limits.title), limit(limits.body))
}

/// A time to live in the largest unit that divides it.
fn days(time: Duration) -> String {
    const HOUR: u64 = 60 * 60;
    const DAY: u64 = 24 * HOUR;
    match time.as_secs() {
        DAY => "1 day".to_owned(),
        seconds if seconds.is_multiple_of(DAY) => format!("{} days", seconds / DAY),
        seconds if seconds.is_multiple_of(HOUR) => format!("{} hours", seconds / HOUR),
        seconds => format!(
            "{} s",
            number(usize::try_from(seconds).unwrap_or(usize::MAX))
        ),
    }
}

/// Digits in groups of three.
fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[test]
fn numbers_and_times_are_written_for_people() {
    assert_eq!(
        [number(7), number(1000), number(1_234_567)],
        ["7", "1,000", "1,234,567"]
    );
    let time = |seconds| days(Duration::from_secs(seconds));
    assert_eq!(
        [time(86_400), time(15 * 86_400), time(7200)],
        ["1 day", "15 days", "2 hours"]
    );
}
