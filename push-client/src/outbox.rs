//! The folder that the app shares with its notification service extension: the receipt key, and receipts that wait to be sent.
//!
//! Several processes use it at once and each may be killed at any point, so nothing is locked and nothing is rewritten: every
//! receipt is an empty file whose name is its content. Creating and removing a file is atomic, the gateway counts a repeated
//! receipt once, and a receipt is removed only after the gateway has accepted it.
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use push_core::{
    AppId, Clock, DeviceId, Error, ErrorKind, Receipt, ReceiptKey, ReceiptKind, Result, Timestamp,
    api::ReceiptsBody,
};
use serde::{Deserialize, Serialize};

use crate::{FileState, GatewayAddress, GatewayApi, GatewayError, GatewayErrorKind, StateStore};

/// The most receipts that wait.
pub(crate) const MAX_WAITING: usize = 500;

/// The most requests of one run; receipts that arrive meanwhile are sent in the next.
const MAX_BATCHES: usize = 2 * MAX_WAITING / ReceiptsBody::MAX;

/// The version of the key file that is written. Newer ones are refused.
const VERSION: u32 = 1;

/// The device that signs receipts, its key, and the gateway that they are sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signer {
    pub(crate) app: AppId,
    pub(crate) device: DeviceId,
    pub(crate) key: ReceiptKey,
    pub(crate) gateway: Option<GatewayAddress>,
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    #[serde(flatten)]
    signer: Signer,
}

/// The number of reports that failed in a row, and the time before which the next one is not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pause {
    pub(crate) failures: u32,
    pub(crate) until: Timestamp,
}

/// The result of sending the waiting receipts.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    /// The number of receipts that the gateway took.
    pub(crate) sent: usize,
    /// The number of receipts that were refused for good and discarded.
    pub(crate) refused: usize,
    /// Why they were refused.
    pub(crate) refusal: Option<GatewayError>,
    /// Why the rest has to wait.
    pub(crate) error: Option<GatewayError>,
}

/// A folder that processes of one app share: an app group's container.
#[derive(Clone, Debug)]
pub(crate) struct SharedFolder(PathBuf);

impl SharedFolder {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn outbox(&self) -> PathBuf {
        self.0.join("receipts")
    }

    fn key_file(&self) -> PathBuf {
        self.0.join("receipts.key")
    }

    fn pause_file(&self) -> PathBuf {
        self.0.join("receipts.pause")
    }

    /// Reads the signer; `None` until the app has registered for the first time.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the file cannot be read, [`ErrorKind::Corrupt`] if it is damaged,
    /// [`ErrorKind::Conflict`] if a newer version of the app wrote it. No error quotes the file.
    pub(crate) fn signer(&self) -> Result<Option<Signer>> {
        let Some(bytes) = FileState::new(self.key_file()).load()? else {
            return Ok(None);
        };
        let damaged = |_| Error::new(ErrorKind::Corrupt, "the file receipts.key is damaged");
        let head: Head = serde_json::from_slice(&bytes).map_err(damaged)?;
        if head.version > VERSION {
            return Err(Error::new(
                ErrorKind::Conflict,
                "the file receipts.key was written by a newer version of the app",
            )
            .advise("build app and extension from the same version"));
        }
        let saved: Saved = serde_json::from_slice(&bytes).map_err(damaged)?;
        Ok(Some(saved.signer))
    }

    /// Writes the key that the extension signs with from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the file cannot be written, [`ErrorKind::Conflict`] if a newer version of the app wrote it.
    pub(crate) fn set_signer(&self, signer: &Signer) -> Result<()> {
        if let Err(error) = self.signer()
            && error.kind() == ErrorKind::Conflict
        {
            return Err(error);
        }
        let saved = Saved {
            version: VERSION,
            signer: signer.clone(),
        };
        let bytes = serde_json::to_vec(&saved).map_err(|error| {
            Error::new(ErrorKind::Internal, "the receipt key cannot be written").because(error)
        })?;
        // Requests that failed with the old key may succeed with this one. The pause ends before the key is written, so that
        // a pause that began with the new key is not ended.
        self.end_pause();
        FileState::new(self.key_file()).save(&bytes)
    }

