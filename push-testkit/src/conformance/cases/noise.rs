//! Answers that no vendor gives.
use std::{
    collections::hash_map::RandomState,
    env,
    hash::{BuildHasher as _, Hasher as _},
};

use push_core::VerdictKind;
use serde_json::{Value, json};

use crate::conformance::{Vendor, check::plain, stage::Stage};
use crate::{Reply, block_on, sample};

/// Repeats a run: the seed that a failed test printed.
const SEED: &str = "PUSH_TESTKIT_SEED";

/// Random bytes, and the vendor's own answers with a part removed, repeated, flipped or replaced: no answer makes the
/// provider panic, lose a target, or repeat a request. The seed is printed on failure.
pub fn an_answer_of_any_bytes_gives_one_verdict_for_each_target(vendor: &Vendor) {
    let seed = env::var(SEED).ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let _reporter = Reporter(seed);
    let mut noise = Noise(seed | 1);
    let mut known = vendor.refusals();
    known.push(vendor.ok_reply());
    let bodies: Vec<Vec<u8>> = known
        .iter()
        .filter_map(|reply| reply.bytes().map(<[u8]>::to_vec))
        .collect();
    block_on(async {
        let stage = Stage::new(vendor).await;
        let most = stage.provider.capabilities().max_batch.min(3);
        for round in 0..200 {
            let reply = noise.reply(&bodies);
            stage.sends.always(reply);
            let tokens: Vec<_> = (0..1 + round % most).map(|at| stage.token(at)).collect();
            stage.send(plain(sample::notification(), tokens)).await;
        }
        stage.sends.clear();
        let verdict = stage.send_to(0).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
    });
    for script in [vendor.auth.is_some(), vendor.step.is_some()] {
        if !script {
            continue;
        }
        block_on(async {
            let mut stage = Stage::new(vendor).await;
            let granted = vendor.auth.iter().map(|(_, reply)| reply);
            let granted: Vec<Vec<u8>> = granted
                .filter_map(|reply| reply.bytes().map(<[u8]>::to_vec))
                .collect();
            for _ in 0..40 {
                stage.rebuild();
                let reply = noise.reply(if granted.is_empty() {
                    &bodies
                } else {
                    &granted
                });
                stage.auth.always(reply.clone());
                stage.step.always(reply);
                stage.send(stage.in_steps(0)).await;
            }
        });
    }
}

/// Prints the seed if the test fails.
struct Reporter(u64);

impl Drop for Reporter {
    #[expect(clippy::print_stderr, reason = "a failed test shows it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat this run with {SEED}={}", self.0);
        }
    }
}

/// A small generator of random numbers (xorshift64): enough for noise, and repeatable.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most))
            .map(|_| self.next().to_le_bytes()[3])
            .collect()
    }

    fn reply(&mut self, bodies: &[Vec<u8>]) -> Reply {
        const STATUSES: [u16; 14] = [
            200, 200, 200, 201, 204, 304, 400, 401, 403, 404, 410, 429, 500, 999,
        ];
        let status = STATUSES[self.below(STATUSES.len())];
        let kind = ["application/json", "text/html", ""][self.below(3)];
        let mut body = if bodies.is_empty() {
            Vec::new()
        } else {
            bodies[self.below(bodies.len())].clone()
        };
        match self.below(6) {
            0 => body = self.bytes(300),
            1 => body.truncate(self.below(body.len() + 1)),
            2 => {
                for _ in 0..=self.below(4) {
                    if let Some(byte) = {
                        let at = self.below(body.len());
                        body.get_mut(at)
                    } {
                        *byte ^= 1 << (self.0 % 8);
                    }
                }
            }
            3 => {
                let at = self.below(body.len() + 1);
                let more = self.bytes(20);
                body.splice(at..at, more);
            }
            4 => {
                if let Ok(mut json) = serde_json::from_slice::<Value>(&body) {
                    self.replace(&mut json);
                    body = json.to_string().into_bytes();
                }
            }
            _ => body.extend_from_within(body.len() / 2..),
        }
        Reply::new(status).header("content-type", kind).body(body)
    }

    /// Replaces a value somewhere inside by one of another type.
    fn replace(&mut self, json: &mut Value) {
        let size = match json {
            Value::Object(map) => map.len(),
            Value::Array(list) => list.len(),
            _ => 0,
        };
        if size > 0 && self.below(4) > 0 {
            let at = self.below(size);
            let inner = match json {
                Value::Object(map) => map.values_mut().nth(at),
                Value::Array(list) => list.get_mut(at),
                _ => None,
            };
            if let Some(inner) = inner {
                return self.replace(inner);
            }
        }
        *json = match self.below(8) {
            0 => Value::Null,
            1 => json!(-1),
            2 => json!(u64::MAX),
            3 => json!(1e300),
            4 => json!([[], {}, null]),
            5 => json!({ "code": { "code": [] } }),
            6 => json!("\u{0}😀".repeat(200)),
            _ => json!(true),
        };
    }
}
