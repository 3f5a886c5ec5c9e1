//! The program as its operator uses it, with the vendor on 127.0.0.1.
use std::{
    fs,
    future::ready,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use http::{Request, header};
use offline_push::{
    Account, AppId, CertificateId, Channel, Clock, DeviceId, DeviceToken, Environment, Secret,
    Slot, UserId,
    api::RegistrationBody,
    client::{GatewayApi, HttpGateway},
    http::{HttpConfig, TokioClock},
};
use push_testkit::{HttpServer, Reply, ServerOptions, until};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

const TOKEN: &str = "token-of-alice";

const CONFIGURATION: &str = r#"
listen = "127.0.0.1:0"
master_key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
[store]
type = "memory"
[queue]
type = "memory"
[gateway]
addresses = ["public", "loopback"]
[[http.keys]]
name = "operator"
app = "im"
scopes = ["server", "admin"]
key = "a key that only this test knows"
"#;

/// The vendor, with one secret and one phone.
fn vendor(request: &Request<impl AsRef<[u8]>>) -> Reply {
    let message: Value = serde_json::from_slice(request.body().as_ref()).unwrap_or_default();
    let secret = request.headers().get(header::AUTHORIZATION);
    let is_known = secret.is_some_and(|secret| secret == "Bearer s3cret");
    match request.uri().path() {
        _ if !is_known => Reply::from((401, "unknown secret")),
        "/hello" => Reply::from((200, "hello")),
        _ if message["token"] != TOKEN => Reply::from((410, "uninstalled")),
        _ => Reply::from((200, "sent")),
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_acme-push"));
    command
        .env("NO_COLOR", "1")
        .env("OFFLINE_PUSH_KEY", "a key that only this test knows");
    command
}

fn run(arguments: &[&str]) -> Output {
    let output = program().args(arguments).output();
    output.expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with the configuration; removed at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, configuration: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("acme-push-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        fs::write(folder.join("offline-push.toml"), configuration).expect("a configuration");
        Self(folder)
    }

    fn file(&self) -> String {
        self.0.join("offline-push.toml").display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A server of the program, and the commands of its operator.
struct Server {
    process: tokio::process::Child,
    address: String,
}

impl Server {
    async fn start(configuration: &Path) -> Self {
        let mut process = tokio::process::Command::new(env!("CARGO_BIN_EXE_acme-push"))
            .args(["serve", "--json", "--config"])
            .arg(configuration)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let output = process.stdout.take().expect("its output is piped");
        let mut line = String::new();
        let mut output = BufReader::new(output);
        output.read_line(&mut line).await.expect("a line of text");
        let started: Value = serde_json::from_str(&line).expect("JSON");
        let address = started["listening"].as_str().expect("an address");
        Self {
            address: format!("http://{address}"),
            process,
        }
    }

    /// The answer to a command, which succeeds.
    fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments);
        let printed = text(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {printed}");
        serde_json::from_str(&printed).expect("JSON")
    }

    fn command(&self, arguments: &[&str]) -> Output {
        run(&[arguments, &["--json", "--server", &self.address]].concat())
    }
}

#[test]
fn the_program_lists_the_vendor_and_is_called_by_its_own_name() {
    let list = text(&run(&["plugins"]).stdout);
    assert!(list.contains("provider/acme"), "{list}");
    assert!(list.contains("`acme-push plugins KIND/NAME`"), "{list}");
    let example = text(&run(&["plugins", "provider/acme"]).stdout);
    assert!(example.contains("https://push.acme.example"), "{example}");
    let help = text(&run(&["--help"]).stdout);
    assert!(help.contains("Usage: acme-push"), "{help}");
    let version = text(&run(&["--version"]).stdout);
    assert!(version.starts_with("acme-push (offline-push "), "{version}");
    let completions = text(&run(&["completions", "bash"]).stdout);
    assert!(completions.contains("acme-push"), "{completions}");
}

#[test]
fn check_config_reports_what_this_program_lacks_and_where_to_add_it() {
    let folder = Folder::new("check", CONFIGURATION);
    let good = run(&["check-config", "--config", &folder.file()]);
    assert!(good.status.success(), "{}", text(&good.stderr));

    let other = CONFIGURATION.replacen("memory", "sqlite", 1);
    let folder = Folder::new("lacking", &other);
    let bad = run(&["check-config", "--config", &folder.file()]);
    let printed = text(&bad.stderr);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        printed.contains(
            "add its feature to the dependency: offline-push = { version = \"0.1\", features = [\"store-sqlite\"] }"
        ),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_reaches_the_vendor_and_its_trace_explains_it() {
    let vendor = HttpServer::start(ServerOptions::default(), |request| ready(vendor(&request)));
    let vendor = vendor.await.expect("loopback can be bound");
    let folder = Folder::new("serve", CONFIGURATION);
    let mut server = Server::start(Path::new(&folder.file())).await;

    let endpoint = format!("endpoint={}", vendor.url());
    let add = ["credential", "add", "--id", "7", "--type"];
    let misspelt = server.command(&[&add[..], &["acm", "--set", "secret=x"]].concat());
    let printed = text(&misspelt.stdout);
    assert!(printed.contains("did you mean `acme`?"), "{printed}");
    let incomplete = server.command(&[&add[..], &["acme", "--set", "secret=x"]].concat());
    let printed = text(&incomplete.stdout);
    assert!(printed.contains("endpoint"), "{printed}");

    let good = ["acme", "--set", "secret=s3cret", "--set", &endpoint];
    assert_eq!(server.ask(&[&add[..], &good].concat())["id"], json!(7));
    let health = server.ask(&["credential", "verify", "7"]);
    assert_eq!(health["acceptance"], json!("accepted"));

    // The app half when alice logs in.
    let ticket = server.ask(&["ticket", "alice"]);
    let alice = Account::new(
        AppId::new("im").expect("an id"),
        UserId::new("alice").expect("an id"),
        Secret::new(ticket["ticket"].as_str().expect("a ticket")),
    );
    let gateway = HttpGateway::new(&server.address, HttpConfig::default()).expect("an address");
    let token = RegistrationBody::new(
        Channel::known("acme"),
        CertificateId::new(7).expect("an id"),
        Environment::Production,
        DeviceToken::new(TOKEN).expect("a token"),
    );
    let device = DeviceId::new("alice's phone").expect("an id");
    let registered = gateway.register(&alice, &device, Slot::Alert, &token).await;
    assert!(registered.expect("it is registered").changed);

    // She locks the screen.
    let locked = json!({"presence": "background", "at": TokioClock.now()});
    let locked = serde_json::from_value(locked).expect("the form of a report");
    let reported = gateway.presence(&alice, &device, &locked, &[]).await;
    reported.expect("it is reported");

    let sent = server.ask(&["send", "--to", "alice", "--title", "Bob", "lunch at noon?"]);
    let delivery = sent["deliveries"][0]["id"].as_str().expect("a delivery");
    // One request to verify, one to send.
    vendor.log().wait_for(2).await;
    let request = vendor.log().to("/send").remove(0).json();
    assert_eq!(request["body"], json!("lunch at noon?"));

    let mut trace = Value::Null;
    until(|| {
        let output = server.command(&["trace", delivery]);
        trace = serde_json::from_slice(&output.stdout).unwrap_or_default();
        trace["settled"] == json!(true)
    })
    .await;
    assert_eq!(trace["reason"]["code"], json!("vendor-accepted"), "{trace}");

    server.process.start_kill().expect("it runs");
    server.process.wait().await.expect("it ends");
}
