//! Sends receipts to the gateway: those of the app, and those that its extension could not send.
use std::sync::Arc;

use push_core::{Error, ErrorKind, ReceiptKey};

use crate::{
    Event, GatewayError, GatewayErrorKind,
    outbox::{Drained, SharedFolder, Signer},
    shared::Shared,
    upload::{Outcome, work},
};

impl Shared {
    /// Sends waiting receipts as soon as there is a key to sign them with. Receipts belong to the device and need no login.
    pub(crate) async fn report_receipts(self: Arc<Self>) {
        let shared = &self;
        work(shared, &shared.receipts, || {
            let (app, key, mut body) = shared.state().next_receipts()?;
            Some(async move {
                body.now = Some(shared.parts.clock.now());
                let device = shared.state().device.clone();
                let gateway = &shared.parts.gateway;
                let sent = gateway.receipts(&app, &device, &key, &body).await;
                let count = body.receipts.len();
                match sent {
                    Ok(()) => shared.emit(Event::ReceiptsReported(count)),
                    Err(error) => match error.kind {
                        GatewayErrorKind::ReceiptKeyRefused => {
                            shared.receipt_key_refused(&key, &error);
                            return Outcome::Settled;
                        }
                        // The request carries no ticket, so a refused ticket comes from a proxy before the gateway.
                        GatewayErrorKind::Unavailable
                        | GatewayErrorKind::TooFrequent
                        | GatewayErrorKind::TicketRefused => {
                            return Outcome::Later(error.retry_after);
                        }
                        _ => {
                            shared.emit(Event::ReportFailed(error.to_string()));
                            shared.emit(Event::ReceiptsDropped(count));
                        }
                    },
                }
                shared.state().receipts_done(&body);
                shared.changed();
                Outcome::Settled
            })
        })
        .await;
    }

    /// Returns the signer for this device; `None` until the gateway has sent the key.
    fn signer(&self) -> Option<Signer> {
        let state = self.state();
        let (app, key) = state.receipt_key.clone()?;
        Some(Signer {
            app,
            device: state.device.clone(),
            key,
            gateway: self.parts.gateway.address(),
        })
    }

    /// Writes the receipt key into the shared folder, and sends the receipts that the extension could not send.
    pub(crate) async fn serve_extension(self: Arc<Self>) {
        let shared = &self;
        let Some(folder) = &shared.parts.folder else {
            return;
        };
        work(shared, &shared.receipts, || {
            let signer = shared.signer()?;
            let written = folder.signer();
            let is_written = written.is_ok_and(|written| written.as_ref() == Some(&signer));
            if is_written && folder.waiting().is_ok_and(|waiting| waiting.is_empty()) {
                return None;
            }
            Some(async move {
                if !is_written && let Err(error) = write_signer(folder, &signer).await {
                    shared.emit(Event::SharedFolderFailed(Arc::new(error)));
                    return Outcome::Later(None);
                }
                shared.send_waiting(folder, &signer).await
            })
        })
        .await;
    }

    async fn send_waiting(&self, folder: &SharedFolder, signer: &Signer) -> Outcome {
        let mut drained = Drained::default();
        let done = folder
            .drain(
                signer,
                &*self.parts.gateway,
                &*self.parts.clock,
                &mut drained,
            )
            .await;
        if drained.sent > 0 {
            folder.end_pause();
            self.emit(Event::ReceiptsReported(drained.sent));
        }
        if let Err(error) = done {
            let error = Error::new(ErrorKind::Unavailable, "the shared folder cannot be used")
                .because(error)
                .advise(
                    "let the app read and write in the folder that it passes to extension_folder",
                );
            self.emit(Event::SharedFolderFailed(Arc::new(error)));
            return Outcome::Later(None);
        }
        if let Some(refusal) = drained.refusal {
            self.emit(Event::ReportFailed(refusal.to_string()));
            self.emit(Event::ReceiptsDropped(drained.refused));
        }
        match drained.error {
            None => Outcome::Settled,
            Some(error) if error.kind == GatewayErrorKind::ReceiptKeyRefused => {
                self.receipt_key_refused(&signer.key, &error);
                Outcome::Settled
            }
            Some(error) => Outcome::Later(error.retry_after),
        }
    }

    /// Handles a refused receipt key: the gateway has another master key now, and registering again returns another receipt key.
    /// Receipts wait for it.
    pub(crate) fn receipt_key_refused(&self, key: &ReceiptKey, error: &GatewayError) {
        if !self.state().refuse_receipt_key(key) {
            return;
        }
        // Also before a login, which then registers again even if the last process has uploaded the same token.
        let is_before_login = self.state().current.is_none();
        if is_before_login || !self.is_forgotten_too_often() {
            self.state().forget_all_uploads();
            self.registrations.notify();
        }
        self.changed();
        self.emit(Event::ReportFailed(error.to_string()));
    }
}

/// Writes the signer on a blocking thread.
async fn write_signer(folder: &SharedFolder, signer: &Signer) -> Result<(), Error> {
    let (folder, signer) = (folder.clone(), signer.clone());
    tokio::task::spawn_blocking(move || folder.set_signer(&signer))
        .await
        .unwrap_or_else(|error| {
            Err(
                Error::new(ErrorKind::Internal, "the receipt key could not be written")
                    .because(error),
            )
        })
}
