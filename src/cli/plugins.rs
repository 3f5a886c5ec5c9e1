//! `offline-push plugins`: the plugins of this build.
use std::process::ExitCode;

use offline_push::{AnyDescriptor, Registry};
use serde_json::json;

use super::{
    Errors,
    output::{Output, Style, table},
    settings,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print this plugin's example configuration, as in `provider/apns`
    #[arg(value_name = "KIND/NAME")]
    plugin: Option<String>,
    /// Print a complete configuration for `serve`
    #[arg(long, conflicts_with = "plugin")]
    example: bool,
}

pub(crate) fn run(
    arguments: &Arguments,
    registry: &Registry,
    output: &mut Output,
) -> Result<ExitCode, Errors> {
    if arguments.example {
        output.line(settings::EXAMPLE.trim_end());
        output.object(&json!({"example": settings::EXAMPLE}));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(id) = &arguments.plugin {
        let (kind, name) = id.split_once('/').unwrap_or(("provider", id));
        let plugin = registry.find(kind, name).map_err(|error| vec![error])?;
        output.line(plugin.example().trim_end());
        output.object(&object(&plugin));
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = registry
        .iter()
        .map(|it| {
            let first = it
                .example()
                .lines()
                .find(|line| !line.trim().is_empty() && !line.starts_with('#'));
            vec![
                it.id(),
                feature(&it).unwrap_or("(none)").to_owned(),
                first.unwrap_or("(nothing to configure)").to_owned(),
            ]
        })
        .collect();
    let title = ["PLUGIN", "FEATURE", "EXAMPLE BEGINS"]
        .map(str::to_owned)
        .to_vec();
    let lines = table(&[vec![title], rows].concat());
    for (n, line) in lines.iter().enumerate() {
        let line = if n == 0 {
            output.paint(Style::Bold, line)
        } else {
            line.clone()
        };
        output.line(line);
    }
    for plugin in registry.iter() {
        output.object(&object(&plugin));
    }
    output.line("");
    output.line("`offline-push plugins KIND/NAME` prints the whole example of one.");
    let missing: Vec<&str> = offline_push::KNOWN
        .iter()
        .filter(|(id, _)| registry.by_id(id).is_none())
        .map(|(_, feature)| *feature)
        .collect();
    if !missing.is_empty() {
        output.line(format!("Not in this build: {}.", missing.join(", ")));
    }
    Ok(ExitCode::SUCCESS)
}

fn object(plugin: &AnyDescriptor) -> serde_json::Value {
    json!({
        "plugin": plugin.id(),
        "feature": feature(plugin),
        "example": plugin.example(),
    })
}

/// The feature that links the plugin; none if the program links it itself.
fn feature(plugin: &AnyDescriptor) -> Option<&'static str> {
    let id = plugin.id();
    offline_push::KNOWN
        .iter()
        .find(|(known, _)| **known == *id)
        .map(|(_, feature)| *feature)
}
