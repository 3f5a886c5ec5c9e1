//! The values of a message template (document 2314 of dev.mi.com, 2026-06-02): at most nine variables, each of 1 to 128
//! characters, not blank, without emoji and other symbols.
use std::collections::BTreeMap;

use push_core::{Error, ErrorKind, Result, TextUnit, Verdict};
use serde_json::{Map, Value};

use super::Message;

const MOST_VARIABLES: usize = 9;

/// The longest value, in characters.
const LONGEST: usize = 128;

/// What remains of a text that has nothing but symbols: the push is worth more than the text.
const EMPTY: &str = "…";

/// What is replaced by the notification's texts.
const TITLE: &str = "{title}";
const BODY: &str = "{body}";

/// The template's values as the JSON text of an object, not filled in yet.
pub(crate) struct Template(String);

impl Template {
    /// # Errors
    /// [`ErrorKind::Config`] if there are too many variables, or one has no name or no value.
    pub(crate) fn new(values: &BTreeMap<String, String>) -> Result<Self> {
        let wrong = |what: &str, advice: &str| {
            Err(Error::new(ErrorKind::Config, what.to_owned()).advise(advice))
        };
        if values.len() > MOST_VARIABLES {
            return wrong(
                "has more than nine variables",
                "a template has at most nine",
            );
        }
        let is_blank = |text: &str| text.trim().is_empty();
        if values
            .iter()
            .any(|(name, value)| is_blank(name) || is_blank(value))
        {
            let advice = "write the template's variables as in `sender = \"{title}\"`";
            return wrong("has a variable without name or value", advice);
        }
        let values: Map<String, Value> = values
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        Ok(Self(Value::from(values).to_string()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

const NO_VALUES: &str =
    "`extra.template_param` is not the JSON text of an object with at most nine texts";

/// The values in the JSON text of an object.
fn read(text: &str) -> Option<BTreeMap<String, String>> {
    let values: Option<BTreeMap<String, String>> = serde_json::from_str(text).ok();
    values.filter(|values| values.len() <= MOST_VARIABLES)
}

/// Checks a template's values in a vendor field; the empty text leaves the credential's as they are.
///
/// # Errors
/// [`ErrorKind::Invalid`] if they are not the JSON text of an object of at most nine texts.
pub(crate) fn check(values: &str) -> Result<()> {
    match read(values) {
        None if !values.is_empty() => Err(Error::new(ErrorKind::Invalid, NO_VALUES)),
        _ => Ok(()),
    }
}

/// Fills `title` and `body` into the template's values of `message`, and makes each one that Xiaomi takes. Values without a template
/// are left out.
///
/// # Errors
/// [`VerdictKind::PayloadRefused`](push_core::VerdictKind::PayloadRefused) if the values are not the JSON text of an object of at
/// most nine texts.
pub(crate) fn fill(message: &mut Message, title: &str, body: &str) -> Result<(), Verdict> {
    let Some(Value::Object(extra)) = message.get_mut("extra") else {
        return Ok(());
    };
    let Some(values) = extra.remove("template_param") else {
        return Ok(());
    };
    if !extra.contains_key("template_id") {
        return Ok(());
    }
    let Some(values) = values.as_str().filter(|text| !text.is_empty()).map(read) else {
        return Ok(());
    };
    let values = values.ok_or_else(|| Verdict::payload_refused("template", NO_VALUES))?;
    let filled: Map<String, Value> = values
        .into_iter()
        .map(|(name, value)| (name, fitted(&value, title, body).into()))
        .collect();
    extra.insert(
        "template_param".to_owned(),
        Value::from(filled).to_string().into(),
    );
    Ok(())
}

fn fitted(value: &str, title: &str, body: &str) -> String {
    // In one pass, so that nothing in a text is taken for the other's place.
    let mut filled = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let (text, length) = if rest.starts_with(TITLE) {
            (title, TITLE.len())
        } else if rest.starts_with(BODY) {
            (body, BODY.len())
        } else {
            ("{", 1)
        };
        filled.push_str(text);
        rest = &rest[length..];
    }
    filled.push_str(rest);
    filled.retain(|character| !is_symbol(character));
    match TextUnit::Chars.cut(filled.trim(), LONGEST).trim() {
        "" => EMPTY.to_owned(),
        kept => kept.to_owned(),
    }
}

/// Whether `character` is of the category "So" of Unicode, or what joins and colours emoji. Whole blocks of symbols count, also where
/// a few of their characters are of another category.
const fn is_symbol(character: char) -> bool {
    matches!(
        character,
        '\u{a6}' | '\u{a9}' | '\u{ae}' | '\u{b0}' | '\u{482}' | '\u{200d}' | '\u{20e3}'
            | '\u{2100}'..='\u{21ff}' | '\u{2300}'..='\u{2bff}' | '\u{2e80}'..='\u{2fff}'
            | '\u{3004}' | '\u{3012}' | '\u{3013}' | '\u{3020}' | '\u{3036}' | '\u{3037}'
            | '\u{303e}' | '\u{303f}' | '\u{3190}'..='\u{319f}' | '\u{31c0}'..='\u{31ef}'
            | '\u{3200}'..='\u{33ff}' | '\u{4dc0}'..='\u{4dff}' | '\u{a490}'..='\u{a4cf}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{ffe4}' | '\u{ffe8}'..='\u{ffef}' | '\u{fffc}' | '\u{fffd}'
            | '\u{1d000}'..='\u{1d24f}' | '\u{1f000}'..='\u{1faff}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(param: &str, title: &str, body: &str) -> Result<Option<Value>, Verdict> {
        let message = json!({ "extra": { "template_id": "T1", "template_param": param } });
        let mut message: Message = serde_json::from_value(message).expect("an object");
        fill(&mut message, title, body)?;
        let text = message["extra"]["template_param"].as_str();
        Ok(text.map(|text| serde_json::from_str(text).expect("JSON text")))
    }

    #[test]
    fn the_texts_of_the_notification_are_filled_in_once() {
        let param = r#"{"a":"{title}","b":"{title}: {body} {x}","c":"fixed"}"#;
        let values = filled(param, "{body}", "张三").expect("values");
        let wanted = json!({ "a": "{body}", "b": "{body}: 张三 {x}", "c": "fixed" });
        assert_eq!(values, Some(wanted));
    }

    #[test]
    fn a_value_has_at_most_128_characters_no_emoji_and_is_never_blank() {
        let param = r#"{"a":"{title}","b":"{body}"}"#;
        let long = "你".repeat(200);
        for (text, wanted) in [
            ("hi 👍🏽 there", "hi  there"),
            ("👨\u{200d}👩\u{200d}👧", "…"),
            ("  ", "…"),
            ("❤\u{fe0f}♥", "…"),
            (long.as_str(), &*format!("{}…", "你".repeat(127))),
        ] {
            let values = filled(param, "t", text).expect("values");
            assert_eq!(values, Some(json!({ "a": "t", "b": wanted })), "{text}");
        }
    }

    #[test]
    fn values_that_are_no_templates_are_refused_in_words_about_their_form() {
        let ten: BTreeMap<String, &str> = (0..10).map(|n| (n.to_string(), "v")).collect();
        let ten = json!(ten).to_string();
        assert_eq!(filled("", "Ann", "hello"), Ok(None));
        assert!(check("").is_ok() && check(r#"{"a":"{title}"}"#).is_ok());
        for wrong in ["x", "[]", r#"{"a":1}"#, r#"{"a":{}}"#, &ten] {
            let verdict = filled(wrong, "Ann", "hello").expect_err(wrong);
            assert!(
                verdict.answer.text.contains("template_param"),
                "{verdict:?}"
            );
            let error = check(wrong).expect_err(wrong);
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
    }
}
