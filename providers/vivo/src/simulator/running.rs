//! vivo under `offline-push simulate`.
use push_testkit::{
    Faults, Reply, register_simulator,
    simulator::{Credential, Problem, Service, ServiceSimulator, SimulatedPhone, View},
};
use serde_json::Value;

use super::{APP_ID, Options, Phone, Simulator, Standing, service};

register_simulator!("vivo", 1, Simulator, Options);

impl ServiceSimulator for Simulator {
    const NO_SANDBOX: &'static str = "vivo has no sandbox; test messages have `pushMode` 1";

    fn service(&self) -> &Service {
        &self.listener
    }

    fn scripted(&self) -> &Faults {
        self.faults()
    }

    fn answer_of(code: &str) -> Reply {
        service::scripted(code)
    }

    fn addresses(&self) -> Vec<(&'static str, String)> {
        vec![("send", self.listener.server().url())]
    }

    fn credential(&self) -> Credential {
        Credential::new("", self.config())
    }

    fn new_phone(&self, app: Option<&str>) -> Result<Box<dyn SimulatedPhone>, Problem> {
        let known = APP_ID.to_string();
        match app {
            Some(app) if app != known => Err(Problem::not_found(format!(
                "there is no app `{app}`, only `{known}`"
            ))),
            _ => Ok(Box::new(Self::install(self))),
        }
    }

    fn counted(&self) -> Value {
        Self::counters(self).to_json()
    }
}

impl SimulatedPhone for Phone {
    fn tokens(&self) -> Vec<(&'static str, String)> {
        vec![("token", self.token().to_owned())]
    }

    fn inbox(&self) -> &dyn View {
        &self.inbox
    }

    fn set_power(&self, on: bool) {
        Self::set_power(self, on);
    }

    fn uninstall(&self) {
        self.set_standing(Standing::Unsubscribed);
    }
}
