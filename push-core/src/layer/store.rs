//! Around a store.
use super::around;
use crate::{
    Admitted, AppId, Audience, BadgeChange, CertificateId, Channel, CredentialRef, CredentialStore,
    Cursor, DeliveryId, DeviceFacts, DeviceRef, DeviceToken, EndCause, Ended, Ending, Mark,
    MessageId, NewCredential, Page, PresenceChange, PresenceSet, Receiver, Registered,
    Registration, RegistrationStore, Result, ShownTicket, Slot, SlotRef, Store, StoredCredential,
    StoredRegistration, Tag, Timestamp, TraceEvent, TraceQuery, TraceStore, UserId, async_trait,
};

around! {
    /// What a layer does around the calls of a store. Every method forwards to `inner` unless it is changed; what a changed one
    /// must keep is said at [`Layer`](crate::Layer). `check` is that of [`RegistrationStore`], the only part that has one.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` does nothing around a store",
        note = "implement `AroundStore` for it, with `#[async_trait]` above the `impl`; methods that are left out forward the call"
    )]
    trait AroundStore of Store;
    impl RegistrationStore {
        fn damaged_rows() -> u64;
        async fn check() -> Result<()> => 0;
        async fn register(
            owner: &DeviceRef,
            facts: &DeviceFacts,
            registrations: Vec<Registration>,
        ) -> Result<Vec<Registered>> => registrations.len();
        async fn admit(
            owner: &DeviceRef,
            ticket: &ShownTicket,
            facts: &DeviceFacts,
        ) -> Result<Admitted<()>> => 1;
        async fn register_with(
            ticket: &ShownTicket,
            max_devices: usize,
            owner: &DeviceRef,
            facts: &DeviceFacts,
            registrations: Vec<Registration>,
        ) -> Result<Admitted<Vec<Registered>>> => registrations.len();
        async fn unregister(
            owner: &DeviceRef,
            slot: Option<Slot>,
            cause: EndCause,
        ) -> Result<Option<Ended>> => 1;
        async fn refuse(owner: &DeviceRef, slot: Slot, reason: &str) -> Result<()> => 1;
        async fn endings(app: &AppId, users: &[UserId]) -> Result<Vec<Vec<Ending>>> => users.len();
        async fn receivers(app: &AppId, users: &[UserId]) -> Result<Vec<Receiver>> => users.len();
        async fn scan(
            app: &AppId,
            audience: &Audience,
            after: Option<Cursor>,
            limit: usize,
        ) -> Result<Page<Receiver>> => limit;
        async fn resolve(
            app: &AppId,
            slots: &[SlotRef],
        ) -> Result<Vec<Option<StoredRegistration>>> => slots.len();
        async fn holders(
            app: &AppId,
            channel: &Channel,
            tokens: &[DeviceToken],
        ) -> Result<Vec<Option<StoredRegistration>>> => tokens.len();
        async fn forget(
            app: &AppId,
            channel: &Channel,
            token: &DeviceToken,
            dead_since: Timestamp,
        ) -> Result<bool> => 1;
        async fn quarantine(
            app: &AppId,
            channel: &Channel,
            token: &DeviceToken,
            reason: &str,
            since: Timestamp,
        ) -> Result<bool> => 1;
        async fn release(credential: &CredentialRef) -> Result<u64> => 0;
        async fn set_presence(app: &AppId, changes: Vec<PresenceChange>) -> Result<PresenceSet> => changes.len();
        async fn change_badges(app: &AppId, changes: Vec<BadgeChange>) -> Result<Vec<u32>> => changes.len();
        async fn set_tags(app: &AppId, user: &UserId, tags: Vec<Tag>) -> Result<()> => tags.len();
        async fn tags(app: &AppId, user: &UserId) -> Result<Vec<Tag>> => 0;
        async fn count(app: &AppId) -> Result<u64> => 0;
    }
    impl CredentialStore {
        async fn free_certificate(app: &AppId) -> Result<CertificateId> => 1;
        async fn add_credential(
            id: CertificateId,
            credential: NewCredential,
        ) -> Result<StoredCredential> => 1;
        async fn rotate_credential(
            id: CertificateId,
            credential: NewCredential,
        ) -> Result<StoredCredential> => 1;
        async fn credentials(app: Option<&AppId>) -> Result<Vec<StoredCredential>> => 0;
        async fn credential(credential: &CredentialRef) -> Result<Option<StoredCredential>> => 1;
        async fn remove_credential(credential: &CredentialRef) -> Result<bool> => 1;
        async fn reseal_credential(
            credential: &CredentialRef,
            before: &[u8],
            after: Vec<u8>,
        ) -> Result<bool> => 1;
        async fn key_check() -> Result<Option<Vec<u8>>> => 1;
        async fn set_key_check(before: Option<&[u8]>, after: Vec<u8>) -> Result<bool> => 1;
    }
    impl TraceStore {
        async fn append(events: Vec<TraceEvent>) -> Result<()> => events.len();
        async fn record(app: &AppId, marks: Vec<Mark>) -> Result<Vec<bool>> => marks.len();
        async fn trace_of_delivery(app: &AppId, delivery: DeliveryId) -> Result<Vec<TraceEvent>> => 0;
        async fn trace_of_message(app: &AppId, message: &MessageId) -> Result<Vec<TraceEvent>> => 0;
        async fn find(
            app: &AppId,
            query: &TraceQuery,
            after: Option<Cursor>,
            limit: usize,
        ) -> Result<Page<TraceEvent>> => limit;
        async fn traced_apps() -> Result<Vec<AppId>> => 0;
        async fn prune_traces(before: Timestamp) -> Result<u64> => 0;
    }
}
