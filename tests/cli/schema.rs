//! The JSON Schema accepts what the program accepts, and refuses what it refuses as far as a schema can say it.
use serde_json::{Value, json};

use super::{
    mistakes::{GOOD, MISTAKES},
    run, text,
};

/// Everything in `value` that `schema` does not allow, by an own reading of the draft. A keyword that it does not know is a failure:
/// nothing is silently left out.
fn violations(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let Value::Object(keywords) = schema else {
        assert_eq!(schema, &json!(true), "a schema is an object");
        return Vec::new();
    };
    let mut found = Vec::new();
    macro_rules! wrong {
        ($($what:tt)*) => { found.push(format!("{place}: {}", format!($($what)*))) };
    }
    let valid = |schema: &Value| violations(schema, value, place).is_empty();
    let is_integer = value.as_f64().is_some_and(|number| number.fract() == 0.0);
    for (keyword, of) in keywords {
        let all = || of.as_array().expect("a list of schemas").iter();
        match keyword.as_str() {
            "type" => {
                let of_type = |name: &Value| match name.as_str().expect("a type") {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "number" => value.is_number(),
                    "integer" => is_integer,
                    other => panic!("no type {other}"),
                };
                let is_right = match of {
                    Value::Array(names) => names.iter().any(of_type),
                    name => of_type(name),
                };
                if !is_right {
                    wrong!("{value} is not {of}");
                }
            }
            "const" if value != of => wrong!("{value} is not {of}"),
            "enum" if !all().any(|word| word == value) => {
                wrong!("{value} is none of {of}");
            }
            "minimum" | "maximum" => {
                let bound = of.as_f64().expect("a number");
                if let Some(number) = value.as_f64()
                    && (keyword == "minimum" && number < bound
                        || keyword == "maximum" && number > bound)
                {
                    wrong!("{number} against {keyword} {bound}");
                }
            }
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" => {
                let length = match (value, &keyword[3..]) {
                    (Value::String(text), "Length") => text.chars().count() as u64,
                    (Value::Array(list), "Items") => list.len() as u64,
                    (Value::Object(map), "Properties") => map.len() as u64,
                    _ => continue,
                };
                let bound = of.as_u64().expect("a length");
                if keyword.starts_with("min") && length < bound
                    || keyword.starts_with("max") && length > bound
                {
                    wrong!("{length} against {keyword} {bound}");
                }
            }
            "pattern" => {
                assert_eq!(
                    of, r"^\s*[0-9]+\s*(ms|s|m|h|d)?\s*$",
                    "the one pattern that is known here"
                );
                let is_duration = |text: &str| {
                    let text = text.trim();
                    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
                    unit.len() < text.len() && ["", "ms", "s", "m", "h", "d"].contains(&unit.trim())
                };
                if value.as_str().is_some_and(|text| !is_duration(text)) {
                    wrong!("{value} does not match {of}");
                }
            }
            "items" => {
                for (n, element) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(violations(of, element, &format!("{place}[{n}]")));
                }
            }
            "properties" => {
                let known = of.as_object().expect("schemas by name");
                for (key, inner) in value.as_object().into_iter().flatten() {
                    if let Some(of) = known.get(key) {
                        found.extend(violations(of, inner, &format!("{place}.{key}")));
                    }
                }
            }
            "additionalProperties" => {
                let known = keywords.get("properties").and_then(Value::as_object);
                for (key, inner) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.contains_key(key)) {
                        continue;
                    }
                    match of {
                        Value::Bool(false) => found.push(format!("{place}: {key} is not known")),
                        of => found.extend(violations(of, inner, &format!("{place}.{key}"))),
                    }
                }
            }
            "required" => {
                for key in of.as_array().expect("names") {
                    let key = key.as_str().expect("a name");
                    if value.is_object() && value.get(key).is_none() {
                        wrong!("{key} is missing");
                    }
                }
            }
            "allOf" => all().for_each(|of| found.extend(violations(of, value, place))),
            "anyOf" if !all().any(valid) => wrong!("{value} is none of {of}"),
            "oneOf" if all().filter(|of| valid(of)).count() != 1 => {
                wrong!("not one of {of}")
            }
            "not" if valid(of) => wrong!("{value} is {of}"),
            "if" => {
                let then = keywords.get("then").expect("`then` follows `if`");
                if valid(of) {
                    found.extend(violations(then, value, place));
                }
            }
            "const" | "enum" | "anyOf" | "oneOf" | "not" | "then" => {}
            "$schema" | "title" | "description" | "default" | "examples" | "format"
            | "writeOnly" => {}
            annotation if annotation.starts_with("x-") => {}
            other => panic!("the keyword {other} is not known here"),
        }
    }
    found
}

