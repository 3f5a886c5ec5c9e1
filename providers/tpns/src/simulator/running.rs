//! TPNS under `offline-push simulate`.
use std::time::Duration;

use push_core::Environment;
use push_testkit::{
    register_simulator,
    simulator::{Credential, Install, Order, Problem, RunningSimulator, SimulatedPhone, View},
};
use serde_json::Value;

use super::{APPS, Options, Phone, Route, Simulator, service};

register_simulator!("tpns", 1, Simulator, Options);

/// Two apps have two credentials.
impl RunningSimulator for Simulator {
    fn endpoints(&self) -> Vec<(&'static str, String)> {
        vec![("send", self.listener.server().url())]
    }

    fn ca_pem(&self) -> String {
        self.listener.ca_pem()
    }

    fn credentials(&self) -> Vec<Credential> {
        vec![
            Credential::new("android", self.android()),
            Credential::new("ios", self.ios()),
        ]
    }

    fn install(&self, install: &Install) -> Result<Box<dyn SimulatedPhone>, Problem> {
        let environment = install.environment.unwrap_or(Environment::Production);
        let [android, ios] = APPS;
        match install.app.as_deref().unwrap_or(android) {
            app if app == ios => Ok(Box::new(self.install_ios(environment))),
            app if app != android => Err(Problem::not_found(format!(
                "there is no app `{app}`, only `{android}` and `{ios}`"
            ))),
            _ if environment == Environment::Sandbox => {
                Err(Problem::invalid("only the app on iOS has a sandbox"))
            }
            _ => Ok(Box::new(Self::install(self, Route::Tpns))),
        }
    }

    fn script(&self, order: &Order, tokens: &[String]) -> Result<(), Problem> {
        let answer = |code: &str| {
            let number = code.parse::<i64>().map(Value::from);
            service::coded(&number.unwrap_or_else(|_| code.into()), "scripted")
        };
        order.write(self.faults(), tokens, &order.reply(answer)?);
        Ok(())
    }

    fn heal(&self) {
        self.faults().clear();
        self.results().clear();
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
