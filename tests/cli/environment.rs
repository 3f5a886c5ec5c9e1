//! Variables that were meant for the configuration and do not name a key are noticed, with the right spelling.
use super::{KEY, MASTER_KEY, folder, mistakes::GOOD, objects, program, write};

/// What `check-config` reports with these variables: place, error and advice.
fn reported(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let folder = folder("variables");
    write(&folder, "offline-push.toml", GOOD);
    write(&folder, "master.key", MASTER_KEY);
    write(&folder, "im-server.key", KEY);
    let output = program()
        .args(["check-config", "--json", "--config"])
        .arg(folder.join("offline-push.toml"))
        .envs(variables.iter().copied())
        .output()
        .expect("the program runs");
    let objects = objects(&output);
    drop(std::fs::remove_dir_all(folder));
    let errors = objects.iter().filter(|object| object["error"].is_string());
    errors
        .map(|error| {
            let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
            (
                text("place"),
                format!("{}; {}", text("error"), text("advice")),
            )
        })
        .collect()
}

#[test]
fn a_variable_that_is_misspelled_is_an_error_with_the_right_spelling() {
    for (variable, right) in [
        (
            "OFFLINE_PUSH_STORE__PATH",
            "write OFFLINE_PUSH__STORE__PATH",
        ),
        ("OFFLINE_PUSH_STORE_PATH", "write OFFLINE_PUSH__STORE__PATH"),
        ("OFFLINE_PUSH_LISTEN", "write OFFLINE_PUSH__LISTEN"),
        (
            "OFFLINE_PUSH___LISTEN",
            "did you mean OFFLINE_PUSH__LISTEN?",
        ),
        (
            "OFFLINE_PUSH__STORE_PATH",
            "did you mean OFFLINE_PUSH__STORE__PATH?",
        ),
        (
            "OFFLINE_PUSH_HTTP__KEYS_1_APP",
            "write OFFLINE_PUSH__HTTP__KEYS__1__APP",
        ),
        (
            "OFFLINE_PUSH_GATEWAY_PIPELINE_IN_FLIGHT",
            "write OFFLINE_PUSH__GATEWAY__PIPELINE__IN_FLIGHT",
        ),
        (
            "OFFLINE_PUSH_MASTER_KEY_FILE",
            "write OFFLINE_PUSH__MASTER_KEY_FILE",
        ),
        ("offline_push__listen", "write OFFLINE_PUSH__LISTEN"),
        (
            "Offline_Push__Store__Path",
            "write OFFLINE_PUSH__STORE__PATH",
        ),
        (
            "OFFLINE_PUSH__STROE__PATH",
            "did you mean OFFLINE_PUSH__STORE__PATH?",
        ),
        (
            "OFFLINE_PUSH__QUEUE__TYP",
            "did you mean OFFLINE_PUSH__QUEUE__TYPE?",
        ),
        (
            "OFFLINE_PUSH_STORE__PTH",
            "did you mean OFFLINE_PUSH__STORE__PATH?",
        ),
        (
            "OFFLINE_PUSH__SOMETHING__ELSE__ENTIRELY",
            "`offline-push plugins --example` shows all keys",
        ),
    ] {
        let reported = reported(&[(variable, "s3cret")]);
        let [(place, text)] = &reported[..] else {
            panic!("{variable}: {reported:?}")
        };
        assert_eq!(place, variable);
        assert!(text.contains(right), "{variable}: {text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn variables_of_other_programs_and_of_other_commands_are_left_alone() {
    let others = [
        ("OFFLINE_PUSH_KEY", "0123456789abcdef0123"),
        ("OFFLINE_PUSH_SERVER", "http://127.0.0.1:1"),
        ("OFFLINE_PUSH_LOG", "info"),
        // What Kubernetes sets for a service of this name.
        ("OFFLINE_PUSH_SERVICE_HOST", "10.0.0.1"),
        ("OFFLINE_PUSH_PORT", "tcp://10.0.0.1:8710"),
        ("OFFLINE_PUSH_PORT_8710_TCP_ADDR", "10.0.0.1"),
        ("OFFLINE_PUSH_STORE_SERVICE_PORT", "1"),
        ("OFFLINE_PUSHED_STORE_PATH", "x"),
        ("PUSH_STORE__PATH", "x"),
    ];
    assert_eq!(reported(&others), []);
}

#[test]
fn a_variable_of_another_plugin_or_of_a_vendor_field_is_judged_as_a_key() {
    // The memory store's; the type is sqlite.
    let other = reported(&[("OFFLINE_PUSH__STORE__MAX_DEVICES", "1")]);
    let [(place, text)] = &other[..] else {
        panic!("{other:?}")
    };
    assert_eq!(place, "store.max_devices");
    assert!(text.starts_with("is not a known key"), "{text}");
    let field = (
        "OFFLINE_PUSH__GATEWAY__DECISION__POLICIES__0__VENDOR__HUAWEI__CATEGORY",
        "IM",
    );
    assert_eq!(reported(&[field]), []);
}
