//! Sends receipts to the gateway: the app's own, and those that its extension could not send.
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
            let (app, key, body) = shared.state().next_receipts()?;
            Some(async move {
                let device = shared.state().device.clone();
                let gateway = &shared.parts.gateway;
                let sent = gateway.receipts(&app, &device, &key, &body).await;
                let count = body.receipts.len();
                match sent {
                    Ok(()) => shared.tell(Event::ReceiptsReported(count)),
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
                            shared.tell(Event::ReportFailed(error.to_string()));
                            shared.tell(Event::ReceiptsDropped(count));
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

    /// The signer for this device, once the gateway has sent the key.
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

    /// Leaves the receipt key where the extension finds it, and sends the receipts that the extension could not send.
    pub(crate) async fn help_extension(self: Arc<Self>) {
        let shared = &self;
        let Some(folder) = &shared.parts.folder else {
            return;
        };
        work(shared, &shared.receipts, || {
            let signer = shared.signer()?;
            let is_left = folder.signer().is_ok_and(|it| it.as_ref() == Some(&signer));
            if is_left && folder.waiting().is_ok_and(|it| it.is_empty()) {
                return None;
            }
            Some(async move {
                if !is_left && let Err(error) = leave(folder, &signer).await {
                    shared.tell(Event::SharedFolderFailed(Arc::new(error)));
                    return Outcome::Later(None);
                }
                shared.empty(folder, &signer).await
            })
        })
        .await;
    }

    async fn empty(&self, folder: &SharedFolder, signer: &Signer) -> Outcome {
        let mut told = Drained::default();
        let done = folder.drain(signer, &*self.parts.gateway, &mut told).await;
        if told.sent > 0 {
            folder.end_pause();
            self.tell(Event::ReceiptsReported(told.sent));
        }
        if let Err(error) = done {
            let error = Error::new(ErrorKind::Unavailable, "the shared folder cannot be used")
                .because(error)
                .advise(
                    "let the app read and write in the folder that it names to extension_folder",
                );
            self.tell(Event::SharedFolderFailed(Arc::new(error)));
            return Outcome::Later(None);
        }
        if let Some(refusal) = told.refusal {
            self.tell(Event::ReportFailed(refusal.to_string()));
            self.tell(Event::ReceiptsDropped(told.refused));
        }
        match told.error {
            None => Outcome::Settled,
            Some(error) if error.kind == GatewayErrorKind::ReceiptKeyRefused => {
                self.receipt_key_refused(&signer.key, &error);
                Outcome::Settled
            }
            Some(error) => Outcome::Later(error.retry_after),
        }
    }

    /// The gateway has another master key by now: registering again yields another receipt key. Receipts wait for it.
    pub(crate) fn receipt_key_refused(&self, key: &ReceiptKey, error: &GatewayError) {
        if !self.state().refuse_receipt_key(key) {
            return;
        }
        // Before a login, too: it then registers, whatever the last process has uploaded.
        let is_before_login = self.state().current.is_none();
        if is_before_login || !self.is_forgotten_too_often() {
            self.state().forget_all_uploads();
            self.registrations.tell();
        }
        self.changed();
        self.tell(Event::ReportFailed(error.to_string()));
    }
}

/// Writes files, so not on the runtime's own threads.
async fn leave(folder: &SharedFolder, signer: &Signer) -> Result<(), Error> {
    let (folder, signer) = (folder.clone(), signer.clone());
    tokio::task::spawn_blocking(move || folder.set_signer(&signer))
        .await
        .unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Internal, "the receipt key could not be left").because(error))
        })
}
