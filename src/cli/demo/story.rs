//! The story, step by step.
use std::time::{Duration, Instant};

use offline_push::{
    CertificateEntry, Channel, Environment, Platform, Result, Slot,
    client::{Completion, Door, Event},
    payload::{ClickTarget, Payload},
};
use push_login_auto::LoginCenter;
use serde_json::{Value, json};

use super::{
    app::{App, Phone, account},
    report::{Report, Step},
    trouble,
    world::{TOPIC, World},
};
use crate::cli::{Errors, output::Output};

/// The certificate ids that the app names for its two kinds of build.
const DEBUG: i64 = 31287;
const RELEASE: i64 = 31288;
/// How long a push may take to reach a phone on the same machine.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn tell(output: &mut Output) -> Result<(), Errors> {
    let world = World::start().await.map_err(|error| vec![error])?;
    let mut report = Report::new(output);
    let told = chapters(&world, &mut report).await;
    world.stop().await;
    told.map_err(|error| vec![error])?;
    report.finish()
}

async fn chapters(world: &World, report: &mut Report<'_>) -> Result<()> {
    report.heading("Credentials");
    credentials(world, report).await?;

    report.heading("One phone, one user: log in, be pushed to, click, log out");
    let build = if cfg!(debug_assertions) {
        Environment::Sandbox
    } else {
        Environment::Production
    };
    let iphone = world.apple.install(TOPIC, build);
    let phone = Phone {
        channel: Channel::APNS,
        kind: Platform::Ios,
        token: iphone.token(),
    };
    let mut alice = App::start(phone, &world.address).await?;
    let center = LoginCenter::shared();
    login(world, report, &mut alice, &center).await?;
    foreground_and_background(world, report, &mut alice).await?;
    let delivery = message_from_bob(world, report, &mut alice, &iphone).await?;
    trace_of(world, report, &delivery).await?;
    group_message(world, report, &mut alice, &iphone).await?;
    intercepted(world, report, &mut alice, &iphone).await?;

    report.heading("One user, three vendors; and one dead token among five");
    three_vendors(world, report).await?;
    one_dead_token(world, report).await?;

    report.heading("Mistakes, explained");
    wrong_certificate(world, report).await?;
    wrong_token(world, report).await?;
    custom_message(world, report).await?;
    logout(world, report, &mut alice, &center, &iphone).await?;
    alice.client.close().await;
    Ok(())
}

async fn credentials(world: &World, report: &mut Report<'_>) -> Result<()> {
    let mut step = Step::begin(
        "credentials",
        "upload a credential for each vendor; each gets an integer id",
    );
    for (label, environment, id) in [
        ("debug builds", Environment::Sandbox, DEBUG),
        ("released app", Environment::Production, RELEASE),
    ] {
        let uploaded = world.upload_apns(environment, id).await?;
        step.must(label, uploaded["id"].clone(), id);
    }
    let google = world.upload("fcm", 31290, world.google.config()).await?;
    step.must("fcm", google["id"].clone(), 31290);
    let huawei = world.upload("huawei", 31291, world.huawei.config()).await?;
    step.must("huawei", huawei["id"].clone(), 31291);
    report.end(step);

    let mut step = Step::begin(
        "verify",
        "ask each vendor whether it accepts them, without disturbing a user",
    );
    for (label, id) in [
        ("apns sandbox", DEBUG),
        ("apns", RELEASE),
        ("fcm", 31290),
        ("huawei", 31291),
    ] {
        let path = format!("/v1/credentials/{id}/verify");
        let health = world.im_server.post(&path, &json!({})).await?;
        if health["accepted"] == json!(true) {
            step.saw(label, health["evidence"].clone());
        } else {
            step.must(label, health["evidence"].clone(), "accepted");
        }
    }
    report.end(step);
    Ok(())
}

