//! The control API: what a test that does not link this crate asks of simulators. `docs/simulators.md` describes each route.
use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::constant_time;
use bytes::Bytes;
use http::{Method, Request};
use push_core::{Clock, Secret};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Install, Order, Problem, RunningSimulator, SimulatedPhone, access};
use crate::{HttpServer, Reply, ServerOptions};

/// The largest body of a request, in bytes.
pub const MAX_BODY: usize = 16 * 1024;
/// The longest that a request may wait for an arrival, in seconds.
pub const MAX_WAIT: u64 = 60;
/// How many phones the simulators have together at most.
pub const MAX_PHONES: usize = 100_000;
/// How many arrivals one answer holds at most.
pub const MAX_ARRIVALS: usize = 100;
/// How many connections the API has at a time.
pub const MAX_CONNECTIONS: usize = 256;
/// The longest that a connection may be without a request, and a request without its body; twice as long for the former at
/// the worst.
pub const QUIET: Duration = Duration::from_secs(30);
/// How many outcomes may be scripted for one simulator before they are dropped.
pub const MAX_OUTCOMES: usize = 10_000;
/// The longest text of a code or of a reason, in bytes.
pub const MAX_WORD: usize = 256;
/// Requests at a time on one connection.
const MAX_STREAMS: u32 = 32;
/// The longest delay, in milliseconds.
const MAX_DELAY: u64 = 10 * 60 * 1000;

/// The control API of running simulators. It stops when it drops; the simulators go with it.
pub struct Control {
    server: HttpServer,
    token: Secret,
    shared: Arc<Shared>,
}

struct Shared {
    simulators: Vec<(&'static str, Box<dyn RunningSimulator>)>,
    /// The outcomes that were scripted since they were last dropped, by the index of the simulator.
    outcomes: Vec<AtomicUsize>,
    clock: Arc<dyn Clock>,
    /// The phones, each with the index of its simulator; a phone's number is its place, from 1.
    phones: RwLock<Vec<(usize, Arc<dyn SimulatedPhone>)>>,
}

impl Control {
    /// Listens on `address`, which is one of loopback, in clear text, with a new bearer token. Waits and limits of time are of
    /// `clock`.
    ///
    /// # Errors
    /// If the address is not one of loopback or cannot be bound.
    pub async fn start(
        address: SocketAddr,
        simulators: Vec<(&'static str, Box<dyn RunningSimulator>)>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the control API listens on loopback only, as in 127.0.0.1:9000",
            ));
        }
        let token = Secret::new(access::random_text(32));
        let shared = Arc::new(Shared {
            outcomes: simulators.iter().map(|_| AtomicUsize::new(0)).collect(),
            simulators,
            clock: Arc::clone(&clock),
            phones: RwLock::default(),
        });
        let options = ServerOptions {
            address,
            max_body: MAX_BODY,
            too_large: Some(
                Problem::new(413, "too-large", "a body is larger than 16,384 bytes").into(),
            ),
            // Requests hold the bearer token.
            log: 0,
            clock: Some(clock),
            max_connections: MAX_CONNECTIONS,
            max_streams: MAX_STREAMS,
            quiet: Some(QUIET),
            ..ServerOptions::default()
        };
        let (served, expected) = (Arc::clone(&shared), token.clone());
        let server = HttpServer::start(options, move |request| {
            let (shared, expected) = (Arc::clone(&served), expected.clone());
            async move { shared.answer(&request, &expected).await }
        })
        .await?;
        Ok(Self {
            server,
            token,
            shared,
        })
    }

    /// Its URL, as in `http://127.0.0.1:9000`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.listener().address())
    }

    /// The bearer token of its callers.
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The simulators, by name.
    pub fn simulators(&self) -> impl Iterator<Item = (&'static str, &dyn RunningSimulator)> {
        self.shared
            .simulators
            .iter()
            .map(|(name, simulator)| (*name, &**simulator))
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}

/// Which arrivals are asked for.
struct Arrivals {
    after: u64,
    wait: u64,
    limit: usize,
}

impl Shared {
    async fn answer(&self, request: &Request<Bytes>, expected: &Secret) -> Reply {
        if request.uri().path() == "/health" {
            return match *request.method() {
                Method::GET => Reply::new(200).json(json!({ "status": "ok" })),
                _ => not_allowed().into(),
            };
        }
        let shown = access::bearer(request.headers()).unwrap_or_default();
        let (shown, expected) = (shown.as_bytes(), expected.expose().as_bytes());
        if constant_time::verify_slices_are_equal(shown, expected).is_err() {
            let detail = "the bearer token is missing or wrong; the program prints it at its start";
            return Problem::new(401, "unauthorized", detail).into();
        }
        self.route(request).await.unwrap_or_else(Reply::from)
    }

