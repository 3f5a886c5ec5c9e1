//! Credentials.
use std::collections::BTreeSet;

use push_core::{
    AppId, CertificateId, CredentialRef, CredentialStore, Error, ErrorKind, NewCredential, Result,
    StoredCredential, async_trait,
};

use crate::{MemoryStore, app::App};

#[async_trait]
impl CredentialStore for MemoryStore {
    async fn free_certificate(&self, app: &AppId) -> Result<CertificateId> {
        match self.state().apps.get(app) {
            Some(app) => app.free_id(),
            None => CertificateId::new(1),
        }
    }

    async fn add_credential(
        &self,
        id: CertificateId,
        credential: NewCredential,
    ) -> Result<StoredCredential> {
        let mut state = self.state();
        if state.credentials >= self.config.max_credentials {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("the store has {} credentials already", state.credentials),
            )
            .at("store/memory")
            .advise("raise max_credentials"));
        }
        let app = state.apps.entry(credential.app.clone()).or_default();
        if app.credentials.contains_key(&id) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("app {} has a credential {id} already", credential.app),
            )
            .advise("rotate that one, or choose another number"));
        }
        if app.removed.contains(&id) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "app {} had a credential {id}, which was removed",
                    credential.app
                ),
            )
            .advise("choose another number: devices may still name the removed one"));
        }
        let stored = StoredCredential::new(id, credential);
        app.credentials.insert(id, stored.clone());
        state.credentials += 1;
        Ok(stored)
    }

    async fn rotate_credential(
        &self,
        id: CertificateId,
        credential: NewCredential,
    ) -> Result<StoredCredential> {
        let mut state = self.state();
        let stored = state
            .apps
            .get_mut(&credential.app)
            .and_then(|app| app.credentials.get_mut(&id))
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("app {} has no credential {id}", credential.app),
                )
                .advise("add it first")
            })?;
        for (what, same) in [
            ("provider", stored.provider == credential.provider),
            ("channel", stored.channel == credential.channel),
            ("environment", stored.environment == credential.environment),
        ] {
            if !same {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("credential {id} is of another {what}"),
                )
                .advise("add it as a new credential"));
            }
        }
        stored.label = credential.label;
        stored.sealed = credential.sealed;
        stored.rotated_at = credential.at;
        stored.expires_at = credential.expires_at;
        Ok(stored.clone())
    }

    async fn credentials(&self, app: Option<&AppId>) -> Result<Vec<StoredCredential>> {
        let state = self.state();
        let mut found: Vec<_> = state
            .apps
            .iter()
            .filter(|(id, _)| app.is_none_or(|app| app == *id))
            .flat_map(|(_, app)| app.credentials.values().cloned())
            .collect();
        found.sort_by(|a, b| (&a.app, a.id).cmp(&(&b.app, b.id)));
        Ok(found)
    }

    async fn credential(&self, credential: &CredentialRef) -> Result<Option<StoredCredential>> {
        let state = self.state();
        let app = state.apps.get(&credential.app);
        Ok(app.and_then(|app| app.credentials.get(&credential.certificate).cloned()))
    }

    async fn remove_credential(&self, credential: &CredentialRef) -> Result<bool> {
        let mut state = self.state();
        let Some(app) = state.apps.get_mut(&credential.app) else {
            return Ok(false);
        };
        let removed = app.credentials.remove(&credential.certificate).is_some();
        if removed {
            app.removed.insert(credential.certificate);
            state.credentials -= 1;
        }
        Ok(removed)
    }

    async fn reseal_credential(
        &self,
        credential: &CredentialRef,
        before: &[u8],
        after: Vec<u8>,
    ) -> Result<bool> {
        let mut state = self.state();
        let stored = state
            .apps
            .get_mut(&credential.app)
            .and_then(|app| app.credentials.get_mut(&credential.certificate))
            .filter(|stored| stored.sealed == before);
        let found = stored.is_some();
        if let Some(stored) = stored {
            stored.sealed = after;
        }
        Ok(found)
    }

    async fn key_check(&self) -> Result<Option<Vec<u8>>> {
        Ok(self.state().key_check.clone())
    }

    async fn set_key_check(&self, before: Option<&[u8]>, after: Vec<u8>) -> Result<bool> {
        let mut state = self.state();
        let is_as_before = state.key_check.as_deref() == before;
        if is_as_before {
            state.key_check = Some(after);
        }
        Ok(is_as_before)
    }
}

impl App {
    /// The number after the highest one that was ever given; the lowest free one if there is none above.
    fn free_id(&self) -> Result<CertificateId> {
        let last = self.credentials.last_key_value().map(|(last, _)| *last);
        let after = last
            .max(self.removed.last().copied())
            .map_or(1, |last| i64::from(last) + 1);
        CertificateId::new(after).or_else(|_| {
            let taken: BTreeSet<_> = self.credentials.keys().chain(&self.removed).collect();
            let gap = taken
                .into_iter()
                .zip(1_i64..)
                .find(|(id, number)| i64::from(**id) != *number)
                .map_or(after, |(_, number)| number);
            CertificateId::new(gap)
        })
    }
}