async fn login(
    world: &World,
    report: &mut Report<'_>,
    alice: &mut App,
    center: &LoginCenter,
) -> Result<()> {
    let mut step = Step::begin(
        "login",
        "alice logs in; the automatic bridge registers her phone",
    );
    let before = world.devices("alice").await.map_or(0, |it| it.len());
    step.must("devices before", before, 0);
    let account = account("alice", world.ticket("alice").await?)?;
    center
        .login(account)
        .await
        .map_err(|fault| trouble(format!("the login failed: {fault:?}")))?;
    let by = alice
        .event("a bridge reported the login", |event| match event {
            Event::LoggedIn { by, .. } => Some(*by),
            _ => None,
        })
        .await?;
    step.must("sensed by", by, "auto");
    let warning = alice.uploaded().await?;
    step.must(
        "warning",
        warning.map_or(Value::Null, Value::from),
        Value::Null,
    );
    let devices = world.devices("alice").await?;
    let token = &devices[0]["registrations"][0];
    step.must("channel", token["channel"].clone(), "apns");
    let id = if cfg!(debug_assertions) {
        DEBUG
    } else {
        RELEASE
    };
    step.must("certificate id", token["certificate"].clone(), id);
    step.saw("environment", token["environment"].clone());
    step.saw(
        "token",
        format!("#{}", token["fingerprint"].as_str().unwrap_or_default()),
    );
    report.end(step);
    Ok(())
}

async fn foreground_and_background(
    world: &World,
    report: &mut Report<'_>,
    alice: &mut App,
) -> Result<()> {
    let mut step = Step::begin(
        "foreground",
        "while she looks at the app, a message is not pushed",
    );
    let submitted = world
        .submit(chat("m-1", &["alice"], "are you there?"))
        .await?;
    step.must("deliveries", count(&submitted["deliveries"]), 0);
    step.must(
        "reason",
        submitted["skipped"][0]["reason"].clone(),
        "online-in-foreground",
    );
    report.end(step);

    let mut step = Step::begin("background", "she locks the screen with 3 unread messages");
    alice.client.background(Some(3));
    let mut device = Value::Null;
    let begun = Instant::now();
    while device["presence"] != json!("background") && begun.elapsed() < PATIENCE {
        device = world
            .devices("alice")
            .await?
            .into_iter()
            .next()
            .unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    step.must("presence", device["presence"].clone(), "background");
    step.must("badge", device["badge"].clone(), 3);
    report.end(step);
    Ok(())
}

async fn message_from_bob(
    world: &World,
    report: &mut Report<'_>,
    alice: &mut App,
    iphone: &push_provider_apns::simulator::Phone,
) -> Result<Value> {
    let mut step = Step::begin("push", "bob writes to her; her locked phone shows it");
    let mut titled = chat("m-2", &["alice"], "lunch at noon?");
    titled["push"] = json!({"title": "Bob", "desc": "lunch at noon?"});
    let begun = Instant::now();
    let seen = iphone.arrived();
    let submitted = world.submit(titled).await?;
    let accepted = begun.elapsed();
    let arrival = tokio::time::timeout(PATIENCE, iphone.wait_for(seen + 1))
        .await
        .ok()
        .flatten()
        .ok_or_else(|| trouble("nothing arrived on alice's phone"))?;
    let arrived = begun.elapsed();
    step.must("title", arrival.title(), "Bob");
    step.must("text", arrival.body(), "lunch at noon?");
    step.must("badge", arrival.badge(), 4);
    step.must("sound", arrival.sound(), "default");
    step.must("topic", arrival.topic.clone(), TOPIC);
    let delivery = submitted["deliveries"][0]["id"].clone();
    step.must("apns-id", arrival.apns_id.clone(), delivery.clone());
    step.saw("durable after", millis(accepted));
    step.saw("on the phone after", millis(arrived));
    report.end(step);

    let mut step = Step::begin("click", "she taps it; the chat with bob opens");
    let tapped = iphone
        .tap(&arrival)
        .ok_or_else(|| trouble("the notification cannot be tapped"))?;
    alice.client.clicked(
        Door::Response,
        Payload::apns(tapped.clone()),
        Completion::none(),
    );
    let (by, target) = alice.opened().await?;
    step.must("opened by", by, "open chat");
    step.must("opens", target_words(&target), "the chat with user bob");
    // The phone's two callbacks tell the same click: it opens once.
    alice
        .client
        .clicked(Door::Launch, Payload::apns(tapped), Completion::none());
    let again = alice
        .event(
            "the same click came through a second door",
            |event| match event {
                Event::DuplicateClick(_) => Some("recognised, opened once"),
                Event::Opened { .. } => Some("opened twice"),
                _ => None,
            },
        )
        .await?;
    step.must("through a second door", again, "recognised, opened once");
    report.end(step);
    Ok(delivery)
}

async fn trace_of(world: &World, report: &mut Report<'_>, delivery: &Value) -> Result<()> {
    let mut step = Step::begin("trace", "where that push has been");
    let path = format!(
        "/v1/deliveries/{}/trace",
        delivery.as_str().unwrap_or_default()
    );
    let mut trace = world.settled(delivery).await?;
    let begun = Instant::now();
    while trace["stage"] != json!("clicked") && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(5)).await;
        trace = world.im_server.get(&path).await?;
    }
    let events = trace["events"].as_array().cloned().unwrap_or_default();
    let stages: Vec<Value> = events.iter().map(|it| it["stage"].clone()).collect();
    step.saw("stages", stages);
    let answer = events.iter().find(|it| it["stage"] == json!("answered"));
    step.must(
        "vendor's status",
        answer.map_or(Value::Null, |it| it["answer"]["status"].clone()),
        200,
    );
    step.must("furthest stage", trace["stage"].clone(), "clicked");
    report.end(step);
    Ok(())
}

