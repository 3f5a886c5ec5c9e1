//! `offline-push check-config`: checks offline, and reports all errors at once.
use std::{path::Path, process::ExitCode, sync::Arc};

use offline_push::{Registry, http::TokioClock};
use serde_json::json;

use super::{
    Errors,
    output::{Output, Style},
    settings::{self, Built},
};

pub(crate) fn run(
    config: Option<&Path>,
    registry: &Registry,
    output: &mut Output,
) -> Result<ExitCode, Errors> {
    let loaded = settings::load(config, registry, Arc::new(TokioClock));
    output.warned(&loaded.warnings);
    let settings = match loaded.settings {
        Ok(settings) => settings,
        Err(faults) => return Ok(output.misconfigured(&faults)),
    };
    let mut apps: Vec<String> = settings
        .http
        .keys
        .iter()
        .map(|it| it.app.to_string())
        .collect();
    apps.sort();
    apps.dedup();
    let good = output.paint(Style::Good, "ok");
    let source = match loaded.files.first() {
        Some(file) => file.display().to_string(),
        None => format!("the environment (no {})", settings::DEFAULT_FILE),
    };
    output.line(format!(
        "{good}  {source}: app(s) {}, store {}, queue {}, listening on {}",
        apps.join(", "),
        in_words(&settings.store),
        in_words(&settings.queue),
        settings.listen,
    ));
    if !settings.layer_names.is_empty() {
        let names = settings.layer_names.join(", ");
        output.line(format!("    layers, outermost first: {names}"));
    }
    if loaded.files.is_empty() {
        let folder = loaded.folder.display();
        output.line(format!(
            "    relative paths start at the working directory, {folder}"
        ));
    }
    output.object(&json!({
        "ok": true,
        "apps": apps,
        "store": settings.store.name,
        "store_files": settings.store.files,
        "queue": settings.queue.name,
        "queue_files": settings.queue.files,
        "layers": settings.layer_names,
        "listen": settings.listen.to_string(),
        "folder": loaded.folder,
    }));
    Ok(ExitCode::SUCCESS)
}

/// `sqlite (/srv/push/store.db, /srv/push/store-traces.db)`.
fn in_words<T>(built: &Built<T>) -> String {
    if built.files.is_empty() {
        return built.name.clone();
    }
    let files: Vec<String> = built
        .files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    format!("{} ({})", built.name, files.join(", "))
}
