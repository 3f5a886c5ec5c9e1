//! Common mistakes, and the reasons that the gateway reports for them.
use offline_push::{CertificateEntry, Channel, Environment, Platform, Result, Slot};
use serde_json::{Value, json};

use super::{
    app::{App, Phone, account},
    report::{Report, Step},
    scene::{RELEASE, away, chat, count},
    world::{TOPIC, World},
};

pub(super) async fn wrong_certificate(world: &World, report: &mut Report<'_>) -> Result<()> {
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
    let entry = CertificateEntry::new("apns", Slot::Alert, RELEASE, true, (file!(), line!()));
    let account = account("ivy", world.ticket("ivy").await?)?;
    let mut app = App::start_for(phone, &world.address, account, Some(entry)).await?;
    let warning = app.uploaded().await?;
    step.must("reported at registration", warning, "environment-mismatch");
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

pub(super) async fn wrong_token(world: &World, report: &mut Report<'_>) -> Result<()> {
    let mut step = Step::begin(
        "bad device token",
        "a sandbox token that is registered as a production token",
    );
    let iphone = world.apple.install(TOPIC, Environment::Sandbox);
    let phone = Phone {
        channel: Channel::APNS,
        kind: Platform::Ios,
        token: iphone.token(),
    };
    let entry = CertificateEntry::new("apns", Slot::Alert, RELEASE, false, (file!(), line!()));
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
    let aside = &devices[0]["registrations"][0]["quarantine"]["code"];
    step.must(
        "quarantined because",
        aside.clone(),
        trace["reason"]["code"].clone(),
    );
    report.end(step);
    Ok(())
}

pub(super) async fn custom_message(world: &World, report: &mut Report<'_>) -> Result<()> {
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
