//! The JSON Schema of a table, draft 2020-12, for editors and other programs.
use serde_json::{Map, Value, json};

use super::{Field, Shape, Table};

/// What [`duration::parse`](crate::duration::parse) reads.
const DURATION: &str = r"^\s*[0-9]+\s*(ms|s|m|h|d)?\s*$";

impl Table {
    /// Returns the JSON Schema of a file that has this table as its root, draft 2020-12.
    ///
    /// Beside the keywords of the draft it has `x-unit`, the unit of a number, `x-min-bytes` and `x-max-bytes` of a text, and the formats
    /// `path`, `address-and-port`,
    /// `duration-text` and `secret`.
    pub fn json_schema(&self, title: &str) -> Value {
        let mut schema = Map::new();
        schema.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        schema.insert("title".to_owned(), json!(title));
        schema.extend(table(self, None));
        Value::Object(schema)
    }
}

/// The schema of a table, with `type` if it is chosen by one.
fn table(it: &Table, tag: Option<&str>) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut alternatives = Vec::new();
    if let Some(tag) = tag {
        properties.insert("type".to_owned(), json!({ "const": tag }));
        required.push("type".to_owned());
    }
    for field in &it.fields {
        properties.insert(field.key.to_owned(), property(field));
        let file = format!("{}_file", field.key);
        if field.takes_file() {
            let about = format!("The file whose content is `{}`.", field.key);
            properties.insert(
                file.clone(),
                json!({ "type": "string", "format": "path", "minLength": 1, "description": about }),
            );
            let one = |key: &str| json!({ "required": [key] });
            if field.is_required {
                alternatives.push(json!({ "oneOf": [one(field.key), one(&file)] }));
            } else {
                alternatives.push(json!({ "not": { "required": [field.key, file] } }));
            }
        } else if field.is_required {
            required.push(field.key.to_owned());
        }
    }
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    if !it.about.is_empty() && tag.is_none() {
        schema.insert("description".to_owned(), json!(it.about));
    }
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    if !alternatives.is_empty() {
        schema.insert("allOf".to_owned(), json!(alternatives));
    }
    schema
}

/// The schema of the value of a key.
fn property(field: &Field) -> Value {
    let mut schema = shape(&field.shape);
    schema.insert("description".to_owned(), json!(field.about));
    if let Some(default) = &field.default {
        schema.insert("default".to_owned(), default.clone());
    }
    if let Some(example) = &field.example
        && !field.is_example_file
        && !matches!(field.shape, Shape::Tagged(_))
    {
        schema.insert("examples".to_owned(), json!([example]));
    }
    let is_number = matches!(field.shape, Shape::Integer { .. } | Shape::Number);
    for (bound, keyword) in [(&field.min, "minimum"), (&field.max, "maximum")] {
        if let (Some(bound), true) = (bound, is_number) {
            schema.insert(keyword.to_owned(), bound.clone());
        }
    }
    // Keywords count characters, of which a text never has more than bytes, and at least a quarter as many.
    let lengths = match &field.shape {
        Shape::List(_) => Some(("minItems", "maxItems")),
        Shape::Map(_) => Some(("minProperties", "maxProperties")),
        Shape::Text | Shape::Secret | Shape::Path => {
            let bytes = [
                ("x-min-bytes", field.min_len),
                ("x-max-bytes", field.max_len),
            ];
            for (keyword, bytes) in bytes {
                if let Some(bytes) = bytes {
                    schema.insert(keyword.to_owned(), json!(bytes));
                }
            }
            Some(("minLength", "maxLength"))
        }
        _ => None,
    };
    if let Some((least, most)) = lengths {
        let is_text = least == "minLength";
        if let Some(min) = field.min_len {
            let min = if is_text { min.div_ceil(4) } else { min };
            schema.insert(least.to_owned(), json!(min));
        }
        if let Some(max) = field.max_len {
            schema.insert(most.to_owned(), json!(max));
        }
    }
    if let Some(unit) = field.unit {
        schema.insert("x-unit".to_owned(), json!(unit));
    }
    Value::Object(schema)
}

fn shape(it: &Shape) -> Map<String, Value> {
    let schema = match it {
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Text => json!({ "type": "string" }),
        Shape::Secret => json!({ "type": "string", "format": "secret", "writeOnly": true }),
        Shape::Address => json!({ "type": "string", "format": "address-and-port" }),
        Shape::Path => json!({ "type": "string", "format": "path" }),
        Shape::Duration => json!({
            "type": ["string", "integer"],
            "format": "duration-text",
            "pattern": DURATION,
            "minimum": 0,
        }),
        Shape::Words(words) => {
            let all: Vec<_> = words.iter().map(|word| word.word).collect();
            match words.iter().all(|word| word.about.is_empty()) {
                true => json!({ "enum": all }),
                false => {
                    let words = words
                        .iter()
                        .map(|word| json!({ "const": word.word, "description": word.about }));
                    json!({ "oneOf": words.collect::<Vec<_>>() })
                }
            }
        }
        Shape::List(element) => json!({ "type": "array", "items": shape(element) }),
        Shape::Map(value) => json!({ "type": "object", "additionalProperties": shape(value) }),
        Shape::Table(inner) => return table(inner, None),
        Shape::Tagged(tables) => {
            let names: Vec<_> = tables.iter().map(|(name, _)| *name).collect();
            let chosen = tables.iter().map(|(name, inner)| {
                json!({
                    "if": { "properties": { "type": { "const": name } }, "required": ["type"] },
                    "then": table(inner, Some(*name)),
                })
            });
            json!({
                "type": "object",
                "properties": { "type": { "enum": names, "description": "The plugin." } },
                "required": ["type"],
                "allOf": chosen.collect::<Vec<_>>(),
            })
        }
        Shape::Either(shapes) => {
            json!({ "anyOf": shapes.iter().map(shape).collect::<Vec<_>>() })
        }
        Shape::Any => json!({}),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}
