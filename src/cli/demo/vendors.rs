//! One user with phones of three vendors, and one dead token among five.
use std::time::{Duration, Instant};

use offline_push::{Channel, Environment, Platform, Result, payload::Profile};
use serde_json::json;

use super::{
    app::{App, Phone, account},
    report::{Report, Step},
    scene::{away, chat, count, target_words},
    world::{PATIENCE, TOPIC, World},
};

pub(super) async fn three_vendors(world: &World, report: &mut Report<'_>) -> Result<()> {
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
        // Each login has a ticket of its own.
        let account = account("carol", world.ticket("carol").await?)?;
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
    let mate_opens = mate
        .tap_newest()
        .and_then(|it| it.payload().target(Profile::Android).ok());
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

pub(super) async fn one_dead_token(world: &World, report: &mut Report<'_>) -> Result<()> {
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
