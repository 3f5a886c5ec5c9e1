//! Functions that the chapters share.
use std::time::{Duration, Instant};

use offline_push::{Result, payload::ClickTarget};
use serde_json::{Value, json};

use super::{
    trouble,
    world::{PATIENCE, World},
};

/// The certificate ids that the app names for its two kinds of build.
pub(super) const DEBUG: i64 = 31287;
pub(super) const RELEASE: i64 = 31288;

/// Waits until the gateway knows that all `devices` of `user` are in background.
pub(super) async fn away(world: &World, user: &str, devices: usize) -> Result<()> {
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
pub(super) fn chat(id: &str, receivers: &[&str], text: &str) -> Value {
    json!({
        "id": id,
        "sender": {"user": "bob", "nickname": "Bob"},
        "receivers": receivers,
        "elements": [{"type": "text", "text": text}],
    })
}

pub(super) fn count(list: &Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}

pub(super) fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

pub(super) fn target_words(target: &ClickTarget) -> String {
    match target {
        ClickTarget::User(user) => format!("the chat with user {user}"),
        ClickTarget::Group(group) => format!("the group {group}"),
        ClickTarget::Call(_) => "a call".to_owned(),
        _ => "something else".to_owned(),
    }
}
