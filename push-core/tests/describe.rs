//! What a type says about a configuration is what its example, its JSON Schema, its errors and its checks say.
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use push_core::{
    AddressPolicy, AppId, BuildContext, ConfigPath, Describe, ErrorKind, Faults, Field, Ingress,
    IngressKind, ManualClock, Plugin, RawConfig, Result, Secret, Shape, Table, Timestamp, Word,
};
use serde::Deserialize;
use serde_json::{Value, json};

const MOST: usize = 64;

/// Everything that can stand in a configuration.
///
/// It is only read.
#[derive(Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
struct Sample {
    /// The file of the messages
    /// ([`ConfigPath`]).
    ///
    /// Directories that are missing are made.
    #[describe(example = "data/messages.db", min_len = 1)]
    path: ConfigPath,
    /// What the vendor gave.
    #[describe(example_file = "vendor.key")]
    key: Secret,
    /// How many threads read.
    #[serde(default = "two")]
    #[describe(min = 1, max = MOST)]
    readers: usize,
    /// The largest body.
    #[serde(default)]
    #[describe(max = 1024, unit = "bytes")]
    body: Option<u32>,
    /// How long it waits.
    #[serde(default = "second", with = "push_core::duration")]
    #[describe(min = Duration::from_millis(1), max = Duration::from_secs(60))]
    wait: Duration,
    /// The share.
    #[serde(default)]
    #[describe(min = 0.0, max = 1.0)]
    share: f64,
    /// How loud it is.
    #[serde(default)]
    level: Level,
    /// Who gets the reports.
    #[serde(default, rename = "listeners")]
    #[describe(max_len = 2, example = ["ann", "bob"])]
    to: Vec<String>,
    /// Where to connect.
    #[serde(default)]
    #[describe(example = json!({"a:1": "b:2"}))]
    resolve: BTreeMap<String, String>,
    /// Which addresses can be reached.
    #[serde(default = "AddressPolicy::public_only")]
    addresses: AddressPolicy,
    /// The app.
    #[describe(example = "demo", shown)]
    app: Option<AppId>,
    /// The sandbox, or not.
    #[serde(default)]
    #[describe(words("sandbox", "production"), example = "sandbox")]
    environment: Option<String>,
    /// Where it listens.
    #[describe(example = "127.0.0.1:1")]
    listen: Option<SocketAddr>,
    /// How to connect.
    #[serde(default)]
    http: Http,
    /// Rules.
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(skip)]
    #[expect(dead_code, reason = "serde skips it, and so does the description")]
    inner: u8,
}

fn two() -> usize {
    2
}

fn second() -> Duration {
    Duration::from_secs(1)
}

/// How loud it is.
#[derive(Debug, Default, Deserialize, Describe)]
#[serde(rename_all = "kebab-case")]
enum Level {
    /// Not at all.
    #[default]
    NotLoud,
    /// Very.
    Loud,
}

/// How to connect.
#[derive(Debug, Deserialize, Describe)]
#[serde(default, deny_unknown_fields)]
struct Http {
    /// Connections at most.
    #[describe(min = 1)]
    connections: u16,
    /// Whether it retries.
    retries: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            connections: 32,
            retries: true,
        }
    }
}

/// A rule.
#[derive(Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Its name.
    #[describe(example = "quiet")]
    name: String,
    /// Its weight.
    #[serde(default)]
    #[describe(max = 10)]
    weight: u8,
}

struct Kept;

impl Plugin for Kept {
    type Kind = IngressKind;
    type Config = Sample;
    const NAME: &'static str = "kept";
    fn build(config: Sample, _: &BuildContext) -> Result<Arc<dyn Ingress>> {
        let mut faults = Faults::default();
        // As a constructor does that is also called without a file.
        config.check_ranges(&mut faults);
        faults.result()?;
        Err(push_core::Error::new(ErrorKind::Unsupported, "built"))
    }
}

static KEPT: push_core::Descriptor<IngressKind> = push_core::Descriptor::of::<Kept>();

fn table() -> Table {
    KEPT.table()
}

fn errors(json: &Value) -> Vec<String> {
    let clock = ManualClock::new(Timestamp::from_unix_seconds(1));
    let context = BuildContext::new(Arc::new(clock)).with_table("kept");
    let raw = RawConfig::from_json(json).expect("a table");
    let error = match KEPT.build(raw, &context) {
        Err(error) => error,
        Ok(_) => panic!("it is never built"),
    };
    error.each().iter().map(ToString::to_string).collect()
}

#[test]
fn the_example_has_every_key_with_its_meaning_range_and_default() {
    let example = "\
# The file of the messages (`ConfigPath`).
path = \"data/messages.db\"
# What the vendor gave.
key_file = \"vendor.key\"
# How many threads read. From 1 to 64.
# readers = 2
# The largest body. At most 1024 bytes.
# body = 1
# How long it waits. More than 0s and at most 1m.
# wait = \"1s\"
# The share. From 0.0 to 1.0.
# share = 0.0
# How loud it is. Words: not-loud, loud.
# level = \"not-loud\"
# Who gets the reports. Default: [].
# listeners = [\"ann\", \"bob\"]
# Where to connect. Default: {}.
# resolve = { \"a:1\" = \"b:2\" }
# Which addresses can be reached.
# addresses = \"public\"
# The app.
app = \"demo\"
# The sandbox, or not. Words: sandbox, production. Default: not set.
# environment = \"sandbox\"
# Where it listens. Default: not set.
# listen = \"127.0.0.1:1\"

# How to connect.
[http]
# Connections at most. At least 1.
# connections = 32
# Whether it retries.
# retries = true

# Rules.
# [[rules]]
# Its name.
# name = \"quiet\"
# Its weight. At most 10.
# weight = 0
";
    assert_eq!(KEPT.example(), example);
}

