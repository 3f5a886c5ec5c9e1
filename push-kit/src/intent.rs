//! Intent URIs of Android: what a click on a notification opens.
//!
//! `intent://im/chat#Intent;scheme=push;component=com.example.im/.ChatActivity;S.ext=42;end`, as `Intent.toUri` writes and
//! `Intent.parseUri` reads them with `URI_INTENT_SCHEME`.
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use push_core::{Error, ErrorKind, Result};

use crate::input::trimmed;

/// What Android's `Uri.encode` leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'-')
    .remove(b'!')
    .remove(b'.')
    .remove(b'~')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*');

const KEYS: [&str; 9] = [
    "action",
    "category",
    "type",
    "identifier",
    "launchFlags",
    "package",
    "component",
    "scheme",
    "sourceBounds",
];

/// A checked intent URI, to which extras can be added. `Debug` shows the names of its parts only.
#[derive(Clone, PartialEq, Eq)]
pub struct IntentUri {
    /// The URI without its `end`.
    stem: String,
    data: String,
    /// Keys as written, as in `component` and `S.ext`, and values decoded, in order.
    parts: Vec<(String, String)>,
}

impl IntentUri {
    /// Reads `uri`.
    ///
    /// Stricter than Android where Android would read something other than what is meant: a part without `=`, a malformed
    /// percent-encoding, a component without class, text behind `end`, and selectors are refused.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], saying what is wrong. Holds nothing of the URI.
    pub fn parse(uri: &str) -> Result<Self> {
        let uri = trimmed(uri);
        if !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("has a character that must be percent-encoded"));
        }
        // Android looks for the last `#`: one inside a value is encoded.
        let (data, fragment) = uri
            .rsplit_once('#')
            .ok_or_else(|| wrong("has no `#Intent;`"))?;
        let list = fragment
            .strip_prefix("Intent;")
            .ok_or_else(|| wrong("has no `#Intent;`"))?;
        let list = list
            .strip_suffix("end")
            .filter(|list| list.is_empty() || list.ends_with(';'))
            .ok_or_else(|| wrong("does not end in `;end`"))?;
        let mut parts = Vec::new();
        for part in list.split_terminator(';') {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| wrong("has a part without `=`"))?;
            let value = decode(value)?;
            check(key, &value)?;
            parts.push((key.to_owned(), value));
        }
        let mut intent = Self {
            stem: uri[..uri.len() - "end".len()].to_owned(),
            data: data.strip_prefix("intent:").unwrap_or(data).to_owned(),
            parts,
        };
        if let (Some(scheme), false) = (intent.get("scheme"), intent.data.is_empty()) {
            intent.data = format!("{scheme}:{}", intent.data);
        }
        Ok(intent)
    }

    /// The data URI, with its scheme; empty if there is none.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// The decoded value of a part such as `component`, `action` or `S.ext`; the last one counts.
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut parts = self.parts.iter().rev();
        parts
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// The text extra `name`.
    pub fn extra(&self, name: &str) -> Option<&str> {
        self.get(&format!("S.{}", encode(name)))
    }

    /// Writes the URI with text extras behind its own parts. An extra of a name that is there already replaces it when Android
    /// reads the URI.
    pub fn with_extras<'a>(&self, extras: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        let mut uri = self.stem.clone();
        for (name, value) in extras {
            uri.extend(["S.", &encode(name), "=", &encode(value), ";"]);
        }
        uri.push_str("end");
        uri
    }
}

impl fmt::Display for IntentUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}end", self.stem)
    }
}

impl fmt::Debug for IntentUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.parts.iter().map(|(key, _)| key);
        f.debug_tuple("IntentUri")
            .field(&keys.collect::<Vec<_>>())
            .finish()
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

fn decode(text: &str) -> Result<String> {
    let is_escape = |rest: &str| {
        let mut digits = rest.bytes().take(2).filter(u8::is_ascii_hexdigit);
        digits.next().is_some() && digits.next().is_some()
    };
    let malformed = !text.split('%').skip(1).all(is_escape);
    if malformed {
        return Err(wrong("has a `%` without two hexadecimal digits behind it"));
    }
    percent_decode_str(text)
        .decode_utf8()
        .map(Into::into)
        .map_err(|_| wrong("has percent-encoded bytes that are not UTF-8"))
}

/// Checks one part as Android does when it reads it.
fn check(key: &str, value: &str) -> Result<()> {
    let fits = match key {
        "component" => value
            .split_once('/')
            .is_some_and(|(package, class)| !package.is_empty() && !class.is_empty()),
        "launchFlags" => is_java_integer(value),
        known if KEYS.contains(&known) => true,
        extra => match extra.split_at_checked(2) {
            Some((_, "")) | None => false,
            Some((kind, _)) => match kind {
                "S." | "B." => true,
                "b." => value.parse::<i8>().is_ok(),
                "c." => !value.is_empty(),
                "d." | "f." => value.trim().parse::<f64>().is_ok(),
                "i." => value.parse::<i32>().is_ok(),
                "l." => value.parse::<i64>().is_ok(),
                "s." => value.parse::<i16>().is_ok(),
                _ => false,
            },
        },
    };
    if fits {
        Ok(())
    } else {
        Err(wrong("has a part that Android does not accept"))
    }
}