    async fn route(&self, request: &Request<Bytes>) -> Result<Reply, Problem> {
        let path = request.uri().path();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let ["v1", "simulators", rest @ ..] = &parts[..] else {
            return Err(no_path());
        };
        let (method, body) = (request.method(), &request.body()[..]);
        let [name, rest @ ..] = rest else {
            get(method)?;
            let all: Vec<_> = self
                .simulators
                .iter()
                .map(|(name, simulator)| describe(name, &**simulator))
                .collect();
            return Ok(Reply::new(200).json(json!({ "simulators": all })));
        };
        let index = self
            .simulators
            .iter()
            .position(|(simulator, _)| simulator == name)
            .ok_or_else(|| Problem::not_found(format!("no simulator `{name}` runs here")))?;
        let simulator = &*self.simulators[index].1;
        match (rest, method) {
            ([], &Method::GET) => Ok(Reply::new(200).json(describe(name, simulator))),
            (["phones"], &Method::POST) => self.install(index, &read(body)?),
            (["phones", number, rest @ ..], _) => {
                let phone = self.phone(index, number)?;
                on_phone(request, number, &*phone, rest, &*self.clock).await
            }
            (["outcomes"], &Method::POST) => {
                let order: Order = read(body)?;
                if order.delay_ms > MAX_DELAY {
                    return Err(Problem::invalid("delay_ms is more than ten minutes"));
                }
                word("code", order.code.as_deref())?;
                let tokens = match order.phone {
                    None => Vec::new(),
                    Some(number) => {
                        let phone = self.phone(index, &number.to_string())?;
                        phone.tokens().into_iter().map(|(_, token)| token).collect()
                    }
                };
                let scripted = &self.outcomes[index];
                if scripted.load(Ordering::Relaxed) >= MAX_OUTCOMES {
                    let detail = "10,000 outcomes were scripted; drop them with DELETE …/outcomes";
                    return Err(Problem::new(409, "too-many-outcomes", detail));
                }
                simulator.script(&order, &tokens)?;
                scripted.fetch_add(1, Ordering::Relaxed);
                Ok(Reply::new(204))
            }
            (["outcomes"], &Method::DELETE) => {
                simulator.heal();
                self.outcomes[index].store(0, Ordering::Relaxed);
                Ok(Reply::new(204))
            }
            (["delay"], &Method::PUT) => {
                let body: Map<String, Value> = read(body)?;
                let millis = body
                    .get("milliseconds")
                    .and_then(Value::as_u64)
                    .filter(|millis| *millis <= MAX_DELAY && body.len() == 1)
                    .ok_or_else(|| {
                        Problem::invalid("the body is {\"milliseconds\": n}, ten minutes at most")
                    })?;
                simulator.set_delay(Duration::from_millis(millis));
                Ok(Reply::new(204))
            }
            (["disconnect"], &Method::POST) => {
                let body: Map<String, Value> = read(body)?;
                match (body.get("reason"), body.len()) {
                    (None, 0) => simulator.disconnect(None),
                    (Some(Value::String(reason)), 1) => {
                        word("reason", Some(reason))?;
                        simulator.disconnect(Some(reason));
                    }
                    _ => {
                        let detail = "the body is {} to cut, or {\"reason\": \"…\"} for GOAWAY";
                        return Err(Problem::invalid(detail));
                    }
                }
                Ok(Reply::new(204))
            }
            (["counters"], &Method::GET) => Ok(Reply::new(200).json(simulator.counters())),
            (["certificates"], &Method::POST) => {
                Ok(Reply::new(201).json(simulator.issue_certificate(&read(body)?)?))
            }
            (
                [] | ["phones" | "outcomes" | "delay" | "disconnect" | "counters" | "certificates"],
                _,
            ) => Err(not_allowed()),
            _ => Err(no_path()),
        }
    }

    fn install(&self, index: usize, install: &Install) -> Result<Reply, Problem> {
        let mut phones = self.phones.write().unwrap_or_else(PoisonError::into_inner);
        if phones.len() >= MAX_PHONES {
            let detail = "there are 100,000 phones; start the program anew";
            return Err(Problem::new(409, "too-many-phones", detail));
        }
        let phone = self.simulators[index].1.install(install)?;
        let tokens = phone.tokens();
        phones.push((index, Arc::from(phone)));
        let number = phones.len();
        Ok(Reply::new(201).json(json!({
            "phone": number,
            "token": tokens.first().map(|(_, token)| token),
            "tokens": tokens.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        })))
    }

    fn phone(&self, index: usize, number: &str) -> Result<Arc<dyn SimulatedPhone>, Problem> {
        let phones = self.phones.read().unwrap_or_else(PoisonError::into_inner);
        digits(number)
            .and_then(|number| phones.get(usize::try_from(number).ok()?.checked_sub(1)?))
            .filter(|(simulator, _)| *simulator == index)
            .map(|(_, phone)| Arc::clone(phone))
            .ok_or_else(|| Problem::not_found(format!("this simulator has no phone {number}")))
    }
}

