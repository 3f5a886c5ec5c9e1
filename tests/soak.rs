//! Random traffic, vendor faults, logouts, recalls, new tokens and kills: in the end every push that the gateway accepted has
//! reached its phone or is explained.
//!
//! A run is repeated with the variable `SOAK_SEED`, and prolonged with `SOAK_MINUTES`.
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::PathBuf,
    time::{Duration, Instant},
};

use offline_push::Environment;
use push_provider_apns::simulator::{Options, Outcome, Phone, Simulator};
use serde_json::json;
use support::{
    Caller, KEY_ID, TEAM_ID, TOPIC, apns_config, apple, eventually,
    process::{API_KEY, End, Gateway, configuration},
};

const USERS: usize = 20;
/// How many events happen where no time is given.
const ROUNDS: usize = 60;
/// How many rounds pass before the account is settled: phones remember a bounded number of pushes.
const ROUNDS_PER_ACCOUNT: usize = 60;

/// Retries within fractions of a second, so that a minute holds many of them.
const QUICK: &str = r#"
[gateway.pipeline]
attempt_timeout = "10s"
backoff_base = "20ms"
backoff_max = "500ms"
probe_first = "50ms"
probe_max = "500ms"
sweep = "1s"
"#;

/// SplitMix64: a run is repeated from its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a small bound");
        usize::try_from(self.next() % bound).expect("below a small bound")
    }
}

/// A push that the gateway accepted: message and user.
type Push = (String, String);

/// What the IM server and the phones saw.
#[derive(Default)]
struct Account {
    accepted: BTreeSet<Push>,
    /// What the answer to the submission, or to a recall or logout, explained.
    explained: BTreeMap<Push, String>,
    arrived: BTreeSet<Push>,
    kills: usize,
    stops: usize,
    faults: usize,
}

impl Account {
    fn open(&self) -> impl Iterator<Item = &Push> {
        self.accepted
            .iter()
            .filter(|push| !self.arrived.contains(*push) && !self.explained.contains_key(*push))
    }
}

struct World {
    random: Random,
    apple: Simulator,
    folder: PathBuf,
    config: PathBuf,
    gateway: Option<Gateway>,
    server: Caller,
    certificate: i64,
    phones: Vec<Phone>,
    account: Account,
    messages: usize,
    recent: Vec<String>,
}

fn user(number: usize) -> String {
    format!("user-{number}")
}

impl World {
    async fn start(seed: u64) -> Self {
        let apple = apple(Options::default()).await;
        let (folder, config) = configuration(&format!("soak-{seed}"), QUICK);
        let gateway = Gateway::start(&config).await;
        let server = Caller::new(&gateway.address, API_KEY);
        let certificate = server.upload("apns", &apns_config(&apple)).await;
        let mut world = Self {
            random: Random(seed),
            folder,
            config,
            gateway: Some(gateway),
            server,
            certificate,
            phones: Vec::new(),
            account: Account::default(),
            messages: 0,
            recent: Vec::new(),
            apple,
        };
        for number in 0..USERS {
            let phone = world.apple.install(TOPIC, Environment::Production);
            world.phones.push(phone);
            world.log_in(number).await;
        }
        world
    }

    async fn log_in(&self, number: usize) {
        let token = self.phones[number].token();
        self.server
            .log_in(&user(number), "apns", self.certificate, &token)
            .await;
    }

