//! Vendor fields: checked at submission, laid over a rendered payload at sending.
use push_core::{ADDRESSING_FIELDS, Error, ErrorKind, Result, Verdict};
use serde_json::{Map, Value};

/// A field's name and what it may hold.
pub type Field = (&'static str, Shape);

/// What a field may hold. `null` is always allowed and unsets the field.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Shape {
    /// Anything.
    Any,
    /// Text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Whole(i64, i64),
    /// Any number.
    Number,
    /// An object whose values are all text.
    TextMap,
    /// An array.
    List(&'static Self),
    /// One of these words, in upper or lower case.
    Word(&'static [&'static str]),
    /// An object with these fields.
    Object(&'static [Field]),
}

impl Shape {
    fn name(self) -> String {
        match self {
            Self::Any => "a value".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Whole(from, to) => format!("a whole number from {from} to {to}"),
            Self::Number => "a number".to_owned(),
            Self::TextMap => "an object whose values are text".to_owned(),
            Self::List(of) => format!("a list, each element {}", of.name()),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Object(_) => "an object".to_owned(),
        }
    }

    /// Checks `value` at `path`.
    fn check(self, path: &str, value: &Value) -> Result<()> {
        let fits = match (self, value) {
            (Self::Object(fields), Value::Object(object)) => {
                return check_object(fields, path, object);
            }
            (Self::List(of), Value::Array(list)) => {
                return list.iter().try_for_each(|element| of.check(path, element));
            }
            (_, Value::Null)
            | (Self::Any, _)
            | (Self::Text, Value::String(_))
            | (Self::Flag, Value::Bool(_))
            | (Self::Number, Value::Number(_)) => true,
            (Self::Whole(from, to), Value::Number(number)) => number
                .as_i64()
                .is_some_and(|number| (from..=to).contains(&number)),
            (Self::TextMap, Value::Object(map)) => map.values().all(Value::is_string),
            (Self::Word(words), Value::String(text)) => {
                words.iter().any(|word| word.eq_ignore_ascii_case(text))
            }
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            Err(invalid(format!(
                "the vendor field `{path}` must be {}",
                self.name()
            )))
        }
    }
}

fn check_object(fields: &[Field], path: &str, object: &Map<String, Value>) -> Result<()> {
    for (key, value) in object {
        let path = join(path, key);
        match fields.iter().find(|(name, _)| name == key) {
            Some((_, shape)) => shape.check(&path, value)?,
            None => {
                return Err(invalid(format!("the vendor has no field `{path}`")));
            }
        }
    }
    Ok(())
}

/// How one vendor's fields are laid over a payload.
#[derive(Clone, Copy, Debug)]
pub struct Overlay {
    protected: &'static [&'static str],
    fields: Option<&'static [Field]>,
}

impl Overlay {
    /// An overlay that never changes the fields at the paths in `protected`, as in `android.data.ext`: those that name the
    /// receiver, the credential or the environment, or hold the click data. [`ADDRESSING_FIELDS`] are protected besides, unless
    /// the table of [`with_fields`](Self::with_fields) lists them.
    pub const fn new(protected: &'static [&'static str]) -> Self {
        Self {
            protected,
            fields: None,
        }
    }

    /// Refuses fields that are not in this table, or have another shape.
    #[must_use]
    pub const fn with_fields(mut self, fields: &'static [Field]) -> Self {
        self.fields = Some(fields);
        self
    }

    /// Checks the vendor fields of a message: what [`Provider::check_fields`](push_core::Provider::check_fields) does.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming the first field that is protected, unknown, or of another shape.
    pub fn check(&self, vendor: &Map<String, Value>) -> Result<()> {
        if let Some(path) = self.touched("", vendor) {
            return Err(
                invalid(format!("the vendor field `{path}` is set by the gateway"))
                    .advise("leave it out"),
            );
        }
        self.fields
            .map_or(Ok(()), |fields| check_object(fields, "", vendor))
    }

    /// Lays `vendor` over `payload`: objects are merged, `null` removes the field, everything else replaces it.
    ///
    /// # Errors
    /// [`VerdictKind::PayloadRefused`](push_core::VerdictKind::PayloadRefused), naming the field, if a protected one would be changed. `payload` is unchanged then.
    pub fn lay(
        &self,
        vendor: &Map<String, Value>,
        payload: &mut Map<String, Value>,
    ) -> Result<(), Verdict> {
        match self.touched("", vendor) {
            Some(path) => Err(Verdict::payload_refused(
                "vendor-field",
                format!("the vendor field `{path}` is set by the gateway; leave it out"),
            )),
            None => {
                merge(payload, vendor);
                Ok(())
            }
        }
    }

    /// The first path that is protected, or holds a protected one and is replaced.
    fn touched(&self, path: &str, object: &Map<String, Value>) -> Option<String> {
        object.iter().find_map(|(key, value)| {
            let is_listed = |fields: &[Field]| fields.iter().any(|(name, _)| name == key);
            if path.is_empty()
                && ADDRESSING_FIELDS
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(key))
                && !self.fields.is_some_and(is_listed)
            {
                return Some(key.clone());
            }
            let path = join(path, key);
            let holds = |protected: &&str| {
                protected
                    .strip_prefix(path.as_str())
                    .is_some_and(|rest| rest.starts_with('.'))
            };
            if self.protected.contains(&path.as_str()) {
                return Some(path);
            }
            match value {
                Value::Object(inner) => self.touched(&path, inner),
                _ if self.protected.iter().any(holds) => Some(path),
                _ => None,
            }
        })
    }
}

