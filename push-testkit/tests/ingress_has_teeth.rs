//! The ingress suite passes an ingress that is correct, and fails it for each mistake that its author may make.
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use push_core::{
    AppId, Audience, BuildContext, Clock, ErrorKind, Gateway, Ingress, Message, MessageId,
    Timestamp, UserId, async_trait,
};
use push_testkit::ingress::{self, IngressDriver, cases};
use serde::Deserialize;

const SECRET: &str = "a secret of sixteen bytes";
const LIFETIME: Duration = Duration::from_secs(300);

/// Mistakes, each with the case that is about it.
const FAULTS: &[(Fault, Case)] = &[
    (Fault::SlashBehindThePrefix, |it| {
        ingress::check(|| it, cases::the_prefix_is_a_path);
    }),
    (Fault::NothingIsSubmitted, |it| {
        ingress::check(|| it, cases::a_call_reaches_the_gateway_and_is_accepted);
    }),
    (Fault::AnswersBeforeSubmitting, |it| {
        ingress::check(
            || it,
            cases::a_call_is_answered_after_the_gateway_has_accepted_it,
        );
    }),
    (Fault::ErrorsAreIgnored, |it| {
        ingress::check(
            || it,
            cases::a_call_that_the_gateway_cannot_accept_now_may_be_repeated,
        );
    }),
    (Fault::EveryErrorIsTheCallers, |it| {
        ingress::check(
            || it,
            cases::a_call_that_the_gateway_cannot_accept_now_may_be_repeated,
        );
    }),
    (Fault::EveryErrorIsOurs, |it| {
        ingress::check(|| it, cases::a_call_that_the_gateway_refuses_is_refused);
    }),
    (Fault::NoAuthentication, |it| {
        ingress::check(|| it, cases::a_forged_call_is_refused_and_does_nothing);
    }),
    (Fault::TheBeginningOfTheSecretIsEnough, |it| {
        ingress::check(|| it, cases::a_forged_call_is_refused_and_does_nothing);
    }),
    (Fault::SubmitsBeforeAuthenticating, |it| {
        ingress::check(|| it, cases::a_forged_call_is_refused_and_does_nothing);
    }),
    (Fault::ReadsBeforeAuthenticating, |it| {
        ingress::check(|| it, cases::a_forged_call_is_refused_whatever_its_body);
    }),
    (Fault::TheSecretIsInAnAnswer, |it| {
        ingress::check(|| it, cases::neither_answers_nor_debug_show_a_secret);
    }),
    (Fault::TheSecretIsInDebug, |it| {
        ingress::check(|| it, cases::neither_answers_nor_debug_show_a_secret);
    }),
    (Fault::ABadBodyIsOurError, |it| {
        ingress::check(|| it, cases::what_is_no_call_is_refused_and_does_nothing);
    }),
    (Fault::EveryFieldHasADefault, |it| {
        ingress::check(|| it, cases::what_is_no_call_is_refused_and_does_nothing);
    }),
    (Fault::ThePartIsTakenForTheWhole, |it| {
        ingress::check(|| it, cases::a_part_of_a_call_does_nothing);
    }),
    (Fault::LargeBodiesAreDropped, |it| {
        ingress::check(
            || it,
            cases::a_body_of_eight_mebibytes_or_of_deep_nesting_is_refused,
        );
    }),
    (Fault::PanicsAtBytesThatAreNoText, |it| {
        ingress::check(
            || it,
            cases::no_changed_byte_of_a_call_makes_the_ingress_fail,
        );
    }),
    (Fault::EveryPath, |it| {
        ingress::check(|| it, cases::another_path_is_refused);
    }),
    (Fault::EveryMethod, |it| {
        ingress::check(|| it, cases::another_method_is_refused);
    }),
    (Fault::ANewIdForEachRequest, |it| {
        ingress::check(|| it, cases::a_repeated_call_is_the_same_message_or_refused);
    }),
    (Fault::OneIdForAll, |it| {
        ingress::check(|| it, cases::different_calls_are_different_messages);
    }),
    (Fault::NoExpiry, |it| {
        ingress::check(
            || it,
            cases::a_request_is_accepted_for_its_lifetime_and_no_longer,
        );
    }),
    (Fault::RequestsOfTheFuture, |it| {
        ingress::check(
            || it,
            cases::a_request_is_accepted_for_its_lifetime_and_no_longer,
        );
    }),
    (Fault::AnUndeclaredLifetime, |it| {
        ingress::check(
            || it,
            cases::a_request_is_accepted_for_its_lifetime_and_no_longer,
        );
    }),
];

type Case = fn(Sample);

mod without_dates {
    push_testkit::ingress_conformance!(|| super::Sample::correct(false));
}

mod with_dates {
    push_testkit::ingress_conformance!(|| super::Sample::correct(true));
}

