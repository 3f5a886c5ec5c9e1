//! The auto bridge on a login center meets the contract of login bridges.
use std::sync::Arc;

use push_core::{Account, LoginBridge, async_trait};
use push_login_auto::{AutoLogin, LoginCenter, LoginFault, LoginSystem};
use push_testkit::login::{EndLogout, LoginDriver};
use tokio::sync::watch;

/// Logs in at once, and out when its gate is open.
#[derive(Debug)]
struct Gated(watch::Sender<bool>);

#[async_trait]
impl LoginSystem for Gated {
    async fn logout(&self, _: &Account) -> Result<(), LoginFault> {
        drop(self.0.subscribe().wait_for(|is_open| *is_open).await);
        Ok(())
    }
}

struct Driver {
    center: LoginCenter,
    gate: Arc<Gated>,
}

impl Driver {
    fn new() -> Self {
        let gate = Arc::new(Gated(watch::Sender::new(true)));
        Self {
            center: LoginCenter::with(Arc::clone(&gate) as _),
            gate,
        }
    }
}

#[async_trait]
impl LoginDriver for Driver {
    fn bridge(&self) -> Arc<dyn LoginBridge> {
        Arc::new(AutoLogin::new(self.center.clone()))
    }

    async fn login(&self, account: Account) {
        self.center
            .login(account)
            .await
            .expect("the login succeeds");
    }

    async fn logout(&self) {
        self.center.logout().await.expect("the logout succeeds");
    }

    async fn begin_logout(&self) -> EndLogout {
        self.gate.0.send_replace(false);
        let center = self.center.clone();
        tokio::spawn(async move { center.logout().await });
        push_testkit::until(|| self.center.user().is_none()).await;
        let gate = Arc::clone(&self.gate);
        Box::new(move || {
            gate.0.send_replace(true);
        })
    }

    async fn kick(&self) {
        self.center.kicked_offline();
    }

    async fn expire(&self) {
        self.center.user_sig_expired();
    }
}

push_testkit::login_conformance!(Driver::new);
