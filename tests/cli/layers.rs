//! Layers in the configuration.
use serde_json::Value;

use super::{KEY, MASTER_KEY, folder, objects, program, text, write};

const GOOD: &str = r#"
listen = "127.0.0.1:8710"
master_key_file = "master.key"
[store]
type = "memory"
[queue]
type = "memory"
[[layer]]
type = "traced"
calls = ["provider"]
[[layer]]
type = "rate-limited"
per_second = 500
only = { channels = ["huawei"], app = "demo", certificate = 7 }
[[http.keys]]
name = "im-server"
app = "demo"
scopes = ["server"]
key_file = "im-server.key"
"#;

/// What `check-config` says of `config`: its JSON objects, and whether it accepts it.
fn checked(name: &str, config: &str) -> (Vec<Value>, bool) {
    let folder = folder(name);
    write(&folder, "offline-push.toml", config);
    write(&folder, "master.key", MASTER_KEY);
    write(&folder, "im-server.key", KEY);
    let output = program()
        .args(["check-config", "--json", "--config"])
        .arg(folder.join("offline-push.toml"))
        .output()
        .expect("the program runs");
    drop(std::fs::remove_dir_all(folder));
    (objects(&output), output.status.success())
}

#[test]
fn layers_are_built_in_the_order_in_which_they_are_written() {
    let (said, is_good) = checked("layers", GOOD);
    assert!(is_good, "{said:?}");
    assert_eq!(
        said[0]["layers"],
        serde_json::json!(["traced", "rate-limited"])
    );
}

#[test]
fn each_mistake_of_a_layer_is_reported_with_its_place() {
    for (place, from, to) in [
        ("layer[0].calls[0]", "[\"provider\"]", "[\"providers\"]"),
        ("layer[1].per_second", "per_second = 500", "per_second = 0"),
        ("layer[1].per_second", "per_second = 500\n", ""),
        (
            "layer[1].only.certificate",
            "app = \"demo\", certificate",
            "certificate",
        ),
        ("layer[1].only.channel", "channels = ", "channel = "),
        ("layer[1].type", "\"rate-limited\"", "\"rate-limit\""),
        ("layer[0].type", "type = \"traced\"\n", ""),
    ] {
        let config = GOOD.replacen(from, to, 1);
        assert_ne!(config, GOOD, "{from}");
        let (said, is_good) = checked("wrong-layer", &config);
        assert!(!is_good, "{place}");
        let places: Vec<&str> = said.iter().filter_map(|it| it["place"].as_str()).collect();
        assert_eq!(places, [place], "{said:?}");
    }
    let single = GOOD.replace("[[layer]]\ntype = \"traced\"\ncalls = [\"provider\"]\n", "");
    let single = single.replace("[[layer]]", "[layer]");
    let (said, is_good) = checked("single-layer", &single);
    assert!(!is_good);
    assert_eq!(said[0]["place"], "layer", "{said:?}");
    assert!(text(said[0].to_string().as_bytes()).contains("[[layer]]"));
}
