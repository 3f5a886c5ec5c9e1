//! The app of `main.rs` without the app half, for comparing the sizes.
#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("this app has no push");
    Ok(())
}
