//! Xiaomi's push service.
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use http::{
    Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use push_core::Clock;
use push_testkit::{
    Faults, Reply, counters,
    simulator::{Receipts, form, random_text},
};
use serde_json::{Value, json};

use super::{
    Options, SECRET,
    check::{self, Fields, Kind, Message, Refusal, day},
    phone::{Arrival, Phone},
};

/// The largest body that is read, in bytes.
pub(super) const MAX_BODY: usize = 16 * 1024 * 1024;

/// The most targets of one request.
const MOST_TARGETS: usize = 1000;

counters! {
    /// What the simulator counted.
    pub struct Counters of Numbers {
        /// Requests to send.
        requests,
        /// Messages that Xiaomi took over for a phone.
        accepted,
    }
}

pub(super) struct Service {
    pub(super) faults: Faults,
    pub(super) receipts: Arc<Receipts>,
    clock: Arc<dyn Clock>,
    any_token: bool,
    requires_template: bool,
    unauthorized_status: u16,
    daily_quota: u64,
    requests_a_second: u64,
    /// A second, and the requests in it.
    second: Mutex<(i64, u64)>,
    /// A day, and the messages of each kind in it.
    today: Mutex<(i64, HashMap<Kind, u64>)>,
    phones: Mutex<HashMap<String, Phone>>,
    numbers: Numbers,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            faults: Faults::new(),
            receipts: Arc::default(),
            clock: Arc::clone(&options.base.clock),
            any_token: options.base.any_token,
            requires_template: options.requires_template,
            unauthorized_status: options.unauthorized_status,
            daily_quota: options.daily_quota,
            requests_a_second: options.requests_a_second,
            second: Mutex::default(),
            today: Mutex::default(),
            phones: Mutex::default(),
            numbers: Numbers::default(),
        }
    }

    pub(super) fn install(&self) -> Phone {
        // As the phones' library makes them: base64 with its padding.
        let token = random_text(40).replace('-', "+").replace('_', "/");
        let phone = Phone::new(&format!("{token}+/=="), &self.clock, &self.receipts);
        lock(&self.phones).insert(phone.token().to_owned(), phone.clone());
        phone
    }

    pub(super) fn counters(&self) -> Counters {
        self.numbers.read()
    }

    pub(super) fn handle(&self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path();
        let (version, is_multi) = match path {
            "/v2/message/regid" => (2, false),
            "/v3/message/regid" => (3, false),
            "/v4/message/regid" => (4, false),
            "/v2/multi_messages/regids" => (2, true),
            _ => return Reply::new(404).body("<html><body>404 Not Found</body></html>"),
        };
        self.numbers.requests.fetch_add(1, Relaxed);
        let header = |name| {
            request
                .headers()
                .get(name)
                .map_or(&[][..], |value| value.as_bytes())
        };
        let is_form = header(CONTENT_TYPE).starts_with(b"application/x-www-form-urlencoded");
        if request.method() != Method::POST || !is_form {
            return refusal(&(10_008, "not a POST of a form".to_owned()));
        }
        if header(AUTHORIZATION) != format!("key={SECRET}").as_bytes() {
            let refused = (21_301, "Invalid application secret.".to_owned());
            let status = http::StatusCode::from_u16(self.unauthorized_status).unwrap_or_default();
            return refusal(&refused).with_status(status);
        }
        if self.is_too_often() {
            return refusal(&(200_002, "QPS exceeded".to_owned()));
        }
        let fields = form(request.body());
        let answer = if is_multi {
            self.multi(fields)
        } else {
            self.one(fields, version)
        };
        answer.unwrap_or_else(|refused| match refused {
            Outcome::Scripted(reply) => reply,
            Outcome::Refused(refused) => refusal(&refused),
        })
    }

    fn is_too_often(&self) -> bool {
        let now = self.clock.now().unix_millis().div_euclid(1000);
        let mut second = lock(&self.second);
        if second.0 != now {
            *second = (now, 0);
        }
        second.1 += 1;
        !self.any_token && second.1 > self.requests_a_second
    }

    fn one(&self, mut fields: Fields, version: u8) -> Result<Reply, Outcome> {
        let Some(targets) = fields.remove("registration_id") else {
            return Err(Outcome::refused(21_305, "registration_id is missing"));
        };
        let targets: Vec<String> = targets.split(',').map(str::to_owned).collect();
        check::package(&fields, version)?;
        let message = Message::read(fields, self.requires_template)?;
        self.scripted(targets.iter())?;
        let count = targets.len();
        if self.take_quota(message.kind, count) < count {
            return Err(Outcome::refused(200_001, "the daily quota is used up"));
        }
        let id = message_id();
        let arrival = Arrival::new(message, &id, self.clock.now());
        self.deliver(
            targets.into_iter().map(|target| (target, arrival.clone())),
            &id,
            None,
        )
    }

    fn multi(&self, fields: Fields) -> Result<Reply, Outcome> {
        let mut names = fields.keys();
        if let Some(name) = names.find(|name| *name != "messages" && *name != "time_to_send") {
            return Err(Outcome::refused(
                10_008,
                &format!("there is no parameter {name}"),
            ));
        }
        let Some(list) = fields.get("messages") else {
            return Err(Outcome::refused(21_305, "messages is missing"));
        };
        let mut read = Vec::new();
        for (target, fields) in check::messages(list)? {
            check::package(&fields, 2)?;
            read.push((target, Message::read(fields, self.requires_template)?));
        }
        self.scripted(read.iter().map(|(target, _)| target))?;
        let id = message_id();
        let mut refused: BTreeMap<String, usize> = BTreeMap::new();
        let mut taken = Vec::new();
        for (number, (target, message)) in read.into_iter().enumerate() {
            if self.take_quota(message.kind, 1) == 1 {
                let id = format!("{id}{number}");
                taken.push((target, Arrival::new(message, &id, self.clock.now())));
            } else {
                let channel = message.extra.get("channel_id");
                let channel = channel.map_or("no_channel", String::as_str);
                *refused.entry(channel.to_owned()).or_default() += 1;
            }
        }
        let refused: Vec<String> = refused
            .iter()
            .map(|(channel, count)| format!("{channel}:{count}"))
            .collect();
        let refused = Some(refused.join(" ")).filter(|text| !text.is_empty());
        self.deliver(taken, &id, refused)
    }

    /// The scripted answer to a request for these targets.
    fn scripted<'a>(&self, mut targets: impl Iterator<Item = &'a String>) -> Result<(), Outcome> {
        let scripted = targets.find_map(|target| self.faults.take(target));
        scripted.map_or(Ok(()), |reply| Err(Outcome::Scripted(reply)))
    }

    /// Takes up to `count` messages of the day's quota, and returns how many are left of it for them.
    fn take_quota(&self, kind: Kind, count: usize) -> usize {
        let most = match kind {
            Kind::Private => return count,
            Kind::Public => self.daily_quota,
            Kind::Default => self.daily_quota / 2,
        };
        let now = day(self.clock.now());
        let mut today = lock(&self.today);
        if today.0 != now {
            *today = (now, HashMap::new());
        }
        let used = today.1.entry(kind).or_default();
        let left = usize::try_from(most.saturating_sub(*used)).unwrap_or(usize::MAX);
        let taken = count.min(left);
        // A request that does not fit is refused, and takes nothing.
        if taken == count {
            *used += taken as u64;
        }
        taken
    }

    fn deliver(
        &self,
        messages: impl IntoIterator<Item = (String, Arrival)>,
        id: &str,
        over_quota: Option<String>,
    ) -> Result<Reply, Outcome> {
        let (mut bad, mut count) = (Vec::new(), 0);
        // Receipts of one message, by type.
        let mut receipts: BTreeMap<(String, u32), (Arrival, Vec<String>)> = BTreeMap::new();
        let phones = lock(&self.phones);
        for (target, arrival) in messages {
            count += 1;
            if count > MOST_TARGETS {
                return Err(Outcome::refused(10_017, "more than 1000 targets"));
            }
            match phones.get(&target) {
                Some(phone) if !phone.is_gone() => {
                    if let Some(kind) = phone.take(&arrival) {
                        let key = (arrival.id().to_owned(), kind);
                        let (_, targets) = receipts.entry(key).or_insert((arrival, Vec::new()));
                        targets.push(target);
                    }
                }
                None if self.any_token && !target.is_empty() => {}
                _ => bad.push(target),
            }
        }
        let now = self.clock.now();
        for ((_, kind), (arrival, targets)) in receipts {
            arrival.owe(kind, &targets.join(","), now, &self.receipts);
        }
        let accepted = count - bad.len();
        self.numbers.accepted.fetch_add(accepted as u64, Relaxed);
        if accepted == 0 && over_quota.is_none() {
            return Err(Outcome::refused(
                20_301,
                "Send message failed: no valid targets",
            ));
        }
        let mut data = json!({ "id": id, "day_quota": "20000", "day_acked": "0" });
        if !bad.is_empty() {
            data["bad_regids"] = bad.join(",").into();
        }
        if let Some(refused) = over_quota {
            data["channel_exceed_quota"] = refused.into();
        }
        Ok(Reply::new(200).json(json!({
            "result": "ok",
            "trace_id": trace_id(),
            "code": 0,
            "data": data,
            "description": "成功",
            "info": format!("Received push messages for {accepted} REGID"),
        })))
    }
}

/// How a request ends that is not accepted.
enum Outcome {
    Scripted(Reply),
    Refused(Refusal),
}

impl Outcome {
    fn refused(code: i64, reason: &str) -> Self {
        Self::Refused((code, reason.to_owned()))
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn message_id() -> String {
    format!("sdm{}", random_text(12))
}

fn trace_id() -> String {
    format!("Xdm{}", random_text(12))
}

/// An answer that refuses a request.
fn refusal((code, reason): &Refusal) -> Reply {
    Reply::new(200).json(json!({
        "result": "error",
        "reason": reason,
        "trace_id": trace_id(),
        "code": code,
        "description": "失败",
    }))
}

/// An answer with a scripted code.
pub(super) fn scripted(code: &str) -> Reply {
    let number = code
        .parse()
        .map_or_else(|_| json!(code), |code: i64| json!(code));
    let mut answer: Value =
        json!({ "result": "error", "reason": "scripted", "trace_id": trace_id() });
    answer["code"] = number;
    Reply::new(200).json(answer)
}