async fn on_phone(
    request: &Request<Bytes>,
    number: &str,
    phone: &dyn SimulatedPhone,
    rest: &[&str],
    clock: &dyn Clock,
) -> Result<Reply, Problem> {
    match (rest, request.method()) {
        ([], &Method::GET) => {
            let mut body = phone.inbox().shown();
            body["phone"] = number.parse::<u64>().unwrap_or_default().into();
            body["arrived"] = phone.inbox().arrived().into();
            body["tokens"] = phone
                .tokens()
                .into_iter()
                .map(|(purpose, token)| (purpose.to_owned(), Value::from(token)))
                .collect::<Map<_, _>>()
                .into();
            Ok(Reply::new(200).json(body))
        }
        ([], &Method::DELETE) => {
            phone.uninstall();
            Ok(Reply::new(204))
        }
        (["arrivals"], &Method::GET) => {
            let asked = arrivals(request.uri().query().unwrap_or_default())?;
            let wait = phone.inbox().wait(asked.after + 1);
            // The time is over, or an arrival came: either way the answer says what is there.
            tokio::select! {
                () = wait => {}
                () = clock.sleep(Duration::from_secs(asked.wait)) => {}
            }
            let list = phone.inbox().arrivals_after(asked.after, asked.limit);
            let last = list.last().and_then(|arrival| arrival["number"].as_u64());
            Ok(Reply::new(200).json(json!({
                "arrivals": list,
                "next": last.unwrap_or(asked.after),
                "arrived": phone.inbox().arrived(),
            })))
        }
        (["arrivals"], &Method::DELETE) => {
            phone.inbox().forget();
            Ok(Reply::new(204))
        }
        (["power"], &Method::PUT) => {
            let body: Map<String, Value> = read(request.body())?;
            match (body.get("on").and_then(Value::as_bool), body.len()) {
                (Some(on), 1) => phone.set_power(on),
                _ => {
                    return Err(Problem::invalid(
                        "the body is {\"on\": true} or {\"on\": false}",
                    ));
                }
            }
            Ok(Reply::new(204))
        }
        ([] | ["arrivals" | "power"], _) => Err(not_allowed()),
        _ => Err(no_path()),
    }
}

/// `after`, `wait` and `limit` of a query.
fn arrivals(query: &str) -> Result<Arrivals, Problem> {
    let mut asked = Arrivals {
        after: 0,
        wait: 0,
        limit: MAX_ARRIVALS,
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let number = digits(value)
            .ok_or_else(|| Problem::invalid(format!("`{key}` in the query is not a number")))?;
        match key {
            "after" => asked.after = number.min(u64::MAX - 1),
            "wait" => asked.wait = number.min(MAX_WAIT),
            "limit" => {
                asked.limit = usize::try_from(number)
                    .map_or(MAX_ARRIVALS, |limit| limit.clamp(1, MAX_ARRIVALS));
            }
            _ => {
                let detail = format!("the query has `{key}`; it takes after, wait and limit");
                return Err(Problem::invalid(detail));
            }
        }
    }
    Ok(asked)
}

/// A number as digits alone: no sign, no blank.
fn digits(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Checks the length of a text that a simulator repeats.
fn word(what: &str, text: Option<&str>) -> Result<(), Problem> {
    if text.is_some_and(|text| text.len() > MAX_WORD) {
        let detail = format!("{what} is longer than {MAX_WORD} bytes");
        return Err(Problem::invalid(detail));
    }
    Ok(())
}

/// What a program prints of a simulator at its start, and the API answers.
pub fn describe(name: &str, simulator: &dyn RunningSimulator) -> Value {
    let endpoints: Map<String, Value> = simulator
        .endpoints()
        .into_iter()
        .map(|(purpose, url)| (purpose.to_owned(), url.into()))
        .collect();
    let credentials: Vec<Value> = simulator
        .credentials()
        .iter()
        .map(|credential| credential.to_json(name))
        .collect();
    json!({
        "simulator": name,
        "endpoints": endpoints,
        "ca_pem": simulator.ca_pem(),
        "credentials": credentials,
    })
}

/// The JSON of a body; an empty body is `{}`.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| Problem::invalid(format!("the body is not as it should be: {error}")))
}

fn get(method: &Method) -> Result<(), Problem> {
    if method == Method::GET {
        Ok(())
    } else {
        Err(not_allowed())
    }
}

fn not_allowed() -> Problem {
    Problem::new(405, "method-not-allowed", "the path has no such method")
}

fn no_path() -> Problem {
    Problem::not_found("there is no such path; docs/simulators.md lists them")
}