#[test]
fn every_fault_is_caught_by_the_case_that_is_about_it() {
    let mut missed = Vec::new();
    for (fault, case) in FAULTS {
        let broken = Sample {
            fault: Some(*fault),
            is_dated: true,
        };
        if catch_unwind(AssertUnwindSafe(|| case(broken))).is_ok() {
            missed.push(fault);
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

/// A driver that forgets a kind of request would weaken the suite.
#[test]
fn a_driver_that_forges_nothing_is_refused() {
    struct Trusting(Sample);

    impl IngressDriver for Trusting {
        fn ingress(&self, context: &BuildContext) -> Arc<dyn Ingress> {
            self.0.ingress(context)
        }

        fn call(&self, number: u32) -> Vec<u8> {
            self.0.call(number)
        }

        fn request(&self, body: Vec<u8>, now: Timestamp) -> Request<Bytes> {
            self.0.request(body, now)
        }

        fn forged(&self, _: Vec<u8>, _: Timestamp) -> Vec<Request<Bytes>> {
            Vec::new()
        }

        fn malformed(&self) -> Vec<Vec<u8>> {
            Vec::new()
        }

        fn secrets(&self) -> Vec<String> {
            Vec::new()
        }
    }

    let trusting = || Trusting(Sample::correct(false));
    for case in [
        (|it| ingress::check(|| it, cases::a_forged_call_is_refused_and_does_nothing))
            as fn(Trusting),
        |it| ingress::check(|| it, cases::what_is_no_call_is_refused_and_does_nothing),
        |it| ingress::check(|| it, cases::neither_answers_nor_debug_show_a_secret),
    ] {
        assert!(catch_unwind(AssertUnwindSafe(|| case(trusting()))).is_err());
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    SlashBehindThePrefix,
    NothingIsSubmitted,
    AnswersBeforeSubmitting,
    ErrorsAreIgnored,
    EveryErrorIsTheCallers,
    EveryErrorIsOurs,
    NoAuthentication,
    TheBeginningOfTheSecretIsEnough,
    SubmitsBeforeAuthenticating,
    ReadsBeforeAuthenticating,
    TheSecretIsInAnAnswer,
    TheSecretIsInDebug,
    ABadBodyIsOurError,
    EveryFieldHasADefault,
    ThePartIsTakenForTheWhole,
    LargeBodiesAreDropped,
    PanicsAtBytesThatAreNoText,
    EveryPath,
    EveryMethod,
    ANewIdForEachRequest,
    OneIdForAll,
    NoExpiry,
    RequestsOfTheFuture,
    AnUndeclaredLifetime,
}

/// An ingress whose proof is `SECRET` or, with dates, `SECRET@MILLISECONDS`; and the system that calls it.
#[derive(Clone, Copy)]
struct Sample {
    fault: Option<Fault>,
    is_dated: bool,
}

impl Sample {
    const fn correct(is_dated: bool) -> Self {
        Self {
            fault: None,
            is_dated,
        }
    }
}

impl IngressDriver for Sample {
    fn ingress(&self, context: &BuildContext) -> Arc<dyn Ingress> {
        Arc::new(Way {
            sample: *self,
            clock: Arc::clone(&context.clock),
            requests: AtomicU32::new(0),
        })
    }

    fn call(&self, number: u32) -> Vec<u8> {
        format!(r#"{{"id": "m-{number}", "text": "lunch?"}}"#).into()
    }

    fn request(&self, body: Vec<u8>, now: Timestamp) -> Request<Bytes> {
        proven(&self.proof(now), body)
    }

    fn forged(&self, body: Vec<u8>, now: Timestamp) -> Vec<Request<Bytes>> {
        let proof = self.proof(now);
        [
            String::new(),
            proof.replace("secret", "secreT"),
            SECRET[..10].to_owned(),
            format!("{proof} and more"),
        ]
        .into_iter()
        .map(|proof| proven(&proof, body.clone()))
        .collect()
    }

    fn malformed(&self) -> Vec<Vec<u8>> {
        [
            "{}",
            "null",
            r#"{"id": "", "text": "a"}"#,
            r#"{"id": 1, "text": "a"}"#,
        ]
        .map(Into::into)
        .into()
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.to_owned()]
    }

    fn lifetime(&self) -> Option<Duration> {
        (self.is_dated && self.fault != Some(Fault::AnUndeclaredLifetime)).then_some(LIFETIME)
    }
}

impl Sample {
    fn proof(self, now: Timestamp) -> String {
        match self.is_dated {
            true => format!("{SECRET}@{}", now.unix_millis()),
            false => SECRET.to_owned(),
        }
    }
}

fn proven(proof: &str, body: Vec<u8>) -> Request<Bytes> {
    Request::post("/sample")
        .header("proof", proof)
        .body(body.into())
        .expect("a request")
}

struct Way {
    sample: Sample,
    clock: Arc<dyn Clock>,
    requests: AtomicU32,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.has(Fault::TheSecretIsInDebug) {
            true => write!(f, "Way({SECRET})"),
            false => f.write_str("Way"),
        }
    }
}

#[derive(Deserialize)]
struct Call {
    id: String,
    #[serde(rename = "text")]
    _text: String,
}

impl Way {
    fn has(&self, fault: Fault) -> bool {
        self.sample.fault == Some(fault)
    }

    fn is_authentic(&self, request: &Request<Bytes>) -> bool {
        let proof = request.headers().get("proof");
        let proof = proof.and_then(|proof| proof.to_str().ok());
        let proof = proof.unwrap_or_default();
        if self.has(Fault::NoAuthentication) {
            return true;
        }
        if self.has(Fault::TheBeginningOfTheSecretIsEnough) {
            return !proof.is_empty() && SECRET.starts_with(proof.split('@').next().unwrap_or(""));
        }
        if !self.sample.is_dated {
            return proof == SECRET;
        }
        let Some((secret, millis)) = proof.split_once('@') else {
            return false;
        };
        let Ok(millis) = millis.parse::<i64>() else {
            return false;
        };
        let age = self.clock.now().unix_millis() - millis;
        let longest = i64::try_from(LIFETIME.as_millis()).expect("five minutes");
        let is_late = age > longest && !self.has(Fault::NoExpiry);
        let is_early = age < -longest && !self.has(Fault::RequestsOfTheFuture);
        secret == SECRET && !is_late && !is_early
    }

    fn read(&self, body: &[u8]) -> Result<String, u16> {
        if self.has(Fault::PanicsAtBytesThatAreNoText) {
            assert!(std::str::from_utf8(body).is_ok());
        }
        match serde_json::from_slice::<Call>(body) {
            Ok(call) if !call.id.is_empty() => Ok(call.id),
            _ if self.has(Fault::EveryFieldHasADefault) && body == b"{}" => Ok("m".to_owned()),
            _ if self.has(Fault::ThePartIsTakenForTheWhole) && body.starts_with(b"{\"id") => {
                Ok("m".to_owned())
            }
            _ if self.has(Fault::ABadBodyIsOurError) => Err(500),
            _ => Err(400),
        }
    }

    fn status_of(&self, kind: ErrorKind) -> u16 {
        match kind {
            _ if self.has(Fault::ErrorsAreIgnored) => 202,
            _ if self.has(Fault::EveryErrorIsTheCallers) => 400,
            _ if self.has(Fault::EveryErrorIsOurs) => 500,
            ErrorKind::Invalid | ErrorKind::Denied => 400,
            ErrorKind::Busy | ErrorKind::Unavailable => 503,
            _ => 500,
        }
    }

    async fn answer(&self, gateway: Arc<dyn Gateway>, request: &Request<Bytes>) -> u16 {
        if request.method() != Method::POST && !self.has(Fault::EveryMethod) {
            return 405;
        }
        if request.uri().path() != "/sample" && !self.has(Fault::EveryPath) {
            return 404;
        }
        let is_large = request.body().len() > 1024 * 1024;
        let read = || self.read(request.body());
        if self.has(Fault::ReadsBeforeAuthenticating)
            && let Err(status) = read()
        {
            return status;
        }
        if self.has(Fault::SubmitsBeforeAuthenticating)
            && let Ok(id) = read()
        {
            submit(&*gateway, &id).await.ok();
        }
        if !self.is_authentic(request) {
            return 401;
        }
        if is_large && self.has(Fault::LargeBodiesAreDropped) {
            return 202;
        }
        let mut id = match read() {
            Ok(id) => id,
            Err(status) => return status,
        };
        if self.has(Fault::ANewIdForEachRequest) {
            id = format!("m-{}", self.requests.fetch_add(1, Ordering::Relaxed));
        }
        if self.has(Fault::OneIdForAll) {
            "m".clone_into(&mut id);
        }
        if self.has(Fault::NothingIsSubmitted) {
            return 202;
        }
        if self.has(Fault::AnswersBeforeSubmitting) {
            tokio::spawn(async move { submit(&*gateway, &id).await.ok() });
            return 202;
        }
        match submit(&*gateway, &id).await {
            Ok(()) => 202,
            Err(kind) => self.status_of(kind),
        }
    }
}

async fn submit(gateway: &dyn Gateway, id: &str) -> Result<(), ErrorKind> {
    let app = AppId::new("chat").map_err(|error| error.kind())?;
    let bob = UserId::new("bob").map_err(|error| error.kind())?;
    let id = MessageId::new(id).map_err(|error| error.kind())?;
    let message = Message::new(id, Audience::user(bob)).with_text("lunch?");
    let submitted = gateway.submit(&app, vec![message]).await;
    submitted.map(drop).map_err(|error| error.kind())
}

#[async_trait]
impl Ingress for Way {
    fn prefix(&self) -> &str {
        match self.has(Fault::SlashBehindThePrefix) {
            true => "/sample/",
            false => "/sample",
        }
    }

    async fn handle(&self, gateway: Arc<dyn Gateway>, request: Request<Bytes>) -> Response<Bytes> {
        let status = self.answer(gateway, &request).await;
        let body = match status {
            401 if self.has(Fault::TheSecretIsInAnAnswer) => format!("send {SECRET}"),
            _ => String::new(),
        };
        let mut response = Response::new(body.into());
        *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
        response
    }
}