async fn group_message(
    world: &World,
    report: &mut Report<'_>,
    alice: &mut App,
    iphone: &push_provider_apns::simulator::Phone,
) -> Result<()> {
    let mut step = Step::begin("group", "a message in a group; the click opens the group");
    let seen = iphone.arrived();
    let mut message = chat("m-3", &["alice", "bob"], "who brings cake?");
    message["group"] = json!({"id": "@TGS#friends", "name": "Friends"});
    let submitted = world.submit(message).await?;
    step.must(
        "to the sender himself",
        submitted["skipped"][0]["reason"].clone(),
        "sender-himself",
    );
    let arrival = tokio::time::timeout(PATIENCE, iphone.wait_for(seen + 1))
        .await
        .ok()
        .flatten()
        .ok_or_else(|| trouble("the group message did not arrive"))?;
    step.must("text", arrival.body(), "Bob(Friends):who brings cake?");
    step.must("badge", arrival.badge(), 5);
    let tapped = iphone.tap(&arrival).unwrap_or_default();
    alice
        .client
        .clicked(Door::Response, Payload::apns(tapped), Completion::none());
    let (_, target) = alice.opened().await?;
    step.must("opens", target_words(&target), "the group @TGS#friends");
    report.end(step);
    Ok(())
}

async fn intercepted(
    world: &World,
    report: &mut Report<'_>,
    alice: &mut App,
    iphone: &push_provider_apns::simulator::Phone,
) -> Result<()> {
    let mut step = Step::begin(
        "interceptor",
        "a push with a payload of its own; the app's interceptor takes it over",
    );
    let seen = iphone.arrived();
    let message = json!({
        "id": "m-4",
        "kind": "push",
        "receivers": ["alice"],
        "push": {"title": "Order 42", "desc": "is on its way", "ext": "{\"order\":42}"},
    });
    world.submit(message).await?;
    let arrival = tokio::time::timeout(PATIENCE, iphone.wait_for(seen + 1))
        .await
        .ok()
        .flatten()
        .ok_or_else(|| trouble("the pure push did not arrive"))?;
    step.must("ext", arrival.ext(), "{\"order\":42}");
    step.must("badge", arrival.badge(), Value::Null);
    let tapped = iphone.tap(&arrival).unwrap_or_default();
    alice
        .client
        .clicked(Door::Response, Payload::apns(tapped), Completion::none());
    let by = alice
        .event("an interceptor took the click", |event| match event {
            Event::Intercepted { by } => Some(by.clone()),
            Event::Opened { by, .. } => Some(format!("nobody; {by} opened it")),
            _ => None,
        })
        .await?;
    step.must("taken by", by, "open order");
    report.end(step);
    Ok(())
}

