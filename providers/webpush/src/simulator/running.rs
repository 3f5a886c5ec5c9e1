//! Web Push under `offline-push simulate`.
use push_testkit::{
    Faults, Reply, register_simulator,
    simulator::{Credential, Problem, Service, ServiceSimulator, SimulatedPhone, View},
};
use serde_json::Value;

use super::{Browser, Options, Phone, Simulator, answers};

register_simulator!("webpush", 1, Simulator, Options);

impl ServiceSimulator for Simulator {
    const NO_SANDBOX: &'static str = "Web Push has no sandbox";

    fn service(&self) -> &Service {
        &self.listener
    }

    fn scripted(&self) -> &Faults {
        self.faults()
    }

    fn answer_of(code: &str) -> Reply {
        answers::scripted(code)
    }

    fn addresses(&self) -> Vec<(&'static str, String)> {
        vec![("push", self.listener.server().url())]
    }

    fn credential(&self) -> Credential {
        Credential::new("", self.config())
    }

    fn new_phone(&self, app: Option<&str>) -> Result<Box<dyn SimulatedPhone>, Problem> {
        let name = app.unwrap_or(Browser::Chrome.name());
        let browser = Browser::ALL.into_iter().find(|it| it.name() == name);
        match browser {
            Some(browser) => Ok(Box::new(self.install(browser))),
            None => Err(Problem::not_found(format!(
                "there is no browser `{name}`, only chrome, firefox and safari"
            ))),
        }
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
        self.unsubscribe();
    }
}
