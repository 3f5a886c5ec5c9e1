//! The forms of single values, as the reference of `projects.messages` documents them.

/// `#rrggbb`.
pub(super) fn is_color(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|digits| {
        digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

/// `[a-zA-Z0-9-_.~%]{1,50}`.
pub(super) fn is_label(text: &str) -> bool {
    (1..=50).contains(&text.len()) && text.bytes().all(is_topic_byte)
}

/// `[a-zA-Z0-9-_.~%]{1,900}`; the old prefixes `/topics/` and `private/` are still taken.
pub(super) fn is_topic(text: &str) -> bool {
    let name = plain_topic(text);
    let name = name.strip_prefix("private/").unwrap_or(name);
    (1..=900).contains(&name.len()) && name.bytes().all(is_topic_byte)
}

/// The name that a subscription has, without the old prefix.
pub(super) fn plain_topic(text: &str) -> &str {
    text.strip_prefix("/topics/").unwrap_or(text)
}

const fn is_topic_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'%')
}

/// A Firebase installation id: 22 characters, `[cdef][A-Za-z0-9_-]{21}`.
pub(super) fn is_fid(text: &str) -> bool {
    text.len() == 22
        && matches!(text.as_bytes()[0], b'c'..=b'f')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The seconds of `3.5s`.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let number = text.strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(fraction) && fraction.len() <= 9)
        .then(|| number.parse().ok())
        .flatten()
}

/// A timestamp of RFC 3339, as protobuf's JSON has it: up to nine digits of a fraction, `Z` or an offset.
pub(super) fn is_timestamp(text: &str) -> bool {
    fn number(text: &str, at: std::ops::Range<usize>) -> Option<u32> {
        let digits = text.get(at)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().ok())
            .flatten()
    }
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let bytes = text.as_bytes();
    let fields = || {
        let (year, month, day) = (
            number(text, 0..4)?,
            number(text, 5..7)?,
            number(text, 8..10)?,
        );
        let time = [
            number(text, 11..13)?,
            number(text, 14..16)?,
            number(text, 17..19)?,
        ];
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 => 28 + u32::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        Some(year > 0 && (1..=days).contains(&day) && time[0] < 24 && time[1] < 60 && time[2] < 60)
    };
    let separated = separators
        .iter()
        .all(|(at, byte)| bytes.get(*at) == Some(byte));
    let Some(rest) = text
        .get(19..)
        .filter(|_| separated && fields() == Some(true))
    else {
        return false;
    };
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if !(1..=9).contains(&digits) {
                return false;
            }
            &fraction[digits..]
        }
    };
    match zone.as_bytes() {
        b"Z" => true,
        [b'+' | b'-', _, _, b':', _, _] => {
            number(zone, 1..3).is_some_and(|hours| hours < 24)
                && number(zone, 4..6).is_some_and(|minutes| minutes < 60)
        }
        _ => false,
    }
}

/// `seconds` since 1970 as a timestamp of RFC 3339 (days to dates as in Howard Hinnant's `civil_from_days`).
pub(super) fn timestamp(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let day = days + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hours, minutes, seconds) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

/// Whom a message is for: a condition such as `'a' in topics && ('b' in topics || !('c' in topics))`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Topic(String),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Condition {
    /// Reads `text`. `None` if it is none, or has more than five topics: that limit is from memory of Google's guide.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser {
            rest: text,
            topics: 0,
            depth: 0,
        };
        let condition = parser.either()?;
        let is_done = parser.rest.trim_start().is_empty() && parser.topics <= 5;
        is_done.then_some(condition)
    }

    /// Whether it holds for who subscribed to the topics that `has` names.
    pub(super) fn holds(&self, has: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Topic(topic) => has(topic),
            Self::Not(inner) => !inner.holds(has),
            Self::All(parts) => parts.iter().all(|part| part.holds(has)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(has)),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    topics: usize,
    depth: u8,
}

