//! What the cases read of a vendor.
use std::{collections::HashMap, fmt};

use push_core::Badge;
use serde_json::Value;

use super::vendor::{Read, Vendor};
use crate::{Authority, Recorded, Reply, reply::Act};

impl Vendor {
    pub(crate) fn is_auth(&self, path: &str) -> bool {
        self.auth.as_ref().is_some_and(|(auth, _)| auth == path)
    }

    pub(crate) fn is_step(&self, path: &str) -> bool {
        self.step.as_ref().is_some_and(|(step, _)| step == path)
    }

    pub(crate) fn configured(&self, endpoint: &str, ca_pem: &str) -> Value {
        let config = self.config.as_ref();
        config.expect("declare `config`")(endpoint, ca_pem)
    }

    /// A configuration that reaches no server.
    pub(crate) fn any_config(&self) -> Value {
        self.configured("https://localhost:1", &Authority::new().pem())
    }

    pub(crate) fn ok_reply(&self) -> Reply {
        self.ok.clone().expect("declare `ok`")
    }

    pub(crate) fn read(&self) -> Read {
        self.shown.clone().expect("declare `shown`")
    }

    pub(crate) fn token_at(&self, url: &str, number: usize) -> String {
        let tokens = self.tokens.as_ref();
        tokens.expect("declare `token` or `tokens`")(url, number)
    }

    pub(crate) fn unknown_reply(&self, status: u16, code: &str) -> Reply {
        self.unknown.as_ref().expect("declare `unknown`")(status, code)
    }

    /// What remains of `badge` at a vendor that has a largest number.
    pub(crate) fn within_limit(&self, badge: Badge) -> Badge {
        at_most(badge, self.max_badge)
    }

    /// Every refusal of a send that the vendor declares.
    pub(crate) fn refusals(&self) -> Vec<Reply> {
        [
            &self.token_dead,
            &self.target_refused,
            &self.credential_refused,
            &self.payload_refused,
            &self.unavailable,
        ]
        .into_iter()
        .flatten()
        .chain(self.token_unusable.iter().map(|(_, reply)| reply))
        .chain(self.rate_limited.iter().map(|(_, reply)| reply))
        .cloned()
        .collect()
    }

    /// Whether the vendor reports failures with a 2xx.
    pub(crate) fn fails_within_success(&self) -> bool {
        self.refusals()
            .iter()
            .any(|reply| reply.status().is_some_and(|status| status / 100 == 2))
    }
}

/// Messages that were saved at the vendor, by id.
pub(crate) type Saved = HashMap<String, Recorded>;

/// The same with a number of at most `most`.
fn at_most(badge: Badge, most: u32) -> Badge {
    match badge {
        Badge::Set(number) => Badge::Set(number.min(most)),
        Badge::Add(number) => Badge::Add(number.min(most)),
        other => other,
    }
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vendor").field(self.descriptor).finish()
    }
}

impl Reply {
    /// The body of the answer; `None` where there is none or it depends on the request.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match &self.act {
            Act::Answer(answer) => Some(&answer.body),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_beyond_the_vendors_is_the_vendors_whether_set_or_added() {
        for (badge, wanted) in [
            (Badge::Set(100), Badge::Set(99)),
            (Badge::Add(100), Badge::Add(99)),
            (Badge::Set(0), Badge::Set(0)),
            (Badge::Leave, Badge::Leave),
        ] {
            assert_eq!(at_most(badge, 99), wanted);
        }
    }
}
