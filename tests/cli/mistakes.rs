//! Everything that is wrong with a configuration is reported at once, and nothing else.
use std::{collections::BTreeSet, os::unix::fs::PermissionsExt};

use super::{KEY, MASTER_KEY, check, folder, objects, program, text, write};

pub(super) const GOOD: &str = r#"
listen = "127.0.0.1:8710"
behind_proxy = false
master_key_file = "master.key"
[store]
type = "sqlite"
path = "store.db"
readers = 2
[queue]
type = "sqlite"
path = "queue.db"
group_rows = 1000
[http]
timeout = "30s"
[http.phones]
devices = 32
[[http.keys]]
name = "im-server"
app = "demo"
scopes = ["server"]
key_file = "im-server.key"
[[http.keys]]
name = "operator"
app = "demo"
scopes = ["admin"]
key = "a key of the operator alone"
[gateway]
max_waiting = 10000
[gateway.decision]
default_ttl = "7d"
[[gateway.decision.policies]]
class = "marketing"
vendor.huawei = { category = "MARKETING" }
[gateway.pipeline]
in_flight = 2000
"#;

/// The place of each mistake, what of [`GOOD`] it replaces, and by what.
pub(super) const MISTAKES: &[(&str, &str, &str)] = &[
    ("listen", "\"127.0.0.1:8710\"", "\"localhost\""),
    ("behind_proxy", "= false", "= \"perhaps\""),
    ("master_key_file", "\"master.key\"", "\"nowhere.key\""),
    ("store.readers", "readers = 2", "readers = 0"),
    (
        "store.colour",
        "path = \"store.db\"",
        "path = \"store.db\"\ncolour = 1",
    ),
    ("queue.path", "path = \"queue.db\"\n", ""),
    (
        "queue.group_rows",
        "group_rows = 1000",
        "group_rows = \"many\"",
    ),
    ("http.timeout", "\"30s\"", "\"soon\""),
    ("http.phones.devices", "devices = 32", "devices = 0"),
    ("http.keys[0].scopes[0]", "[\"server\"]", "[\"sever\"]"),
    ("http.keys[0].key_file", "\"im-server.key\"", "\"no.key\""),
    (
        "http.keys[1].key",
        "\"a key of the operator alone\"",
        "\"short\"",
    ),
    (
        "http.keys[1].app",
        "name = \"operator\"\napp = \"demo\"",
        "name = \"operator\"",
    ),
    ("gateway.max_waiting", "= 10000", "= 0"),
    ("gateway.decision.default_ttl", "\"7d\"", "\"0s\""),
    (
        "gateway.decision.policies[0].vendor.huawei.topic",
        "category = \"MARKETING\"",
        "topic = \"x\"",
    ),
    ("gateway.pipeline.in_flight", "= 2000", "= -1"),
    ("colours", "in_flight", "#\n[colours]\nin_flight"),
];

/// A configuration with these mistakes: the places that `command` reports, in order.
fn reported(command: &str, mistakes: &[(&str, &str, &str)]) -> Vec<String> {
    let folder = folder("mistakes");
    let mut config = GOOD.to_owned();
    for (place, old, new) in mistakes {
        assert_eq!(config.matches(old).count(), 1, "{place}: {old}");
        config = config.replace(old, new);
    }
    write(&folder, "offline-push.toml", &config);
    write(&folder, "master.key", MASTER_KEY);
    write(&folder, "im-server.key", KEY);
    let output = program()
        .args([command, "--json", "--config"])
        .arg(folder.join("offline-push.toml"))
        .output()
        .expect("the program runs");
    assert!(!output.status.success(), "{mistakes:?}");
    let reported = objects(&output);
    drop(std::fs::remove_dir_all(folder));
    reported
        .iter()
        .map(|error| {
            assert!(error["error"].is_string(), "{error}");
            error["place"].as_str().expect("a place").to_owned()
        })
        .collect()
}

#[test]
fn many_mistakes_are_as_many_errors_and_serve_prints_the_same() {
    // The table of the last one would take in the key of the last but one.
    let mistakes = MISTAKES.iter().filter(|(place, ..)| *place != "colours");
    let mistakes: Vec<_> = mistakes.copied().collect();
    assert!(mistakes.len() >= 12);
    let checked = reported("check-config", &mistakes);
    let all: BTreeSet<_> = mistakes
        .iter()
        .map(|(place, ..)| (*place).to_owned())
        .collect();
    assert_eq!(checked.iter().cloned().collect::<BTreeSet<_>>(), all);
    assert_eq!(checked.len(), all.len(), "each once: {checked:?}");
    assert_eq!(reported("serve", &mistakes), checked);
}

