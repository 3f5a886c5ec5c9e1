//! The provider against the simulated Xiaomi, and the simulator against requests that Xiaomi refuses.
mod faults;
mod receipts;
mod several;
mod shown;
mod strict;
mod world;
