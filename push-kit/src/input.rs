//! Reads what operators provide, and tolerates how editors, shells and secret stores change it.
//!
//! There is one reader for every way in. The program and the configuration turn a file into the value of a key with [`of_file`];
//! the API takes the value as it is. Providers then read it with [`trimmed`] (an id or a secret), [`passwords`], [`json`] or
//! [`pem`](crate::pem), none of which minds byte order marks, line breaks of any kind, blanks around the value, or line breaks
//! that were escaped once or twice.
use base64::{Engine, engine::general_purpose::STANDARD};
use push_core::{Environment, Error, ErrorKind, Result, Secret};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// How often JSON may be written as text within JSON.
const MAX_NESTING: u8 = 3;

/// Returns the content of a file as the value of a configuration key: its text without byte order mark and without the line
/// breaks at its end, or the base64 of its bytes if they are not text. UTF-16, which Windows tools write, is text if it has a
/// byte order mark.
pub fn of_file(bytes: Vec<u8>) -> String {
    let bytes = Zeroizing::new(bytes);
    let text = utf16(&bytes).or_else(|| {
        let text = std::str::from_utf8(&bytes).ok()?;
        Some(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())
    });
    match text.map(Zeroizing::new) {
        Some(text) => text.trim_end_matches(['\r', '\n']).to_owned(),
        None => STANDARD.encode(&bytes),
    }
}

/// Text in UTF-16 behind a byte order mark.
fn utf16(bytes: &[u8]) -> Option<String> {
    let (read, rest): (fn([u8; 2]) -> u16, _) = match bytes {
        [0xff, 0xfe, rest @ ..] => (u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => (u16::from_be_bytes, rest),
        _ => return None,
    };
    let pairs = rest.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    let units: Vec<u16> = pairs.map(|pair| read([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok()
}

/// Returns an id or a secret without what was added around it: blanks, line breaks (also escaped ones at its end) and
/// characters that are not visible, such as a byte order mark. Only for values that have no blanks of their own at their ends.
pub fn trimmed(text: &str) -> &str {
    let mut text = text.trim_matches(is_blank);
    loop {
        let Some(rest) = text.strip_suffix(['n', 'r']) else {
            return text;
        };
        match rest.trim_end_matches('\\') {
            shorter if shorter.len() < rest.len() => text = shorter.trim_end_matches(is_blank),
            _ => return text,
        }
    }
}

/// Returns the passwords that may be meant by `text`, the one that it literally is first: then without byte order mark and final
/// line breaks, without what [`trimmed`] leaves out, and without quotes around it. They are tried in this order.
pub fn passwords(text: &Secret) -> Vec<Secret> {
    let exact = text.expose();
    let line = exact
        .trim_start_matches('\u{feff}')
        .trim_end_matches(['\r', '\n']);
    let bare = trimmed(exact);
    let unquoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| bare.strip_prefix(quote)?.strip_suffix(quote));
    let mut found: Vec<&str> = Vec::new();
    for candidate in [Some(exact), Some(line), Some(bare), unquoted] {
        found.extend(candidate.filter(|candidate| !found.contains(candidate)));
    }
    found.into_iter().map(Secret::new).collect()
}

/// Reads a JSON object; `None` if `text` holds none.
///
/// Accepted beside JSON: a byte order mark, real line breaks inside of strings, line breaks between members that are escaped or
/// unusual blanks, quotes around the whole, and a whole that was escaped as text within JSON.
pub fn json(text: &str) -> Option<Map<String, Value>> {
    nested_json(text, MAX_NESTING)
}

fn nested_json(text: &str, nesting: u8) -> Option<Map<String, Value>> {
    let nesting = nesting.checked_sub(1)?;
    let text = trimmed(text);
    let unquoted = text
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''));
    let text = trimmed(unquoted.unwrap_or(text));
    let read = serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&Zeroizing::new(with_escapes(text))));
    match read {
        Ok(Value::Object(object)) => return Some(object),
        Ok(Value::String(inner)) => return nested_json(&Zeroizing::new(inner), nesting),
        _ => {}
    }
    // `{\"a\":1}`: text within JSON that lost the quotes around it.
    let quoted = Zeroizing::new(format!(
        "\"{}\"",
        text.replace('\r', "").replace('\n', "\\n")
    ));
    let inner: String = serde_json::from_str(&quoted).ok()?;
    nested_json(&Zeroizing::new(inner), nesting)
}