async fn three_vendors(world: &World, report: &mut Report<'_>) -> Result<()> {
    let mut step = Step::begin(
        "vendors",
        "carol has an iPhone, a Google phone and a Huawei phone; one message",
    );
    let build = if cfg!(debug_assertions) {
        Environment::Sandbox
    } else {
        Environment::Production
    };
    let iphone = world.apple.install(TOPIC, build);
    let pixel = world.google.install();
    let mate = world.huawei.install();
    let ticket = world.ticket("carol").await?;
    let mut apps = Vec::new();
    for (channel, kind, token) in [
        (Channel::APNS, Platform::Ios, iphone.token()),
        (Channel::FCM, Platform::Android, pixel.token().to_owned()),
        (Channel::HUAWEI, Platform::Android, mate.token().to_owned()),
    ] {
        let phone = Phone {
            channel,
            kind,
            token,
        };
        let account = account("carol", ticket.clone())?;
        let mut app = App::start_for(phone, &world.address, account, None).await?;
        app.uploaded().await?;
        app.client.background(Some(0));
        apps.push(app);
    }
    away(world, "carol", 3).await?;
    let submitted = world
        .submit(chat("m-5", &["carol"], "photos from the trip"))
        .await?;
    step.must("deliveries", count(&submitted["deliveries"]), 3);
    let on_iphone = tokio::time::timeout(PATIENCE, iphone.wait_for(1))
        .await
        .ok()
        .flatten();
    let begun = Instant::now();
    while pixel.arrivals().is_empty() && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let on_pixel = pixel.arrivals().pop();
    let on_mate = tokio::time::timeout(PATIENCE, mate.wait_for(1))
        .await
        .ok()
        .flatten();
    let text = "Bob:photos from the trip";
    step.must(
        "iPhone shows",
        on_iphone.as_ref().and_then(|it| it.body()),
        text,
    );
    step.must(
        "Google phone shows",
        on_pixel.as_ref().and_then(|it| it.body()),
        text,
    );
    step.must(
        "Huawei phone shows",
        on_mate.as_ref().map(|it| it.body.clone()),
        text,
    );
    let mate_opens = mate.tap_newest().and_then(|it| {
        it.payload()
            .target(offline_push::payload::Profile::Android)
            .ok()
    });
    step.must(
        "a tap on the Huawei opens",
        mate_opens.map(|it| target_words(&it)),
        "the chat with user bob",
    );
    for app in apps {
        app.client.close().await;
    }
    report.end(step);
    Ok(())
}

async fn one_dead_token(world: &World, report: &mut Report<'_>) -> Result<()> {
    let mut step = Step::begin(
        "dead token",
        "five Huawei phones in one request; the app is gone from the third",
    );
    let users = ["dan", "eve", "fay", "gus", "hal"];
    let phones: Vec<_> = users.iter().map(|_| world.huawei.install()).collect();
    for (user, phone) in users.iter().zip(&phones) {
        let phone = Phone {
            channel: Channel::HUAWEI,
            kind: Platform::Android,
            token: phone.token().to_owned(),
        };
        let account = account(user, world.ticket(user).await?)?;
        let mut app = App::start_for(phone, &world.address, account, None).await?;
        app.uploaded().await?;
        app.client.background(Some(0));
        away(world, user, 1).await?;
        app.client.close().await;
    }
    phones[2].uninstall();
    let mut message = chat("m-6", &users, "meeting moved to 3");
    message["group"] = json!({"id": "@TGS#team", "name": "Team"});
    let submitted = world.submit(message).await?;
    for delivery in submitted["deliveries"].as_array().into_iter().flatten() {
        let trace = world.settled(&delivery["id"]).await?;
        let user = delivery["user"].as_str().unwrap_or_default();
        let wanted = if user == "fay" {
            "token-dead"
        } else {
            "vendor-accepted"
        };
        let label = users.iter().find(|it| **it == user).copied().unwrap_or("?");
        step.must(label, trace["reason"]["code"].clone(), wanted);
    }
    let left = world.devices("fay").await?;
    let registrations: usize = left.iter().map(|it| count(&it["registrations"])).sum();
    step.must("tokens of fay left", registrations, 0);
    report.end(step);
    Ok(())
}

async fn wrong_certificate(world: &World, report: &mut Report<'_>) -> Result<()> {
    let mut step = Step::begin(
        "environment",
        "a debug build that names the production certificate",
    );
    let iphone = world.apple.install(TOPIC, Environment::Sandbox);
    let phone = Phone {
        channel: Channel::APNS,
        kind: Platform::Ios,
        token: iphone.token(),
    };
    let entry = CertificateEntry {
        channel: "apns",
        slot: Slot::Alert,
        id: RELEASE,
        debug: true,
        place: (file!(), line!()),
    };
    let account = account("ivy", world.ticket("ivy").await?)?;
    let mut app = App::start_for(phone, &world.address, account, Some(entry)).await?;
    let warning = app.uploaded().await?;
    step.must("told at registration", warning, "environment-mismatch");
    app.client.background(Some(0));
    away(world, "ivy", 1).await?;
    app.client.close().await;
    let submitted = world.submit(chat("m-7", &["ivy"], "hello")).await?;
    step.must("deliveries", count(&submitted["deliveries"]), 0);
    step.must(
        "reason",
        submitted["skipped"][0]["reason"].clone(),
        "environment-mismatch",
    );
    step.must("pushes on the phone", iphone.arrived(), 0);
    report.end(step);
    Ok(())
}

