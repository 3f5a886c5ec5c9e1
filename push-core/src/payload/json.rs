//! Reads JSON as the deployed clients do: values of other types are converted.
use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{MAX_BYTES, MAX_DEPTH, NoTarget};
use crate::mend_surrogates;

pub(super) type Object = Map<String, Value>;

/// Reads the text of a JSON object.
pub(super) fn parse_object(text: &str) -> Result<Object, NoTarget> {
    if text.len() > MAX_BYTES {
        return Err(NoTarget::TooLarge);
    }
    match serde_json::from_str(&mend_surrogates(text)) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(NoTarget::NotObject),
        Err(_) => Err(NoTarget::NotJson),
    }
}

/// An object, or the text of one: an unwrapped extra arrives as either.
pub(super) fn object(value: &Value) -> Option<Cow<'_, Object>> {
    match value {
        Value::Object(object) => Some(Cow::Borrowed(object)),
        Value::String(text) => parse_object(text).ok().map(Cow::Owned),
        _ => None,
    }
}

/// The member `key`, unless it is missing or `null`.
pub(super) fn member<'a>(object: &'a Object, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|it| !it.is_null())
}

/// `integerValue` of Foundation: a fraction is cut off, text counts up to its first non-digit, anything else is 0.
/// Out of range saturates; it never wraps into a number that means something.
pub(super) fn long(value: &Value) -> i64 {
    match value {
        Value::Number(number) => number
            .as_i64()
            .unwrap_or_else(|| number.as_f64().map_or(0, |it| it as i64)),
        Value::String(text) => leading_integer(text),
        Value::Bool(yes) => i64::from(*yes),
        _ => 0,
    }
}

/// [`long`], saturated to 32 bits.
pub(super) fn int(value: &Value) -> i32 {
    long(value).clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

fn leading_integer(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    digits
        .bytes()
        .map_while(|it| char::from(it).to_digit(10))
        .fold(0_i64, |sum, digit| {
            let digit = i64::from(digit);
            let sum = sum.saturating_mul(10);
            if negative {
                sum.saturating_sub(digit)
            } else {
                sum.saturating_add(digit)
            }
        })
}

/// Text, or an integer as text: some servers write a numeric user id as a number. Anything else is empty; a fraction too,
/// because a number that lost digits would name another user.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => String::new(),
    }
}

/// An array of bytes as Gson writes `byte[]` (−128 to 127) or as others do (0 to 255); `None` if any element is neither.
pub(super) fn bytes(value: &Value) -> Option<Vec<u8>> {
    let byte = |it: &Value| match it.as_i64()? {
        signed @ -128..=-1 => Some((signed as i8).cast_unsigned()),
        unsigned => u8::try_from(unsigned).ok(),
    };
    value.as_array()?.iter().map(byte).collect()
}

/// Writes what [`bytes`] reads, in Gson's signed form, which every Android client accepts.
pub(super) fn byte_array(bytes: &[u8]) -> Value {
    bytes.iter().map(|it| it.cast_signed()).collect()
}

/// Whether a value given as a tree stays within the limits that its text would have met.
///
/// Counts the bytes of keys and strings and one for every value, which is never more than its JSON text takes, so nothing is
/// refused here that would be read as text. Walks without recursion: a tree made by hand may be of any depth.
pub(super) fn within_limits(root: &Value) -> bool {
    let mut size = 0;
    let mut waiting = vec![(1, root)];
    while let Some((depth, value)) = waiting.pop() {
        size += 1;
        match value {
            Value::String(text) => size += text.len(),
            Value::Array(_) | Value::Object(_) if depth > MAX_DEPTH => return false,
            Value::Array(items) => waiting.extend(items.iter().map(|it| (depth + 1, it))),
            Value::Object(members) => {
                size += members.keys().map(String::len).sum::<usize>();
                waiting.extend(members.values().map(|it| (depth + 1, it)));
            }
            _ => {}
        }
        if size > MAX_BYTES {
            return false;
        }
    }
    true
}