/// Escapes line breaks and tabs inside of strings, as JSON requires, and replaces escaped ones outside of strings by blanks.
fn with_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let (mut is_in_string, mut is_escaped) = (false, false);
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\n' if is_in_string => out.push_str("\\n"),
            '\t' if is_in_string => out.push_str("\\t"),
            '\r' if is_in_string => {}
            '\\' if !is_in_string => {
                while rest.next_if_eq(&'\\').is_some() {}
                rest.next_if(|escaped| matches!(escaped, 'n' | 'r' | 't'));
                out.push(' ');
            }
            blank if !is_in_string && is_blank(blank) => out.push(' '),
            other => out.push(other),
        }
        is_in_string ^= character == '"' && !is_escaped;
        is_escaped = is_in_string && character == '\\' && !is_escaped;
    }
    out
}

/// Whether `character` is a blank, a line break or not visible.
pub(crate) fn is_blank(character: char) -> bool {
    character.is_whitespace() || is_invisible(character)
}

/// Byte order marks, and what is copied from formatted text without being seen.
pub(crate) const fn is_invisible(character: char) -> bool {
    matches!(character, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
}

/// Reads one of several words, in any letter case: each with what it means. Those with the same meaning as an earlier one are
/// accepted and not advertised.
///
/// # Errors
/// [`ErrorKind::Config`], naming the words that can stand there and nothing of `text`.
pub fn one_of<T: Copy + PartialEq>(text: &str, words: &[(&str, T)]) -> Result<T> {
    let text = trimmed(text);
    if let Some((_, meaning)) = words
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text))
    {
        return Ok(*meaning);
    }
    let advertised: Vec<String> = words
        .iter()
        .enumerate()
        .filter(|(at, (_, meaning))| !words[..*at].iter().any(|(_, other)| other == meaning))
        .map(|(_, (word, _))| format!("\"{word}\""))
        .collect();
    Err(Error::new(
        ErrorKind::Config,
        "is not one of the words that can stand here",
    )
    .advise(format!("write {}", advertised.join(" or "))))
}

