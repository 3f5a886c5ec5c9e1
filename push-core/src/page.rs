//! Pages of long lists.
use std::fmt;

/// A part of a long list, and where the next part begins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items of this part, at most as many as the caller allowed. May be empty although more follow.
    pub items: Vec<T>,
    /// Where the next part begins; `None` if this is the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// A page of `items`, and where the next one starts; `None` if there is none.
    pub const fn new(items: Vec<T>, next: Option<Cursor>) -> Self {
        Self { items, next }
    }

    /// The last part of a list.
    pub const fn last(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// A place in a long list, in the encoding of the store that made it. Still valid after a restart.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// A place that the store encodes as `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The store's encoding.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
