//! Meizu's push service.
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use http::{Method, Request, header::CONTENT_TYPE};
use push_core::Clock;
use push_kit::md5;
use push_testkit::{
    Faults, Reply, counters,
    simulator::{Receipts, form, random},
};
use serde_json::{Value, json};

use super::{
    APP_ID, APP_SECRET, Options, Phone,
    check::{Message, Rights},
    limits::Window,
};

/// The largest body that is read, in bytes.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// Where the calls are.
const BASE: &str = "/garcia/api/server/push/";

/// The same calls at the place that a redirect names.
const ELSEWHERE: &str = "/elsewhere/garcia/api/server/push/";

/// The most push ids in one request.
const MOST_IDS: usize = 100;

/// The kinds of picture that can be uploaded.
const PICTURES: [&str; 6] = ["0", "1", "3", "4", "5", "6"];

counters! {
    /// What the simulator counted.
    pub struct Counters of Numbers {
        /// Requests of any kind.
        requests,
        /// Pushes that Meizu took over for a phone.
        accepted,
        /// Messages that were saved as a task.
        saved,
        /// Pictures that were uploaded.
        uploaded,
        /// Requests that were redirected.
        redirected,
    }
}

pub(super) struct Service {
    pub(super) faults: Faults,
    pub(super) calls: Faults,
    pub(super) receipts: Arc<Receipts>,
    options: Options,
    state: Mutex<State>,
    url: OnceLock<String>,
    numbers: Numbers,
}

#[derive(Default)]
struct State {
    phones: HashMap<String, Phone>,
    tasks: BTreeMap<u64, Message>,
    pictures: HashSet<String>,
    callbacks: HashSet<String>,
    redirects: bool,
    second: Window,
    day: Window,
}

type Fields = HashMap<String, String>;

