//! The example that `plugins --example` prints has every key that can stand in a configuration, with its default.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;

use super::{KEY, MASTER_KEY, folder, objects, program, run, text, write};

/// A line of the example that is a header or a key, also behind `#`: the table, and the key of the latter.
struct Line {
    table: String,
    key: Option<String>,
    text: String,
    is_comment: bool,
}

fn lines(example: &str) -> Vec<Line> {
    let mut table = String::new();
    let mut found = Vec::new();
    for line in example.lines() {
        let is_comment = line.starts_with("# ");
        let text = line.strip_prefix("# ").unwrap_or(line);
        let header = text
            .strip_prefix("[[")
            .and_then(|it| it.strip_suffix("]]"))
            .or_else(|| text.strip_prefix('[').and_then(|it| it.strip_suffix(']')));
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || "_.".contains(it))
        };
        let key = text
            .split_once(" = ")
            .map(|(key, _)| key)
            .filter(|it| is_name(it));
        if let Some(header) = header.filter(|it| is_name(it)) {
            table = header.to_owned();
        } else if key.is_none() {
            continue;
        }
        found.push(Line {
            table: table.clone(),
            key: key.map(str::to_owned),
            text: text.to_owned(),
            is_comment,
        });
    }
    found
}

/// The keys that each table takes, as the program lists them when it is given one that it does not know. `tables` are given to it.
fn known(folder: &Path, tables: &BTreeSet<(String, bool)>) -> BTreeMap<String, Vec<String>> {
    let mut config = String::new();
    for (table, is_list) in tables {
        config += &match is_list {
            true => format!("[[{table}]]\nno_such_key = 1\n"),
            false => format!("[{table}]\nno_such_key = 1\n"),
        };
        if table == "store" || table == "queue" {
            config += "type = \"sqlite\"\n";
        }
    }
    write(folder, "offline-push.toml", &config);
    let output = program()
        .args(["check-config", "--json", "--config"])
        .arg(folder.join("offline-push.toml"))
        .output()
        .expect("the program runs");
    let mut known = BTreeMap::new();
    for error in objects(&output) {
        let (Some(place), Some(text)) = (error["place"].as_str(), error["error"].as_str()) else {
            continue;
        };
        let Some(table) = place.strip_suffix(".no_such_key") else {
            continue;
        };
        let keys = text
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        known.insert(table.replace("[0]", ""), keys);
    }
    known
}

#[test]
fn every_key_that_can_stand_in_a_configuration_stands_in_the_example() {
    let folder = folder("all-keys");
    let example = lines(&text(&run(&["plugins", "--example"]).stdout));
    let mut written: BTreeSet<String> = BTreeSet::new();
    for line in &example {
        let key = line.key.as_deref().unwrap_or_default();
        // A table, and the table or key in it.
        for end in [line.table.clone(), format!("{}.{key}", line.table)] {
            for (at, _) in end.match_indices('.').chain([(end.len(), ".")]) {
                let plain = end[..at].trim_matches('.');
                written.insert(plain.strip_suffix("_file").unwrap_or(plain).to_owned());
            }
        }
    }
    let mut tables: BTreeSet<(String, bool)> = ["store", "queue", "http", "gateway"]
        .map(|table| (table.to_owned(), false))
        .into();
    // A configuration has fewer levels than this.
    let mut levels = 0..10;
    let count = loop {
        assert!(levels.next().is_some(), "{tables:?}");
        let known = known(&folder, &tables);
        let mut deeper = tables.clone();
        let mut count = 0;
        for (table, keys) in &known {
            for key in keys {
                count += 1;
                let full = format!("{table}.{key}");
                assert!(written.contains(&full), "{full} is not in the example");
                // Those that are tables or lists answer with keys of their own.
                if !tables.iter().any(|(known, _)| *known == full) {
                    deeper.insert((full.clone(), false));
                }
            }
        }
        // A scalar given as a table is reported itself; what is a list takes a list.
        let tried = self::known(&folder, &deeper);
        let lists: BTreeSet<(String, bool)> = deeper
            .iter()
            .map(|(table, is_list)| (table.clone(), *is_list || !tried.contains_key(table)))
            .collect();
        let as_lists = self::known(&folder, &lists);
        let next: BTreeSet<(String, bool)> = lists
            .into_iter()
            .filter(|(table, _)| tried.contains_key(table) || as_lists.contains_key(table))
            .collect();
        if next == tables {
            break count;
        }
        tables = next;
    };
    let names: Vec<&str> = tables.iter().map(|(table, _)| &**table).collect();
    for table in [
        "http.keys",
        "http.phones",
        "gateway.decision.policies",
        "gateway.limits",
    ] {
        assert!(
            names.contains(&table),
            "{table} was not looked at: {names:?}"
        );
    }
    assert!(count > 60, "{count} keys were found");
    drop(std::fs::remove_dir_all(folder));
}

#[test]
fn the_example_is_accepted_with_every_key_that_stands_behind_a_comment_sign() {
    let folder = folder("uncommented");
    let config: String = lines(&text(&run(&["plugins", "--example"]).stdout))
        .iter()
        // It stands there instead of `key_file`.
        .filter(|line| line.key.as_deref() != Some("sha256"))
        .map(|line| format!("{}\n", line.text))
        .collect();
    assert!(config.contains("user_rate = 240"));
    write(&folder, "offline-push.toml", &config);
    write(&folder, "master.key", MASTER_KEY);
    write(&folder, "im-server.key", KEY);
    let output = program()
        .args(["check-config", "--json", "--config"])
        .arg(folder.join("offline-push.toml"))
        .output()
        .expect("the program runs");
    let said: Vec<Value> = objects(&output);
    assert!(output.status.success(), "{said:?}");
    drop(std::fs::remove_dir_all(folder));
}

/// What stands behind a comment sign is the default: with and without it, the gateway is the same.
#[test]
fn what_stands_behind_a_comment_sign_is_the_default() {
    let settings = |with_comments: bool| {
        let text: String = lines(&text(&run(&["plugins", "--example"]).stdout))
            .iter()
            .filter(|line| with_comments || !line.is_comment)
            .filter(|line| line.table.starts_with("gateway") && !line.table.ends_with("policies"))
            // These have no default that can be written.
            .filter(|line| {
                let key = line.key.as_deref().unwrap_or_default();
                !["public_url", "proxy", "seed"].contains(&key)
            })
            .map(|line| format!("{}\n", line.text))
            .collect();
        let source = config::File::from_str(&text, config::FileFormat::Toml);
        let all = config::Config::builder().add_source(source).build();
        let all = all.expect("TOML");
        all.get::<offline_push::gateway::Settings>("gateway")
            .expect("settings")
    };
    assert_eq!(settings(true), settings(false));
    assert_eq!(settings(true), offline_push::gateway::Settings::default());
}
