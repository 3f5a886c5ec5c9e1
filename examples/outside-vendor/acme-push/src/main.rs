//! The program `offline-push` with one more vendor: every command, and the layered configuration.

// The linker keeps the plugin of a crate that is named.
use push_provider_acme as _;

fn main() -> std::process::ExitCode {
    offline_push::cli::main()
}