fn schema(arguments: &[&str]) -> Value {
    let output = run(&[&["plugins", "--schema"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn toml(text: &str) -> Value {
    config::Config::builder()
        .add_source(config::File::from_str(text, config::FileFormat::Toml))
        .build()
        .and_then(config::Config::try_deserialize)
        .expect("TOML")
}

#[test]
fn the_schema_accepts_the_examples() {
    let schema = schema(&[]);
    let example = text(&run(&["plugins", "--example"]).stdout);
    assert_eq!(violations(&schema, &toml(&example), ""), [""; 0]);
    assert_eq!(violations(&schema, &toml(GOOD), ""), [""; 0]);
    for id in offline_push::EXPECTED {
        let schema = self::schema(&[id]);
        let example = text(&run(&["plugins", id]).stdout);
        assert_eq!(violations(&schema, &toml(&example), ""), [""; 0], "{id}");
    }
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    // What a schema does not see: files, what an address is, and rules between keys.
    const UNSEEN: &[&str] = &[
        "listen",
        "master_key_file",
        "http.keys[0].key_file",
        "http.keys[1].key",
        "gateway.decision.policies[0].vendor.huawei.topic",
        // A duration in text has no range in a schema.
        "gateway.decision.default_ttl",
    ];
    let schema = schema(&[]);
    for (place, old, new) in MISTAKES {
        let config = toml(&GOOD.replace(old, new));
        let found = violations(&schema, &config, "");
        assert_eq!(
            found.is_empty(),
            UNSEEN.contains(place),
            "{place}: {found:?}"
        );
    }
    for (old, new) in [
        ("[store]\ntype = \"sqlite\"", "[store]\ntype = \"sqlitte\""),
        ("[queue]\ntype = \"sqlite\"", "[queue]"),
        ("master_key_file", "master_key = \"x\"\nmaster_key_file"),
        ("listen = \"127.0.0.1:8710\"", ""),
    ] {
        let found = violations(&schema, &toml(&GOOD.replace(old, new)), "");
        assert_eq!(found.len(), 1, "{new}: {found:?}");
    }
}

/// The schemas of all keys, with their names.
fn keys(schema: &Value, name: &str, all: &mut Vec<(String, Value)>) {
    match schema {
        Value::Object(members) => {
            for (key, inner) in members {
                if key == "properties" {
                    for (key, inner) in inner.as_object().into_iter().flatten() {
                        all.push((format!("{name}.{key}"), inner.clone()));
                    }
                }
                keys(inner, &format!("{name}.{key}"), all);
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| keys(inner, name, all)),
        _ => {}
    }
}

#[test]
fn every_default_and_example_is_what_its_key_allows_and_every_key_is_described() {
    let mut all = Vec::new();
    keys(&schema(&[]), "", &mut all);
    for id in offline_push::EXPECTED {
        keys(&schema(&[id]), id, &mut all);
    }
    assert!(all.len() > 100, "{}", all.len());
    let mut values = 0;
    for (name, of) in &all {
        let is_tag = name.ends_with(".type");
        assert!(
            is_tag
                || of["description"]
                    .as_str()
                    .is_some_and(|about| about.len() > 5),
            "{name} is not described"
        );
        let examples = of["examples"].as_array().into_iter().flatten();
        for value in examples.chain(of.get("default")) {
            values += 1;
            assert_eq!(violations(of, value, name), [""; 0]);
        }
    }
    assert!(values > 60, "{values}");
}

#[test]
fn a_secret_is_marked_and_has_neither_a_default_nor_a_value_that_looks_real() {
    let mut all = Vec::new();
    for id in offline_push::EXPECTED {
        keys(&schema(&[id]), id, &mut all);
    }
    let secrets: Vec<_> = all
        .iter()
        .filter(|(_, of)| of["writeOnly"] == json!(true))
        .collect();
    assert!(!secrets.is_empty());
    for (name, of) in secrets {
        assert!(of.get("default").is_none(), "{name}");
        assert!(
            !of["examples"].to_string().contains("PRIVATE KEY"),
            "{name}"
        );
    }
}
