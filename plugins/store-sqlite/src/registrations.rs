//! The calls about registrations, presence, badges and tags.
use std::sync::Arc;

use push_core::{
    Admitted, AppId, Audience, BadgeChange, Channel, CredentialRef, Cursor, DeviceFacts, DeviceRef,
    DeviceToken, EndCause, Ended, Ending, Error, ErrorKind, Page, PresenceChange, PresenceSet,
    Receiver, Registered, Registration, RegistrationStore, Result, ShownTicket, Slot, SlotRef,
    StoredRegistration, Tag, Timestamp, UserId, async_trait,
};
use push_sqlite::rusqlite::{OptionalExtension, params};

use crate::{
    SqliteStore, badges, devices, endings, presence,
    register::{self, Report},
    scan, tags,
    tickets::{self, Standing},
};

impl SqliteStore {
    /// What `owner` reports.
    fn report(
        &self,
        owner: &DeviceRef,
        facts: &DeviceFacts,
        registrations: &[Registration],
    ) -> Result<Report> {
        if registrations.iter().any(|new| new.owner() != *owner) {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a registration is of another device than the call",
            )
            .advise("register each device in a call of its own"));
        }
        Ok(Report {
            owner: owner.clone(),
            facts: facts.clone(),
            now: self.clock.now(),
            damage: Arc::clone(&self.damage),
        })
    }
}

#[async_trait]
impl RegistrationStore for SqliteStore {
    async fn check(&self) -> Result<()> {
        self.main.check().await?;
        self.traces.check().await
    }

    fn damaged_rows(&self) -> u64 {
        self.damage.count()
    }

    async fn register(
        &self,
        owner: &DeviceRef,
        facts: &DeviceFacts,
        registrations: Vec<Registration>,
    ) -> Result<Vec<Registered>> {
        let report = self.report(owner, facts, &registrations)?;
        self.main
            .write(registrations.len() + 1, move |db| {
                report.store(db, &registrations)
            })
            .await
    }

    async fn admit(
        &self,
        owner: &DeviceRef,
        ticket: &ShownTicket,
        facts: &DeviceFacts,
    ) -> Result<Admitted<()>> {
        let (of, shown, facts) = (owner.clone(), ticket.clone(), facts.clone());
        let reported = facts.clone();
        let standing = self
            .main
            .read(move |db| tickets::standing(db, &of, &shown, &reported))
            .await?;
        match standing {
            Standing::Bound => Ok(Ok(())),
            Standing::Refused(refusal) => Ok(Err(refusal)),
            Standing::Free => {
                let now = self.clock.now();
                let (owner, ticket) = (owner.clone(), ticket.clone());
                self.main
                    .write(1, move |db| {
                        tickets::admit(db, &owner, &ticket, &facts, now)
                    })
                    .await
            }
        }
    }

    async fn register_with(
        &self,
        ticket: &ShownTicket,
        max_devices: usize,
        owner: &DeviceRef,
        facts: &DeviceFacts,
        registrations: Vec<Registration>,
    ) -> Result<Admitted<Vec<Registered>>> {
        let report = self.report(owner, facts, &registrations)?;
        let ticket = ticket.clone();
        self.main
            .write(registrations.len() + 1, move |db| {
                report.store_with(db, &ticket, max_devices, &registrations)
            })
            .await
    }

    async fn unregister(
        &self,
        owner: &DeviceRef,
        slot: Option<Slot>,
        cause: EndCause,
    ) -> Result<Option<Ended>> {
        let now = self.clock.now();
        let owner = owner.clone();
        self.main
            .write(1, move |db| {
                register::unregister(db, owner, slot, cause, now)
            })
            .await
    }

    async fn refuse(&self, owner: &DeviceRef, slot: Slot, reason: &str) -> Result<()> {
        let now = self.clock.now();
        let (owner, reason) = (owner.clone(), reason.to_owned());
        self.main
            .write(1, move |db| register::refuse(db, &owner, slot, reason, now))
            .await
    }