/// Lays `from` over `into`: objects are merged, `null` removes the field, everything else replaces it.
pub fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (_, Value::Null) => drop(into.remove(key)),
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, Value::Object(new)) => {
                // So that no `null` of `from` remains.
                let mut object = Map::new();
                merge(&mut object, new);
                into.insert(key.clone(), object.into());
            }
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OVERLAY: Overlay = Overlay::new(&["token", "data.ext"]).with_fields(&[
        ("token", Shape::Text),
        ("data", Shape::TextMap),
        (
            "android",
            Shape::Object(&[
                ("title", Shape::Text),
                ("count", Shape::Whole(0, 99)),
                ("loud", Shape::Flag),
                ("alpha", Shape::Number),
                ("priority", Shape::Word(&["NORMAL", "HIGH"])),
                ("lines", Shape::List(&Shape::Text)),
                ("free", Shape::Any),
            ]),
        ),
    ]);

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other} is an object"),
        }
    }

    fn checked(value: Value) -> Result<(), String> {
        OVERLAY
            .check(&object(value))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn known_fields_of_the_right_shape_pass() {
        for good in [
            json!({}),
            json!({"data": {"more": "1"}}),
            json!({"android": {"title": "x", "count": 99, "loud": true, "alpha": 0.5}}),
            json!({"android": {"priority": "high", "lines": ["a"], "free": [1]}}),
            json!({"android": {"title": null}}),
            json!({"android": null}),
        ] {
            assert_eq!(checked(good.clone()), Ok(()), "{good}");
        }
    }

    #[test]
    fn the_first_wrong_field_is_named_with_its_path() {
        for (wrong, named) in [
            (json!({"tokens": []}), "`tokens`"),
            (json!({"android": {"titel": "x"}}), "`android.titel`"),
            (json!({"android": {"title": 1}}), "`android.title`"),
            (json!({"android": {"count": 100}}), "0 to 99"),
            (json!({"android": {"count": 1.5}}), "`android.count`"),
            (json!({"android": {"loud": "yes"}}), "true or false"),
            (json!({"android": {"priority": "MAX"}}), "NORMAL, HIGH"),
            (json!({"android": {"lines": [1]}}), "`android.lines`"),
            (json!({"android": "x"}), "`android` must be an object"),
            (json!({"data": {"n": 1}}), "`data`"),
        ] {
            let error = checked(wrong.clone()).expect_err(named);
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_protected_field_is_refused_and_so_is_replacing_what_holds_it() {
        for (wrong, named) in [
            (json!({"token": "other"}), "`token`"),
            (json!({"data": {"ext": ""}}), "`data.ext`"),
            (json!({"data": {"ext": null}}), "`data.ext`"),
            (json!({"data": null}), "`data`"),
            (json!({"data": "x"}), "`data`"),
        ] {
            let error = checked(wrong.clone()).expect_err(named);
            assert!(error.contains(named), "{wrong}: {error}");
            let mut payload = object(json!({"data": {"ext": "{}"}}));
            let verdict = OVERLAY.lay(&object(wrong), &mut payload).unwrap_err();
            assert!(verdict.answer.text.contains(named));
            assert_eq!(Value::from(payload), json!({"data": {"ext": "{}"}}));
        }
        // Whatever the vendor, also without a table.
        let open = Overlay::new(&[]);
        for name in ["topic", "Authorization", "app_id"] {
            let error = open.check(&object(json!({name: null}))).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(
            open.check(&object(json!({"data": {"topic": "news"}})))
                .is_ok()
        );
        // Only the whole path is protected.
        assert_eq!(checked(json!({"data": {"extra": "1"}})), Ok(()));
    }

    #[test]
    fn objects_are_merged_null_removes_and_the_rest_replaces() {
        let mut payload = object(json!({"a": {"b": 1, "c": [1, 2], "d": {"e": 1}}, "f": 1}));
        merge(
            &mut payload,
            &object(json!({"a": {"c": [3], "d": null, "g": {"h": null, "i": 1}}, "f": {"j": 1}})),
        );
        assert_eq!(
            Value::from(payload),
            json!({"a": {"b": 1, "c": [3], "g": {"i": 1}}, "f": {"j": 1}})
        );
    }
}
