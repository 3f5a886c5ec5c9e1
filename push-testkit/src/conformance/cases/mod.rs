//! The statements. Each fails with what the vendor said and what the provider made of it.

mod access;
mod answers;
mod content;
mod plugin;
mod way;

pub use self::{access::*, answers::*, content::*, plugin::*, way::*};
