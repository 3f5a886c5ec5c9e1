//! Reading JSON, with errors that name the member and say what belongs there.
use std::fmt::Write as _;

use push_core::mend_surrogates_in;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::Path;

use super::problem::Problem;

/// How deep JSON may nest.
const MAX_DEPTH: usize = 128;
/// How much of a member's path, or of a name that a client wrote, an error repeats, in bytes.
const MAX_NAME: usize = 120;

/// Reads JSON. A half of a surrogate pair becomes U+FFFD.
///
/// # Errors
/// Says what is wrong with which member. What stands there is not repeated: it may be a token or a message's text.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mended = mend_surrogates_in(bytes);
    let mut json = serde_json::Deserializer::from_slice(&mended);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let member = named(error.path());
        invalid(member.as_deref(), error.inner())
    })?;
    json.end().map_err(|error| invalid(None, &error))?;
    Ok(value)
}

/// The path of a member, as in `elements[0].text`; `None` for the whole body.
fn named(path: &Path) -> Option<String> {
    let path = path.to_string();
    if path == "." || path.is_empty() {
        return None;
    }
    Some(bounded(&path).to_owned())
}

/// The beginning of what a client wrote.
fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_NAME)]
}

fn invalid(member: Option<&str>, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let text = text.split(" at line").next().unwrap_or_default();
    let what = match error.classify() {
        Category::Data => data(member, text),
        Category::Eof => "the JSON text ends too early".to_owned(),
        Category::Syntax | Category::Io => syntax(member, text),
    };
    // An error about a whole object has no place of its own.
    Problem::invalid(match (error.line(), error.column()) {
        (0, _) => what,
        (line, column) => format!("{what}, at line {line} column {column} of the body"),
    })
}

/// What is wrong with the value of a member.
fn data(member: Option<&str>, text: &str) -> String {
    let it = match member {
        Some(member) => format!("`{member}`"),
        None => "the body".to_owned(),
    };
    if let Some((found, expected)) = two(text, "invalid type: ") {
        return match belongs(expected) {
            Some(expected) if let Some(size) = beyond(found, &expected) => {
                format!("{it} is too {size} for {expected}")
            }
            Some(expected) => format!("{it} is {}, where {expected} belongs", kind(found)),
            None => format!("{it} is {}, which does not belong there", kind(found)),
        };
    }
    if let Some((_, expected)) = two(text, "invalid value: ") {
        return match belongs(expected) {
            Some(expected) => format!("{it} is not {expected}"),
            None => format!("{it} has a wrong form"),
        };
    }
    if text.starts_with("invalid length") {
        return format!("{it} has a wrong number of items");
    }
    if let Some((_, words)) = two(text, "unknown variant ") {
        let words = words.strip_prefix("one of ").unwrap_or(words);
        return format!("{it} is none of the words that belong there: {words}");
    }
    if let Some(rest) = text.strip_prefix("unknown field ") {
        // The name is the client's own.
        let name = rest.split('`').nth(1).unwrap_or_default();
        let known = rest
            .rsplit_once(", expected ")
            .map_or("", |(_, known)| known);
        let known = known.strip_prefix("one of ").unwrap_or(known);
        // Depending on where it was found, the path ends with it.
        let path = match member {
            Some(member) if name.len() > MAX_NAME || member.ends_with(name) => member.to_owned(),
            Some(member) => format!("{member}.{name}"),
            None => bounded(name).to_owned(),
        };
        return format!("`{path}` is not a known member; known are {known}");
    }
    for (beginning, wrong) in [
        ("missing field ", "is missing"),
        ("duplicate field ", "is there twice"),
    ] {
        if let Some(name) = text.strip_prefix(beginning) {
            let name = name.trim_matches('`');
            return match member {
                Some(member) => format!("`{member}.{name}` {wrong}"),
                None => format!("`{name}` {wrong}"),
            };
        }
    }
    // The error texts of this workspace's types, which repeat no value.
    match member {
        Some(member) => format!("`{member}`: {text}"),
        None => text.to_owned(),
    }
}

/// The two halves of `<beginning>A, expected B`.
fn two<'a>(text: &'a str, beginning: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(beginning)?.rsplit_once(", expected ")
}

