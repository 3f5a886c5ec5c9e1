//! The vendor as `offline-push simulate` runs it.
use push_testkit::{
    Faults, Reply, register_simulator,
    simulator::{Credential, Problem, Service, ServiceSimulator, SimulatedPhone, View},
};
use serde_json::Value;

use super::{APP_ID, Options, Phone, Simulator, service};

register_simulator!("webpush", 1, Simulator, Options);

impl ServiceSimulator for Simulator {
    const NO_SANDBOX: &'static str = "the vendor has no sandbox";

    fn service(&self) -> &Service {
        &self.http
    }

    fn scripted(&self) -> &Faults {
        self.faults()
    }

    fn answer_of(code: &str) -> Reply {
        service::error(code)
    }

    fn addresses(&self) -> Vec<(&'static str, String)> {
        vec![("send", self.http.server().url())]
    }

    fn credential(&self) -> Credential {
        Credential::new("", self.config())
    }

    fn new_phone(&self, app: Option<&str>) -> Result<Box<dyn SimulatedPhone>, Problem> {
        if app.is_some_and(|app| app != APP_ID) {
            return Err(Problem::invalid(format!("the only app is `{APP_ID}`")));
        }
        Ok(Box::new(Self::install(self)))
    }

    fn counted(&self) -> Value {
        self.service.counters().to_json()
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
        self.power(on);
    }

    fn uninstall(&self) {
        Self::uninstall(self);
    }
}
