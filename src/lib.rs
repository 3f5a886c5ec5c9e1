//! Offline push.
