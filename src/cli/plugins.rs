//! `offline-push plugins`: the plugins of this build.
use std::process::ExitCode;

use offline_push::{AnyDescriptor, Field, Registry, Table};
use serde_json::json;

use super::{
    Errors,
    output::{Output, Style, table},
    reference, settings,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print this plugin's example configuration, as in `provider/apns`
    #[arg(value_name = "KIND/NAME")]
    plugin: Option<String>,
    /// Print a complete configuration for `serve`
    #[arg(long, conflicts_with = "plugin")]
    example: bool,
    /// Print the JSON Schema of a configuration for `serve`, or of this plugin's, with which editors check and complete it
    #[arg(long, conflicts_with = "example")]
    schema: bool,
    /// Print the reference of a configuration for `serve`, of this plugin's, or with `http` of a connection's, in Markdown
    #[arg(long, hide = true, conflicts_with_all = ["example", "schema"])]
    reference: bool,
}

pub(crate) fn run(
    arguments: &Arguments,
    registry: &Registry,
    output: &mut Output,
) -> Result<ExitCode, Errors> {
    if arguments.example {
        let example = settings::example(registry);
        output.line(example.trim_end());
        output.object(&json!({ "example": example }));
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.reference && arguments.plugin.as_deref() == Some("http") {
        output.line(reference::connection().trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.plugin.is_none() && (arguments.schema || arguments.reference) {
        let table = settings::table(registry);
        if arguments.reference {
            output.line(reference::server(&table).trim_end());
        } else {
            print_schema(&table, "offline-push.toml", output);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(id) = &arguments.plugin {
        let (kind, name) = id.split_once('/').unwrap_or(("provider", id));
        let plugin = registry.find(kind, name).map_err(|error| vec![error])?;
        if arguments.schema {
            print_schema(&plugin.table(), &plugin.id(), output);
            return Ok(ExitCode::SUCCESS);
        }
        if arguments.reference {
            output.line(reference::plugin(&plugin.table()).trim_end());
            return Ok(ExitCode::SUCCESS);
        }
        output.line(plugin.example().trim_end());
        output.object(&object(&plugin));
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = registry
        .iter()
        .map(|it| {
            vec![
                it.id(),
                feature(&it).unwrap_or("(none)").to_owned(),
                keys(&it.table()),
            ]
        })
        .collect();
    let title = ["PLUGIN", "FEATURE", "KEYS"].map(str::to_owned).to_vec();
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

/// The first keys, those that are required before the others.
fn keys(table: &Table) -> String {
    const MOST: usize = 4;
    let (required, optional): (Vec<&Field>, Vec<&Field>) =
        table.fields.iter().partition(|field| field.is_required);
    let all: Vec<&str> = required
        .into_iter()
        .chain(optional)
        .map(|field| field.key)
        .collect();
    match all.len() {
        0 => "(nothing to configure)".to_owned(),
        count if count <= MOST => all.join(", "),
        count => format!("{} and {} more", all[..MOST].join(", "), count - MOST),
    }
}

/// Prints the schema, in one line if the output is JSON.
fn print_schema(table: &Table, title: &str, output: &mut Output) {
    let schema = table.json_schema(title);
    output.line(format!("{schema:#}"));
    output.object(&schema);
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
