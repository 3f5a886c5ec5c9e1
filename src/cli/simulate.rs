//! `offline-push simulate`: the vendors' simulators alone, for tests in other projects.
use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use offline_push::{Error, ErrorKind, Result, http::TokioClock};
use push_testkit::{
    Authority,
    simulator::{Control, Options, SimulatorDescriptor, describe, simulators},
};
use serde_json::{Value, json};

use super::{
    Errors,
    output::{Output, Style},
    serve::stopped,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The simulators to start, as in apns fcm huawei; all of this build if none is named
    #[arg(value_name = "VENDOR")]
    vendors: Vec<String>,
    /// The first port of 127.0.0.1 to listen on; each simulator takes as many as it needs, in order. 0: any free ports
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Where the control API listens: an address of loopback; port 0 is any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// Write the credentials, the authority and the control API's address and token into this folder
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments, output: &mut Output) -> Result<ExitCode, Errors> {
    start(arguments, output).await.map_err(|error| vec![error])
}

async fn start(arguments: Arguments, output: &mut Output) -> Result<ExitCode> {
    if !arguments.control.ip().is_loopback() {
        let what = format!(
            "the control API listens on loopback only, and {} is not",
            arguments.control
        );
        return Err(
            Error::new(ErrorKind::Invalid, what).advise("name a port of 127.0.0.1 with --control")
        );
    }
    let authority = Arc::new(Authority::new());
    let mut running = Vec::new();
    let mut port = arguments.port;
    for descriptor in chosen(&arguments.vendors)? {
        let mut options = Options::default().with_port(port);
        options.authority = Some(Arc::clone(&authority));
        let simulator = (descriptor.start)(options)
            .await
            .map_err(|source| unavailable(descriptor.name, port, source))?;
        running.push((descriptor.name, simulator));
        if port != 0 {
            port = port.saturating_add(descriptor.ports);
        }
    }
    let control = Control::start(arguments.control, running, Arc::new(TokioClock))
        .await
        .map_err(|source| {
            let what = format!("the control API cannot listen on {}", arguments.control);
            Error::new(ErrorKind::Unavailable, what)
                .because(source)
                .advise("name another port of 127.0.0.1 with --control")
        })?;
    let written = match &arguments.write {
        None => Vec::new(),
        Some(folder) => write(folder, &authority, &control).map_err(|source| {
            let what = format!("cannot write into {}", folder.display());
            Error::new(ErrorKind::Unavailable, what).because(source)
        })?,
    };
    let stopped = stopped();
    report(&control, &written, output);
    stopped.await;
    output.line("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Returns the named simulators, each once; all if none is named.
fn chosen(names: &[String]) -> Result<Vec<&'static SimulatorDescriptor>> {
    let all = simulators();
    if names.is_empty() {
        return Ok(all);
    }
    let mut chosen: Vec<&'static SimulatorDescriptor> = Vec::new();
    for name in names {
        let known = all.iter().find(|simulator| simulator.name == name);
        let simulator = known.ok_or_else(|| {
            let known: Vec<_> = all.iter().map(|simulator| simulator.name).collect();
            Error::new(
                ErrorKind::NotFound,
                format!("no simulator `{name}` in this build"),
            )
            .advise(format!("it has {}", known.join(", ")))
        })?;
        if chosen.iter().any(|other| other.name == simulator.name) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("the simulator `{name}` is named twice"),
            ));
        }
        chosen.push(simulator);
    }
    Ok(chosen)
}

fn unavailable(name: &str, port: u16, source: io::Error) -> Error {
    let what = format!("the simulator `{name}` cannot listen on 127.0.0.1 from port {port}");
    Error::new(ErrorKind::Unavailable, what)
        .because(source)
        .advise("name other ports with --port, or 0 for any")
}

/// What lets a gateway connect to simulators.
const LOOPBACK: &str = r#"[gateway] addresses = ["public", "loopback"]"#;

/// The files that `--write` wrote, each with the simulator that it belongs to.
type Written = Vec<(&'static str, PathBuf)>;

fn write(folder: &Path, authority: &Authority, control: &Control) -> io::Result<Written> {
    fs::create_dir_all(folder)?;
    let ca = folder.join("ca.pem");
    fs::write(&ca, authority.pem())?;
    let mut written = vec![("ca", ca)];
    let api = json!({ "url": control.url(), "token": control.token().expose() });
    let file = folder.join("control.json");
    write_private(&file, &api.to_string())?;
    written.push(("control", file));
    for (name, simulator) in control.simulators() {
        for credential in simulator.credentials() {
            let stem = match credential.label {
                "" => name.to_owned(),
                label => format!("{name}-{label}"),
            };
            let file = folder.join(format!("{stem}.json"));
            write_private(&file, &format!("{:#}", credential.to_json(name)))?;
            written.push((name, file));
            for (file, content) in &credential.files {
                write_private(&folder.join(format!("{name}-{file}")), content)?;
            }
        }
    }
    Ok(written)
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, content: &str) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    // A file of an earlier run keeps its mode when it is only truncated.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(content.as_bytes())
}

fn report(control: &Control, written: &Written, output: &mut Output) {
    for (name, simulator) in control.simulators() {
        output.object(&describe(name, simulator));
        output.line(output.paint(Style::Bold, name));
        for (purpose, url) in simulator.endpoints() {
            output.line(format!("  {purpose:<20} {url}"));
        }
        let files: Vec<_> = written.iter().filter(|(of, _)| *of == name).collect();
        for (_, file) in &files {
            let program = output.program().name();
            let command = format!("{program} credential add --from {}", file.display());
            output.line(format!("  {:<20} {command}", "credential"));
        }
        if files.is_empty() {
            for credential in simulator.credentials() {
                output.line(format!("  credential {}", credential.label).trim_end());
                output.line(format!("{:#}", credential.to_json(name)));
            }
        }
    }
    let file = |what: &str| -> Value {
        let of = written.iter().find(|(of, _)| *of == what);
        of.map(|(_, file)| json!(file)).unwrap_or_default()
    };
    output.object(&json!({
        "control": {
            "url": control.url(),
            "token": control.token().expose(),
            "file": file("control"),
            "ca_file": file("ca"),
        },
    }));
    output.line(output.paint(Style::Bold, "control API"));
    output.line(format!("  {:<20} {}", "url", control.url()));
    match written.iter().find(|(of, _)| *of == "control") {
        Some((_, file)) => output.line(format!("  {:<20} {}", "url and token", file.display())),
        None => output.line(format!("  {:<20} {}", "token", control.token().expose())),
    }
    for (what, file) in written.iter().filter(|(of, _)| *of == "ca") {
        output.line(format!("  {what:<20} {}", file.display()));
    }
    output.line(output.paint(Style::Bold, "a gateway that connects to them"));
    output.line(format!("  {:<20} {LOOPBACK}", "its configuration"));
    output.line("running; Ctrl-C ends it");
}
