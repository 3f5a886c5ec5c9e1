//! `offline-push check-config`: checks offline, and reports all errors at once.
use std::{path::Path, process::ExitCode, sync::Arc};

use offline_push::http::TokioClock;
use serde_json::json;

use super::{
    Errors,
    output::{Output, Style},
    settings,
};

pub(crate) fn run(config: &Path, output: &mut Output) -> Result<ExitCode, Errors> {
    let settings = settings::load(config)?;
    let registry = super::registry().map_err(|error| vec![error])?;
    settings::check(&settings, registry, Arc::new(TokioClock))?;
    let mut apps: Vec<String> = settings
        .http
        .keys
        .iter()
        .map(|it| it.app.to_string())
        .collect();
    apps.sort();
    apps.dedup();
    let good = output.paint(Style::Good, "ok");
    output.line(format!(
        "{good}  {}: app(s) {}, store {}, queue {}, listening on {}",
        config.display(),
        apps.join(", "),
        settings.store.name,
        settings.queue.name,
        settings.listen,
    ));
    output.object(&json!({
        "ok": true,
        "apps": apps,
        "store": settings.store.name,
        "queue": settings.queue.name,
        "listen": settings.listen.to_string(),
    }));
    Ok(ExitCode::SUCCESS)
}
