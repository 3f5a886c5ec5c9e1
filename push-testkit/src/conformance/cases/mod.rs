//! One function for each statement about a provider.
mod access;
mod answers;
mod batches;
mod content;
mod fields;
mod noise;
mod plugin;
mod receipts;
mod secrets;
mod way;

pub use self::{
    access::*, answers::*, batches::*, content::*, fields::*, noise::*, plugin::*, receipts::*,
    secrets::*, way::*,
};
