//! Honor under `offline-push simulate`.
use push_testkit::{
    Faults, Reply, register_simulator,
    simulator::{Credential, Problem, Service, ServiceSimulator, SimulatedPhone, View},
};
use serde_json::Value;

use super::{APP, Options, Phone, Simulator, service};

register_simulator!("honor", 1, Simulator, Options);

impl ServiceSimulator for Simulator {
    const NO_SANDBOX: &'static str = "Honor has no sandbox; test messages have `targetUserType` 1";

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
        let url = self.listener.server().url();
        vec![
            ("token", format!("{url}/auth/token")),
            ("send", format!("{url}/api/v1")),
        ]
    }

    fn credential(&self) -> Credential {
        Credential::new("", self.config())
    }

    fn new_phone(&self, app: Option<&str>) -> Result<Box<dyn SimulatedPhone>, Problem> {
        let known = APP[0];
        if let Some(app) = app.filter(|app| *app != known) {
            return Err(Problem::not_found(format!(
                "there is no app `{app}`, only `{known}`"
            )));
        }
        Ok(Box::new(Self::install(self)))
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
