//! Google as `offline-push simulate` runs it.
use push_testkit::{
    Faults, Reply, register_simulator,
    serde_json::Value,
    simulator::{Credential, Problem, Service, ServiceSimulator, SimulatedPhone, View},
};

use super::{Options, PROJECT, Phone, Simulator, error};

register_simulator!("fcm", 1, Simulator, Options);

impl ServiceSimulator for Simulator {
    const NO_SANDBOX: &'static str = "FCM has no sandbox";

    fn service(&self) -> &Service {
        &self.service
    }

    fn scripted(&self) -> &Faults {
        &self.world.faults
    }

    fn answer_of(code: &str) -> Reply {
        error(code)
    }

    fn addresses(&self) -> Vec<(&'static str, String)> {
        vec![
            ("send", self.endpoint()),
            ("token", format!("{}/token", self.endpoint())),
        ]
    }

    fn credential(&self) -> Credential {
        Credential::new("", self.config())
            .with_files(vec![("service-account.json", self.service_account())])
    }

    fn new_phone(&self, app: Option<&str>) -> Result<Box<dyn SimulatedPhone>, Problem> {
        if app.is_some_and(|app| app != PROJECT) {
            let detail = format!("the simulator has one project, `{PROJECT}`; leave `app` out");
            return Err(Problem::invalid(detail));
        }
        Ok(Box::new(Self::install(self)))
    }

    fn counted(&self) -> Value {
        Self::counters(self).to_json()
    }
}

impl SimulatedPhone for Phone {
    fn tokens(&self) -> Vec<(&'static str, String)> {
        vec![("token", self.token()), ("fid", self.fid())]
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
