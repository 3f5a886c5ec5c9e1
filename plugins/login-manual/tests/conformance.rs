//! The manual bridge meets the contract of login bridges.
use std::sync::{Arc, Mutex};

use push_core::{Account, LoginBridge, LogoutCause, async_trait};
use push_login_manual::{ManualLogin, Service};
use push_testkit::login::{EndLogout, LoginDriver};

#[derive(Default)]
struct Driver {
    login: ManualLogin,
    service: Mutex<Option<Service>>,
}

impl Driver {
    fn end(&self, cause: LogoutCause) {
        let service = self.service.lock().expect("no test panics here").take();
        if let Some(service) = service {
            service.unregister(cause);
        }
    }
}

#[async_trait]
impl LoginDriver for Driver {
    fn bridge(&self) -> Arc<dyn LoginBridge> {
        Arc::new(self.login.clone())
    }

    async fn login(&self, account: Account) {
        let service = self.login.register_service(account);
        *self.service.lock().expect("no test panics here") = Some(service);
    }

    async fn logout(&self) {
        self.login.unregister_service();
    }

    async fn begin_logout(&self) -> EndLogout {
        let service = self.service.lock().expect("no test panics here").take();
        Box::new(move || {
            if let Some(service) = service {
                service.unregister(LogoutCause::Logout);
            }
        })
    }

    async fn kick(&self) {
        self.end(LogoutCause::KickedOffline);
    }

    async fn expire(&self) {
        self.end(LogoutCause::CredentialExpired);
    }
}

push_testkit::login_conformance!(Driver::default);
