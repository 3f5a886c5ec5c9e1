//! OPPO under `offline-push simulate`.
use push_testkit::{
    Faults, Reply, register_simulator,
    simulator::{Credential, Problem, Service, ServiceSimulator, SimulatedPhone, View},
};
use serde_json::Value;

use super::{
    APP, Options, Phone, Simulator,
    service::{refusal, words},
};

register_simulator!("oppo", 1, Simulator, Options);

impl ServiceSimulator for Simulator {
    const NO_SANDBOX: &'static str = "OPPO has no sandbox";

    fn service(&self) -> &Service {
        &self.listener
    }

    fn scripted(&self) -> &Faults {
        self.faults()
    }

    fn answer_of(code: &str) -> Reply {
        match code.parse() {
            Ok(code) => refusal(code, words(code)),
            Err(_) => refusal(41, code),
        }
    }

    fn addresses(&self) -> Vec<(&'static str, String)> {
        let url = self.listener.server().url();
        vec![
            ("mainland", format!("{url}/cn")),
            ("overseas", format!("{url}/intl")),
            ("feedback", format!("{url}/feedback")),
        ]
    }

    fn credential(&self) -> Credential {
        Credential::new("", self.config())
    }

    fn new_phone(&self, app: Option<&str>) -> Result<Box<dyn SimulatedPhone>, Problem> {
        match app {
            Some(app) if app != APP[0] => Err(Problem::not_found(format!(
                "there is no app with the key `{app}`, only `{}`",
                APP[0]
            ))),
            _ => Ok(Box::new(self.install())),
        }
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