/// What kind of value serde found. It quotes the value itself behind the kind.
fn kind(found: &str) -> &'static str {
    for (beginning, kind) in [
        ("string", "a text"),
        ("character", "a text"),
        ("integer", "a whole number"),
        ("floating point", "a number with a fraction or an exponent"),
        ("boolean", "true or false"),
        ("null", "null"),
        ("unit", "null"),
        ("sequence", "a list"),
        ("map", "an object"),
    ] {
        if found.starts_with(beginning) {
            return kind;
        }
    }
    "another kind of value"
}

/// Whether serde found a number that is too `large` or too `small` for any whole number. It reads one as a fraction.
fn beyond(found: &str, expected: &str) -> Option<&'static str> {
    let number = found.strip_prefix("floating point `")?.strip_suffix('`')?;
    let number: f64 = number.parse().ok()?;
    if !expected.starts_with("a whole number") {
        None
    } else if number >= 2_f64.powi(64) {
        Some("large")
    } else if number <= -2_f64.powi(63) {
        Some("small")
    } else {
        None
    }
}

/// What serde expected, without the names of Rust's types; `None` if it says nothing to a client.
fn belongs(expected: &str) -> Option<String> {
    let number = |least: &str, most: &str| Some(format!("a whole number from {least} to {most}"));
    match expected {
        "u8" => number("0", "255"),
        "u16" => number("0", "65535"),
        "u32" => number("0", "4294967295"),
        "u64" | "usize" => number("0", "18446744073709551615"),
        "i32" => number("-2147483648", "2147483647"),
        "i64" => number("-9223372036854775808", "9223372036854775807"),
        "a string" | "a borrowed string" | "str" | "string" => Some("a text".to_owned()),
        "a boolean" => Some("true or false".to_owned()),
        "a sequence" => Some("a list".to_owned()),
        "a map" => Some("an object".to_owned()),
        text if text.starts_with("struct ") => Some("an object".to_owned()),
        text if text.contains("enum ") || text.contains("variant") => {
            Some("one of its words".to_owned())
        }
        text if text.contains("UUID") => Some("a UUID".to_owned()),
        // A type of this workspace names what it expects.
        text if text.contains('`') => Some(text.to_owned()),
        _ => None,
    }
}

