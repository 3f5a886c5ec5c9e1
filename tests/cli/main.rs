//! The program as an operator meets it: help, errors, and a server that is called from the command line.
mod channels;
mod environment;
mod example;
mod layers;
mod mistakes;
mod outputs;
mod paths;
mod reference;
mod running;
mod schema;
#[path = "../support/mod.rs"]
mod support;

use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use push_provider_apns::simulator::Options;
use serde_json::{Value, json};
use support::{TOPIC, apple, eventually};
use tokio::io::{AsyncBufReadExt, BufReader};

const KEY: &str = "0123456789abcdef0123";
const MASTER_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offline-push"));
    command.env_remove("OFFLINE_PUSH_KEY").env("NO_COLOR", "1");
    command
}

fn run(arguments: &[&str]) -> Output {
    program()
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program writes UTF-8")
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("offline-push-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(folder.join("conf.d")).expect("a temporary folder");
    folder
}

/// Writes a file that only its owner can read.
fn write(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    drop(std::fs::remove_file(&path));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .expect("a file in the temporary folder");
    file.write_all(content.as_bytes()).expect("room");
}

/// The lines of the program's JSON.
fn objects(output: &Output) -> Vec<Value> {
    text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON in each line"))
        .collect()
}

fn check(folder: &Path) -> Output {
    let config = folder.join("offline-push.toml");
    run(&["check-config", "--config", &config.to_string_lossy()])
}

#[test]
fn every_command_has_help() {
    for command in [
        "demo",
        "serve",
        "check-config",
        "credential",
        "send",
        "trace",
        "ticket",
        "simulate",
        "plugins",
        "completions",
    ] {
        let help = run(&[command, "--help"]);
        assert!(help.status.success(), "{command}");
        assert!(text(&help.stdout).len() > 100, "{command}");
    }
    let completions = run(&["completions", "bash"]);
    assert!(text(&completions.stdout).contains("check-config"));
}

#[test]
fn plugins_are_listed_with_an_example_of_each_and_the_feature_of_what_is_missing() {
    let list = text(&run(&["plugins"]).stdout);
    for id in offline_push::EXPECTED {
        assert!(list.contains(id), "{id} in {list}");
        let example = run(&["plugins", id]);
        assert!(example.status.success(), "{id}");
    }
    let unknown = run(&["plugins", "provider/pigeon"]);
    assert!(!unknown.status.success());
    // No feature is named that does not exist.
    assert!(!text(&unknown.stderr).contains("provider-pigeon"));
}

#[test]
fn the_example_configuration_is_accepted_once_its_keys_are_there() {
    let folder = folder("example");
    write(
        &folder,
        "offline-push.toml",
        &text(&run(&["plugins", "--example"]).stdout),
    );
    let missing = check(&folder);
    assert!(!missing.status.success());
    assert!(text(&missing.stderr).contains("master_key_file"));
    write(&folder, "master.key", &format!("{MASTER_KEY}\n"));
    write(&folder, "im-server.key", &format!("{KEY}\n"));
    let good = check(&folder);
    assert!(good.status.success(), "{}", text(&good.stderr));
    drop(std::fs::remove_dir_all(folder));
}

#[test]
fn conf_d_and_the_environment_are_layered_on_top_of_the_file() {
    let folder = folder("layers");
    write(
        &folder,
        "offline-push.toml",
        &text(&run(&["plugins", "--example"]).stdout),
    );
    write(&folder, "master.key", MASTER_KEY);
    write(&folder, "im-server.key", KEY);
    write(
        &folder,
        "conf.d/10-port.toml",
        "listen = \"127.0.0.1:1111\"\n[queue]\ntype = \"memory\"\n",
    );
    let config = folder.join("offline-push.toml");
    let arguments = [
        "check-config",
        "--json",
        "--config",
        &*config.to_string_lossy(),
    ];
    let said: Value = serde_json::from_slice(&run(&arguments).stdout).unwrap_or_default();
    // `path` is not a key of the memory queue, and the file's [queue] still has it: so the whole layer is refused.
    assert!(
        said["place"]
            .as_str()
            .is_some_and(|place| place.ends_with("path")),
        "{said}"
    );
    write(
        &folder,
        "conf.d/10-port.toml",
        "listen = \"127.0.0.1:1111\"\n",
    );
    let said: Value = serde_json::from_slice(&run(&arguments).stdout).unwrap_or_default();
    assert_eq!(said["listen"], json!("127.0.0.1:1111"));
    let output = program()
        .args(arguments)
        .env("OFFLINE_PUSH__LISTEN", "127.0.0.1:2222")
        .output()
        .expect("the program runs");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(said["listen"], json!("127.0.0.1:2222"));
    drop(std::fs::remove_dir_all(folder));
}

#[test]
fn the_demo_prints_the_same_steps_in_json_and_every_step_is_good() {
    let output = run(&["demo", "--all-channels", "--json"]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}");
    let steps: Vec<Value> = said
        .lines()
        .map(|it| serde_json::from_str(it).unwrap_or_default())
        .collect();
    let (last, steps) = steps.split_last().unwrap();
    assert_eq!(last["ok"], json!(true));
    assert_eq!(last["steps"], json!(steps.len()));
    for (n, step) in steps.iter().enumerate() {
        assert_eq!(
            (&step["step"], &step["ok"]),
            (&json!(n + 1), &json!(true)),
            "{step}"
        );
        assert!(step["facts"].as_object().is_some_and(|it| !it.is_empty()));
    }
    // One chat for each channel.
    let last = steps.last().expect("there are steps");
    for simulator in push_testkit::simulator::simulators() {
        let opened = &last["facts"][simulator.name];
        assert_eq!(*opened, json!("the chat with user bob"), "{last}");
    }
}

/// A real server, a credential, a user, a push, its trace: all from the command line.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_uploads_sends_and_traces_from_the_command_line() {
    let apple = apple(Options::default()).await;
    let phone = apple.install(TOPIC, offline_push::Environment::Production);
    let folder = folder("operator");
    write(
        &folder,
        "offline-push.toml",
        &text(&run(&["plugins", "--example"]).stdout),
    );
    write(&folder, "master.key", MASTER_KEY);
    write(&folder, "im-server.key", KEY);
    // The vendor of this test is on the same machine.
    std::fs::create_dir_all(folder.join("conf.d")).unwrap();
    write(
        &folder,
        "conf.d/loopback.toml",
        "[gateway]\naddresses = [\"public\", \"loopback\"]\n",
    );
    write(&folder, "AuthKey.p8", &push_testkit::fixtures::apns_key(1));
    write(&folder, "ca.pem", &apple.ca_pem());
    let mut server = tokio::process::Command::new(env!("CARGO_BIN_EXE_offline-push"))
        .args(["serve", "--json", "--config"])
        .arg(folder.join("offline-push.toml"))
        .env("OFFLINE_PUSH__LISTEN", "127.0.0.1:0")
        .env("OFFLINE_PUSH_LOG", "debug")
        .current_dir(&folder)
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(folder.join("log")).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let line = BufReader::new(server.stdout.take().unwrap())
        .lines()
        .next_line()
        .await;
    let said: Value = serde_json::from_str(&line.unwrap().unwrap()).unwrap();
    let address = format!("http://{}", said["listening"].as_str().unwrap());

    let at = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (key_file, p8, ca) = (at("im-server.key"), at("AuthKey.p8"), at("ca.pem"));
    let ask = |arguments: &[&str]| -> Value {
        let output = program()
            .args(arguments)
            .args(["--json", "--server", &address, "--key-file", &key_file])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(&output.stdout)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let endpoint = format!(
        "endpoint={}",
        apple.endpoint(offline_push::Environment::Production)
    );
    let added = ask(&[
        "credential",
        "add",
        "--type",
        "apns",
        "--id",
        "31288",
        "--file",
        &format!("key={p8}"),
        "--set",
        "key_id=ABC123DEFG",
        "--set",
        "team_id=DEF123GHIJ",
        "--set",
        &format!("topic={TOPIC}"),
        "--set",
        "environment=production",
        "--set",
        &endpoint,
        "--file",
        &format!("http.extra_ca_pem={ca}"),
    ]);
    assert_eq!(added["id"], json!(31288));
    assert_eq!(
        ask(&["credential", "verify", "31288"])["accepted"],
        json!(true)
    );
    assert_eq!(ask(&["credential", "list"])["lane"]["state"], json!("open"));

    // A push of which every receiver is skipped ends with a code of its own.
    let in_vain = program()
        .args(["send", "--to", "alice", "--id", "m-0", "hello"])
        .args(["--json", "--server", &address, "--key-file", &key_file])
        .output()
        .unwrap();
    assert_eq!(in_vain.status.code(), Some(3), "{}", text(&in_vain.stderr));
    let skipped: Value = serde_json::from_slice(&in_vain.stdout).unwrap();
    assert_eq!(skipped["skipped"][0]["reason"], json!("never-registered"));
    assert!(ask(&["ticket", "alice"])["ticket"].as_str().is_some());
    let caller = support::Caller::new(&address, KEY);
    caller.log_in("alice", "apns", 31288, &phone.token()).await;
    let sent = ask(&[
        "send",
        "--to",
        "alice",
        "--title",
        "Hi",
        "--id",
        "m-1",
        "text that no log may hold",
    ]);
    let delivery = sent["deliveries"][0]["id"].as_str().unwrap().to_owned();
    phone.wait_for(1).await.unwrap();
    eventually("the delivery's end", async || {
        let (status, trace) = caller
            .try_get(&format!("/v1/deliveries/{delivery}/trace"))
            .await;
        (status.is_success() && trace["settled"] == json!(true)).then_some(())
    })
    .await;
    assert_eq!(ask(&["trace", &delivery])["settled"], json!(true));
    assert_eq!(ask(&["trace", "m-1"])["message"], json!("m-1"));

    // A credential is removed by its exact id.
    let unknown = program()
        .args(["credential", "remove", "31289"])
        .args(["--server", &address, "--key-file", &key_file])
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    let said = text(&unknown.stderr);
    assert!(said.contains("no certificate 31289"), "{said}");
    let removed = ask(&["credential", "remove", "31288"]);
    assert_eq!(
        (&removed["id"], &removed["provider"], &removed["waiting"]),
        (&json!(31288), &json!("apns"), &json!(0))
    );
    let list = program()
        .args(["credential", "list", "--json"])
        .args(["--server", &address, "--key-file", &key_file])
        .output()
        .unwrap();
    assert_eq!(text(&list.stdout), "");

    // Nothing secret is in the log, not even at its most talkative.
    server.start_kill().unwrap();
    server.wait().await.unwrap();
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    for secret in [
        &*phone.token(),
        "text that no log may hold",
        KEY,
        "PRIVATE KEY",
    ] {
        assert!(!log.contains(secret), "the log holds a secret");
    }
    drop(std::fs::remove_dir_all(folder));
}
