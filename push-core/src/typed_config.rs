//! Configurations that a program writes in Rust, in the plugin's own type.
use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

use crate::{Plugin, Secret, duration};

/// A plugin's configuration that can be written in Rust instead of JSON: a wrong key is then an error of the compiler.
///
/// [`config_values!`](crate::config_values) implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the configuration of a plugin",
    note = "pass the configuration type of the plugin's crate; its author writes `config_values!` with the keys"
)]
pub trait TypedConfig: ConfigValue {
    /// The plugin that it configures.
    type Plugin: Plugin<Config = Self>;
}

/// A value of a configuration, which can be written as the JSON that it is read from.
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

plain!(String bool u8 u16 u32 u64 usize i64);

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

/// Implements [`ConfigValue`] for a struct, and with `for PLUGIN` [`TypedConfig`]. Lists the keys; behind `without` the fields
/// that are no keys; behind `default` a value that has every default.
///
/// The list is complete, or it does not compile. Each field has the name of its key. Keys with the value of
/// `default` are left out, so that a stored configuration does not keep a default of the version that wrote it; there, required
/// keys have values that no configuration has.
///
/// ```
/// # use std::sync::Arc;
/// # use push_core::{BuildContext, DynProvider, Error, ErrorKind, Plugin, ProviderKind, Result};
/// use push_core::{ConfigValue, Describe, Secret};
///
/// #[derive(Debug, serde::Deserialize, Describe)]
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
/// impl AcmeConfig {
///     fn new(secret: &str) -> Self {
///         Self { secret: Secret::new(secret), endpoint: None, tries: 0 }
///     }
/// }
///
/// push_core::config_values!(AcmeConfig for Acme { secret, endpoint, tries } default Self::new(""));
///
/// let config = AcmeConfig::new("s3cret");
/// assert_eq!(config.to_value(), Some(serde_json::json!({"secret": "s3cret"})));
/// ```
/// ```compile_fail
/// struct Own { path: String, size: u32 }
/// push_core::config_values!(Own { path });
/// ```
#[macro_export]
macro_rules! config_values {
    (
        $config:ident for $plugin:ident { $($key:ident),* $(,)? }
        $(without { $($other:ident),* $(,)? })?
        $(default $default:expr)?
    ) => {
        $crate::config_values!($config { $($key),* } $(without { $($other),* })? $(default $default)?);

        impl $crate::TypedConfig for $config {
            type Plugin = $plugin;
        }
    };
    (
        $config:ident { $($key:ident),* $(,)? }
        $(without { $($other:ident),* $(,)? })?
        $(default $default:expr)?
    ) => {
        impl $crate::ConfigValue for $config {
            fn to_value(&self) -> ::std::option::Option<$crate::__private::serde_json::Value> {
                use $crate::__private::serde_json::{Map, Value};

                let table = |config: &Self| -> Map<::std::string::String, Value> {
                    // Every field, so that none is forgotten.
                    let Self { $($key,)* $($($other: _,)*)? } = config;
                    let values = [$((::std::stringify!($key), $crate::ConfigValue::to_value($key)),)*];
                    let values = values.into_iter();
                    values.filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
                };
                #[allow(unused_mut, reason = "without a default, every key is written")]
                let mut written = table(self);
                $(
                    let usual = table(&$default);
                    written.retain(|key, value| usual.get(key) != Some(value));
                )?
                Some(Value::Object(written))
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use serde::Deserialize;
    use serde_json::json;

    use super::ConfigValue;
    use crate::Secret;

    #[derive(Debug, Deserialize)]
    struct Sample {
        key: Secret,
        more: Option<Secret>,
        #[serde(with = "crate::duration")]
        wait: Duration,
        sizes: Vec<u32>,
        places: BTreeMap<String, String>,
        is_open: bool,
        #[serde(skip)]
        found: u8,
    }

    crate::config_values!(Sample { key, more, wait, sizes, places, is_open } without { found } default Self::new(""));

    impl Sample {
        fn new(key: &str) -> Self {
            Self {
                key: Secret::new(key),
                more: None,
                wait: Duration::from_secs(20),
                sizes: vec![1],
                places: BTreeMap::new(),
                is_open: true,
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
        let written = sample.to_value().expect("a table");
        assert_eq!(
            written,
            json!({
                "key": "a", "more": "b", "wait": "1500ms", "sizes": [2, 3], "places": {"x": "y"}, "is_open": false,
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
