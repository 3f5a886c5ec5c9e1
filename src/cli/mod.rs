//! The command line of the program `offline-push`: for it, and for programs that link plugins of their own.
//!
//! A program that depends on this crate with the feature `cli` has all of it, down to the layered configuration: its own provider
//! is listed by `plugins`, checked by `check-config`, served by `serve` and uploaded by `credential add`. Log, exit codes,
//! completions and `--json` are the same.
mod check_config;
mod credential;
#[cfg(feature = "demo")]
mod demo;
#[cfg(not(feature = "demo"))]
#[path = "demo_absent.rs"]
mod demo;
mod output;
mod plugins;
mod program;
mod reference;
mod remote;
mod send;
mod serve;
mod settings;
#[cfg(feature = "demo")]
mod simulate;
#[cfg(not(feature = "demo"))]
#[path = "simulate_absent.rs"]
mod simulate;
mod ticket;
mod trace;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use offline_push::{Error, Registry};

use self::output::Output;
pub use self::program::Program;

/// Offline push for IM: connects a message server with the phones of its users through the push vendors.
///
/// `offline-push demo` shows the whole product in one process, with simulated phones and without vendor accounts.
/// To run it in production: `offline-push plugins --example > offline-push.toml`, create the two key files it names,
/// `offline-push check-config`, `offline-push serve`, then upload a credential with `offline-push credential add`.
#[derive(Debug, Parser)]
#[command(
    name = "offline-push",
    version,
    propagate_version = true,
    max_term_width = 100
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print JSON, one object a line, instead of text for people
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole product in one process: login, push, click, logout, and common mistakes with their reasons
    Demo {
        /// Then send one message to a phone of every channel of this build, and open the chat on each
        #[arg(long)]
        all_channels: bool,
    },
    /// Run the gateway
    Serve {
        /// The configuration; conf.d/*.toml beside it and the environment are layered on top [default: offline-push.toml]
        ///
        /// Relative paths in the configuration start at its folder. Without a file, the environment alone is the configuration,
        /// and they start at the working directory.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Start with another master key than before: credentials sealed with the former one must be uploaded again
        #[arg(long)]
        accept_new_master_key: bool,
    },
    /// Check a configuration without touching a network, and report everything that is wrong with it
    CheckConfig {
        /// The configuration [default: offline-push.toml]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Upload, list, verify, rotate and remove the credentials of the vendors
    Credential {
        #[command(subcommand)]
        command: credential::Command,
    },
    /// Send a message to users, as an IM server would
    Send(send::Arguments),
    /// Show where a message or a delivery is, and why it did not arrive
    Trace(trace::Arguments),
    /// Issue a ticket with which a phone registers for a user
    Ticket(ticket::Arguments),
    /// Run the vendors' simulators alone, with an HTTP API that installs phones and shows what arrived
    Simulate(simulate::Arguments),
    /// List the plugins of this build; print examples and JSON Schemas of configurations
    Plugins(plugins::Arguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// The command line as the whole of a program: runs the command that the arguments of the process name, and returns the exit
/// code of the process. The program is called as its file; [`Program`] gives it a name and a version.
///
/// ```no_run
/// // Provider, store or queue of one's own: `use push_provider_acme as _;`
/// fn main() -> std::process::ExitCode {
///     offline_push::cli::main()
/// }
/// ```
pub fn main() -> ExitCode {
    Program::started().main()
}

fn run(program: Program) -> ExitCode {
    let mut command = program.adapt(Arguments::command());
    let arguments = match command.try_get_matches_from_mut(std::env::args_os()) {
        Ok(matches) => Arguments::from_arg_matches(&matches),
        Err(error) => Err(error),
    };
    let arguments = match arguments {
        Ok(arguments) => arguments,
        // Help and versions are such errors, too.
        Err(error) => {
            let error = error.format(&mut command);
            let printed = error.print().and_then(|()| io::stdout().flush());
            return match printed {
                Ok(()) => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1)),
                Err(error) => output::cannot_print(&error),
            };
        }
    };
    let mut output = Output::new(arguments.json, program);
    let code = match program.registry() {
        Ok(registry) => match execute(arguments.command, &registry, &mut output) {
            Ok(code) => code,
            Err(errors) => output.failed(&errors),
        },
        Err(error) => output.failed(&[error]),
    };
    output.finish(code)
}

/// The errors of a command: most commands stop at the first, some report all.
type Errors = Vec<Error>;

fn execute(command: Command, registry: &Registry, output: &mut Output) -> Result<ExitCode, Errors> {
    match command {
        Command::Demo { all_channels } => wait(demo::run(all_channels, output)),
        Command::Serve {
            config,
            accept_new_master_key,
        } => wait(serve::run(config.as_deref(), accept_new_master_key, output)),
        Command::CheckConfig { config } => check_config::run(config.as_deref(), registry, output),
        Command::Credential { command } => wait(credential::run(command, output)),
        Command::Send(arguments) => wait(send::run(arguments, output)),
        Command::Trace(arguments) => wait(trace::run(arguments, output)),
        Command::Ticket(arguments) => wait(ticket::run(arguments, output)),
        Command::Simulate(arguments) => wait(simulate::run(arguments, output)),
        Command::Plugins(arguments) => plugins::run(&arguments, registry, output),
        Command::Completions { shell } => {
            let program = output.program();
            let mut command = program.adapt(Arguments::command());
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, program.name(), &mut script);
            output.raw(&script);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn wait(task: impl Future<Output = Result<ExitCode, Errors>>) -> Result<ExitCode, Errors> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| {
            vec![
                Error::new(
                    offline_push::ErrorKind::Internal,
                    "the runtime cannot be started",
                )
                .because(source),
            ]
        })?
        .block_on(task)
}
