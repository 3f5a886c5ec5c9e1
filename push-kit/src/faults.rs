//! The faults of a configuration, reported together.
use std::fmt;

use push_core::{Error, ErrorKind, Result};

/// Collects the faults of a configuration, each with its key, so that an operator corrects all in one go.
///
/// ```
/// # use push_kit::{endpoint::Endpoint, faults::Faults};
/// # fn f(app_id: &str, url: &str) -> push_core::Result<Endpoint> {
/// let mut faults = Faults::new();
/// faults.check(!app_id.is_empty(), "app_id", "is empty", "copy it from the console");
/// let endpoint = faults.take("endpoint", Endpoint::new(url));
/// faults.finish(endpoint)
/// # }
/// # assert_eq!(f("", "x").unwrap_err().to_string().matches("endpoint").count(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Faults(Vec<Error>);

impl Faults {
    /// No faults so far.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a fault of `key`: what is wrong, as in "is empty", and what to write instead.
    pub fn add(
        &mut self,
        key: impl fmt::Display,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.0
            .push(Error::new(ErrorKind::Config, what).at(key).advise(advice));
    }

    /// Adds a fault unless `ok`.
    pub fn check(
        &mut self,
        ok: bool,
        key: impl fmt::Display,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) {
        if !ok {
            self.add(key, what, advice);
        }
    }

    /// Returns the value of `result`, or adds its error, of whatever kind, as a fault of `key`; each of several errors as one.
    pub fn take<T>(&mut self, key: impl fmt::Display, result: Result<T>) -> Option<T> {
        let add = |errors: Error| {
            let key = key.to_string();
            for error in errors.each() {
                // A part of the configuration may have named the key within it already.
                let place = match error.place() {
                    Some(place) if place.starts_with(&key) => place.to_owned(),
                    Some(place) => format!("{key}: {place}"),
                    None => key.clone(),
                };
                let fault = Error::new(ErrorKind::Config, error.message()).at(place);
                self.0.push(match error.advice() {
                    Some(advice) => fault.advise(advice),
                    None => fault,
                });
            }
        };
        result.map_err(add).ok()
    }

    /// Returns `value` if there are no faults. It is `None` only if a part of it was at fault.
    ///
    /// # Errors
    /// [`ErrorKind::Config`]: all faults as one error, in the order in which they were added; [`Error::each`] takes them apart, so
    /// that none hides those that are found elsewhere.
    pub fn finish<T>(self, value: Option<T>) -> Result<T> {
        match (Error::all(self.0), value) {
            (Some(error), _) => Err(error),
            (None, Some(value)) => Ok(value),
            (None, None) => Err(Error::new(
                ErrorKind::Internal,
                "the configuration could not be read, and no fault was found",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fault_is_reported_as_it_is() {
        let mut faults = Faults::new();
        faults.check(true, "a", "is empty", "fill it");
        faults.check(false, "b", "is empty", "fill it");
        let error = faults.finish(Some(())).unwrap_err();
        assert_eq!(error.to_string(), "b: is empty; fill it");
        assert_eq!(error.kind(), ErrorKind::Config);
    }

    #[test]
    fn an_error_of_another_kind_is_a_fault_of_the_configuration() {
        let mut faults = Faults::new();
        let wrong = Error::new(ErrorKind::Invalid, "is odd").advise("make it even");
        let value: Option<u8> = faults.take("a", Err(wrong));
        let error = faults.finish(value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.to_string(), "a: is odd; make it even");
    }

    #[test]
    fn several_faults_are_reported_together_with_their_keys() {
        let mut faults = Faults::new();
        faults.add("a", "is empty", "fill it");
        let value: Option<u8> = faults.take("b", Err(Error::new(ErrorKind::Config, "is odd")));
        let error = faults.finish(value).unwrap_err();
        assert_eq!(error.to_string(), "a: is empty; fill it; also b: is odd");
        let places: Vec<_> = error
            .each()
            .iter()
            .map(|it| it.place().map(str::to_owned))
            .collect();
        assert_eq!(places, [Some("a".to_owned()), Some("b".to_owned())]);
    }

    #[test]
    fn each_of_several_errors_of_a_part_is_a_fault() {
        let mut faults = Faults::new();
        let odd = |place: &str| Error::new(ErrorKind::Config, "is odd").at(place);
        let value: Option<u8> = faults.take(
            "http",
            Err(Error::all([odd("http.a"), odd("http.b")]).expect("two")),
        );
        let error = faults.finish(value).unwrap_err();
        assert_eq!(error.to_string(), "http.a: is odd; also http.b: is odd");
    }

    #[test]
    fn without_faults_there_is_a_value() {
        let mut faults = Faults::new();
        let value = faults.take("a", Ok(7));
        assert_eq!(faults.finish(value).unwrap(), 7);
    }
}
