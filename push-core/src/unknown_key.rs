//! A key that a configuration does not have.
use crate::{Error, ErrorKind, advice::nearest};

/// The error for a key other than those that are `known` and `also` accepted.
pub(crate) fn unknown_key(key: &str, known: &[&str], also: &[String]) -> Error {
    let candidates = known.iter().copied().chain(also.iter().map(|key| &**key));
    let what = match (nearest(key, candidates), known.is_empty()) {
        (Some(near), false) => format!(
            "is not a known key: did you mean `{near}`? Known are `{}`",
            known.join("`, `")
        ),
        (None, false) => format!("is not a known key; known are `{}`", known.join("`, `")),
        (_, true) => "is not a known key".to_owned(),
    };
    Error::new(ErrorKind::Config, what).at(key)
}
