//! The app of `main.rs` without the app half: what it weighs, push does not.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("this app has no push");
    Ok(())
}
