//! Ranges, checked on the values themselves. The derive macro calls this.
use super::{
    Describe, Shape,
    shape::{bounds_in_words, plain},
};
use crate::{Error, ErrorKind, Faults};

/// Notes that `value` is less than `min` or greater than `max`.
pub fn check_range<T: Describe + PartialOrd>(
    faults: &mut Faults,
    key: &str,
    value: Option<&T>,
    min: Option<T>,
    max: Option<T>,
    unit: &str,
) {
    let Some(value) = value else { return };
    // Written so that what cannot be compared is out of range.
    let is_right =
        min.as_ref().is_none_or(|min| value >= min) && max.as_ref().is_none_or(|max| value <= max);
    if is_right {
        return;
    }
    let written = |value: &T| value.written();
    let (min, max) = (
        min.as_ref().and_then(written),
        max.as_ref().and_then(written),
    );
    let what = match value.written() {
        Some(value) => format!("{} is out of range", plain(&value)),
        None => "is out of range".to_owned(),
    };
    let noun = match T::shape() {
        Shape::Duration => "duration",
        Shape::Number => "number",
        _ => "whole number",
    };
    let bounds = bounds_in_words(min.as_ref(), max.as_ref(), unit).unwrap_or_default();
    let error = Error::new(ErrorKind::Config, what).at(key);
    faults.push(error.advise(format!("write a {noun} {bounds}")));
}

/// Notes that a text has fewer bytes, or a list or map fewer elements, than `min`, or more than `max`.
pub fn check_length<T: Describe>(
    faults: &mut Faults,
    key: &str,
    value: &T,
    min: Option<usize>,
    max: Option<usize>,
) {
    let Some(length) = value.length() else { return };
    let noun = match T::shape() {
        Shape::List(_) | Shape::Map(_) => "elements",
        _ => "bytes",
    };
    let (what, advice) = match (min, max) {
        (Some(_), _) if length == 0 && noun == "bytes" => ("is empty".to_owned(), None),
        (Some(min), _) if length == 0 => {
            ("is empty".to_owned(), Some(format!("write at least {min}")))
        }
        (Some(min), _) if length < min => (
            format!("has {length} {noun}"),
            Some(format!("write at least {min} {noun}")),
        ),
        (_, Some(max)) if length > max => (
            format!("has {length} {noun}"),
            Some(format!("write at most {max} {noun}")),
        ),
        _ => return,
    };
    if min.is_none_or(|min| length >= min) && max.is_none_or(|max| length <= max) {
        return;
    }
    let error = Error::new(ErrorKind::Config, what).at(key);
    faults.push(match advice {
        Some(advice) => error.advise(advice),
        None => error,
    });
}

/// Notes what is out of range inside of `value`.
pub fn check_inner<T: Describe>(faults: &mut Faults, key: &str, value: &T) {
    let mut inner = Faults::default();
    value.check_ranges(&mut inner);
    faults.keep(inner.result().map_err(|error| error.under(key)));
}