#[test]
fn every_fault_is_reported_once_with_what_must_stand_there() {
    let wrong = json!({
        "path": "", "raeders": 1, "body": 4096, "wait": "0s", "share": 1.5, "level": "lowd", "listeners": ["a", "b", "c"],
        "resolve": [], "addresses": "publik", "environment": 7, "listen": "localhost",
        "http": {"connections": 0, "retries": "perhaps", "conections": 1},
        "rules": [{"weight": 11}, {"name": "x", "weight": -1}],
    });
    let expected = [
        "kept.addresses: `publik` is neither `any`, `public`, `loopback` nor a network; write networks as first address and prefix length, like 10.0.0.0/8 or fd00::/8",
        "kept.body: 4096 is out of range; write a whole number of at most 1024 bytes",
        "kept.http.conections: is not a known key: did you mean `connections`? Known are `connections`, `retries`",
        "kept.http.connections: 0 is out of range; write a whole number of at least 1",
        "kept.http.retries: must be true or false",
        "kept.key: is missing; write key_file = \"vendor.key\", with your own file",
        "kept.level: must be one of `not-loud`, `loud`",
        "kept.listen: must be an address and a port, like \"127.0.0.1:8710\"",
        "kept.listeners: has 3 elements; write at most 2 elements",
        "kept.path: is empty",
        "kept.raeders: is not a known key: did you mean `readers`? Known are `path`, `key`, `readers`, `body`, `wait`, `share`, `level`, `listeners`, `resolve`, `addresses`, `app`, `environment`, `listen`, `http`, `rules`",
        "kept.resolve: must be a table of keys and values",
        "kept.rules[0].name: is missing; write it like name = \"quiet\"",
        "kept.rules[0].weight: 11 is out of range; write a whole number of at most 10",
        "kept.rules[1].weight: must be a whole number of at most 10",
        "kept.share: 1.5 is out of range; write a number from 0.0 to 1.0",
        "kept.wait: 0ms is out of range; write a duration of more than 0s and at most 1m",
    ];
    assert_eq!(errors(&wrong), expected);
}

#[test]
fn a_duration_in_a_wrong_form_is_not_repeated() {
    let [error] = &errors(&json!({"path": "x", "key": "k", "wait": "s3cret"}))[..] else {
        panic!("one error")
    };
    assert!(
        error.starts_with("kept.wait: must be a duration like \"20s\""),
        "{error}"
    );
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn the_bounds_themselves_are_in_range_however_they_are_written() {
    for (key, value) in [
        ("readers", json!("1")),
        ("readers", json!(64)),
        ("body", json!(1024)),
        ("wait", json!("1ms")),
        ("wait", json!(60)),
        ("share", json!(0)),
        ("share", json!(1)),
        ("listeners", json!(["a", "b"])),
        ("path", json!("x")),
    ] {
        let mut right = json!({"path": "y", "key": "k"});
        right[key] = value.clone();
        assert_eq!(errors(&right), ["kept: built"], "{key} = {value}");
    }
    let unknown = errors(&json!({"path": "y", "key_fil": "k"}));
    assert!(
        unknown[1].contains("did you mean `key_file`?"),
        "{unknown:?}"
    );
}

#[test]
fn the_json_schema_says_the_same() {
    let schema = table().json_schema("sample");
    let of = |key: &str| schema["properties"][key].clone();
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["required"], json!(["path"]));
    let either = json!({"oneOf": [{"required": ["key"]}, {"required": ["key_file"]}]});
    let alternatives = schema["allOf"].as_array().expect("a list");
    assert!(alternatives.contains(&either), "{alternatives:?}");
    assert_eq!(of("key")["writeOnly"], json!(true));
    assert_eq!(of("key")["description"], json!("What the vendor gave."));
    let readers = of("readers");
    assert_eq!(
        (
            &readers["minimum"],
            &readers["maximum"],
            &readers["default"]
        ),
        (&json!(1), &json!(MOST), &json!(2))
    );
    assert_eq!(of("body")["x-unit"], json!("bytes"));
    assert_eq!(of("listeners")["maxItems"], json!(2));
    assert_eq!(of("environment")["enum"], json!(["sandbox", "production"]));
    assert_eq!(of("level")["oneOf"][1]["const"], json!("loud"));
    assert_eq!(of("http")["properties"]["connections"]["minimum"], json!(1));
    assert_eq!(of("inner"), json!(null), "what serde skips is no key");
}

#[test]
fn a_table_that_a_type_selects_has_the_keys_of_that_type() {
    let disk = Table::new("", vec![Field::new("path", "The file.", Shape::Path)]);
    let memory = Table::new("", Vec::new());
    let tagged = Shape::Tagged(vec![("disk", disk), ("memory", memory)]);
    let field = Field::new("store", "Where it is kept.", tagged).with_example(json!("memory"));
    let table = Table::new("", vec![field]);
    assert_eq!(
        table.example(),
        "# Where it is kept.\n[store]\ntype = \"memory\"\n"
    );
    let schema = table.json_schema("tagged");
    let store = &schema["properties"]["store"];
    assert_eq!(
        store["properties"]["type"]["enum"],
        json!(["disk", "memory"])
    );
    assert_eq!(
        store["allOf"][0]["then"]["required"],
        json!(["type", "path"])
    );
}

#[test]
fn words_of_a_key_complete_its_description() {
    let words = Shape::Words(vec![Word::new("low", "")]);
    let field = Field::new("level", "How loud.", words).optional(None);
    assert_eq!(field.wanted(), "one of `low`");
    assert!(!field.takes_file() && !field.is_secret());
}