impl Parser<'_> {
    fn take(&mut self, word: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(word)?;
        Some(())
    }

    fn either(&mut self) -> Option<Condition> {
        let mut parts = vec![self.both()?];
        while self.take("||").is_some() {
            parts.push(self.both()?);
        }
        Some(Condition::Any(parts))
    }

    fn both(&mut self) -> Option<Condition> {
        let mut parts = vec![self.one()?];
        while self.take("&&").is_some() {
            parts.push(self.one()?);
        }
        Some(Condition::All(parts))
    }

    fn one(&mut self) -> Option<Condition> {
        self.depth = self.depth.checked_add(1).filter(|depth| *depth < 64)?;
        if self.take("!").is_some() {
            Some(Condition::Not(Box::new(self.one()?)))
        } else if self.take("(").is_some() {
            let inner = self.either()?;
            self.take(")")?;
            Some(inner)
        } else {
            self.take("'")?;
            let (topic, rest) = self.rest.split_once('\'')?;
            self.rest = rest;
            self.take("in")?;
            self.take("topics")?;
            self.topics += 1;
            let topic = Some(topic).filter(|topic| is_topic(topic))?;
            Some(Condition::Topic(plain_topic(topic).to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_a_day_that_exists_with_a_zone() {
        for good in [
            "2014-10-02T15:01:23Z",
            "2014-10-02T15:01:23.045123456Z",
            "2024-02-29T00:00:00+05:30",
        ] {
            assert!(is_timestamp(good), "{good}");
        }
        for bad in [
            "",
            "2014-10-02",
            "2014-10-02T15:01:23",
            "2014-10-02 15:01:23Z",
            "2023-02-29T00:00:00Z",
            "2014-13-02T15:01:23Z",
            "2014-10-02T25:01:23Z",
            "2014-10-02T15:01:23.Z",
            "2014-10-02T15:01:23.0451234567Z",
            "2014-10-02T15:01:23+5:30",
            "1700000000",
            "２014-10-02T15:01:23Z",
        ] {
            assert!(!is_timestamp(bad), "{bad}");
        }
    }

    #[test]
    fn a_time_is_written_as_the_day_that_it_is() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(seconds), text);
            assert!(is_timestamp(text));
        }
    }

    #[test]
    fn a_condition_joins_topics_with_and_or_not() {
        for (text, holds) in [
            ("'a' in topics", Some(true)),
            ("'/topics/a' in topics", Some(true)),
            ("'b' in topics", Some(false)),
            ("!('b' in topics)", Some(true)),
            (
                "'a' in topics && ('b' in topics || !('c' in topics))",
                Some(true),
            ),
            ("'a' in topics && 'b' in topics", Some(false)),
            (
                "'a' in topics || 'b' in topics && 'b' in topics",
                Some(true),
            ),
            ("'b' in topics || 'c' in topics||'a' in topics", Some(true)),
            ("", None),
            ("a in topics", None),
            ("'a' in topics &&", None),
            ("('a' in topics", None),
            ("'a b' in topics", None),
            ("'a' in topics 'b' in topics", None),
            (&"'a' in topics || ".repeat(6), None),
            (&"!".repeat(10_000), None),
            (&["'a' in topics"; 6].join(" && "), None),
        ] {
            let condition = Condition::parse(text);
            let found = condition.map(|condition| condition.holds(&|topic| topic == "a"));
            assert_eq!(found, holds, "{text}");
        }
    }

    #[test]
    fn labels_topics_colours_and_installation_ids_have_their_forms() {
        assert!(is_label("a-b_c.d~e%") && !is_label("") && !is_label("a b"));
        assert!(!is_label(&"a".repeat(51)));
        assert!(is_topic("news") && is_topic("/topics/news") && !is_topic("/news"));
        assert!(is_color("#A0b1c2") && !is_color("A0b1c2") && !is_color("#A0b1c"));
        let rest = "AAAAAAAAAAAAAAAAAAAAA";
        for first in ["c", "d", "e", "f"] {
            assert!(is_fid(&format!("{first}{rest}")));
        }
        for bad in [
            format!("a{rest}"),
            format!("c{rest}A"),
            format!("c{}", &rest[1..]),
            String::new(),
        ] {
            assert!(!is_fid(&bad), "{bad}");
        }
    }
}
