//! What every vendor's simulator offers to a program that does not know the vendor.
use std::{fmt, io, time::Duration};

use http::StatusCode;
use push_core::Environment;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{BoxFuture, Options, Service, View};
use crate::{Faults, Reply};

/// The longest detail of an error of the control API, in characters.
const MAX_DETAIL: usize = 300;

/// A vendor's simulator, as its crate registers it with [`register_simulator!`](crate::register_simulator).
#[non_exhaustive]
pub struct SimulatorDescriptor {
    /// The vendor's name: that of its provider.
    pub name: &'static str,
    /// How many ports it listens on, beginning with that of [`Options::address`].
    pub ports: u16,
    /// Starts it.
    pub start: fn(Options) -> Starting,
}

impl SimulatorDescriptor {
    /// A simulator that listens on `ports` ports and is started by `start`.
    pub const fn new(name: &'static str, ports: u16, start: fn(Options) -> Starting) -> Self {
        Self { name, ports, start }
    }
}

/// A simulator that is starting. It fails if an address cannot be bound.
pub type Starting = BoxFuture<'static, io::Result<Box<dyn RunningSimulator>>>;

impl fmt::Debug for SimulatorDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimulatorDescriptor({})", self.name)
    }
}

inventory::collect!(SimulatorDescriptor);

/// The simulators that this program links, by name.
pub fn simulators() -> Vec<&'static SimulatorDescriptor> {
    let mut all: Vec<_> = inventory::iter::<SimulatorDescriptor>.into_iter().collect();
    all.sort_by_key(|simulator| simulator.name);
    all
}

/// Registers a vendor's simulator, so that `offline-push simulate` finds it.
///
/// `$simulator` has `async fn start(Options) -> io::Result<Self>` and implements [`RunningSimulator`], by itself or with
/// [`ServiceSimulator`](crate::simulator::ServiceSimulator); `$options` has
/// `From<push_testkit::simulator::Options>`.
#[macro_export]
macro_rules! register_simulator {
    ($name:literal, $ports:literal, $simulator:ty, $options:ty) => {
        $crate::simulator::inventory::submit! {
            $crate::simulator::SimulatorDescriptor::new($name, $ports, |options| {
                ::std::boxed::Box::pin(async move {
                    let simulator = <$simulator>::start(<$options>::from(options)).await?;
                    ::std::io::Result::Ok(
                        ::std::boxed::Box::new(simulator)
                            as ::std::boxed::Box<dyn $crate::simulator::RunningSimulator>,
                    )
                })
            })
        }
    };
}

/// A simulator that runs. Everything stops when it drops.
pub trait RunningSimulator: fmt::Debug + Send + Sync {
    /// Its addresses by purpose, as in `("send", "https://localhost:4433")`.
    fn endpoints(&self) -> Vec<(&'static str, String)>;

    /// The certificate of the authority that its clients must trust, as PEM.
    fn ca_pem(&self) -> String;

    /// Credentials that it accepts, ready for the gateway.
    fn credentials(&self) -> Vec<Credential>;

    /// Puts an app on a new phone.
    ///
    /// # Errors
    /// If the vendor has no such app or environment.
    fn install(&self, install: &Install) -> Result<Box<dyn SimulatedPhone>, Problem>;

    /// Scripts what happens to later pushes; `tokens` are those of the phone, where the order names one.
    ///
    /// # Errors
    /// If the vendor has no such outcome.
    fn script(&self, order: &Order, tokens: &[String]) -> Result<(), Problem>;

    /// Drops every scripted outcome.
    fn heal(&self);

    /// Changes how long every answer takes.
    fn set_delay(&self, delay: Duration);

    /// Closes every connection: with a reason, after the requests in flight (GOAWAY in HTTP/2); with `None`, at once.
    fn disconnect(&self, reason: Option<&str>);

    /// What was counted since the start, as a JSON object of numbers.
    fn counters(&self) -> Value;

    /// Issues a client certificate. Default: refused, because most vendors have none.
    ///
    /// # Errors
    /// If the vendor has no client certificates, or the request is not one it can serve.
    fn issue_certificate(&self, request: &Value) -> Result<Value, Problem> {
        let _ = request;
        Err(Problem::new(
            501,
            "unsupported",
            "this vendor has no client certificates",
        ))
    }
}

/// A vendor's simulator behind one [`Service`], whose scripted outcomes are [`Reply`]s: what is the vendor's own. Everything else of
/// [`RunningSimulator`], which it implements with this, is the same for every vendor.
pub trait ServiceSimulator: fmt::Debug + Send + Sync {
    /// Why there is no sandbox, as in "Acme has no sandbox".
    const NO_SANDBOX: &'static str;