    /// Stores a receipt durably. Returns the number of older receipts that were dropped because too many wait.
    pub(crate) fn put(&self, receipt: &Receipt) -> io::Result<usize> {
        let folder = self.outbox();
        make_folder(&folder)?;
        let waiting = self.waiting()?;
        let is_known = waiting
            .iter()
            .any(|known| known.delivery == receipt.delivery && known.what == receipt.what);
        if is_known {
            return Ok(0);
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(folder.join(name_of(receipt)))?;
        // The file name is durable once the folder is synced.
        #[cfg(unix)]
        fs::File::open(&folder)?.sync_all()?;
        let surplus = (waiting.len() + 1).saturating_sub(MAX_WAITING);
        self.forget(&waiting[..surplus])?;
        Ok(surplus)
    }

    /// Returns the waiting receipts, the oldest first.
    pub(crate) fn waiting(&self) -> io::Result<Vec<Receipt>> {
        let entries = match fs::read_dir(self.outbox()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut waiting = Vec::new();
        for entry in entries {
            // Files with other names are not receipts.
            waiting.extend(entry?.file_name().to_str().and_then(read_name));
        }
        waiting.sort_by_key(|receipt| (receipt.at, receipt.delivery));
        Ok(waiting)
    }

    fn forget(&self, receipts: &[Receipt]) -> io::Result<()> {
        for receipt in receipts {
            match fs::remove_file(self.outbox().join(name_of(receipt))) {
                // Another process has removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// Sends the waiting receipts in batches. `drained` holds the result also if this future is dropped before it ends.
    pub(crate) async fn drain(
        &self,
        signer: &Signer,
        gateway: &dyn GatewayApi,
        clock: &dyn Clock,
        drained: &mut Drained,
    ) -> io::Result<()> {
        for _ in 0..MAX_BATCHES {
            let mut receipts = self.waiting()?;
            receipts.truncate(ReceiptsBody::MAX);
            if receipts.is_empty() {
                break;
            }
            let body = ReceiptsBody::new(receipts).with_now(clock.now());
            let sent = gateway
                .receipts(&signer.app, &signer.device, &signer.key, &body)
                .await;
            let count = body.receipts.len();
            match sent {
                Ok(()) => drained.sent += count,
                Err(error) if is_for_good(error.kind) => {
                    drained.refused += count;
                    drained.refusal = Some(error);
                }
                Err(error) => {
                    drained.error = Some(error);
                    return Ok(());
                }
            }
            self.forget(&body.receipts)?;
        }
        Ok(())
    }

    /// Returns the current pause; none if it ends later than `longest` from now, because the clock was set back.
    pub(crate) fn pause(&self, now: Timestamp, longest: Duration) -> Pause {
        let pause: Pause = fs::read(self.pause_file())
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        if pause.until.since(now) > longest {
            Pause::default()
        } else {
            pause
        }
    }

    /// Delays further requests to the gateway. Errors are ignored: without the pause the next attempt is only earlier.
    pub(crate) fn set_pause(&self, pause: Pause) {
        if let Ok(bytes) = serde_json::to_vec(&pause) {
            fs::write(self.pause_file(), bytes).ok();
        }
    }

    pub(crate) fn end_pause(&self) {
        fs::remove_file(self.pause_file()).ok();
    }
}

const fn is_for_good(kind: GatewayErrorKind) -> bool {
    matches!(
        kind,
        GatewayErrorKind::Refused
            | GatewayErrorKind::DeviceUnknown
            | GatewayErrorKind::CertificateUnknown
    )
}

fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// `<milliseconds>.<what>.<delivery>`.
fn name_of(receipt: &Receipt) -> String {
    let what = receipt.what.as_str();
    format!("{}.{what}.{}", receipt.at.unix_millis(), receipt.delivery)
}

fn read_name(name: &str) -> Option<Receipt> {
    let mut parts = name.split('.');
    let at = Timestamp::from_unix_millis(parts.next()?.parse().ok()?);
    let what = match parts.next()? {
        "delivered" => ReceiptKind::Delivered,
        "clicked" => ReceiptKind::Clicked,
        _ => return None,
    };
    let receipt = Receipt::new(parts.next()?.parse().ok()?, what, at);
    // A receipt in another notation could not be removed by its name.
    (name_of(&receipt) == name).then_some(receipt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_read_from_its_file_name_and_other_names_are_ignored() {
        for (at, what) in [
            (1_700_000_000_123, ReceiptKind::Delivered),
            (0, ReceiptKind::Clicked),
            (-7, ReceiptKind::Clicked),
            (i64::MAX, ReceiptKind::Delivered),
        ] {
            let receipt = Receipt::new(
                "0190163d-8694-739b-aea5-966c26f8ad91".parse().unwrap(),
                what,
                Timestamp::from_unix_millis(at),
            );
            assert_eq!(read_name(&name_of(&receipt)), Some(receipt));
        }
        for other in [
            "",
            ".DS_Store",
            "5.delivered",
            "5.delivered.x",
            "5.read.0190163d-8694-739b-aea5-966c26f8ad91",
            "05.delivered.0190163d-8694-739b-aea5-966c26f8ad91",
            "5.delivered.0190163D-8694-739B-AEA5-966C26F8AD91",
            "5.delivered.0190163d-8694-739b-aea5-966c26f8ad91.tmp",
        ] {
            assert_eq!(read_name(other), None, "{other}");
        }
    }
}
