//! Honor under `offline-push simulate`.
use std::time::Duration;

use push_core::Environment;
use push_testkit::{
    register_simulator,
    simulator::{Credential, Install, Order, Problem, RunningSimulator, SimulatedPhone, View},
};
use serde_json::Value;

use super::{APP, Options, Phone, Simulator, service};

register_simulator!("honor", 1, Simulator, Options);

impl RunningSimulator for Simulator {
    fn endpoints(&self) -> Vec<(&'static str, String)> {
        let url = self.listener.server().url();
        vec![
            ("token", format!("{url}/auth/token")),
            ("send", format!("{url}/api/v1")),
        ]
    }

    fn ca_pem(&self) -> String {
        self.listener.ca_pem()
    }

    fn credentials(&self) -> Vec<Credential> {
        vec![Credential::new("", self.config())]
    }

    fn install(&self, install: &Install) -> Result<Box<dyn SimulatedPhone>, Problem> {
        if install.environment == Some(Environment::Sandbox) {
            return Err(Problem::invalid(
                "Honor has no sandbox; test messages have `targetUserType` 1",
            ));
        }
        if let Some(app) = install.app.as_deref().filter(|app| *app != APP[0]) {
            let known = APP[0];
            return Err(Problem::not_found(format!(
                "there is no app `{app}`, only `{known}`"
            )));
        }
        Ok(Box::new(Self::install(self)))
    }

    fn script(&self, order: &Order, tokens: &[String]) -> Result<(), Problem> {
        let reply = order.reply(service::scripted)?;
        order.write(self.faults(), tokens, &reply);
        Ok(())
    }

    fn heal(&self) {
        self.faults().clear();
    }

    fn set_delay(&self, delay: Duration) {
        self.listener.delay().set(delay);
    }

    fn disconnect(&self, reason: Option<&str>) {
        self.listener.disconnect(reason.is_some());
    }

    fn counters(&self) -> Value {
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