    /// Submits messages to random users, again and again until the gateway answers. If it `ends` meanwhile, it is started
    /// again.
    async fn submit(&mut self, ends: Option<End>) {
        let mut batch = Vec::new();
        let mut pushes = Vec::new();
        for _ in 0..=self.random.below(20) {
            let id = format!("m-{}", self.messages);
            self.messages += 1;
            let receivers: BTreeSet<String> = (0..=self.random.below(8))
                .map(|_| user(self.random.below(USERS)))
                .collect();
            pushes.extend(
                receivers
                    .iter()
                    .map(|receiver| (id.clone(), receiver.clone())),
            );
            batch.push(json!({
                "id": id,
                "sender": {"user": "bob", "nickname": "Bob"},
                "receivers": receivers,
                // The phone shows which message it was.
                "elements": [{"type": "text", "text": id}],
            }));
            self.recent.push(id);
        }
        let batch = json!(batch);
        let mut answer = None;
        if let Some(how) = ends {
            let gateway = self.gateway.take().expect("a gateway runs");
            let (sent, ()) = tokio::join!(
                self.server.try_post("/v1/messages", &batch),
                gateway.end(how)
            );
            answer = sent;
            self.restart().await;
        }
        let answer = match answer {
            Some((status, answer)) if status.is_success() => answer,
            _ => self.server.post("/v1/messages", &batch).await,
        };
        self.account.accepted.extend(pushes);
        for submitted in answer["messages"].as_array().expect("an answer for each") {
            let id = submitted["message"].as_str().expect("an id");
            for skipped in submitted["skipped"].as_array().expect("a list") {
                let reason = skipped["reason"].as_str().expect("a reason");
                // The first call was carried out although its answer was lost.
                if reason == "duplicate-message" {
                    continue;
                }
                let user = skipped["user"].as_str().expect("a user").to_owned();
                self.account
                    .explained
                    .insert((id.to_owned(), user), reason.to_owned());
            }
        }
    }

    async fn restart(&mut self) {
        let gateway = Gateway::start(&self.config).await;
        self.server = Caller::new(&gateway.address, API_KEY);
        self.gateway = Some(gateway);
    }

    fn fault(&mut self) {
        let outcome = match self.random.below(10) {
            0 => Outcome::answer(500, "InternalServerError"),
            1 => Outcome::answer(503, "ServiceUnavailable"),
            2 => Outcome::answer(503, "Shutdown"),
            3 => Outcome::answer(429, "TooManyRequests"),
            4 => Outcome::answer(502, ""),
            5 => Outcome::reset(),
            6 => Outcome::refuse(),
            7 => Outcome::close(),
            8 => Outcome::go_away("Shutdown"),
            _ => Outcome::as_usual().after(Duration::from_millis(300)),
        };
        self.account.faults += 1;
        for _ in 0..=self.random.below(4) {
            let number = self.random.below(USERS);
            self.apple
                .once(&self.phones[number].token(), outcome.clone());
        }
    }

    async fn recall(&mut self) {
        let Some(id) = self.recent.last().cloned() else {
            return;
        };
        self.server
            .post(&format!("/v1/messages/{id}/recall"), &json!({}))
            .await;
    }

    async fn log_out_and_in(&mut self) {
        let number = self.random.below(USERS);
        let change = json!({
            "user": user(number), "device": format!("{}-phone", user(number)), "presence": "offline",
        });
        self.server
            .post("/v1/presence", &json!({"changes": [change]}))
            .await;
        self.log_in(number).await;
    }

    /// The app is deleted and installed again: the old token is dead, and pushes that wait follow to the new one.
    async fn reinstall(&mut self) {
        let number = self.random.below(USERS);
        let app = self.phones[number].reinstall();
        let deleted = std::mem::replace(&mut self.phones[number], app);
        // What arrived until then counts.
        self.note(number, &deleted);
        if self.random.below(2) == 0 {
            // The gateway learns from the vendor first.
            self.submit(None).await;
        }
        self.log_in(number).await;
    }

    /// The key is revoked for the time of one submission.
    async fn revoke(&mut self) {
        self.apple.revoke_key(KEY_ID);
        self.submit(None).await;
        self.apple
            .register_key(KEY_ID, TEAM_ID, &push_testkit::fixtures::apns_key(1))
            .expect("the fixture is a key");
        self.server
            .post(
                &format!("/v1/credentials/{}/resume", self.certificate),
                &json!({}),
            )
            .await;
    }

    async fn round(&mut self) {
        match self.random.below(20) {
            0 => {
                self.account.kills += 1;
                self.submit(Some(End::Killed)).await;
            }
            1 => {
                self.account.stops += 1;
                self.submit(Some(End::Stopped)).await;
            }
            2 => self.apple.cut_connections(Environment::Production),
            3 => self.apple.go_away(Environment::Production, "Shutdown"),
            4 => self.recall().await,
            5 => self.log_out_and_in().await,
            6 => self.reinstall().await,
            7 => self.revoke().await,
            8..=11 => self.fault(),
            _ => self.submit(None).await,
        }
        self.collect();
    }

