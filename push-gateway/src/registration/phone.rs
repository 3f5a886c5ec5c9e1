//! What phones report with a ticket, which must be good for the device.
use std::sync::Arc;

use push_core::{
    Admitted, DeviceFacts, DeviceId, DeviceRef, EndCause, Presence, PresenceChange, Result, Slot,
    TicketRefusal, Timestamp,
    api::{PresenceAnswer, PresenceBody, RegistrationAnswer, RegistrationBody},
};

use super::Unregistered;
use crate::{gateway::Gateway, ticket::Ticket};

impl Gateway {
    /// [`Gateway::register`] for the user of `ticket`, with at most `max_devices` of that user that can get pushes.
    ///
    /// # Errors
    /// Also [`Unregistered::Denied`].
    pub async fn register_with(
        &self,
        ticket: &Ticket,
        max_devices: usize,
        device: &DeviceId,
        slot: Slot,
        body: RegistrationBody,
    ) -> Result<RegistrationAnswer, Unregistered> {
        let inner = Arc::clone(&self.0);
        let (owner, shown) = (owner(ticket, device), ticket.shown());
        let work = async move {
            let limits = Some((shown, max_devices));
            Ok(inner.register(owner, slot, body, limits).await)
        };
        self.detached(work).await?
    }

    /// [`Gateway::unregister`] for the user of `ticket`. A revoked ticket does nothing more, and that is no error: its login is
    /// over.
    ///
    /// # Errors
    /// Those of store and queue.
    pub async fn unregister_with(
        &self,
        ticket: &Ticket,
        device: &DeviceId,
        slot: Option<Slot>,
        cause: EndCause,
    ) -> Result<Admitted<bool>> {
        let owner = owner(ticket, device);
        match self.admit(&owner, ticket).await? {
            Ok(()) => {}
            Err(TicketRefusal::Revoked) => return Ok(Ok(false)),
            Err(refusal) => return Ok(Err(refusal)),
        }
        self.unregister(&owner.app, &owner.user, device, slot, cause)
            .await
            .map(Ok)
    }

    /// Stores where the app on `device` of the user of `ticket` is now, and returns what is wrong with the tokens that it
    /// reports as `registered`; `None` if the device is not registered for that user.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](push_core::ErrorKind::Invalid) for a time in another unit, and those of store and queue.
    pub async fn presence_with(
        &self,
        ticket: &Ticket,
        device: &DeviceId,
        body: &PresenceBody,
        registered: &[Slot],
    ) -> Result<Admitted<Option<PresenceAnswer>>> {
        for (member, time) in [("at", Some(body.at)), ("now", body.now)] {
            let checked = time.map_or(Ok(()), Timestamp::check_unit);
            checked.map_err(|error| error.at(format!("`{member}`")))?;
        }
        // From before the check, so that a kick or a logout meanwhile stands.
        let received = self.now();
        let owner = owner(ticket, device);
        if let Err(refusal) = self.admit(&owner, ticket).await? {
            return Ok(Err(refusal));
        }
        // A phone whose registration is gone learns here that it must register again.
        let standing = self
            .token_standing(&owner.app, &owner.user, device, registered)
            .await?;
        let Some((answer, known_at)) = standing else {
            return Ok(Ok(None));
        };
        let at = dated(body, received, known_at);
        let mut change = PresenceChange::new(owner.user, body.presence, at).on(owner.device);
        change.badge = body.unread;
        change.by_phone = true;
        change.is_latest = body.presence == Presence::Offline;
        push_core::Gateway::set_presence(self, &owner.app, vec![change]).await?;
        Ok(Ok(Some(answer)))
    }
}

impl Gateway {
    /// Checks a ticket that a phone shows for a device, of which it says nothing more.
    async fn admit(&self, owner: &DeviceRef, ticket: &Ticket) -> Result<Admitted<()>> {
        let (store, nothing) = (&self.0.services.store, DeviceFacts::default());
        store.admit(owner, &ticket.shown(), &nothing).await
    }
}

fn owner(ticket: &Ticket, device: &DeviceId) -> DeviceRef {
    DeviceRef::new(ticket.app.clone(), ticket.user.clone(), device.clone())
}

/// Since when a phone is where it is, by the gateway's clock: a phone's own may be wrong, but how much time it says has passed
/// is right.
///
/// A report is true from `at` until it is sent. So it is never older than what is known (`known_at`), which would make it
/// count for nothing; and it is dated as early as it may be, so that what an IM server reports of a time since then counts even
/// if it comes later. The report of an app that does not say what its clock shows is of the time it came.
fn dated(body: &PresenceBody, received: Timestamp, known_at: Timestamp) -> Timestamp {
    if body.presence == Presence::Offline {
        return received;
    }
    let age = body.now.map(|now| now.since(body.at)).unwrap_or_default();
    (received - age).max(known_at)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_760_000_000);
    const SECOND: Duration = Duration::from_secs(1);
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    fn body(at: Timestamp, now: Option<Timestamp>) -> PresenceBody {
        PresenceBody::new(Presence::Background, at).with_now(now)
    }

    #[test]
    fn a_phones_report_is_dated_by_the_time_that_passed_since() {
        let long_ago = NOW - 60 * SECOND;
        for clock in [NOW, NOW - YEAR, NOW + YEAR, Timestamp::default()] {
            let body = body(clock, Some(clock + 5 * SECOND));
            assert_eq!(dated(&body, NOW, long_ago), NOW - 5 * SECOND);
        }
        assert_eq!(dated(&body(NOW - YEAR, None), NOW, long_ago), NOW);
        // A clock that was set back between the two.
        let set_back = body(NOW, Some(NOW - YEAR));
        assert_eq!(dated(&set_back, NOW, long_ago), NOW);
    }

    #[test]
    fn a_phones_report_is_never_older_than_what_is_known() {
        let known = NOW - SECOND;
        let slow = body(NOW, Some(NOW + 5 * SECOND));
        assert_eq!(dated(&slow, NOW, known), known);
        let set_forward = body(Timestamp::default(), Some(NOW));
        assert_eq!(dated(&set_forward, NOW, known), known);
        // The gateway's clock was set back since.
        assert_eq!(dated(&slow, NOW, NOW + YEAR), NOW + YEAR);
    }
}
