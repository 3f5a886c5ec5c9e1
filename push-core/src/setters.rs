//! The macro that writes `with_…` methods.

/// Writes `with_…` methods of a struct whose fields are public and that more fields will be added to, inside its `impl`.
///
/// A `#[non_exhaustive]` struct cannot be written as a literal in another crate. Its `new` takes what every value needs, and
/// these methods set the rest, one field each. A parameter is of the field's type or of a type that converts into it, such as
/// `impl Into<String>`.
///
/// ```
/// #[derive(Default)]
/// #[non_exhaustive]
/// pub struct Picture {
///     /// Its address.
///     pub url: String,
///     /// Its width, in pixels.
///     pub width: Option<u32>,
/// }
///
/// impl Picture {
///     push_core::setters! {
///         with_url(url: impl Into<String>);
///         with_width(width: impl Into<Option<u32>>);
///     }
/// }
///
/// let picture = Picture::default().with_url("https://im.example/a.png").with_width(300);
/// assert_eq!(picture.width, Some(300));
/// ```
#[macro_export]
macro_rules! setters {
    ($($method:ident($field:ident: $type:ty);)+) => {$(
        #[doc = ::std::concat!("Sets [`", ::std::stringify!($field), "`](Self::", ::std::stringify!($field), ").")]
        #[must_use]
        pub fn $method(mut self, $field: $type) -> Self {
            self.$field = $field.into();
            self
        }
    )+};
}