    /// Notes what arrived on the phones.
    fn collect(&mut self) {
        for number in 0..USERS {
            let phone = self.phones[number].clone();
            self.note(number, &phone);
        }
    }

    fn note(&mut self, number: usize, phone: &Phone) {
        for arrival in phone.arrivals() {
            let text = arrival.body().expect("every push shows text");
            let id = text.strip_prefix("Bob:").expect("the sender's name");
            let push = (id.to_owned(), user(number));
            assert!(
                self.account.accepted.contains(&push),
                "{push:?} arrived and was never submitted to this user"
            );
            self.account.arrived.insert(push);
        }
    }

    /// Waits until nothing is open: what did not arrive has an end in its trace.
    async fn settle(&mut self) {
        self.apple.heal();
        let begun = Instant::now();
        let patience = support::PATIENCE * 2;
        loop {
            self.collect();
            let open: Vec<Push> = self.account.open().cloned().collect();
            if open.is_empty() {
                break;
            }
            for push in &open {
                if let Some(reason) = self.reason_of(push).await {
                    self.account.explained.insert(push.clone(), reason);
                }
            }
            self.collect();
            let Some(push) = self.account.open().next() else {
                break;
            };
            if begun.elapsed() > patience {
                let (_, trace) = self
                    .server
                    .try_get(&format!("/v1/messages/{}/trace", push.0))
                    .await;
                panic!(
                    "{} pushes are neither delivered nor explained after {patience:?}; one is {push:?}: {trace:#}",
                    self.account.open().count()
                );
            }
        }
        self.recent.clear();
    }

    /// Why a push ended, by its trace; `None` if it did not end, or if the vendor accepted it and the phone must have it.
    async fn reason_of(&self, (message, user): &Push) -> Option<String> {
        let (status, trace) = self
            .server
            .try_get(&format!("/v1/messages/{message}/trace"))
            .await;
        if !status.is_success() {
            return None;
        }
        let events = trace["events"].as_array()?;
        let ends = events.iter().filter(|event| {
            event["user"] == json!(user)
                && (event["stage"] == json!("settled") || event["stage"] == json!("decided"))
        });
        ends.filter_map(|event| event["reason"]["code"].as_str())
            .find(|reason| *reason != "vendor-accepted")
            .map(str::to_owned)
    }
}

fn number_of(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
    )
}

/// S128+: whatever happens, no push that was accepted is lost without a reason.
#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_push_arrives_or_is_explained_whatever_happens() {
    let seed = number_of("SOAK_SEED").unwrap_or(0x005e_ed0f_50a4);
    let until =
        number_of("SOAK_MINUTES").map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    println!("SOAK_SEED={seed}");
    let mut world = World::start(seed).await;
    let mut rounds = 0;
    while until.map_or(rounds < ROUNDS, |until| Instant::now() < until) {
        world.round().await;
        rounds += 1;
        if rounds % ROUNDS_PER_ACCOUNT == 0 {
            world.settle().await;
        }
    }
    world.settle().await;
    let gateway = world.gateway.take().expect("a gateway runs");
    gateway.end(End::Stopped).await;
    eventually("the vendor to notice", async || {
        (world.apple.open_connections() == 0).then_some(())
    })
    .await;

    let account = &world.account;
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in account.explained.values() {
        *reasons.entry(reason).or_default() += 1;
    }
    println!(
        "{rounds} rounds, {} faults, {} kills, {} stops: {} accepted = {} arrived + {} explained {reasons:?}",
        account.faults,
        account.kills,
        account.stops,
        account.accepted.len(),
        account.arrived.len(),
        account
            .explained
            .keys()
            .filter(|push| !account.arrived.contains(*push))
            .count(),
    );
    assert!(account.kills > 0 && account.faults > 0, "nothing happened");
    assert!(
        account.arrived.len() > account.accepted.len() / 2,
        "{reasons:?}"
    );
    drop(std::fs::remove_dir_all(&world.folder));
}
