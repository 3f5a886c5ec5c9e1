//! Push Kit under `offline-push simulate`.
use push_testkit::{
    Faults, Reply, register_simulator,
    simulator::{Credential, Problem, Service, ServiceSimulator, SimulatedPhone, View},
};
use serde_json::Value;

use super::{CLIENT, Options, Phone, Simulator, service};

register_simulator!("harmony", 1, Simulator, Options);

impl ServiceSimulator for Simulator {
    const NO_SANDBOX: &'static str = "Push Kit has no sandbox; test messages have `testMessage`";

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
        vec![("send", self.endpoint())]
    }

    fn credential(&self) -> Credential {
        let file = self.key_file().to_string();
        Credential::new("", self.config()).with_files(vec![("service-account.json", file)])
    }

    fn new_phone(&self, app: Option<&str>) -> Result<Box<dyn SimulatedPhone>, Problem> {
        if app.is_some_and(|app| app != CLIENT) {
            let detail = format!("the simulator has one app, `{CLIENT}`; leave `app` out");
            return Err(Problem::not_found(detail));
        }
        Ok(Box::new(self.install()))
    }

    fn counted(&self) -> Value {
        self.counters().to_json()
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
