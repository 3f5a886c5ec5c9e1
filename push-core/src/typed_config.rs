//! Configurations that a program writes in Rust, in the plugin's own type.
use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

use crate::{Plugin, Secret, duration};

/// A plugin's configuration that can be written in Rust instead of JSON: a wrong key is then an error of the compiler.
///
/// `#[describe(plugin = …)]` above a type with [`derive(Describe)`](crate::Describe) implements it:
///
/// ```
/// # use std::sync::Arc;
/// # use push_core::{BuildContext, DynProvider, Error, ErrorKind, Plugin, ProviderKind, Result};
/// use push_core::{ConfigValue, Describe, Secret};
///
/// #[derive(Debug, serde::Deserialize, Describe)]
/// #[describe(plugin = Acme)]
/// struct AcmeConfig {
///     /// What the vendor's console shows.
///     secret: Secret,
///     /// Where the vendor listens.
///     endpoint: Option<String>,
///     /// How often it is tried.
///     #[serde(default)]
///     tries: u32,
/// }
///
/// struct Acme;
/// # impl Plugin for Acme {
/// #     type Kind = ProviderKind;
/// #     type Config = AcmeConfig;
/// #     const NAME: &'static str = "acme";
/// #     fn build(_: AcmeConfig, _: &BuildContext) -> Result<DynProvider> {
/// #         Err(Error::new(ErrorKind::Unsupported, "only its name is of interest"))
/// #     }
/// # }
///
/// let config = AcmeConfig { secret: Secret::new("s3cret"), endpoint: None, tries: 0 };
/// assert_eq!(config.to_value(), Some(serde_json::json!({"secret": "s3cret"})));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the configuration of a plugin",
    note = "pass the configuration type of the plugin's crate; its author writes `#[describe(plugin = …)]` above it"
)]
pub trait TypedConfig: ConfigValue {
    /// The plugin that it configures.
    type Plugin: Plugin<Config = Self>;
}

/// A value of a configuration, which can be written as the JSON that it is read from.
///
/// [`derive(Describe)`](crate::Describe) implements it for enums, and for structs with `#[describe(plugin = …)]` or
/// `#[describe(part)]`. Of a struct, keys with their default are left out, so that a stored configuration does not keep a default
/// of the version that wrote it.
///
/// This is not `Serialize`, so that nothing writes a [`Secret`] in passing: [`ConfigValue::to_value`] returns the secrets in
/// plain text, to be sealed or sent to the gateway. The caller keeps them out of logs and errors.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a value of a typed configuration",
    note = "implement `ConfigValue` for it: the JSON that it is read from"
)]
pub trait ConfigValue {
    /// Returns the value as JSON, secrets included; `None` for a key that is left out.
    fn to_value(&self) -> Option<Value>;
}

macro_rules! plain {
    ($($type:ty)*) => {$(
        impl ConfigValue for $type {
            fn to_value(&self) -> Option<Value> {
                Some(Value::from(self.clone()))
            }
        }
    )*};
}

plain!(String bool u8 u16 u32 u64 usize i32 i64 f64 Value);

impl ConfigValue for Secret {
    fn to_value(&self) -> Option<Value> {
        Some(Value::from(self.expose()))
    }
}

impl ConfigValue for Duration {
    fn to_value(&self) -> Option<Value> {
        Some(Value::from(duration::format(*self)))
    }
}

impl<T: ConfigValue> ConfigValue for Option<T> {
    fn to_value(&self) -> Option<Value> {
        self.as_ref()?.to_value()
    }
}

impl<T: ConfigValue> ConfigValue for Vec<T> {
    fn to_value(&self) -> Option<Value> {
        Some(self.iter().filter_map(T::to_value).collect())
    }
}

impl<T: ConfigValue> ConfigValue for BTreeMap<String, T> {
    fn to_value(&self) -> Option<Value> {
        let members = self.iter();
        let members = members.filter_map(|(key, value)| Some((key.clone(), value.to_value()?)));
        Some(Value::Object(members.collect::<Map<_, _>>()))
    }
}

/// The members of a table that differ from their defaults: key, value, default.
#[doc(hidden)]
pub fn table<const N: usize>(keys: [(&str, Option<Value>, Option<Value>); N]) -> Value {
    let changed = keys.into_iter().filter(|(_, value, usual)| value != usual);
    let members = changed.filter_map(|(key, value, _)| Some((key.to_owned(), value?)));
    Value::Object(members.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use serde::Deserialize;
    use serde_json::json;

    use super::ConfigValue;
    use crate::{Describe, Secret};

    #[derive(Debug, Deserialize, Describe)]
    #[describe(crate = crate, part)]
    struct Sample {
        /// The secret.
        key: Secret,
        /// Another one.
        more: Option<Secret>,
        /// How long it waits.
        #[serde(with = "crate::duration", default = "wait")]
        wait: Duration,
        /// What it takes.
        #[serde(default = "sizes")]
        sizes: Vec<u32>,
        /// Where it is.
        #[serde(default)]
        places: BTreeMap<String, String>,
        /// Whether it is open.
        #[serde(default = "yes", rename = "open")]
        is_open: bool,
        /// How loud it is.
        #[serde(default)]
        level: Level,
        /// How to connect.
        #[serde(default)]
        inner: Inner,
        #[serde(skip)]
        found: u8,
    }

    #[derive(Debug, Default, PartialEq, Eq, Deserialize, Describe)]
    #[serde(rename_all = "kebab-case")]
    #[describe(crate = crate)]
    enum Level {
        /// Not at all.
        #[default]
        NotLoud,
        /// Very.
        VeryLoud,
    }

    #[derive(Debug, Deserialize, Describe)]
    #[serde(default)]
    #[describe(crate = crate, part)]
    struct Inner {
        /// Connections at most.
        connections: u16,
        /// Whether it retries.
        retries: bool,
    }

    impl Default for Inner {
        fn default() -> Self {
            Self {
                connections: 32,
                retries: true,
            }
        }
    }

    const fn wait() -> Duration {
        Duration::from_secs(20)
    }

    fn sizes() -> Vec<u32> {
        vec![1]
    }

    const fn yes() -> bool {
        true
    }

    impl Sample {
        fn new(key: &str) -> Self {
            Self {
                key: Secret::new(key),
                more: None,
                wait: wait(),
                sizes: sizes(),
                places: BTreeMap::new(),
                is_open: yes(),
                level: Level::default(),
                inner: Inner::default(),
                found: 1,
            }
        }
    }

    #[test]
    fn a_typed_configuration_is_written_as_the_json_that_it_is_read_from() {
        let mut sample = Sample::new("a");
        sample.more = Some(Secret::new("b"));
        sample.wait = Duration::from_millis(1500);
        sample.sizes = vec![2, 3];
        sample.places.insert("x".to_owned(), "y".to_owned());
        sample.is_open = false;
        sample.level = Level::VeryLoud;
        sample.inner.retries = false;
        let written = sample.to_value().expect("a table");
        assert_eq!(
            written,
            json!({
                "key": "a", "more": "b", "wait": "1500ms", "sizes": [2, 3], "places": {"x": "y"}, "open": false,
                "level": "very-loud", "inner": {"retries": false},
            })
        );
        let read: Sample = serde_json::from_value(written.clone()).expect("the same form");
        assert_eq!(read.found, 0);
        assert_eq!(read.to_value(), Some(written));
    }

    #[test]
    fn defaults_are_not_written_so_that_a_later_version_can_change_them() {
        assert_eq!(Sample::new("a").to_value(), Some(json!({"key": "a"})));
    }
}