    async fn endings(&self, app: &AppId, users: &[UserId]) -> Result<Vec<Vec<Ending>>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let (app, users) = (app.clone(), users.to_vec());
        let damage = Arc::clone(&self.damage);
        self.main
            .read(move |db| {
                let of = |user| endings::of_user(db, &damage, &app, user);
                users.iter().map(of).collect()
            })
            .await
    }

    async fn receivers(&self, app: &AppId, users: &[UserId]) -> Result<Vec<Receiver>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let (app, users) = (app.clone(), users.to_vec());
        let damage = Arc::clone(&self.damage);
        self.main
            .read(move |db| {
                let of = |user| devices::of_user(db, &damage, &app, user);
                users.iter().map(of).collect()
            })
            .await
    }

    async fn scan(
        &self,
        app: &AppId,
        audience: &Audience,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Receiver>> {
        let scan = scan::Scan::new(app, audience, after, limit)?;
        let damage = Arc::clone(&self.damage);
        self.main.read(move |db| scan.page(db, &damage)).await
    }

    async fn resolve(
        &self,
        app: &AppId,
        slots: &[SlotRef],
    ) -> Result<Vec<Option<StoredRegistration>>> {
        if slots.is_empty() {
            return Ok(Vec::new());
        }
        let (app, slots) = (app.clone(), slots.to_vec());
        let damage = Arc::clone(&self.damage);
        self.main
            .read(move |db| {
                let of = |slot| devices::in_slot(db, &damage, &app, slot);
                slots.iter().map(of).collect()
            })
            .await
    }

    async fn holders(
        &self,
        app: &AppId,
        channel: &Channel,
        tokens: &[DeviceToken],
    ) -> Result<Vec<Option<StoredRegistration>>> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let (app, channel, tokens) = (app.clone(), channel.clone(), tokens.to_vec());
        let damage = Arc::clone(&self.damage);
        self.main
            .read(move |db| {
                let of = |token| devices::with_token(db, &damage, &app, &channel, token);
                tokens.iter().map(of).collect()
            })
            .await
    }

    async fn forget(
        &self,
        app: &AppId,
        channel: &Channel,
        token: &DeviceToken,
        dead_since: Timestamp,
    ) -> Result<bool> {
        let now = self.clock.now();
        let (app, channel, token) = (app.clone(), channel.clone(), token.clone());
        let damage = Arc::clone(&self.damage);
        self.main
            .write(1, move |db| {
                register::forget(db, &damage, (&app, &channel, &token), dead_since, now)
            })
            .await
    }

    async fn quarantine(
        &self,
        app: &AppId,
        channel: &Channel,
        token: &DeviceToken,
        reason: &str,
        since: Timestamp,
    ) -> Result<bool> {
        let (app, channel, token) = (app.clone(), channel.clone(), token.clone());
        let reason = reason.to_owned();
        self.main
            .write(1, move |db| {
                let quarantined = db
                    .prepare_cached(
                        "UPDATE registration INDEXED BY registration_by_token SET quarantine_reason = ?4, quarantine_at = ?5
                         WHERE app = ?1 AND channel = ?2 AND token = ?3 AND reported_at <= ?5",
                    )?
                    .execute(params![
                        app.as_str(),
                        channel.as_str(),
                        token.expose(),
                        reason,
                        since.unix_millis()
                    ])?;
                Ok(quarantined > 0)
            })
            .await
    }

    async fn release(&self, credential: &CredentialRef) -> Result<u64> {
        let credential = credential.clone();
        self.main
            .write(1, move |db| {
                let released = db
                    .prepare_cached(
                        "UPDATE registration INDEXED BY registration_in_quarantine SET quarantine_reason = NULL, quarantine_at = NULL
                         WHERE app = ?1 AND certificate = ?2 AND quarantine_at IS NOT NULL",
                    )?
                    .execute(params![credential.app.as_str(), credential.certificate.get()])?;
                Ok(released as u64)
            })
            .await
    }

    async fn set_presence(&self, app: &AppId, changes: Vec<PresenceChange>) -> Result<PresenceSet> {
        if changes.is_empty() {
            return Ok(PresenceSet::default());
        }
        let now = self.clock.now();
        let app = app.clone();
        let damage = Arc::clone(&self.damage);
        self.main
            .write(changes.len(), move |db| {
                let mut set = PresenceSet::default();
                for change in &changes {
                    presence::set(db, &damage, &app, change, now, &mut set)?;
                }
                Ok(set)
            })
            .await
    }

    async fn change_badges(&self, app: &AppId, changes: Vec<BadgeChange>) -> Result<Vec<u32>> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let app = app.clone();
        self.main
            .write(changes.len(), move |db| {
                badges::change(db, &app, &changes, now)
            })
            .await
    }

    async fn set_tags(&self, app: &AppId, user: &UserId, tags: Vec<Tag>) -> Result<()> {
        let tags = tags::checked(tags)?;
        let (app, user) = (app.clone(), user.clone());
        self.main
            .write(tags.len() + 1, move |db| tags::set(db, &app, &user, &tags))
            .await
    }

    async fn tags(&self, app: &AppId, user: &UserId) -> Result<Vec<Tag>> {
        let (app, user) = (app.clone(), user.clone());
        let damage = Arc::clone(&self.damage);
        self.main
            .read(move |db| tags::of_user(db, &damage, &app, &user))
            .await
    }

    async fn count(&self, app: &AppId) -> Result<u64> {
        let app = app.clone();
        self.main
            .read(move |db| {
                let count: Option<i64> = db
                    .prepare_cached("SELECT registrations FROM tally WHERE app = ?1")?
                    .query_row([app.as_str()], |row| row.get(0))
                    .optional()?;
                Ok(count.unwrap_or_default().unsigned_abs())
            })
            .await
    }
}
