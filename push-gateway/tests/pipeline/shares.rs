//! A burst of one app or credential leaves room in the queue for others, and says so.
use std::sync::Arc;

use push_core::{
    AppId, BuildContext, CertificateId, ErrorKind, Gateway as _, ManualClock, Message, Presence,
    PresenceChange, Slot, Submitted, VendorAnswer, Verdict,
};
use push_queue_memory::{MemoryQueue, MemoryQueueConfig};
use serde_json::json;
use tokio::sync::Notify;

use crate::support::*;

/// A gateway whose queue holds at most 20 deliveries.
fn small() -> World {
    World::with(
        |_| {},
        |_| {
            let clock = Arc::new(ManualClock::new(START));
            let config = MemoryQueueConfig::default().with_max_deliveries(20);
            Arc::new(MemoryQueue::new(config, &BuildContext::new(clock)))
        },
    )
}

async fn login(world: &World, app: &AppId, who: &str, certificate: CertificateId) {
    let phone = device(&format!("{who}-phone"));
    let token = registration(&format!("{who}-token"), certificate);
    let gateway = &world.gateway;
    gateway
        .register(app, &user(who), &phone, Slot::Alert, token)
        .await
        .expect("the fixture works");
    let change = PresenceChange::new(user(who), Presence::Background, gateway.now()).on(phone);
    gateway
        .set_presence(app, vec![change])
        .await
        .expect("the fixture works");
}

async fn submit(world: &World, app: &AppId, message: Message) -> push_core::Result<Submitted> {
    let mut answers = world.gateway.submit(app, vec![message]).await?;
    Ok(answers.pop().expect("one answer"))
}

#[tokio::test]
async fn a_burst_to_one_credential_leaves_room_for_another_and_says_so() {
    let world = small();
    let silent = world.credential(json!({})).await;
    let (name, works) = world.another_plan();
    let other = world.credential(json!({"plan": name})).await;
    let release = Arc::new(Notify::new());
    let held = Verdict::accepted(VendorAnswer::new(200, ""));
    world.plan.always(Reply::Held(Arc::clone(&release), held));
    world.login("a", silent).await;
    world.login("b", other).await;
    let mut queued = 0;
    let refused = loop {
        match submit(&world, &app(), message("burst", &["a"])).await {
            Ok(answer) => queued += answer.deliveries.len(),
            Err(refused) => break refused,
        }
    };
    assert!((10..15).contains(&queued), "{queued} of 20");
    assert_eq!(refused.kind(), ErrorKind::Busy);
    assert!(
        refused.to_string().contains("share of the queue"),
        "{refused}"
    );
    // To both: one is skipped with a reason, the other is pushed to.
    let both = message("to both", &["a", "b"]);
    let answer = submit(&world, &app(), both.clone()).await.unwrap();
    assert_eq!(answer.skipped.len(), 1);
    assert_eq!(answer.skipped[0].reason, "share-full");
    assert_eq!(answer.deliveries.len(), 1);
    world.calm().await;
    assert_eq!(works.count(), 1);
    let skipped = world.gateway.metrics();
    let skipped = skipped.iter().find(|(series, _)| {
        let reason = ("reason", "share-full".to_owned());
        series.name == "offline_push_skipped_total" && series.labels.contains(&reason)
    });
    assert_eq!(skipped.map(|(_, count)| *count), Some(1));
    // When there is room again, the same message reaches the one that was skipped.
    release.notify_waiters();
    world.calm().await;
    let answer = submit(&world, &app(), both).await.unwrap();
    let users: Vec<_> = answer.deliveries.iter().map(|one| &one.user).collect();
    assert_eq!(users, [&Some(user("a"))]);
}

#[tokio::test]
async fn a_burst_of_one_app_leaves_room_for_another() {
    let world = small();
    world.plan.always(Reply::Silence);
    let loud = app();
    let quiet = AppId::new("quiet").expect("an app id");
    let mut certificates = Vec::new();
    for app in [&loud, &loud, &loud, &quiet] {
        let upload = world.upload(json!({}));
        let info = world.gateway.add_credential(app, upload).await.unwrap();
        certificates.push(info.id);
    }
    // Several credentials of one app have a share together.
    let mut queued = 0;
    for (number, certificate) in certificates[..3].iter().enumerate() {
        let who = format!("loud-{number}");
        login(&world, &loud, &who, *certificate).await;
        while let Ok(answer) = submit(&world, &loud, message("burst", &[&who])).await {
            queued += answer.deliveries.len();
        }
    }
    assert!((14..=16).contains(&queued), "{queued} of 20");
    login(&world, &quiet, "quiet", certificates[3]).await;
    let answer = submit(&world, &quiet, message("hello", &["quiet"])).await;
    assert_eq!(answer.unwrap().deliveries.len(), 1);
}
