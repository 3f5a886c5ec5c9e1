//! Runs the chapters of the demo.
use offline_push::{Channel, Environment, Platform, Result};
use push_login_auto::LoginCenter;
use serde_json::json;

use super::{
    alice,
    app::{App, Phone},
    channels, mistakes,
    report::{Report, Step},
    scene::{DEBUG, RELEASE},
    vendors,
    world::{TOPIC, World},
};
use crate::cli::{Errors, output::Output};

pub(super) async fn run(all_channels: bool, output: &mut Output) -> Result<(), Errors> {
    let world = World::start().await.map_err(|error| vec![error])?;
    let mut report = Report::new(output);
    let mut finished = chapters(&world, &mut report).await;
    if all_channels && finished.is_ok() {
        report.heading("Every channel of this build");
        finished = channels::every_channel(&world, &mut report).await;
    }
    world.stop().await;
    finished.map_err(|error| vec![error])?;
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
    let mut app = App::start(phone, &world.address, &world.shared).await?;
    let center = LoginCenter::shared();
    alice::login(world, report, &mut app, &center).await?;
    alice::foreground_and_background(world, report, &mut app).await?;
    let delivery = alice::message_from_bob(world, report, &mut app, &iphone).await?;
    alice::trace_of(world, report, &delivery).await?;
    alice::group_message(world, report, &mut app, &iphone).await?;
    alice::intercepted(world, report, &mut app, &iphone).await?;

    report.heading("One user, three vendors; and one dead token among five");
    vendors::three_vendors(world, report).await?;
    vendors::one_dead_token(world, report).await?;

    report.heading("Mistakes, explained");
    mistakes::wrong_certificate(world, report).await?;
    mistakes::wrong_token(world, report).await?;
    mistakes::custom_message(world, report).await?;
    alice::logout(world, report, &mut app, &center, &iphone).await?;
    app.client.close().await;
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
