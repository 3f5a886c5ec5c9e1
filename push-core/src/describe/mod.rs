//! What a configuration looks like, described once: its type's doc comments, serde attributes and ranges. The example, the
//! reference, the JSON Schema and the errors are made from it.
mod example;
mod json_schema;
mod place;
mod range;
mod shape;
mod values;

pub use push_core_derive::Describe;

#[doc(hidden)]
pub use self::range::{check_inner, check_length, check_range};
pub use self::shape::{Field, Shape, Table, Word};
use crate::Faults;

/// A value as a configuration writes it.
pub type Written = serde_json::Value;

/// A type of a configuration that says what its values look like.
///
/// Derive it for structs with named fields and for enums of words, beside `Deserialize`:
///
/// ```
/// use std::time::Duration;
/// use push_core::{ConfigPath, Describe, Faults, Secret, Shape};
///
/// /// How messages are kept.
/// #[derive(Debug, serde::Deserialize, Describe)]
/// #[serde(deny_unknown_fields)]
/// struct Kept {
///     /// The file of the messages.
///     #[describe(example = "data/messages.db")]
///     path: ConfigPath,
///     /// How many threads read.
///     #[serde(default = "two")]
///     #[describe(min = 1, max = 64)]
///     readers: usize,
///     /// What the file is sealed with.
///     #[describe(example = "from the vendor's console")]
///     password: Option<Secret>,
/// }
///
/// fn two() -> usize {
///     2
/// }
///
/// let Shape::Table(table) = Kept::shape() else { panic!("a struct is a table") };
/// assert_eq!(
///     table.example(),
///     "# The file of the messages.\n\
///      path = \"data/messages.db\"\n\
///      ## How many threads read. From 1 to 64.\n\
///      ## readers = 2\n\
///      ## What the file is sealed with. Default: not set.\n\
///      ## password = \"from the vendor's console\"\n"
/// );
/// let kept = Kept { path: ConfigPath::new("x"), readers: 0, password: None };
/// let mut faults = Faults::default();
/// kept.check_ranges(&mut faults);
/// let error = faults.result().unwrap_err();
/// assert_eq!(error.to_string(), "readers: 0 is out of range; write a whole number from 1 to 64");
/// ```
///
/// The doc comment of each field is required: its first paragraph stands in the example, all of it in the reference. Names and
/// defaults are those that serde uses: `rename`, `rename_all`, `default`, `skip`. A field without default is required, unless its
/// type is `Option`. `flatten`, `alias` and `untagged` are refused.
///
/// `#[describe(…)]` on a field adds:
///
/// | attribute | meaning |
/// |---|---|
/// | `min = 1`, `max = MOST` | the range of a number or duration, in the type of the field |
/// | `min_len = 16`, `max_len = 100` | the range of a text's bytes, or of a list's or map's elements |
/// | `unit = "bytes"` | the unit of the number |
/// | `example = "data/store.db"` | the value in examples; instead of the default behind a comment sign |
/// | `example_file = "push.p8"` | the same for `key_file`, which names a file with the value |
/// | `shown` | examples set the key, although it is optional |
/// | `words("low", "high")` | the words that a text can be |
/// | `shape = function` | the [`Shape`], for a type that is not described |
///
/// On the type:
///
/// | attribute | meaning |
/// |---|---|
/// | `plugin = Acme` | it is the configuration of that plugin: [`ConfigValue`](crate::ConfigValue) and [`TypedConfig`](crate::TypedConfig) are implemented too |
/// | `part` | it is a table within configurations: [`ConfigValue`](crate::ConfigValue) is implemented too |
/// | `crate = path` | the crate that exports this trait, if it is not `push_core` |
/// | `rename_all = "kebab-case"` | how the names of an enum's variants become words where serde does not say it |
pub trait Describe {
    /// Returns what a value looks like.
    fn shape() -> Shape;

    /// Returns the value as a configuration writes it; `None` for a secret, for what is not set, and for tables.
    fn written(&self) -> Option<Written> {
        None
    }

    /// Returns the number of a text's bytes, or of a list's or map's elements; `None` for other types.
    fn length(&self) -> Option<usize> {
        None
    }

    /// Notes each value that is out of its range, at its key. The type of a plugin's configuration has been checked when
    /// [`Plugin::build`](crate::Plugin::build) gets it.
    fn check_ranges(&self, _faults: &mut Faults) {}
}