#[test]
fn each_mistake_alone_is_one_error_at_its_place() {
    for mistake in MISTAKES {
        assert_eq!(
            reported("check-config", &[*mistake]),
            [mistake.0],
            "{mistake:?}"
        );
    }
    for (place, old, new) in [
        (
            "store.type",
            "[store]\ntype = \"sqlite\"",
            "[store]\ntype = \"sqlitte\"",
        ),
        ("queue.type", "[queue]\ntype = \"sqlite\"", "[queue]"),
        (
            "http.keys[1].key",
            "key = \"a key of the operator alone\"",
            "key = []",
        ),
        ("http.keys[1]", "key = \"a key of the operator alone\"", ""),
        (
            "gateway.proxy",
            "max_waiting",
            "proxy = \"ftp://x\"\nmax_waiting",
        ),
        (
            "gateway",
            "[gateway]\nmax_waiting = 10000\n[gateway.decision]\ndefault_ttl = \"7d\"\n[[gateway.decision.policies]]\nclass = \"marketing\"\nvendor.huawei = { category = \"MARKETING\" }\n[gateway.pipeline]\nin_flight = 2000",
            "[[gateway]]",
        ),
        (
            "master_key_file",
            "master_key_file",
            "master_key = \"x\"\nmaster_key_file",
        ),
    ] {
        assert_eq!(
            reported("check-config", &[(place, old, new)]),
            [place],
            "{new}"
        );
    }
}

/// A file that two plugins open would be damaged, or refused only when the server starts.
#[test]
fn a_file_of_two_plugins_is_an_error_however_it_is_written() {
    let folder = folder("same-file");
    write(&folder, "master.key", MASTER_KEY);
    write(&folder, "im-server.key", KEY);
    std::fs::create_dir(folder.join("data")).expect("a folder");
    write(&folder, "data/there.db", "");
    let there = folder.join("data/there.db");
    std::fs::hard_link(&there, folder.join("hard.db")).expect("a link");
    std::os::unix::fs::symlink(&there, folder.join("soft.db")).expect("a link");
    std::os::unix::fs::symlink("data", folder.join("folder")).expect("a link");
    std::os::unix::fs::symlink("data/new.db", folder.join("dangling.db")).expect("a link");
    let absolute = folder.join("store.db");
    let absolute = absolute.to_str().expect("text");
    let check = |store: &str, traces: &str, queue: &str| {
        let config = GOOD
            .replace(
                "path = \"store.db\"",
                &format!("path = {store:?}\n{traces}"),
            )
            .replace("path = \"queue.db\"", &format!("path = {queue:?}"));
        write(&folder, "offline-push.toml", &config);
        let output = program()
            .args(["check-config", "--json"])
            .current_dir(&folder)
            .output()
            .expect("the program runs");
        objects(&output)
    };
    for (store, traces, queue, at, other) in [
        ("store.db", "", "store.db", "queue.path", "store.path"),
        ("store.db", "", "./store.db", "queue.path", "store.path"),
        ("store.db", "", absolute, "queue.path", "store.path"),
        (
            "store.db",
            "",
            "new/../store.db",
            "queue.path",
            "store.path",
        ),
        (
            "store.db",
            "",
            "data/../store.db",
            "queue.path",
            "store.path",
        ),
        ("data/there.db", "", "hard.db", "queue.path", "store.path"),
        ("soft.db", "", "data/there.db", "queue.path", "store.path"),
        ("data/a.db", "", "folder/a.db", "queue.path", "store.path"),
        ("dangling.db", "", "data/new.db", "queue.path", "store.path"),
        ("store.db", "", "store-traces.db", "queue.path", "store"),
        (
            "store.db",
            "traces_path = \"t.db\"",
            "t.db",
            "queue.path",
            "store.traces_path",
        ),
        (
            "store.db",
            "traces_path = \"data/../store.db\"",
            "queue.db",
            "store.traces_path",
            "store.path",
        ),
    ] {
        let said = check(store, traces, queue);
        assert_eq!(said.len(), 1, "{store} {queue}: {said:?}");
        assert_eq!(said[0]["place"], at, "{said:?}");
        let error = said[0]["error"].as_str().expect("a text");
        let words = format!("is the same file as {other}: ");
        assert!(error.contains(&words), "{error}");
    }
    for (store, queue) in [("a.db", "b.db"), ("data/a.db", "a.db"), ("soft.db", "a.db")] {
        let said = check(store, "", queue);
        assert_eq!(said[0]["ok"], true, "{store} {queue}: {said:?}");
    }
    drop(std::fs::remove_dir_all(folder));
}

#[test]
fn a_key_of_two_apps_is_an_error_also_if_one_is_in_a_file() {
    let same = format!(
        "name = \"operator\"\napp = \"other\"\nsha256 = \"{}\"\n",
        sha256(KEY)
    );
    let mistake = (
        "http.keys[1]",
        "name = \"operator\"\napp = \"demo\"\nscopes = [\"admin\"]\nkey = \"a key of the operator alone\"\n",
        &*format!("{same}scopes = [\"admin\"]\n"),
    );
    assert_eq!(reported("check-config", &[mistake]), ["http.keys[1]"]);
}

fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn what_is_not_toml_is_reported_with_its_line_and_without_its_text() {
    let folder = folder("toml");
    write(
        &folder,
        "offline-push.toml",
        "listen = \"127.0.0.1:1\"\nmaster_key = \"s3cret\n",
    );
    write(&folder, "conf.d/1.toml", "a = [\n");
    let output = program()
        .args(["check-config", "--config"])
        .arg(folder.join("offline-push.toml"))
        .output()
        .expect("the program runs");
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("line 2, column"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    drop(std::fs::remove_dir_all(folder));
}

#[test]
fn errors_name_the_file_or_variable_that_the_value_is_from() {
    let folder = folder("origins");
    write(&folder, "offline-push.toml", GOOD);
    write(&folder, "master.key", MASTER_KEY);
    write(&folder, "im-server.key", KEY);
    write(&folder, "conf.d/1.toml", "[queue]\ngroup_rows = 0\n");
    let output = program()
        .args(["check-config", "--config"])
        .arg(folder.join("offline-push.toml"))
        .env("OFFLINE_PUSH__LISTEN", "here")
        .output()
        .expect("the program runs");
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("OFFLINE_PUSH__LISTEN: listen: "), "{said}");
    assert!(
        said.contains("conf.d/1.toml:2: queue.group_rows: "),
        "{said}"
    );
    drop(std::fs::remove_dir_all(folder));
}

#[test]
fn each_mistake_has_its_line_and_a_missing_key_that_of_its_table() {
    let folder = folder("lines");
    let config = GOOD
        .replace("readers = 2", "raeders = 2")
        .replace("path = \"queue.db\"\n", "")
        .replace("[\"server\"]", "[\n\"server\",\n\"sever\"\n]")
        .replace("behind_proxy = false\n", "");
    write(
        &folder,
        "offline-push.toml",
        &format!("storre = 1\n{config}"),
    );
    write(&folder, "master.key", MASTER_KEY);
    write(&folder, "im-server.key", KEY);
    let output = program()
        .args(["check-config", "--json", "--config"])
        .arg(folder.join("offline-push.toml"))
        .output()
        .expect("the program runs");
    let config = format!("storre = 1\n{config}");
    let line = |text: &str| {
        let at = config.lines().position(|line| line.contains(text));
        at.expect("it is there") + 1
    };
    let found: Vec<_> = objects(&output)
        .iter()
        .map(|error| {
            let source = error["source"].as_str().unwrap_or_default();
            assert!(source.ends_with("offline-push.toml"), "{error}");
            let place = error["place"].as_str().unwrap_or_default().to_owned();
            (place, error["line"].as_u64().unwrap_or_default() as usize)
        })
        .collect();
    let mut expected = vec![
        ("storre".to_owned(), 1),
        ("store.raeders".to_owned(), line("raeders")),
        ("queue.path".to_owned(), line("[queue]")),
        ("http.keys[0].scopes[1]".to_owned(), line("sever\"")),
    ];
    let mut sorted = found.clone();
    sorted.sort();
    expected.sort();
    assert_eq!(sorted, expected);
    let said = text(&check(&folder).stderr);
    assert!(
        said.contains(&format!(
            "offline-push.toml:{}: store.raeders: is not a known key: did you mean `readers`?",
            line("raeders")
        )),
        "{said}"
    );
    assert!(
        said.contains("storre: is not a known key: did you mean `store`?"),
        "{said}"
    );
    drop(std::fs::remove_dir_all(folder));
}

#[test]
fn a_secret_that_others_can_read_is_warned_about() {
    let folder = folder("modes");
    write(&folder, "offline-push.toml", GOOD);
    write(&folder, "master.key", MASTER_KEY);
    write(&folder, "im-server.key", KEY);
    let warnings = || {
        let output = program()
            .args(["check-config", "--json", "--config"])
            .arg(folder.join("offline-push.toml"))
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{}", text(&output.stdout));
        let objects = objects(&output);
        let places = objects.iter().filter(|it| it["warning"].is_string());
        let places = places.filter_map(|it| it["place"].as_str().map(str::to_owned));
        places.collect::<Vec<_>>()
    };
    let chmod = |name: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.join(name), mode).expect("its owner");
    };
    assert_eq!(warnings(), [""; 0]);
    chmod("master.key", 0o640);
    assert_eq!(warnings(), ["master_key_file"]);
    chmod("im-server.key", 0o644);
    // The operator's key stands in the file itself.
    chmod("offline-push.toml", 0o604);
    assert_eq!(
        warnings(),
        [
            "http.keys[1].key",
            "http.keys[0].key_file",
            "master_key_file"
        ]
    );
    drop(std::fs::remove_dir_all(folder));
}