/// What `Integer.decode` accepts.
fn is_java_integer(text: &str) -> bool {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = ["0x", "0X", "#"]
        .into_iter()
        .find_map(|prefix| digits.strip_prefix(prefix));
    let number = match (hexadecimal, digits.strip_prefix('0')) {
        (Some(digits), _) => i64::from_str_radix(digits, 16),
        (None, Some(digits)) if !digits.is_empty() => i64::from_str_radix(digits, 8),
        _ => digits.parse(),
    };
    let signed = |number: i64| if negative { -number } else { number };
    let has_second_sign = digits.contains(['-', '+']);
    !has_second_sign && number.is_ok_and(|number| i32::try_from(signed(number)).is_ok())
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Invalid, what)
        .advise("write it as Android's Intent.toUri does: intent://…#Intent;…;end")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHAT: &str = "intent://im/chat#Intent;scheme=push;launchFlags=0x4000000;end";

    #[test]
    fn an_intent_uri_reads_as_android_reads_it() {
        let intent = IntentUri::parse(
            "intent://im/chat#Intent;scheme=push;launchFlags=0x4000000;\
             component=com.example.im/.ChatActivity;S.ext=a%3Bb%3D%23%E4%BD%A0+c;i.n=4;S.ext=last;end",
        )
        .unwrap();
        assert_eq!(intent.data(), "push://im/chat");
        assert_eq!(
            intent.get("component"),
            Some("com.example.im/.ChatActivity")
        );
        assert_eq!(intent.extra("ext"), Some("last"));
        assert_eq!(intent.get("i.n"), Some("4"));
        assert_eq!(intent.extra("n"), None);
    }

    #[test]
    fn extras_are_encoded_as_android_encodes_them() {
        let intent = IntentUri::parse(CHAT).unwrap();
        assert_eq!(intent.to_string(), CHAT);
        for (ext, encoded) in [
            ("42", "42"),
            (
                r#"{"conv":"42","msg":"m1"}"#,
                "%7B%22conv%22%3A%2242%22%2C%22msg%22%3A%22m1%22%7D",
            ),
            ("a;b#c=d&e f%", "a%3Bb%23c%3Dd%26e%20f%25"),
            ("你好 😀", "%E4%BD%A0%E5%A5%BD%20%F0%9F%98%80"),
        ] {
            assert_eq!(
                intent.with_extras([("ext", ext)]),
                format!(
                    "intent://im/chat#Intent;scheme=push;launchFlags=0x4000000;S.ext={encoded};end"
                )
            );
        }
    }

    #[test]
    fn what_android_refuses_or_misreads_is_refused() {
        for wrong in [
            "",
            "intent://im/chat",
            "intent://im#Intent;scheme=push",
            "intent://im#Intent;scheme=push;end;x",
            "intent://im#Intent;scheme=pushend",
            "intent://im#Intent;S.ext=a;b;end",
            "intent://im#Intent;x.ext=a;end",
            "intent://im#Intent;S.=a;end",
            "intent://im#Intent;S.ext=%ff;end",
            "intent://im#Intent;S.ext=%4;end",
            "intent://im#Intent;S.ext=%4x;end",
            "intent://im#Intent;S.ext=%;end",
            "intent://im#Intent;i.n=x;end",
            "intent://im#Intent;launchFlags=0xfffffffff;end",
            "intent://im#Intent;launchFlags=;end",
            "intent://im#Intent;launchFlags=--1;end",
            "intent://im#Intent;component=com.example.im;end",
            "intent://im#Intent;SEL;action=x;end",
            "intent://im/聊天#Intent;end",
        ] {
            assert!(IntentUri::parse(wrong).is_err(), "{wrong}");
        }
        for good in ["intent:#Intent;end", "#Intent;launchFlags=010;end"] {
            assert!(IntentUri::parse(good).is_ok(), "{good}");
        }
    }

    proptest! {
        #[test]
        fn every_extra_reads_back_as_it_was_written(name in "\\PC{1,20}", value in any::<String>()) {
            let uri = IntentUri::parse(CHAT).unwrap().with_extras([("a", "b"), (&name, &value)]);
            let read = IntentUri::parse(&uri).unwrap();
            prop_assert_eq!(read.extra(&name), Some(value.as_str()));
            prop_assert_eq!(read.data(), "push://im/chat");
            prop_assert_eq!(read.to_string(), uri);
        }
    }
}
