//! Every code of the push service (reference of the downlink message, and the official server demos; read in November 2026).
use push_core::{Scope, VerdictKind};

/// Part of the tokens failed: the message says which.
pub(super) const PARTIAL: &str = "80100000";

/// Every code that Huawei documents, and those seen in other people's code: what it means, also in words for an operator.
pub(super) const CODES: &[(&str, VerdictKind, &str)] = &[
    ("80000000", VerdictKind::Accepted, "accepted"),
    ("80100001", REFUSED, "a parameter is wrong"),
    ("80100002", REFUSED, "such a message takes one token"),
    ("80100003", REFUSED, "the message's structure is wrong"),
    ("80100004", REFUSED, "its time is over"),
    ("80100013", REFUSED, "collapse_key is wrong"),
    ("80100016", REFUSED, "sensitive words"),
    ("80100017", LIMITED, "too many topic messages at once"),
    ("80100018", REFUSED, "the review's signature is wrong"),
    (
        "80200001",
        CREDENTIAL,
        "the access token is missing or not Huawei's",
    ),
    ("80200003", CREDENTIAL, "the access token has expired"),
    ("80200005", CREDENTIAL, "the JWT has expired"),
    (
        "80300002",
        CREDENTIAL,
        "the app may not send, or app_id or project_id is not the secret's",
    ),
    // Seen in third-party code only.
    ("80300006", LIMITED, "too many messages"),
    // A wrong app looks the same, which is why the pipeline does not act on it alone.
    ("80300007", DEAD, "every token is invalid"),
    ("80300008", REFUSED, "the body is larger than 4096 bytes"),
    ("80300010", REFUSED, "no token or too many"),
    // Only messages that ask for it are affected.
    ("80300011", REFUSED, "the app has no right to high urgency"),
    ("80300013", CREDENTIAL, "the receipt address is wrong"),
    ("80600003", DOWN, "Huawei's own token service fails"),
    ("81000001", DOWN, "system error"),
    (
        "82000001",
        REFUSED,
        "device group: the key or name is wrong",
    ),
    (
        "82000002",
        REFUSED,
        "device group: key and name do not match",
    ),
    ("82000003", REFUSED, "device group: there is no token"),
    (
        "82000004",
        REFUSED,
        "device group: there is none of that name",
    ),
    ("82000005", REFUSED, "device group: it is not this app's"),
    ("82000006", REFUSED, "device group: too many"),
    ("82000007", REFUSED, "topic: its name is wrong"),
    (
        "82000008",
        REFUSED,
        "topic: there is no token, or there are too many",
    ),
    ("82000009", REFUSED, "topic: too many"),
    ("82000010", REFUSED, "topic: some tokens are wrong"),
    ("82000011", REFUSED, "topic: there is no token"),
    (
        "82000012",
        CREDENTIAL,
        "no data storage location is chosen in AppGallery Connect",
    ),
    (
        "82000013",
        CREDENTIAL,
        "the data storage location does not match",
    ),
];

pub(super) const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };
const REFUSED: VerdictKind = VerdictKind::PayloadRefused;
const CREDENTIAL: VerdictKind = VerdictKind::CredentialRefused;
const LIMITED: VerdictKind = VerdictKind::RateLimited(Scope::Credential);
pub(super) const DOWN: VerdictKind = VerdictKind::Unavailable(Scope::Credential);

/// What a code means; `None` for an unknown one.
pub(super) fn known(code: &str) -> Option<VerdictKind> {
    CODES
        .iter()
        .find(|entry| entry.0 == code)
        .map(|entry| entry.1)
}

/// What a code means, in words; empty for an unknown one.
pub(super) fn explain(code: &str) -> &'static str {
    CODES
        .iter()
        .find(|entry| entry.0 == code)
        .map_or("", |entry| entry.2)
}