    /// The server.
    fn service(&self) -> &Service;

    /// What tests and the control API script.
    fn scripted(&self) -> &Faults;

    /// The vendor's answer for a code of its own.
    fn answer_of(code: &str) -> Reply;

    /// Its addresses by purpose: [`RunningSimulator::endpoints`].
    fn addresses(&self) -> Vec<(&'static str, String)>;

    /// The credential that it accepts.
    fn credential(&self) -> Credential;

    /// Puts an app on a new phone: the one of the credential if none is named.
    ///
    /// # Errors
    /// If the vendor has no such app.
    fn new_phone(&self, app: Option<&str>) -> Result<Box<dyn SimulatedPhone>, Problem>;

    /// What was counted: [`RunningSimulator::counters`].
    fn counted(&self) -> Value;
}

impl<S: ServiceSimulator> RunningSimulator for S {
    fn endpoints(&self) -> Vec<(&'static str, String)> {
        self.addresses()
    }

    fn ca_pem(&self) -> String {
        self.service().ca_pem()
    }

    fn credentials(&self) -> Vec<Credential> {
        vec![self.credential()]
    }

    fn install(&self, install: &Install) -> Result<Box<dyn SimulatedPhone>, Problem> {
        if install.environment == Some(Environment::Sandbox) {
            return Err(Problem::invalid(S::NO_SANDBOX));
        }
        self.new_phone(install.app.as_deref())
    }

    fn script(&self, order: &Order, tokens: &[String]) -> Result<(), Problem> {
        let reply = order.reply(S::answer_of)?;
        order.write(self.scripted(), tokens, &reply);
        Ok(())
    }

    fn heal(&self) {
        self.scripted().clear();
    }

    fn set_delay(&self, delay: Duration) {
        self.service().delay().set(delay);
    }

    fn disconnect(&self, reason: Option<&str>) {
        self.service().disconnect(reason.is_some());
    }

    fn counters(&self) -> Value {
        self.counted()
    }
}

/// A phone that a simulator delivers to.
pub trait SimulatedPhone: Send + Sync {
    /// Its tokens by purpose; the first is for notifications.
    fn tokens(&self) -> Vec<(&'static str, String)>;

    /// What arrived.
    fn inbox(&self) -> &dyn View;

    /// Switches it off or on.
    fn set_power(&self, on: bool);

    /// Deletes the app.
    fn uninstall(&self);
}

/// A credential for the gateway: the body of `POST /v1/credentials`.
#[derive(Clone)]
#[non_exhaustive]
pub struct Credential {
    /// What distinguishes it from the simulator's other credentials, as in `sandbox`; empty if there is one only.
    pub label: &'static str,
    /// The provider's configuration.
    pub config: Value,
    /// Files for other clients, by name: keys in the vendor's own form.
    pub files: Vec<(&'static str, String)>,
}

impl Credential {
    /// A credential without files for other clients.
    pub const fn new(label: &'static str, config: Value) -> Self {
        Self {
            label,
            config,
            files: Vec::new(),
        }
    }

