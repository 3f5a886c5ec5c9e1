//! Intent URIs, read as Android's `Intent.parseUri` does.
use std::{collections::BTreeMap, fmt};

use percent_encoding::percent_decode_str;
use push_core::payload::Payload;

/// What a click on a notification starts. `Debug` shows the names of the extras only.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Intent {
    /// The action, if one is named.
    pub action: Option<String>,
    /// The component, as in `com.example.im/.ChatActivity`, if one is named.
    pub component: Option<String>,
    /// The data URI, with its scheme; empty if there is none.
    pub data: String,
    /// The extras, by name; numbers and booleans as their text.
    pub extras: BTreeMap<String, String>,
}

impl Intent {
    /// The extra `ext`; empty if there is none.
    pub fn ext(&self) -> &str {
        self.extras.get("ext").map_or("", String::as_str)
    }

    /// What the app half reads.
    pub fn payload(&self) -> Payload {
        Payload::intent(self.ext())
    }

    /// Reads `scheme://…#Intent;…;end`. `None` if it is not of that form.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        // Android looks for the last `#`: one inside an extra must have been encoded.
        let (data, fragment) = uri.rsplit_once('#')?;
        let body = fragment.strip_prefix("Intent;")?.strip_suffix("end")?;
        let mut intent = Self::default();
        let mut scheme = None;
        for part in body.split_terminator(';') {
            let (key, value) = part.split_once('=')?;
            let value = percent_decode_str(value).decode_utf8().ok()?.into_owned();
            match key {
                "action" => intent.action = Some(value),
                "component" => intent.component = Some(value),
                "scheme" => scheme = Some(value),
                "category" | "type" | "launchFlags" | "package" | "sourceBounds" => {}
                // `S.` for text, `i.`, `B.`, … for the others.
                _ => match key.split_at_checked(2)? {
                    (kind, name) if "S.B.b.c.d.f.i.l.s.".contains(kind) && !name.is_empty() => {
                        intent.extras.insert(name.to_owned(), value);
                    }
                    _ => return None,
                },
            }
        }
        let rest = data.strip_prefix("intent:").unwrap_or(data);
        intent.data = match scheme {
            Some(scheme) if !rest.is_empty() => format!("{scheme}:{rest}"),
            _ => rest.to_owned(),
        };
        Some(intent)
    }
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intent")
            .field("action", &self.action)
            .field("component", &self.component)
            .field("data", &self.data)
            .field("extras", &self.extras.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_uri_reads_as_android_reads_it() {
        let it = Intent::parse(
            "intent://im/chat#Intent;scheme=push;launchFlags=0x4000000;component=com.example.im/.ChatActivity;S.ext=a%3Bb%3D%23%E4%BD%A0+c;i.n=4;end",
        )
        .unwrap();
        assert_eq!(it.data, "push://im/chat");
        assert_eq!(
            it.component.as_deref(),
            Some("com.example.im/.ChatActivity")
        );
        assert_eq!(it.ext(), "a;b=#你+c");
        assert_eq!(it.extras["n"], "4");
    }

    #[test]
    fn what_android_refuses_is_no_intent() {
        for wrong in [
            "",
            "intent://im/chat",
            "intent://im#Intent;scheme=push",
            "intent://im#Intent;S.ext=a;b;end",
            "intent://im#Intent;x.ext=a;end",
            "intent://im#Intent;S.=a;end",
            "intent://im#Intent;S.ext=%ff;end",
        ] {
            assert_eq!(Intent::parse(wrong), None, "{wrong}");
        }
    }
}
