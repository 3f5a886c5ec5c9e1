//! The check of the master key at start, by a sealed value in the store.
use push_core::{Error, ErrorKind, Result, Store, StoredCredential};

use crate::seal::{Forms, Purpose, Sealer};

/// What the value holds. That it opens is what matters.
const PLAIN: &[u8] = b"offline-push";

/// How often a value or credential that others change at the same time is read again.
const ATTEMPTS: usize = 8;

/// Checks that the stored credentials were sealed with the key of `sealer`, which comes from `source`. Errors advise the users
/// of `program`, if there is one, else those of this library.
///
/// A store without a check value is new, or from a version that wrote none. Its credentials are opened as the check, and sealed
/// again in the form that names their id; then the check value is stored, and the older form is not opened any more.
///
/// # Errors
/// [`ErrorKind::Config`] if the credentials were sealed with another key; those of the store.
pub(crate) async fn verify(
    store: &dyn Store,
    sealer: &Sealer,
    source: &str,
    program: Option<&str>,
) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let before = store.key_check().await?;
        if let Some(check) = &before {
            match sealer.open(Purpose::KeyCheck, Forms::Bound, check) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Config => {
                    return Err(another_key(source, program));
                }
                // The credentials show whether the key is right.
                Err(error) => {
                    tracing::warn!(%error, "the check value of the master key is damaged and is written again")
                }
            }
        }
        let found = survey(store, sealer, before.is_none()).await?;
        if found.of_another_key > 0 && found.open == 0 {
            return Err(another_key(source, program));
        }
        if write(store, sealer, before.as_deref()).await? {
            return Ok(());
        }
    }
    Err(changes_too_often())
}

/// Makes the key of `sealer` the one that [`verify`] expects.
///
/// # Errors
/// Those of the store.
pub(crate) async fn accept(store: &dyn Store, sealer: &Sealer) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let before = store.key_check().await?;
        survey(store, sealer, before.is_none()).await?;
        if write(store, sealer, before.as_deref()).await? {
            return Ok(());
        }
    }
    Err(changes_too_often())
}

/// How many stored credentials open, and how many were sealed with another key.
struct Found {
    open: usize,
    of_another_key: usize,
}

/// Opens all credentials, and seals those of the older form again if `is_first`.
async fn survey(store: &dyn Store, sealer: &Sealer, is_first: bool) -> Result<Found> {
    let forms = if is_first { Forms::All } else { Forms::Bound };
    let mut found = Found {
        open: 0,
        of_another_key: 0,
    };
    for credential in store.credentials(None).await? {
        match reseal(store, sealer, forms, &credential).await {
            Ok(()) => found.open += 1,
            Err(Reseal::Store(error)) => return Err(error),
            Err(Reseal::Sealed(error)) => {
                if error.kind() == ErrorKind::Config {
                    found.of_another_key += 1;
                }
                tracing::error!(credential = ?credential.reference(), %error, "a stored credential cannot be opened");
            }
        }
    }
    Ok(found)
}

async fn write(store: &dyn Store, sealer: &Sealer, before: Option<&[u8]>) -> Result<bool> {
    let check = sealer.seal(Purpose::KeyCheck, PLAIN)?;
    store.set_key_check(before, check).await
}

enum Reseal {
    /// The store failed.
    Store(Error),
    /// The credential does not open.
    Sealed(Error),
}

/// Opens a credential, and seals it in the present form if it is in an older one.
async fn reseal(
    store: &dyn Store,
    sealer: &Sealer,
    forms: Forms,
    stored: &StoredCredential,
) -> Result<(), Reseal> {
    let purpose = Purpose::Credential {
        app: &stored.app,
        provider: &stored.provider,
        id: stored.id,
    };
    let plain = sealer
        .open(purpose, forms, &stored.sealed)
        .map_err(Reseal::Sealed)?;
    if Sealer::is_without_id(&stored.sealed) {
        let sealed = sealer.seal(purpose, &plain).map_err(Reseal::Sealed)?;
        // One that was rotated or removed meanwhile was sealed in the present form by that.
        store
            .reseal_credential(&stored.reference(), &stored.sealed, sealed)
            .await
            .map_err(Reseal::Store)?;
    }
    Ok(())
}

fn another_key(source: &str, program: Option<&str>) -> Error {
    let (start, rotate) = match program {
        Some(program) => (
            format!("start once with `{program} serve --accept-new-master-key`"),
            format!("`{program} credential rotate`"),
        ),
        None => (
            "call `accept_master_key` once before `start`".to_owned(),
            "`rotate_credential`".to_owned(),
        ),
    };
    Error::new(
        ErrorKind::Config,
        format!("the credentials in the store were sealed with another master key than the one from {source}"),
    )
    .advise(format!(
        "start with the key they were uploaded under; if it is lost, {start} and upload every credential again with {rotate}"
    ))
}

fn changes_too_often() -> Error {
    Error::new(
        ErrorKind::Busy,
        "the check value of the master key is changed by other gateways again and again",
    )
    .advise("start one gateway at a time")
}
