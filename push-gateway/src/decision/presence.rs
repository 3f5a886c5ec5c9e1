//! Whether a device may be pushed to, by where its user is (S62 to S64).
use push_core::{Device, Presence, Reason, Timestamp};

use super::{DecisionSettings, reasons};

/// Whether the gateway should push to `device` now.
///
/// # Errors
/// Why not.
pub(super) fn may_push(
    device: &Device,
    now: Timestamp,
    settings: &DecisionSettings,
) -> Result<(), Reason> {
    let away = now.since(device.presence_at);
    match device.presence {
        Presence::Offline => Err(reasons::LOGGED_OUT),
        Presence::Online if away < settings.online_for => Err(reasons::ONLINE_IN_FOREGROUND),
        Presence::Background if away < settings.online_for => Ok(()),
        // The connection is gone: either somebody said so, or nobody has said anything for longer than a heartbeat allows.
        Presence::PushOnline | Presence::Online | Presence::Background => {
            if device
                .platform
                .is_some_and(|it| !settings.push_online_platforms.contains(&it))
            {
                Err(reasons::DISCONNECTED)
            } else if now.since(last_active(device)) >= settings.push_online_for {
                Err(reasons::PUSH_ONLINE_TOO_LONG)
            } else {
                Ok(())
            }
        }
    }
}

/// When the device was last heard of.
pub(super) fn last_active(device: &Device) -> Timestamp {
    device
        .registrations
        .iter()
        .map(|it| it.registration.told_at)
        .fold(device.presence_at, Timestamp::max)
}