    push_core::setters! {
        with_files(files: Vec<(&'static str, String)>);
    }

    /// The body of `POST /v1/credentials`.
    pub fn to_json(&self, provider: &str) -> Value {
        json!({
            "provider": provider,
            "label": format!("{provider} simulator {}", self.label).trim_end(),
            "config": self.config,
        })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.label)
    }
}

/// Which app goes on a new phone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Install {
    /// The app, in the vendor's terms: bundle id, project, app id. Default: that of the simulator's credential.
    pub app: Option<String>,
    /// `production` or `sandbox`, for vendors that have both. Default: production.
    pub environment: Option<Environment>,
}

/// What happens to later pushes instead of the usual.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Order {
    /// The vendor's own code of an error, as in `Unregistered`. Absent: the usual answer, which may be late.
    pub code: Option<String>,
    /// The HTTP status. Default: the one that the vendor documents for the code, else 400.
    pub status: Option<u16>,
    /// The value of a `retry-after` header.
    pub retry_after: Option<String>,
    /// Milliseconds to wait first.
    #[serde(default)]
    pub delay_ms: u64,
    /// What happens instead of an answer.
    pub action: Option<Action>,
    /// The number of the phone whose pushes it concerns; absent: any push.
    pub phone: Option<u64>,
    /// How many pushes it concerns. Default: one; for a phone, all until the outcomes are dropped.
    pub times: Option<u64>,
}

/// What happens instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
// Closed: every simulator performs each.
pub enum Action {
    /// The request is read and its stream or connection reset.
    Reset,
    /// There is no answer; the connection stays open.
    Silence,
    /// The connection closes without an answer.
    Close,
    /// The connection says GOAWAY before the request, which is not processed.
    GoAway,
    /// The stream is refused unprocessed (`REFUSED_STREAM`).
    Refuse,
}

impl Order {
    /// Milliseconds to wait first, as a duration.
    pub const fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// Writes `outcome` into `faults`: for each of `keys` if the order names a phone, else for the next pushes.
    pub fn write<R: Clone>(&self, faults: &Faults<R>, keys: &[String], outcome: &R) {
        match (self.phone, self.times) {
            (None, times) => faults.next_times(times.unwrap_or(1), outcome.clone()),
            (Some(_), None) => keys.iter().for_each(|key| faults.on(key, outcome.clone())),
            (Some(_), Some(times)) => keys
                .iter()
                .for_each(|key| faults.times(key, times, outcome.clone())),
        }
    }

    /// The order as a [`Reply`], for simulators on [`crate::HttpServer`]. `answer` makes the vendor's answer for a code.
    ///
    /// # Errors
    /// If the order asks for what HTTP/1.1 cannot do, has neither code nor action, or has a status or header that HTTP does
    /// not have.
    pub fn reply(&self, answer: impl FnOnce(&str) -> Reply) -> Result<Reply, Problem> {
        let reply = match (self.action, &self.code) {
            (Some(Action::Reset | Action::Close), _) => Reply::reset(),
            (Some(Action::Silence), _) => Reply::silence(),
            (Some(Action::GoAway | Action::Refuse), _) => {
                return Err(Problem::new(
                    501,
                    "unsupported",
                    "this simulator closes connections with POST …/disconnect only",
                ));
            }
            (None, Some(code)) => {
                let mut reply = answer(code);
                if let Some(status) = self.status()? {
                    reply = reply.with_status(status);
                }
                if let Some(value) = self.retry_after()? {
                    reply = reply.header("retry-after", value);
                }
                reply
            }
            (None, None) => {
                return Err(Problem::invalid(
                    "an outcome has a code or an action; a delay of every answer is PUT …/delay",
                ));
            }
        };
        Ok(reply.later(self.delay()))
    }

    /// The status, checked.
    ///
    /// # Errors
    /// If it is not from 200 to 599.
    pub fn status(&self) -> Result<Option<StatusCode>, Problem> {
        match self.status {
            None => Ok(None),
            Some(status @ 200..=599) => Ok(StatusCode::from_u16(status).ok()),
            Some(_) => Err(Problem::invalid("status is not from 200 to 599")),
        }
    }

    /// The `retry-after`, checked.
    ///
    /// # Errors
    /// If it is not visible ASCII of at most 64 characters.
    pub fn retry_after(&self) -> Result<Option<&str>, Problem> {
        match &self.retry_after {
            Some(value)
                if value.is_empty()
                    || value.len() > 64
                    || !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) =>
            {
                Err(Problem::invalid("retry_after is not the value of a header"))
            }
            value => Ok(value.as_deref()),
        }
    }
}

/// An error of the control API (RFC 9457), with a stable code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: &'static str,
    /// What is wrong, on what, and what to do.
    pub detail: String,
}

impl Problem {
    /// An error with this status and code.
    pub fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
        }
    }

    /// 400 `invalid`.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(400, "invalid", detail)
    }

    /// 404 `not-found`.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "not-found", detail)
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        let title = StatusCode::from_u16(problem.status)
            .ok()
            .and_then(|status| status.canonical_reason());
        // A detail may repeat what the caller sent.
        let mut detail = problem.detail;
        if let Some((end, _)) = detail.char_indices().nth(MAX_DETAIL) {
            detail.truncate(end);
            detail.push('…');
        }
        let body = json!({
            "type": "about:blank",
            "title": title,
            "status": problem.status,
            "code": problem.code,
            "detail": detail,
        });
        let reply = Self::new(problem.status)
            .header("content-type", "application/problem+json")
            .body(body.to_string());
        match problem.status {
            401 => reply.header("www-authenticate", "Bearer"),
            _ => reply,
        }
    }
}
