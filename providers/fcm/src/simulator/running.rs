//! Google as `offline-push simulate` runs it.
use std::time::Duration;

use push_testkit::{
    register_simulator,
    serde_json::Value,
    simulator::{Credential, Install, Order, Problem, RunningSimulator, SimulatedPhone, View},
};

use super::{Options, PROJECT, Phone, Simulator, error};

register_simulator!("fcm", 1, Simulator, Options);

impl RunningSimulator for Simulator {
    fn endpoints(&self) -> Vec<(&'static str, String)> {
        vec![
            ("send", self.endpoint()),
            ("token", format!("{}/token", self.endpoint())),
        ]
    }

    fn ca_pem(&self) -> String {
        self.service.ca_pem()
    }

    fn credentials(&self) -> Vec<Credential> {
        vec![
            Credential::new("", self.config())
                .with_files(vec![("service-account.json", self.service_account())]),
        ]
    }

    fn install(&self, install: &Install) -> Result<Box<dyn SimulatedPhone>, Problem> {
        if install.app.as_deref().is_some_and(|app| app != PROJECT) {
            let detail = format!("the simulator has one project, `{PROJECT}`; leave `app` out");
            return Err(Problem::invalid(detail));
        }
        if install.environment == Some(push_core::Environment::Sandbox) {
            return Err(Problem::invalid("FCM has no sandbox"));
        }
        Ok(Box::new(Self::install(self)))
    }

    fn script(&self, order: &Order, tokens: &[String]) -> Result<(), Problem> {
        let reply = order.reply(error)?;
        order.write(&self.world.faults, tokens, &reply);
        Ok(())
    }

    fn heal(&self) {
        Self::heal(self);
    }

    fn set_delay(&self, delay: Duration) {
        self.service.delay().set(delay);
    }

    fn disconnect(&self, reason: Option<&str>) {
        self.service.disconnect(reason.is_some());
    }

    fn counters(&self) -> Value {
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