impl Service {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            faults: Faults::new(),
            calls: Faults::new(),
            receipts: Arc::default(),
            options: options.clone(),
            state: Mutex::default(),
            url: OnceLock::new(),
            numbers: Numbers::default(),
        }
    }

    /// Says where the service listens, for redirects and pictures.
    pub(super) fn listens_at(&self, url: String) {
        // It is called once.
        self.url.get_or_init(|| url);
    }

    pub(super) fn install(&self) -> Phone {
        let phone = Phone::new(self.clock(), &self.receipts);
        let mut state = self.lock();
        state.phones.insert(phone.token().to_owned(), phone.clone());
        phone
    }

    pub(super) fn register(&self, callback: &str) {
        self.lock().callbacks.insert(callback.to_owned());
    }

    pub(super) fn set_redirects(&self, redirects: bool) {
        self.lock().redirects = redirects;
    }

    pub(super) fn forget_tasks(&self) {
        self.lock().tasks.clear();
    }

    pub(super) fn counters(&self) -> Counters {
        self.numbers.read()
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        &self.options.base.clock
    }

    pub(super) fn handle(&self, request: &Request<Bytes>) -> Reply {
        self.numbers.requests.fetch_add(1, Relaxed);
        let path = request.uri().path();
        let (call, is_elsewhere) = match (path.strip_prefix(ELSEWHERE), path.strip_prefix(BASE)) {
            (Some(call), _) => (call, true),
            (_, Some(call)) => (call, false),
            _ => return no_such_call(),
        };
        let fields = match self.fields(request, call) {
            Ok(fields) => fields,
            Err(reply) => return reply,
        };
        if let Some(reply) = self.calls.take(path) {
            return reply;
        }
        if !is_elsewhere && self.lock().redirects {
            self.numbers.redirected.fetch_add(1, Relaxed);
            let url = self.url.get().map_or("", String::as_str);
            let redirect = format!("{url}{ELSEWHERE}{call}");
            let body = json!({ "code": "300", "message": "", "value": "", "redirect": redirect });
            return Reply::new(200).json(body);
        }
        let done = match call {
            "varnished/pushByPushId" => {
                self.message(&fields).and_then(|it| self.push(&it, &fields))
            }
            "pushTask/getTaskId" => self.save(&fields),
            "task/varnished/pushByPushId" => self.push_task(&fields),
            "uploadImg" => self.upload(&fields),
            "statistics/dailyPushStatics" => statistics(&fields),
            _ => Ok(no_such_call()),
        };
        done.unwrap_or_else(|reply| reply)
    }

    /// The parameters of a request with a right signature.
    fn fields(&self, request: &Request<Bytes>, call: &str) -> Result<Fields, Reply> {
        let content_type = request.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let is_form = content_type
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        let mut fields = match *request.method() {
            // Meizu's pages read statistics by GET, its SDK by POST.
            Method::GET if call.starts_with("statistics/") => {
                form(request.uri().query().unwrap_or_default().as_bytes())
            }
            Method::POST if is_form => form(request.body()),
            Method::POST => return Err(refusal("1005", "not a form")),
            _ => return Err(Reply::new(405)),
        };
        let sign = fields.remove("sign").unwrap_or_default();
        let sorted: BTreeMap<&str, &str> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let parts = sorted.iter().flat_map(|(name, value)| [*name, "=", *value]);
        let right = md5::hex(parts.chain([APP_SECRET]));
        match fields.get("appId").map(String::as_str) {
            None | Some("") => Err(refusal("110004", "appId: mandatory")),
            Some(APP_ID) if sign == right => Ok(fields),
            Some(APP_ID) => Err(refusal("1006", "sign")),
            Some(_) => Err(refusal("110000", "appId")),
        }
    }

    /// The message of a request that has one.
    fn message(&self, fields: &Fields) -> Result<Message, Reply> {
        let text = mandatory(fields, "messageJson")?;
        let state = self.lock();
        let rights = Rights {
            vip: self.options.vip,
            is_picture: &|url| state.pictures.contains(url),
            is_registered: &|url| self.options.any_callback || state.callbacks.contains(url),
        };
        Message::read(text, &rights).map_err(|fault| refusal("1005", &fault))
    }

    fn save(&self, fields: &Fields) -> Result<Reply, Reply> {
        match mandatory(fields, "pushType")? {
            "0" => {}
            "1" => return Err(refusal("110053", "pass-through")),
            _ => return Err(refusal("1005", "pushType: 0")),
        }
        let message = self.message(fields)?;
        let mut state = self.lock();
        let task = 20_457 + state.tasks.len() as u64;
        state.tasks.insert(task, message);
        self.numbers.saved.fetch_add(1, Relaxed);
        Ok(success(
            json!({ "taskId": task, "pushType": 0, "appId": number(APP_ID) }),
        ))
    }

    fn push_task(&self, fields: &Fields) -> Result<Reply, Reply> {
        let task = number(mandatory(fields, "taskId")?);
        let message = self.lock().tasks.get(&task).cloned();
        match message {
            Some(message) => self.push(&message, fields),
            None => Err(refusal("110032", "taskId")),
        }
    }

    fn push(&self, message: &Message, fields: &Fields) -> Result<Reply, Reply> {
        let ids: Vec<&str> = mandatory(fields, "pushIds")?.split(',').collect();
        if ids.len() > MOST_IDS || ids.contains(&"") {
            return Err(refusal(
                "1005",
                "pushIds: 1 to 100, with commas between them",
            ));
        }
        let mut scripted = ids.iter().filter_map(|id| self.faults.take(id));
        if let Some(reply) = scripted.next() {
            return Err(reply);
        }
        let (now, count) = (self.clock().now(), ids.len() as u64);
        let mut state = self.lock();
        if !self.options.base.any_token {
            if !state
                .second
                .takes_of_second(count, self.options.per_second, now)
            {
                return Err(refusal("110010", "pushes a second"));
            }
            if !state
                .day
                .takes_of_day(count, self.options.daily_pushes, now)
            {
                return Err(refusal("110019", "pushes a day"));
            }
        }
        let message_id = random::<16>().map(|byte| format!("{byte:02x}")).concat();
        let most = (self.options.per_minute, self.options.daily_public);
        let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for id in ids {
            let refused = match state.phones.get(id) {
                Some(phone) if phone.is_gone() => Some("110002"),
                Some(phone) if phone.is_muted() => Some("110010"),
                Some(phone) => {
                    let refused = phone.count(message.is_public, most, now);
                    if refused.is_none() {
                        phone.take(message, &message_id);
                    }
                    refused
                }
                None if self.options.base.any_token => None,
                None => Some("110003"),
            };
            match refused {
                Some(code) => named.entry(code).or_default().push(id),
                None => drop(self.numbers.accepted.fetch_add(1, Relaxed)),
            }
        }
        let body = json!({
            "code": "200", "message": "", "value": named, "msgId": message_id, "redirect": "",
        });
        Ok(Reply::new(200).json(body))
    }

    fn upload(&self, fields: &Fields) -> Result<Reply, Reply> {
        let (kind, source) = (mandatory(fields, "imgType")?, mandatory(fields, "imgUrl")?);
        if !PICTURES.contains(&kind) || !source.starts_with("http") {
            return Err(refusal("1005", "imgType: 0, 1, 3 to 6; imgUrl"));
        }
        let url = self.url.get().map_or("", String::as_str);
        let copy = format!("{url}/img/{}.png", md5::hex([source]));
        self.lock().pictures.insert(copy.clone());
        self.numbers.uploaded.fetch_add(1, Relaxed);
        Ok(success(json!({ "imgType": kind, "imgUrl": copy })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn statistics(fields: &Fields) -> Result<Reply, Reply> {
    let [start, end] = [
        mandatory(fields, "startTime")?,
        mandatory(fields, "endTime")?,
    ];
    let is_day = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_day(start) || !is_day(end) {
        return Err(refusal("1005", "startTime, endTime: yyyyMMdd"));
    }
    if end < start {
        return Err(refusal("500", "endTime: before startTime"));
    }
    Ok(success(json!([])))
}

/// A parameter that must not be empty.
fn mandatory<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, Reply> {
    match fields.get(name).map(String::as_str) {
        None | Some("") => Err(refusal("110004", &format!("{name}: mandatory"))),
        Some(value) => Ok(value),
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

fn success(value: Value) -> Reply {
    let body = json!({ "code": "200", "message": "", "value": value, "redirect": "" });
    Reply::new(200).json(body)
}

/// An answer that the whole request was not done.
fn refusal(code: &str, words: &str) -> Reply {
    Reply::new(200).json(json!({ "code": code, "message": words, "value": "", "redirect": "" }))
}

fn no_such_call() -> Reply {
    Reply::from((404, "no such call"))
}

/// An answer with a scripted code: `1003` is that of the whole request, `id:520` that of each push id in it.
pub(super) fn scripted(code: &str) -> Reply {
    let Some(code) = code.strip_prefix("id:").map(str::to_owned) else {
        return refusal(code, "scripted");
    };
    Reply::with(move |request| {
        let fields = form(request.body());
        let ids: Vec<&str> = fields
            .get("pushIds")
            .map(|ids| ids.split(',').collect())
            .unwrap_or_default();
        let mut value = serde_json::Map::new();
        value.insert(code.clone(), ids.into());
        let body = json!({ "code": "200", "message": "", "value": value, "msgId": "scripted" });
        Reply::new(200).json(body)
    })
}
