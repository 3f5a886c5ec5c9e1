//! `offline-push serve`: the gateway as a program.
use std::{io::IsTerminal, path::Path, process::ExitCode, sync::Arc};

use offline_push::{
    BuildContext, Clock, Error, ErrorKind, IngressKind, QueueKind, StoreKind,
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
    config: &Path,
    accept_new_master_key: bool,
    output: &mut Output,
) -> Result<ExitCode, Errors> {
    let settings = settings::load(config)?;
    let clock: Arc<dyn Clock> = Arc::new(TokioClock);
    settings::check(&settings, one(super::registry())?, Arc::clone(&clock))?;
    log_to_stderr(output.is_json());
    one(start(settings, clock, accept_new_master_key, output).await)?;
    Ok(ExitCode::SUCCESS)
}

fn one<T>(result: Result<T, Error>) -> Result<T, Errors> {
    result.map_err(|error| vec![error])
}

async fn start(
    settings: Settings,
    clock: Arc<dyn Clock>,
    accept_new_master_key: bool,
    output: &mut Output,
) -> Result<(), Error> {
    let registry = Arc::new(super::registry()?);
    let context = BuildContext::new(Arc::clone(&clock));
    let store = registry.build::<StoreKind>(&settings.store.name, settings.store.raw, &context)?;
    let queue = registry.build::<QueueKind>(&settings.queue.name, settings.queue.raw, &context)?;
    let ingresses = settings
        .ingresses
        .into_iter()
        .map(|it| registry.build::<IngressKind>(&it.name, it.raw, &context))
        .collect::<Result<Vec<_>, _>>()?;
    // Read first, so that the program does not start if the store or queue cannot be opened.
    let waiting: u64 = queue.lanes().await?.iter().map(|it| it.depth).sum();
    let credentials = store.credentials(None).await?.len();
    let gateway = Gateway::new(Parts {
        store,
        queue,
        registry,
        clock,
        master_key: settings.master_key,
        settings: settings.gateway,
    })?;
    let routes = router(&gateway, &settings.http, &ingresses)?;
    let listener = TcpListener::bind(settings.listen).await.map_err(|source| {
        Error::new(
            ErrorKind::Unavailable,
            format!("cannot listen on {}", settings.listen),
        )
        .because(source)
        .advise("is another gateway running, or the port taken?")
    })?;
    let listening = listener.local_addr().map_or(settings.listen, |it| it);
    if accept_new_master_key {
        gateway.accept_master_key().await?;
    }
    gateway.start().await?;
    for ingress in ingresses {
        gateway.run_ingress(ingress);
    }
    let good = output.paint(Style::Good, "listening");
    output.line(format!(
        "{good} on http://{listening}: {credentials} credential(s), {waiting} deliveries from before"
    ));
    output.object(&json!({
        "listening": listening.to_string(),
        "credentials": credentials,
        "waiting": waiting,
    }));
    serve(listener, routes, &settings.http, stopped()).await;
    output.line("stopping: waiting for the vendors' answers");
    gateway.shutdown().await;
    output.line("stopped");
    Ok(())
}

/// Completes when the operator or the system asks the program to stop.
pub(super) async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
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
        .with_writer(std::io::stderr);
    // A second call, as in tests, keeps the first.
    if json {
        drop(subscriber.json().try_init());
    } else {
        drop(subscriber.try_init());
    }
}
