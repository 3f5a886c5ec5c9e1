//! The vendor as `offline-push simulate` runs it.
use std::time::Duration;

use push_core::Environment;
use push_testkit::{
    register_simulator,
    simulator::{Credential, Install, Order, Problem, RunningSimulator, SimulatedPhone, View},
};
use serde_json::Value;

use super::{APP_ID, Options, Phone, Simulator, service};

register_simulator!("{{name}}", 1, Simulator, Options);

impl RunningSimulator for Simulator {
    fn endpoints(&self) -> Vec<(&'static str, String)> {
        vec![("send", self.http.server().url())]
    }

    fn ca_pem(&self) -> String {
        self.http.ca_pem()
    }

    fn credentials(&self) -> Vec<Credential> {
        vec![Credential::new("", self.config())]
    }

    fn install(&self, install: &Install) -> Result<Box<dyn SimulatedPhone>, Problem> {
        if install.environment == Some(Environment::Sandbox) {
            return Err(Problem::invalid("the vendor has no sandbox"));
        }
        if install.app.as_deref().is_some_and(|app| app != APP_ID) {
            return Err(Problem::invalid(format!("the only app is `{APP_ID}`")));
        }
        Ok(Box::new(Self::install(self)))
    }

    fn script(&self, order: &Order, tokens: &[String]) -> Result<(), Problem> {
        let reply = order.reply(service::error)?;
        order.write(self.faults(), tokens, &reply);
        Ok(())
    }

    fn heal(&self) {
        self.faults().clear();
    }

    fn set_delay(&self, delay: Duration) {
        self.http.delay().set(delay);
    }

    fn disconnect(&self, reason: Option<&str>) {
        self.http.disconnect(reason.is_some());
    }

    fn counters(&self) -> Value {
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
