//! What the plugins of this build say of a wrong configuration. Operators read it, who have not seen the code.

use std::sync::Arc;

use offline_push::{AnyDescriptor, BuildContext, ManualClock, RawConfig, Timestamp};
use serde_json::{Map, Value, json};

/// Words of Rust and of its libraries, which say nothing to an operator.
const INTERNAL: &[&str] = &[
    "::",
    "struct ",
    "enum ",
    "variant",
    "tuple",
    "newtype",
    "untagged",
    "Option",
    "Some(",
    "Config ",
    "deserialize",
    "invalid type",
    "i64",
    "u64",
    "u32",
    "usize",
];

/// The example of a plugin's configuration.
fn example(plugin: AnyDescriptor) -> Map<String, Value> {
    let value: Value = config::Config::builder()
        .add_source(config::File::from_str(
            &plugin.example(),
            config::FileFormat::Toml,
        ))
        .build()
        .and_then(config::Config::try_deserialize)
        .expect("an example is TOML");
    value.as_object().cloned().expect("an example is a table")
}

/// The paths of all keys, as in `["http", "proxy"]`.
fn keys(table: &Map<String, Value>) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (key, value) in table {
        found.push(vec![key.clone()]);
        if let Value::Object(inner) = value {
            let below = keys(inner).into_iter();
            found.extend(below.map(|path| [vec![key.clone()], path].concat()));
        }
    }
    found
}

fn with(mut table: Map<String, Value>, path: &[String], value: &Value) -> Map<String, Value> {
    let (key, rest) = path.split_first().expect("a path has a key");
    let new = match (rest, table.remove(key)) {
        ([], _) => value.clone(),
        (rest, Some(Value::Object(inner))) => Value::Object(with(inner, rest, value)),
        _ => unreachable!("the path is one of the table"),
    };
    table.insert(key.clone(), new);
    table
}

#[test]
fn an_error_about_a_configuration_names_its_key_and_no_type_of_rust() {
    let clock = ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000));
    let context = BuildContext::new(Arc::new(clock));
    let wrong = [
        json!(true),
        json!(7.5),
        json!(-1),
        json!(""),
        json!("no such word"),
        json!([1]),
        json!({ "no_such_key": 1 }),
    ];
    let mut errors = 0;
    for plugin in offline_push::registry().expect("it is linked").iter() {
        let example = example(plugin);
        let mut paths = keys(&example);
        paths.push(vec!["no_such_key".to_owned()]);
        for (path, value) in paths
            .iter()
            .flat_map(|path| wrong.iter().map(move |value| (path, value)))
        {
            let changed = Value::Object(with(example.clone(), path, value));
            let raw = RawConfig::from_json(&changed).expect("a table");
            let Err(error) = plugin.check(raw, &context) else {
                continue;
            };
            errors += 1;
            let text = error.to_string();
            let what = format!("{} with {} = {value}: {text}", plugin.id(), path.join("."));
            assert!(text.contains(&path[0]), "the key is not named\n{what}");
            for word in INTERNAL {
                assert!(!text.contains(word), "`{word}` is for developers\n{what}");
            }
        }
    }
    let plugins = offline_push::EXPECTED.len();
    assert!(errors >= plugins, "{errors} errors of {plugins} plugins");
}
