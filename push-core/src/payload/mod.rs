//! The payload a phone receives: `ext`, `entity` and the click target they name.
