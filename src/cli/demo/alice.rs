//! One phone, one user: log in, be pushed to, click, log out.
use std::time::{Duration, Instant};

use offline_push::{
    Result,
    client::{ClickSource, Completion, Event, NotificationExtension},
    payload::Payload,
};
use push_login_auto::LoginCenter;
use push_provider_apns::simulator::Phone;
use serde_json::{Value, json};

use super::{
    app::{App, account},
    report::{Report, Step},
    scene::{DEBUG, RELEASE, chat, count, millis, target_words},
    trouble,
    world::{PATIENCE, TOPIC, World},
};

pub(super) async fn login(
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
        .map_err(|fault| trouble(format!("the login failed: {fault}")))?;
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

pub(super) async fn foreground_and_background(
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

pub(super) async fn message_from_bob(
    world: &World,
    report: &mut Report<'_>,
    alice: &mut App,
    iphone: &Phone,
) -> Result<Value> {
    let mut step = Step::begin("push", "bob writes to her; her locked phone shows it");
    let mut titled = chat("m-2", &["alice"], "lunch at noon?");
    // So that the phone starts the app's extension before it shows the push.
    let apns = json!({"mutable_content": true});
    titled["push"] = json!({"title": "Bob", "desc": "lunch at noon?", "apns": apns});
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

    let mut step = Step::begin(
        "acknowledge",
        "the app's extension on her phone acknowledges it",
    );
    step.must(
        "mutable-content",
        arrival.payload["aps"]["mutable-content"].clone(),
        1,
    );
    let extension = NotificationExtension::new(&world.shared);
    let push = Payload::apns(arrival.payload.clone());
    let done = extension
        .delivered(&push, NotificationExtension::WITHIN)
        .await;
    step.must("receipts taken", done.sent, 1);
    step.must("problem", done.problem, Value::Null);
    report.end(step);

    let mut step = Step::begin("click", "she taps it; the chat with bob opens");
    let tapped = iphone
        .tap(&arrival)
        .ok_or_else(|| trouble("the notification cannot be tapped"))?;
    alice.client.clicked(
        ClickSource::Response,
        Payload::apns(tapped.clone()),
        Completion::none(),
    );
    let (by, target) = alice.opened().await?;
    step.must("opened by", by, "open chat");
    step.must("opens", target_words(&target), "the chat with user bob");
    // The phone's two callbacks report the same click: it opens once.
    alice.client.clicked(
        ClickSource::Launch,
        Payload::apns(tapped),
        Completion::none(),
    );
    let again = alice
        .event(
            "the same click was reported from a second source",
            |event| match event {
                Event::DuplicateClick(_) => Some("recognised, opened once"),
                Event::Opened { .. } => Some("opened twice"),
                _ => None,
            },
        )
        .await?;
    step.must("from a second source", again, "recognised, opened once");
    report.end(step);
    Ok(delivery)
}

pub(super) async fn trace_of(
    world: &World,
    report: &mut Report<'_>,
    delivery: &Value,
) -> Result<()> {
    let mut step = Step::begin("trace", "the history of that push");
    let path = format!(
        "/v1/deliveries/{}/trace",
        delivery.as_str().unwrap_or_default()
    );
    let mut trace = world.settled(delivery).await?;
    let begun = Instant::now();
    // Her phone reports the click later.
    while trace["stage"] != json!("clicked") && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(5)).await;
        trace = world.im_server.get(&path).await?;
    }
    let events = trace["events"].as_array().cloned().unwrap_or_default();
    let stages: Vec<Value> = events.iter().map(|it| it["stage"].clone()).collect();
    let is_acknowledged = stages.contains(&json!("delivered"));
    step.must("acknowledged", is_acknowledged, true);
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

pub(super) async fn group_message(
    world: &World,
    report: &mut Report<'_>,
    alice: &mut App,
    iphone: &Phone,
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
    alice.client.clicked(
        ClickSource::Response,
        Payload::apns(tapped),
        Completion::none(),
    );
    let (_, target) = alice.opened().await?;
    step.must("opens", target_words(&target), "the group @TGS#friends");
    report.end(step);
    Ok(())
}

pub(super) async fn intercepted(
    world: &World,
    report: &mut Report<'_>,
    alice: &mut App,
    iphone: &Phone,
) -> Result<()> {
    let mut step = Step::begin(
        "interceptor",
        "a push with its own payload; the app's interceptor handles the click",
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
    alice.client.clicked(
        ClickSource::Response,
        Payload::apns(tapped),
        Completion::none(),
    );
    let by = alice
        .event("an interceptor handled the click", |event| match event {
            Event::Intercepted { by } => Some(by.clone()),
            Event::Opened { by, .. } => Some(format!("no interceptor; {by} opened it")),
            _ => None,
        })
        .await?;
    step.must("taken by", by, "open order");
    report.end(step);
    Ok(())
}

pub(super) async fn logout(
    world: &World,
    report: &mut Report<'_>,
    alice: &mut App,
    center: &LoginCenter,
    iphone: &Phone,
) -> Result<()> {
    let mut step = Step::begin(
        "logout",
        "alice logs out; the next message is not sent, and the trace says why",
    );
    center
        .logout()
        .await
        .map_err(|fault| trouble(format!("the logout failed: {fault}")))?;
    alice
        .event("the gateway unbound her phone", |event| match event {
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
    step.must("reason", why["reason"]["code"].clone(), "offline");
    step.saw("text", why["reason"]["text"].clone());
    step.must("pushes on the phone since", iphone.arrived() - before, 0);
    report.end(step);
    Ok(())
}