async fn wrong_token(world: &World, report: &mut Report<'_>) -> Result<()> {
    let mut step = Step::begin(
        "bad device token",
        "a sandbox token that passes itself off as production",
    );
    let iphone = world.apple.install(TOPIC, Environment::Sandbox);
    let phone = Phone {
        channel: Channel::APNS,
        kind: Platform::Ios,
        token: iphone.token(),
    };
    let entry = CertificateEntry {
        channel: "apns",
        slot: Slot::Alert,
        id: RELEASE,
        debug: false,
        place: (file!(), line!()),
    };
    let account = account("joe", world.ticket("joe").await?)?;
    let mut app = App::start_for(phone, &world.address, account, Some(entry)).await?;
    app.uploaded().await?;
    app.client.background(Some(0));
    away(world, "joe", 1).await?;
    app.client.close().await;
    let submitted = world.submit(chat("m-8", &["joe"], "hello")).await?;
    let trace = world.settled(&submitted["deliveries"][0]["id"]).await?;
    let answer = trace["events"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|it| it["stage"] == json!("answered"))
        .map_or(Value::Null, |it| it["answer"]["code"].clone());
    step.must("Apple says", answer, "BadDeviceToken");
    step.saw("diagnosis", trace["reason"]["text"].clone());
    step.saw("advice", trace["reason"]["advice"].clone());
    let devices = world.devices("joe").await?;
    step.must("tokens left", count(&devices[0]["registrations"]), 1);
    let aside = &devices[0]["registrations"][0]["set_aside"]["code"];
    step.must(
        "set aside because",
        aside.clone(),
        trace["reason"]["code"].clone(),
    );
    report.end(step);
    Ok(())
}

async fn custom_message(world: &World, report: &mut Report<'_>) -> Result<()> {
    let mut step = Step::begin("custom message", "a custom message without a text to show");
    let mut message = chat("m-9", &["carol"], "");
    message["elements"] = json!([{"type": "custom"}]);
    let submitted = world.submit(message).await?;
    step.must("deliveries", count(&submitted["deliveries"]), 0);
    step.must(
        "reason",
        submitted["skipped"][0]["reason"].clone(),
        "custom-without-desc",
    );
    report.end(step);
    Ok(())
}

async fn logout(
    world: &World,
    report: &mut Report<'_>,
    alice: &mut App,
    center: &LoginCenter,
    iphone: &push_provider_apns::simulator::Phone,
) -> Result<()> {
    let mut step = Step::begin(
        "logout",
        "alice logs out; the next message is not sent, and the trace says why",
    );
    center
        .logout()
        .await
        .map_err(|fault| trouble(format!("the logout failed: {fault:?}")))?;
    alice
        .event("the gateway let go of her phone", |event| match event {
            Event::Unbound(user) => Some(user.clone()),
            _ => None,
        })
        .await?;
    let before = iphone.arrived();
    let submitted = world
        .submit(chat("m-10", &["alice"], "still there?"))
        .await?;
    step.must("deliveries", count(&submitted["deliveries"]), 0);
    let mut trace = Value::Null;
    let begun = Instant::now();
    while trace.is_null() && begun.elapsed() < PATIENCE {
        trace = world
            .im_server
            .get("/v1/messages/m-10/trace")
            .await
            .unwrap_or_default();
    }
    let why = trace["events"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|it| !it["reason"].is_null())
        .cloned()
        .unwrap_or_default();
    step.must("reason", why["reason"]["code"].clone(), "logged-out");
    step.saw("in words", why["reason"]["text"].clone());
    step.must("pushes on the phone since", iphone.arrived() - before, 0);
    report.end(step);
    Ok(())
}

/// Waits until the gateway knows that all `devices` of `user` are in background.
async fn away(world: &World, user: &str, devices: usize) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let known = world.devices(user).await?;
        let away = known
            .iter()
            .filter(|it| it["presence"] == json!("background"));
        if away.count() == devices {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Err(trouble(format!("{user}'s phones did not go to background")))
}

/// A text message from bob.
fn chat(id: &str, receivers: &[&str], text: &str) -> Value {
    json!({
        "id": id,
        "sender": {"user": "bob", "nickname": "Bob"},
        "receivers": receivers,
        "elements": [{"type": "text", "text": text}],
    })
}

fn count(list: &Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn target_words(target: &ClickTarget) -> String {
    match target {
        ClickTarget::User(user) => format!("the chat with user {user}"),
        ClickTarget::Group(group) => format!("the group {group}"),
        ClickTarget::Call(_) => "a call".to_owned(),
    }
}
