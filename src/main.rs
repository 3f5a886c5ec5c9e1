//! The program `offline-push`: the gateway, the tools that talk to it, and a demo that needs no vendor account.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
