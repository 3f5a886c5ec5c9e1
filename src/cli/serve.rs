//! `offline-push serve`: the gateway as a program.
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use offline_push::{
    Clock, Error, ErrorKind, Registry, Timestamp,
    gateway::{
        Gateway, Parts,
        http::{router, serve},
    },
    http::TokioClock,
};
use serde_json::json;
use tokio::net::TcpListener;

use super::{
    Errors,
    output::{Output, Style},
    settings::{self, Settings},
};

pub(crate) async fn run(
    config: Option<&Path>,
    accept_new_master_key: bool,
    output: &mut Output,
) -> Result<ExitCode, Errors> {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock);
    let registry = one(output.program().registry())?;
    let loaded = settings::load(config, &registry, Arc::clone(&clock));
    log_to_stderr(output.is_json());
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    match loaded.files.first() {
        Some(_) => tracing::info!(files = ?loaded.files, "the configuration was read"),
        None => tracing::info!(
            folder = %loaded.folder.display(),
            "the configuration is from the environment alone: relative paths start at the working directory"
        ),
    }
    let settings = match loaded.settings {
        Ok(settings) => settings,
        Err(faults) => return Ok(output.misconfigured(&faults)),
    };
    one(start(settings, registry, clock, accept_new_master_key, output).await)?;
    Ok(ExitCode::SUCCESS)
}

fn one<T>(result: Result<T, Error>) -> Result<T, Errors> {
    result.map_err(|error| vec![error])
}

async fn start(
    settings: Settings,
    registry: Registry,
    clock: Arc<dyn Clock>,
    accept_new_master_key: bool,
    output: &mut Output,
) -> Result<(), Error> {
    ignore_hangups();
    let stopped = stopped();
    // Before the files: a second server that was started by mistake neither opens nor migrates a file.
    let listener = TcpListener::bind(settings.listen).await.map_err(|source| {
        Error::new(
            ErrorKind::Unavailable,
            format!("cannot listen on {}", settings.listen),
        )
        .because(source)
        .advise("is another gateway running, or the port taken?")
    })?;
    let listening = listener.local_addr().map_or(settings.listen, |it| it);
    let files: Vec<(PathBuf, bool)> = [&settings.queue.files, &settings.store.files]
        .into_iter()
        .flatten()
        .map(|file| (file.clone(), !file.exists()))
        .collect();
    let (store, queue) = (settings.store.plugin, settings.queue.plugin);
    // Read now, so that the program does not start if the queue or store cannot be opened; the queue first, which may belong to
    // one server only.
    let waiting: u64 = queue.lanes().await?.iter().map(|it| it.depth).sum();
    let credentials = store.credentials(None).await?.len();
    store.prune_traces(Timestamp::from_unix_millis(0)).await?;
    let gateway = Gateway::new(
        Parts::new(store, queue, Arc::new(registry), clock, settings.master_key)
            .with_settings(settings.gateway)
            .with_layers(settings.layers),
    )?;
    let routes = router(&gateway, &settings.http, &settings.ingresses)?;
    if accept_new_master_key {
        gateway.accept_master_key().await?;
    }
    gateway.start().await?;
    for ingress in settings.ingresses {
        gateway.run_ingress(ingress);
    }
    let good = output.paint(Style::Good, "listening");
    output.line(format!(
        "{good} on http://{listening}: {credentials} credential(s), {waiting} deliveries from before"
    ));
    for (file, is_new) in &files {
        let state = if *is_new { "created" } else { "opened" };
        output.line(format!("  {state} {}", file.display()));
    }
    output.object(&json!({
        "listening": listening.to_string(),
        "credentials": credentials,
        "waiting": waiting,
        "files": files
            .iter()
            .map(|(file, is_new)| json!({"path": file, "created": is_new}))
            .collect::<Vec<_>>(),
    }));
    serve(listener, routes, &settings.http, stopped).await;
    output.line("stopping: waiting for the vendors' answers");
    gateway.shutdown().await;
    output.line("stopped");
    Ok(())
}

/// Keeps the program alive when its terminal is closed, or when it is asked to read its configuration again, which it does not.
fn ignore_hangups() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            tracing::warn!(%error, "SIGHUP would end the program: no handler can be installed");
            return;
        }
    };
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            tracing::warn!(
                "SIGHUP changes nothing: the configuration is read at the start only; restart to apply changes"
            );
        }
    });
}

/// Completes when the operator or the system asks the program to stop. The signals are caught from this call on, not only from
/// the first wait.
pub(super) fn stopped() -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    async move {
        match (interrupt, terminate) {
            (Ok(mut interrupt), Ok(mut terminate)) => {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            // Without handlers the system's default applies.
            _ => std::future::pending().await,
        }
    }
}

fn log_to_stderr(json: bool) {
    let level = match std::env::var("OFFLINE_PUSH_LOG").as_deref() {
        Ok("error") => tracing::Level::ERROR,
        Ok("warn") => tracing::Level::WARN,
        Ok("debug") => tracing::Level::DEBUG,
        Ok("trace") => tracing::Level::TRACE,
        _ => tracing::Level::INFO,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(std::io::stderr().is_terminal())
        // It would report on standard error that standard error cannot be written to, and panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // A second call, as in tests, keeps the first.
    if json {
        drop(subscriber.json().try_init());
    } else {
        drop(subscriber.try_init());
    }
}
