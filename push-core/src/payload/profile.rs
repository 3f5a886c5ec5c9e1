//! The two clients whose rules differ.

/// Whose rules decide what a payload means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// The iOS client: any `version`; missing features are 0.
    Ios,
    /// The Android client: only `version` 1 and an `action` it knows; missing features are unset.
    Android,
}
