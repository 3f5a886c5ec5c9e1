//! What a message does to the number on the icon (S94, S95).
use push_core::{BadgeArithmetic, BadgeMode, MessageKind, OfflinePushInfo, Reason};

use super::reasons;

/// What one push of this message does to a device's badge; `None` leaves it as it is.
///
/// `badge_set` takes precedence over `badge_add`, and that over `badge_mode`, whose default counts chat messages and leaves pure pushes alone.
///
/// # Errors
/// [`reasons::BADGE_OUT_OF_RANGE`], also for a number that another one overrides.
pub(super) fn plan(
    kind: MessageKind,
    push: Option<&OfflinePushInfo>,
) -> Result<Option<BadgeArithmetic>, Reason> {
    let set = push.and_then(|push| push.badge_set);
    let add = push.and_then(|push| push.badge_add);
    if set.is_some_and(|number| number > 999) || add.is_some_and(|more| !(1..=99).contains(&more)) {
        return Err(reasons::BADGE_OUT_OF_RANGE);
    }
    let mode = push.and_then(|push| push.badge_mode).unwrap_or(match kind {
        MessageKind::Chat => BadgeMode::Count,
        MessageKind::Push => BadgeMode::Ignore,
    });
    Ok(match (set, add, mode) {
        (Some(number), _, _) => Some(BadgeArithmetic::Set(number)),
        (None, Some(more), _) => Some(BadgeArithmetic::Add(more)),
        (None, None, BadgeMode::Count) => Some(BadgeArithmetic::Add(1)),
        (None, None, BadgeMode::Ignore) => None,
    })
}
