//! Xiaomi under `offline-push simulate`.
use push_testkit::{
    Faults, Reply, register_simulator,
    simulator::{Credential, Problem, Service, ServiceSimulator, SimulatedPhone, View},
};
use serde_json::Value;

use super::{Options, PACKAGE, Phone, Simulator, service};

register_simulator!("xiaomi", 1, Simulator, Options);

impl ServiceSimulator for Simulator {
    const NO_SANDBOX: &'static str = "Xiaomi has no sandbox for Android";

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
        match app {
            Some(app) if app != PACKAGE => Err(Problem::not_found(format!(
                "there is no app `{app}`, only `{PACKAGE}`"
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
        Self::uninstall(self);
    }
}
