//! Huawei as `offline-push simulate` runs it.
use std::time::Duration;

use push_testkit::{
    register_simulator,
    simulator::{Credential, Install, Order, Problem, RunningSimulator, SimulatedPhone, View},
};
use serde_json::Value;

use super::{Options, Phone, Simulator, service};

register_simulator!("huawei", 1, Simulator, Options);

impl RunningSimulator for Simulator {
    fn endpoints(&self) -> Vec<(&'static str, String)> {
        vec![("send", self.endpoint()), ("token", self.token_endpoint())]
    }

    fn ca_pem(&self) -> String {
        Self::ca_pem(self)
    }

    fn credentials(&self) -> Vec<Credential> {
        vec![Credential::new("", self.config())]
    }

    fn install(&self, install: &Install) -> Result<Box<dyn SimulatedPhone>, Problem> {
        if install.environment == Some(push_core::Environment::Sandbox) {
            return Err(Problem::invalid("Huawei has no sandbox"));
        }
        let own = &self.service.app().id;
        let app = install.app.as_deref().unwrap_or(own);
        if !self.service.knows(app) {
            let detail = format!("the simulator knows no app `{app}`; its app is `{own}`");
            return Err(Problem::invalid(detail));
        }
        Ok(Box::new(self.install_app(app)))
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
