//! The three push services.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use http::{Method, Request};
use push_core::Clock;
use push_testkit::{Faults, Reply, counters, simulator::random_text};

use super::{
    Browser, Options,
    answers::refusal,
    check::{Fault, check},
    phone::Phone,
};

/// More than any service takes, so that a body that is too large gets the service's own answer.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// Where messages are deleted.
const MESSAGES: &str = "/m/";

counters! {
    /// What the simulator counted.
    pub struct Counters of Numbers {
        /// Requests to send.
        requests,
        /// Messages that a push service took over.
        accepted,
    }
}

pub(super) struct Service {
    pub(super) faults: Faults,
    clock: Arc<dyn Clock>,
    any_token: bool,
    /// The browsers, by the path of their endpoint.
    phones: Mutex<HashMap<String, Phone>>,
    numbers: Numbers,
}

impl Service {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            faults: Faults::new(),
            clock: Arc::clone(&options.base.clock),
            any_token: options.base.any_token,
            phones: Mutex::default(),
            numbers: Numbers::default(),
        }
    }

    /// A new browser at the service with this URL.
    pub(super) fn install(&self, browser: Browser, url: &str, key: &str) -> Phone {
        let path = format!("{}{}", browser.path(), random_text(32));
        let phone = Phone::new(browser, &format!("{url}{path}"), key, &self.clock);
        self.lock().insert(path, phone.clone());
        phone
    }

    pub(super) fn counters(&self) -> Counters {
        self.numbers.read()
    }

    pub(super) fn handle(&self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path();
        if let (&Method::DELETE, Some(id)) = (request.method(), path.strip_prefix(MESSAGES)) {
            self.lock().values().for_each(|phone| phone.delete(id));
            return Reply::new(204);
        }
        let Some(browser) = Browser::ALL
            .into_iter()
            .find(|it| path.starts_with(it.path()))
        else {
            return Reply::new(404);
        };
        self.numbers.requests.fetch_add(1, Relaxed);
        self.send(browser, request)
            .unwrap_or_else(|fault| refusal(browser, fault))
    }

    fn send(&self, browser: Browser, request: &Request<Bytes>) -> Result<Reply, Fault> {
        if request.method() != Method::POST {
            return Err(Fault::Method);
        }
        let phone = self.lock().get(request.uri().path()).cloned();
        if phone.is_none() && !self.any_token {
            return Err(Fault::Unknown);
        }
        let origin = origin(request);
        let key = phone.as_ref().map(Phone::key);
        let accepted = check(browser, request, &origin, key, self.clock.now())?;
        let id = random_text(24);
        let ttl = accepted.ttl;
        if let Some(phone) = phone {
            if let Some(reply) = self.faults.take(phone.token()) {
                return Ok(reply);
            }
            if phone.is_gone() {
                return Err(Fault::Gone);
            }
            phone.take(accepted, request.body(), &id);
        }
        self.numbers.accepted.fetch_add(1, Relaxed);
        let created = Reply::new(201);
        Ok(match browser {
            Browser::Safari => created.header("apns-id", &id),
            _ => created
                .header("location", &format!("{origin}{MESSAGES}{id}"))
                .header("ttl", &ttl.to_string()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Phone>> {
        self.phones.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The origin that was asked: of the URL in HTTP/2, of the header `Host` in HTTP/1.1.
fn origin(request: &Request<Bytes>) -> String {
    let host = request.headers().get("host");
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let authority = request.uri().authority();
    format!(
        "https://{}",
        authority.map_or(host, |authority| authority.as_str())
    )
}
