//! Whether a device may be pushed to, by its presence (S62 to S64).
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
        Presence::Offline => Err(reasons::OFFLINE),
        Presence::Online if away < settings.online_for => Err(reasons::ONLINE_IN_FOREGROUND),
        Presence::Background if away < settings.online_for => Ok(()),
        // The connection is gone: it was reported so, or there was no report for longer than a heartbeat allows.
        Presence::PushOnline | Presence::Online | Presence::Background => {
            if device
                .facts
                .platform
                .is_some_and(|platform| !settings.push_online_platforms.contains(&platform))
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

/// When the device last reported anything.
pub(super) fn last_active(device: &Device) -> Timestamp {
    device
        .registrations
        .iter()
        .map(|stored| stored.registration.reported_at)
        .fold(device.presence_at, Timestamp::max)
}