/// What is wrong with the text itself.
fn syntax(member: Option<&str>, text: &str) -> String {
    if text == "recursion limit exceeded" {
        let mut what = String::new();
        if let Some(member) = member {
            // Its beginning says enough.
            let top = member.split(['.', '[']).next().unwrap_or_default();
            what.push_str(if top.is_empty() { "the body" } else { "" });
            if !top.is_empty() {
                write!(what, "`{top}`").unwrap_or_default();
            }
        } else {
            what.push_str("the body");
        }
        return format!("{what} nests deeper than {MAX_DEPTH} levels");
    }
    if text == "number out of range" {
        return match member {
            Some(member) => format!("`{member}`: a number is out of range"),
            None => "a number is out of range".to_owned(),
        };
    }
    let why = match text {
        "invalid unicode code point" => "it is not UTF-8",
        "trailing characters" => "something follows the value",
        "trailing comma" => "a comma is left over",
        "key must be a string" => "the name of a member is not a text",
        "invalid escape" => "a text has an escape that JSON does not know",
        text if text.starts_with("control character") => {
            "a text has a control character that is not escaped"
        }
        _ => "a value, a name, a comma or a bracket is not where it belongs",
    };
    format!("this is not JSON: {why}")
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use http_body_util::BodyExt as _;
    use push_core::{
        Message,
        api::{PresenceBody, RegistrationBody},
    };
    use serde_json::Value;

    use super::*;

    fn detail<T: DeserializeOwned>(json: &str) -> String {
        let Err(problem) = parse::<T>(json.as_bytes()) else {
            panic!("{json} was read");
        };
        let answer = problem.into_response();
        assert_eq!(answer.status(), 400);
        let body = futures_util::FutureExt::now_or_never(answer.into_body().collect());
        let body = body.expect("it is there").expect("it is whole").to_bytes();
        let body: Value = serde_json::from_slice(&body).expect("a problem document");
        body["detail"].as_str().expect("a detail").to_owned()
    }

    fn message(members: &str) -> String {
        detail::<Message>(&format!(r#"{{"id":"m","receivers":["a"],{members}}}"#))
    }

    #[test]
    fn an_error_names_the_member_and_what_belongs_there() {
        for (members, says) in [
            (
                r#""push":{"ttl_seconds":"ten"}"#,
                "`push.ttl_seconds` is a text, where a whole number from 0 to 4294967295 belongs",
            ),
            (
                r#""push":{"ttl_seconds":-1}"#,
                "`push.ttl_seconds` is not a whole number from 0 to 4294967295",
            ),
            (
                r#""push":{"badge_set":5000000000}"#,
                "`push.badge_set` is not a whole number from 0 to 4294967295",
            ),
            (
                r#""push":{"ttl_seconds":99999999999999999999999}"#,
                "`push.ttl_seconds` is too large for a whole number from 0 to 4294967295",
            ),
            (
                r#""push":{"ttl_seconds":18446744073709551616}"#,
                "`push.ttl_seconds` is too large for a whole number from 0 to 4294967295",
            ),
            (
                r#""push":{"ttl_seconds":-99999999999999999999999}"#,
                "`push.ttl_seconds` is too small for a whole number from 0 to 4294967295",
            ),
            (
                r#""push":{"ttl_seconds":1.5}"#,
                "`push.ttl_seconds` is a number with a fraction or an exponent, where a whole number from 0",
            ),
            (
                r#""push":{"ttl_seconds":1e3}"#,
                "`push.ttl_seconds` is a number with a fraction or an exponent, where a whole number from 0",
            ),
            (
                r#""push":{"ttl_seconds":1e999}"#,
                "`push.ttl_seconds`: a number is out of range",
            ),
            (
                r#""push":{"disabled":"yes"}"#,
                "`push.disabled` is a text, where true or false belongs",
            ),
            (r#""push":"x""#, "`push` is a text, where an object belongs"),
            (
                r#""elements":[{"type":"image"},{"type":"text","text":7}]"#,
                "`elements[1].text` is a whole number, where a text belongs",
            ),
            (
                r#""elements":[{"type":"text"}]"#,
                "`elements[0]`: an element of the type `text` needs the member `text`",
            ),
            (
                r#""elements":[{"type":"image","desc":"x"}]"#,
                "`elements[0]`: an element of this `type` has no member `desc`",
            ),
            (
                r#""elements":[{"text":"x"}]"#,
                "`elements[0].type` is missing",
            ),
            (
                r#""elements":[{"type":"hologram"}]"#,
                "`elements[0].type` is none of the words that belong there: `text`, `image`",
            ),
            (
                r#""kind":"broadcast""#,
                "`kind` is none of the words that belong there: `chat` or `push`",
            ),
            (
                r#""sender":{"user":"","nickname":"x"}"#,
                "`sender.user`: the user id is empty",
            ),
            (r#""sender":{"nickname":"x"}"#, "`sender.user` is missing"),
            (
                r#""group":{"id":"g","colour":"red"}"#,
                "`group.colour` is not a known member; known are `id` or `name`",
            ),
            (r#""id":"n""#, "`id` is there twice"),
            (
                r#""sent_at":1760000000"#,
                "`sent_at`: 1760000000 looks like seconds since 1970",
            ),
            (
                r#""push":{"channels":{"sample":{"mutable":1}}}"#,
                "`push.channels.sample.mutable` is a whole number, where true or false belongs",
            ),
        ] {
            let detail = message(members);
            assert!(detail.contains(says), "{members}: {detail}");
        }
        let detail = detail::<Message>(r#"{"id":"m","audience":{"users":["a",""]}}"#);
        assert!(
            detail.contains("`audience.users[1]`: the user id is empty"),
            "{detail}"
        );
        let detail = self::detail::<Message>(&format!(
            r#"{{"id":"{}","receivers":["a"]}}"#,
            "x".repeat(129)
        ));
        assert!(
            detail.contains("`id`: the message id is longer than 128 bytes"),
            "{detail}"
        );
        let detail = self::detail::<Message>(r#"{"id":null,"receivers":["a"]}"#);
        assert!(
            detail.contains("`id` is null, where a text belongs"),
            "{detail}"
        );
        let detail = self::detail::<Message>("7");
        assert!(
            detail.contains("the body is a whole number, where an object belongs"),
            "{detail}"
        );
    }

    #[test]
    fn errors_of_a_registration_name_the_member_too() {
        let body = |members: &str| {
            let json = format!(
                r#"{{"channel":"sample","certificate_id":1,"environment":"production","token":"t",{members}}}"#
            );
            detail::<RegistrationBody>(&json)
        };
        for (members, says) in [
            (
                r#""rank":256"#,
                "`rank` is not a whole number from 0 to 255",
            ),
            (
                r#""language":5"#,
                "`language` is a whole number, where a text belongs",
            ),
            (
                r#""platform":"blackberry""#,
                "`platform` is none of the words that belong there",
            ),
        ] {
            let detail = body(members);
            assert!(detail.contains(says), "{members}: {detail}");
        }
    }

    #[test]
    fn a_number_beyond_its_type_is_not_called_anything_else() {
        let wide = "a whole number from -9223372036854775808 to 9223372036854775807";
        for (json, says) in [
            ("9223372036854775808", format!("is not {wide}")),
            ("99999999999999999999", format!("is too large for {wide}")),
            ("-99999999999999999999", format!("is too small for {wide}")),
            ("0.5", format!("where {wide} belongs")),
        ] {
            let detail = detail::<i64>(json);
            assert!(detail.contains(&says), "{json}: {detail}");
            assert!(!detail.contains("this is not JSON"), "{detail}");
        }
    }

    #[test]
    fn no_value_is_repeated() {
        for json in [
            r#"{"id":"m","receivers":["a"],"kind":"top secret"}"#,
            r#"{"id":"m","receivers":"top secret"}"#,
            r#"{"id":"m","receivers":["a"],"push":{"priority":"top secret, expected x"}}"#,
            r#"{"id":"m","receivers":["a"],"elements":["top secret"]}"#,
            r#"{"id":"m","audience":"top secret"}"#,
            r#"{"id":"m","receivers":["a"],"elements":[{"type":"text","text":"top secret}"#,
        ] {
            let detail = detail::<Message>(json);
            assert!(!detail.contains("top secret"), "{detail}");
        }
        let detail = detail::<PresenceBody>(r#"{"presence":"top secret","at":1}"#);
        assert!(!detail.contains("top secret"), "{detail}");
        assert!(detail.contains("`presence`"), "{detail}");
    }

    #[test]
    fn what_nests_too_deep_or_is_no_json_is_called_so() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let fields = format!(r#""push":{{"vendor":{{"sample":{{"a":{}}}}}}}"#, deep(200));
        let detail = message(&fields);
        assert!(
            detail.contains("`push` nests deeper than 128 levels"),
            "{detail}"
        );
        let detail = self::detail::<Value>(&deep(100_000));
        assert!(
            detail.contains("the body nests deeper than 128 levels"),
            "{detail}"
        );
        for (json, says) in [
            ("", "ends too early"),
            ("{", "ends too early"),
            ("{}{}", "something follows the value"),
            ("nonsense", "this is not JSON"),
            ("{1:2}", "the name of a member is not a text"),
            ("[1,]", "a comma is left over"),
            ("\"a\nb\"", "a control character that is not escaped"),
            (r#""\x""#, "an escape that JSON does not know"),
            ("[1e999]", "a number is out of range"),
        ] {
            let detail = self::detail::<Value>(json);
            assert!(detail.contains(says), "{json}: {detail}");
        }
        let Err(problem) = parse::<Value>(b"\"\xff\"") else {
            panic!("it was read");
        };
        assert!(format!("{problem:?}").contains("UTF-8"), "{problem:?}");
    }

    #[test]
    fn names_that_a_client_wrote_are_cut() {
        let name = "é".repeat(100_000);
        let detail = message(&format!(r#""{name}":1"#));
        assert!(detail.len() < 1_000, "{} bytes", detail.len());
    }

    #[test]
    fn half_an_emoji_is_read_as_the_replacement_character() {
        let case: Value = serde_json::from_str(include_str!(
            "../../tests/fixtures/text_cut_inside_an_emoji.json"
        ))
        .expect("the fixture works");
        let body = case["raw_body_of POST /v1/messages"]
            .as_str()
            .expect("a body");
        let read: Message = parse(body.as_bytes()).unwrap_or_else(|problem| panic!("{problem:?}"));
        let text = push_core::Element::Text {
            text: "see you \u{fffd}".to_owned(),
        };
        assert_eq!(read.elements, [text]);
    }
}
