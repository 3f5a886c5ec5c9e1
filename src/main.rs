//! The program `offline-push`: the gateway, the tools that talk to it, and a demo that needs no vendor account.

fn main() -> std::process::ExitCode {
    offline_push::cli::Program::stock().main()
}
