//! Every channel of the build: one message to a phone of each, and a click on each.
use offline_push::{
    CertificateEntry, Channel, Environment, Platform, Result, Slot,
    client::{ClickSource, Completion},
};
use push_testkit::simulator::{
    Install, Options, RunningSimulator, SimulatedPhone, SimulatorDescriptor, simulators,
};
use serde_json::{Value, json};

use super::{
    app::{App, Phone, account},
    report::{Report, Step},
    scene::{away, chat, target_words},
    trouble,
    world::{PATIENCE, World},
};

/// The vendor of a channel with one phone, and the app on it.
struct Reached {
    channel: &'static str,
    user: String,
    app: App,
    phone: Box<dyn SimulatedPhone>,
    /// Stops when it is dropped.
    _vendor: Box<dyn RunningSimulator>,
}

pub(super) async fn every_channel(world: &World, report: &mut Report<'_>) -> Result<()> {
    let mut step = Step::begin(
        "channels",
        "a user with one phone on each channel of this build logs in",
    );
    let mut all = Vec::new();
    for descriptor in simulators() {
        let (reached, health) = reach(world, descriptor).await?;
        match health["acceptance"] != json!("refused") {
            true => step.saw(reached.channel, health["evidence"].clone()),
            false => step.must(reached.channel, health["evidence"].clone(), "accepted"),
        }
        all.push(reached);
    }
    report.end(step);

    let mut step = Step::begin(
        "one message",
        "one message to all of them; each phone shows it, and a click opens the chat",
    );
    let text = "dinner on every phone";
    let users: Vec<&str> = all.iter().map(|reached| reached.user.as_str()).collect();
    let submitted = world.submit(chat("m-all", &users, text)).await?;
    step.must("skipped", submitted["skipped"].clone(), json!([]));
    for reached in &mut all {
        let opened = open(reached, text).await?;
        step.must(reached.channel, opened, "the chat with user bob");
    }
    for reached in all {
        reached.app.client.close().await;
    }
    report.end(step);
    Ok(())
}

/// Starts the vendor, uploads its credential, and logs a user in on a phone of it. Returns what the vendor says of the credential,
/// too.
async fn reach(
    world: &World,
    descriptor: &'static SimulatorDescriptor,
) -> Result<(Reached, Value)> {
    let name = descriptor.name;
    let vendor = (descriptor.start)(Options::default())
        .await
        .map_err(|error| trouble(format!("the simulator {name} could not start")).because(error))?;
    let build = if cfg!(debug_assertions) {
        Environment::Sandbox
    } else {
        Environment::Production
    };
    // The first credential is the one of the build's environment, or the only one.
    let mut uploaded = Value::Null;
    for credential in vendor.credentials() {
        let body = json!({"provider": name, "config": credential.config});
        uploaded = world.im_server.post("/v1/credentials", &body).await?;
        if uploaded["environment"].is_null() || uploaded["environment"] == json!(build) {
            break;
        }
    }
    let id = uploaded["id"]
        .as_i64()
        .ok_or_else(|| trouble(format!("the simulator {name} has no credential")))?;
    let path = format!("/v1/credentials/{id}/verify");
    let health = world.im_server.post(&path, &json!({})).await?;

    let mut install = Install::default();
    install.environment = (!uploaded["environment"].is_null()).then_some(build);
    let phone = vendor
        .install(&install)
        .map_err(|problem| trouble(format!("{name} installs no app: {}", problem.detail)))?;
    let tokens = phone.tokens();
    let (_, token) = tokens
        .first()
        .ok_or_else(|| trouble(format!("the simulated phone of {name} has no token")))?;
    let channel = Channel::new(name)?;
    let user = format!("zoe-{name}");
    let account = account(&user, world.ticket(&user).await?)?;
    let entry = CertificateEntry::new(
        name,
        Slot::Alert,
        id,
        cfg!(debug_assertions),
        (file!(), line!()),
    );
    let app = Phone {
        kind: platform(&channel),
        channel,
        token: token.clone(),
    };
    let mut app = App::start_for(app, &world.address, account, Some(entry)).await?;
    if let Some(warning) = app.uploaded().await? {
        return Err(trouble(format!("{name} took the token with {warning}")));
    }
    app.client.background(Some(0));
    away(world, &user, 1).await?;
    let reached = Reached {
        channel: name,
        user,
        app,
        phone,
        _vendor: vendor,
    };
    Ok((reached, health))
}

/// What a click on the notification opens, once the phone shows the text.
async fn open(reached: &mut Reached, text: &str) -> Result<String> {
    let inbox = reached.phone.inbox();
    let arrived = tokio::time::timeout(PATIENCE, inbox.wait(1)).await;
    let shown = inbox.arrivals_after(0, 1);
    let is_shown = shown.iter().any(|push| push.to_string().contains(text));
    if arrived.is_err() || !is_shown {
        return Ok("nothing: the phone does not show the message".to_owned());
    }
    let Some(payload) = inbox.newest_click() else {
        return Ok("nothing: the click does not reach the app".to_owned());
    };
    let client = &reached.app.client;
    client.clicked(ClickSource::Response, payload, Completion::none());
    let (_, target) = reached.app.opened().await?;
    Ok(target_words(&target))
}

/// What kind of phone has the channel.
fn platform(channel: &Channel) -> Platform {
    match channel {
        it if *it == Channel::APNS || *it == Channel::TPNS => Platform::Ios,
        it if *it == Channel::HARMONY => Platform::Harmony,
        it if *it == Channel::WEBPUSH => Platform::Web,
        _ => Platform::Android,
    }
}
