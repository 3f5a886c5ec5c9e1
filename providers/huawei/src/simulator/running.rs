//! Huawei as `offline-push simulate` runs it.
use push_testkit::{
    Faults, Reply, register_simulator,
    simulator::{Credential, Problem, Service, ServiceSimulator, SimulatedPhone, View},
};
use serde_json::Value;

use super::{Options, Phone, Simulator, service};

register_simulator!("huawei", 1, Simulator, Options);

impl ServiceSimulator for Simulator {
    const NO_SANDBOX: &'static str = "Huawei has no sandbox";

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
        vec![("send", self.endpoint()), ("token", self.token_endpoint())]
    }

    fn credential(&self) -> Credential {
        Credential::new("", self.config())
    }

    fn new_phone(&self, app: Option<&str>) -> Result<Box<dyn SimulatedPhone>, Problem> {
        let own = &self.service.app().id;
        let app = app.unwrap_or(own);
        if !self.service.knows(app) {
            let detail = format!("the simulator knows no app `{app}`; its app is `{own}`");
            return Err(Problem::invalid(detail));
        }
        Ok(Box::new(self.install_app(app)))
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
        if on {
            self.switch_on();
        } else {
            self.switch_off();
        }
    }

    fn uninstall(&self) {
        Self::uninstall(self);
    }
}
