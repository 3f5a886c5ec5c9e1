//! The reference of a configuration, in Markdown: a row for each key.
use offline_push::{Describe, Field, Shape, Table, Written, http::HttpConfig};

/// Returns the reference of the file of `serve`: a section for each table. The keys of plugins are in their own references.
pub(super) fn server(table: &Table) -> String {
    let mut text = String::new();
    sections(table, "", "", &mut text);
    text
}

/// Returns the reference of a plugin: one table.
pub(super) fn plugin(table: &Table) -> String {
    if table.fields.is_empty() {
        return "There is nothing to configure.\n".to_owned();
    }
    rows(table, true)
}

/// Returns the reference of the table `http` of a provider.
pub(super) fn connection() -> String {
    match HttpConfig::shape() {
        Shape::Table(table) => rows(&table, true),
        _ => String::new(),
    }
}

fn sections(table: &Table, path: &str, about: &str, text: &mut String) {
    if !path.is_empty() {
        text.push_str(&format!("### `{path}`\n\n{}\n\n", cell(about)));
    }
    text.push_str(&rows(table, false));
    for field in &table.fields {
        let path = match path.trim_matches(['[', ']']) {
            "" => field.key.to_owned(),
            path => format!("{path}.{}", field.key),
        };
        match &field.shape {
            Shape::Table(inner) => {
                text.push('\n');
                sections(inner, &format!("[{path}]"), field.about, text);
            }
            Shape::List(element) => {
                if let Shape::Table(inner) = &**element {
                    text.push('\n');
                    sections(inner, &format!("[[{path}]]"), field.about, text);
                }
            }
            _ => {}
        }
    }
}

/// The rows of one table; `with_tables` has a row for each table in it, too.
fn rows(table: &Table, with_tables: bool) -> String {
    let fields = table.fields.iter();
    let shown: Vec<&Field> = fields
        .filter(|field| with_tables || !has_section(&field.shape))
        .collect();
    if shown.is_empty() {
        return String::new();
    }
    let mut text = "| key | value | default | meaning |\n|---|---|---|---|\n".to_owned();
    for field in shown {
        text += &format!(
            "| `{}` | {} | {} | {} |\n",
            field.key,
            value(field),
            default(field),
            meaning(field)
        );
    }
    text
}

fn has_section(shape: &Shape) -> bool {
    match shape {
        Shape::Table(_) => true,
        Shape::List(element) => has_section(element),
        _ => false,
    }
}

/// The kind of value, and its range.
fn value(field: &Field) -> String {
    let kind = kind(&field.shape);
    let length = match (field.min_len, field.max_len) {
        (Some(1) | None, None) => None,
        (Some(min), None) => Some(format!("at least {min}")),
        (None | Some(0 | 1), Some(max)) => Some(format!("at most {max}")),
        (Some(min), Some(max)) => Some(format!("from {min} to {max}")),
    };
    let unit = match &field.shape {
        Shape::List(_) | Shape::Map(_) => "elements",
        _ => "bytes",
    };
    let range = field
        .range()
        .map(|range| range.trim_start_matches("of ").to_owned());
    let length = length.map(|length| format!("{length} {unit}"));
    let limits: Vec<String> = [range, length].into_iter().flatten().collect();
    let unit = match (field.unit, limits.is_empty()) {
        (Some(unit), true) => format!(", {unit}"),
        _ => String::new(),
    };
    let limits: String = limits.iter().map(|limit| format!(", {limit}")).collect();
    format!("{kind}{unit}{limits}")
}

fn kind(shape: &Shape) -> String {
    match shape {
        Shape::Bool => "`true` or `false`".to_owned(),
        Shape::Integer { .. } => "whole number".to_owned(),
        Shape::Number => "number".to_owned(),
        Shape::Text => "text".to_owned(),
        Shape::Secret => "secret text".to_owned(),
        Shape::Path => "path".to_owned(),
        Shape::Address => "address and port".to_owned(),
        Shape::Duration => "duration".to_owned(),
        Shape::Words(words) => {
            let words: Vec<_> = words
                .iter()
                .map(|word| format!("`{}`", word.word))
                .collect();
            words.join(", ")
        }
        Shape::List(element) => match &**element {
            Shape::Table(_) | Shape::Tagged(_) => "list of tables".to_owned(),
            element => format!("list of {}", kind(element)),
        },
        Shape::Map(value) => match &**value {
            Shape::Any | Shape::Text => "table".to_owned(),
            value => format!("table of {}", kind(value)),
        },
        Shape::Table(_) => "table".to_owned(),
        Shape::Tagged(tables) => {
            let names: Vec<_> = tables.iter().map(|(name, _)| format!("`{name}`")).collect();
            format!("table with `type` {}", names.join(", "))
        }
        Shape::Either(shapes) => {
            let kinds: Vec<_> = shapes.iter().map(kind).collect();
            kinds.join(" or ")
        }
        _ => "any".to_owned(),
    }
}

fn default(field: &Field) -> String {
    match &field.default {
        _ if field.is_required => "required".to_owned(),
        Some(Written::String(text)) if text.is_empty() => "empty".to_owned(),
        Some(Written::Array(list)) if list.is_empty() => "none".to_owned(),
        Some(Written::Object(map)) if map.is_empty() => "none".to_owned(),
        Some(Written::String(text)) => format!("`{}`", cell(text)),
        Some(value) => format!("`{}`", cell(&value.to_string())),
        None if has_section(&field.shape) => String::new(),
        None => "not set".to_owned(),
    }
}

fn meaning(field: &Field) -> String {
    let mut text = cell(field.about);
    let words = match &field.shape {
        Shape::Words(words) => words.as_slice(),
        Shape::List(inner) | Shape::Map(inner) => match &**inner {
            Shape::Words(words) => words.as_slice(),
            _ => &[],
        },
        _ => &[],
    };
    for word in words.iter().filter(|word| !word.about.is_empty()) {
        text += &format!(" `{}`: {}", word.word, cell(word.about));
    }
    if let Some(example) = &field.example
        && !field.is_example_file
        && !field.is_secret()
        && !matches!(field.shape, Shape::Words(_) | Shape::Tagged(_))
    {
        let example = match example {
            Written::String(text) => text.clone(),
            other => other.to_string(),
        };
        text += &format!(" Example: `{}`.", cell(&example));
    }
    text
}

/// Text in one cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}