/// Reads an environment: in the words of this project, and in those that vendors and other gateways use.
///
/// # Errors
/// As [`one_of`].
pub fn environment(text: &str) -> Result<Environment> {
    use Environment::{Production, Sandbox};
    one_of(
        text,
        &[
            ("sandbox", Sandbox),
            ("production", Production),
            ("development", Sandbox),
            ("dev", Sandbox),
            ("debug", Sandbox),
            ("prod", Production),
            ("release", Production),
        ],
    )
    .map_err(|error| {
        Error::new(ErrorKind::Config, error.message()).advise(
            "write \"sandbox\" for debug builds, \"production\" for released apps and TestFlight",
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(text: &str) -> String {
        of_file(text.as_bytes().to_vec())
    }

    #[test]
    fn a_file_is_its_text_without_byte_order_mark_and_final_line_break() {
        assert_eq!(file("secret"), "secret");
        assert_eq!(file("secret\n"), "secret");
        assert_eq!(file("\u{feff}secret\r\n"), "secret");
        assert_eq!(file("two\r\nlines\n\n"), "two\r\nlines");
        assert_eq!(file("  blanks stay "), "  blanks stay ");
        assert_eq!(file(""), "");
    }

    #[test]
    fn a_file_that_windows_tools_wrote_in_utf_16_is_text() {
        let units: Vec<u16> = "\u{feff}sécret\r\n".encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        assert_eq!(of_file(little.clone()), "sécret");
        assert_eq!(of_file(big), "sécret");
        let damaged = little[..little.len() - 1].to_vec();
        assert_eq!(of_file(damaged.clone()), STANDARD.encode(damaged));
    }

    #[test]
    fn a_file_that_is_no_text_becomes_base64_as_a_whole() {
        let bytes = vec![0x30, 0x82, 1, 2, b'\n'];
        assert_eq!(of_file(bytes.clone()), STANDARD.encode(bytes));
    }

    #[test]
    fn a_value_loses_what_was_added_around_it_and_nothing_else() {
        for text in [
            "a-B_c.1",
            " a-B_c.1\n",
            "\u{feff}a-B_c.1\r\n",
            "\t a-B_c.1\\n",
            "a-B_c.1\\r\\n",
            "a-B_c.1\\\\n\n",
            "\u{200b}a-B_c.1\u{a0}",
        ] {
            assert_eq!(trimmed(text), "a-B_c.1", "{text:?}");
        }
        assert_eq!(trimmed("token"), "token");
        assert_eq!(trimmed("a\\b"), "a\\b");
        assert_eq!(trimmed(" \n"), "");
    }

    #[test]
    fn a_password_is_tried_as_it_is_before_anything_is_left_out() {
        let candidates = |text: &str| -> Vec<String> {
            passwords(&Secret::new(text))
                .iter()
                .map(|password| password.expose().to_owned())
                .collect()
        };
        assert_eq!(candidates("secret"), ["secret"]);
        assert_eq!(candidates("secret\n"), ["secret\n", "secret"]);
        assert_eq!(candidates(""), [""]);
        assert_eq!(
            candidates("\u{feff} \"se cret\"\\n\r\n"),
            [
                "\u{feff} \"se cret\"\\n\r\n",
                " \"se cret\"\\n",
                "\"se cret\"",
                "se cret",
            ]
        );
    }

    #[test]
    fn json_is_read_however_its_line_breaks_were_written() {
        let right = json!({ "kind": "key", "text": "-----A\nb\\c\t\"d\"\n" });
        let pretty = serde_json::to_string_pretty(&right).expect("JSON");
        let compact = right.to_string();
        let once = Value::from(compact.clone()).to_string();
        let twice = Value::from(once.clone()).to_string();
        for text in [
            compact.clone(),
            pretty.clone(),
            format!("\u{feff}{pretty}\r\n"),
            pretty.replace('\n', "\r\n"),
            pretty.replace('\n', " "),
            pretty.replace('\n', "\\n"),
            pretty.replace('\n', "\\\\n"),
            pretty.replace("  ", "\u{a0}"),
            compact.replace("\\n", "\n"),
            compact.replace("\\n", "\r\n"),
            compact.replace("\\t", "\t"),
            format!("'{pretty}'"),
            once[1..once.len() - 1].to_owned(),
            once,
            twice,
        ] {
            assert_eq!(json(&text).map(Value::from), Some(right.clone()), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_object_is_none() {
        for text in ["", "{", "[]", "7", "\"text\"", "null", "{\"a\":1", "a = 1"] {
            assert_eq!(json(text), None, "{text}");
        }
        let mut nested = json!({}).to_string();
        for _ in 0..5 {
            nested = Value::from(nested).to_string();
        }
        assert_eq!(json(&nested), None);
    }

    #[test]
    fn an_environment_is_read_in_the_words_that_others_use() {
        for (text, wanted) in [
            ("sandbox", Environment::Sandbox),
            ("Development", Environment::Sandbox),
            ("production", Environment::Production),
            ("PRODUCTION\n", Environment::Production),
            ("prod", Environment::Production),
        ] {
            assert_eq!(environment(text).unwrap(), wanted, "{text}");
        }
        let text = environment("staging-secret").unwrap_err().to_string();
        assert!(
            text.contains("\"sandbox\"") && text.contains("\"production\""),
            "{text}"
        );
        assert!(!text.contains("staging"), "{text}");
    }

    #[test]
    fn a_word_that_cannot_stand_there_is_refused_by_those_that_can() {
        let words = [("LOW", 1), ("NORMAL", 2), ("DEFAULT", 2)];
        assert_eq!(one_of(" normal ", &words).unwrap(), 2);
        assert_eq!(one_of("default", &words).unwrap(), 2);
        let text = one_of("HIGH", &words).unwrap_err().to_string();
        assert!(text.ends_with("write \"LOW\" or \"NORMAL\""), "{text}");
    }
}
