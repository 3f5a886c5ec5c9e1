//! Who is not the system that the ingress belongs to.
use push_core::ErrorKind;

use super::{IngressKit, Outcome};

/// There is no other guard than the ingress.
pub async fn a_forged_call_is_refused_and_does_nothing(kit: IngressKit) {
    let forged = kit.driver.forged(kit.driver.call(1), kit.now());
    assert!(
        forged.len() >= 2,
        "`forged` returns a request without a proof and one with a wrong proof at least"
    );
    for (position, request) in forged.into_iter().enumerate() {
        let outcome = kit.send(request).await.0;
        assert_eq!(outcome, Outcome::Refused, "forged request {position}");
        kit.untouched(&format!("forged request {position}"));
    }
    let outcome = kit.call(1).await;
    assert_eq!(outcome, Outcome::Accepted, "a call after forged ones");
}

/// The proof is checked before the body is: strangers learn nothing of what is accepted, and cost little.
pub async fn a_forged_call_is_refused_whatever_its_body(kit: IngressKit) {
    let forged = |body: Vec<u8>| kit.driver.forged(body, kit.now());
    let mut usual = Vec::new();
    for request in forged(kit.driver.call(1)) {
        usual.push(kit.send(request).await.1.status());
    }
    for body in kit.driver.malformed() {
        for (position, request) in forged(body).into_iter().enumerate() {
            let (outcome, answer) = kit.send(request).await;
            assert_eq!(outcome, Outcome::Refused, "forged request {position}");
            assert_eq!(
                answer.status(),
                usual[position],
                "forged request {position} is answered alike with a body that is a call and one that is none"
            );
        }
    }
    kit.untouched("a forged request with a malformed body");
}

/// A secret is in no answer and in no log.
pub async fn neither_answers_nor_debug_show_a_secret(kit: IngressKit) {
    let call = kit.driver.call(1);
    let mut shown = vec![format!("{:?}", kit.ingress)];
    let mut requests = kit.driver.forged(call.clone(), kit.now());
    let bodies = kit.driver.malformed().into_iter();
    requests.extend(bodies.map(|body| kit.driver.request(body, kit.now())));
    requests.push(kit.driver.request(call.clone(), kit.now()));
    for request in requests {
        shown.push(format!("{:?}", kit.send(request).await.1));
    }
    kit.gateway.refuse(Some(ErrorKind::Internal));
    let failing = kit.driver.request(call, kit.now());
    shown.push(format!("{:?}", kit.send(failing).await.1));
    let secrets = kit.driver.secrets();
    assert!(!secrets.is_empty(), "`secrets` returns one secret at least");
    for (position, secret) in secrets.iter().enumerate() {
        let shows = shown.iter().any(|text| text.contains(secret.as_str()));
        assert!(!shows, "secret {position} is in an answer or in `Debug`");
    }
}
