//! The program `offline-push`: the gateway, the tools that talk to it, and a demo that needs no account anywhere.
// What the library uses is not all used here, and the other way round.
#![allow(unused_crate_dependencies)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
