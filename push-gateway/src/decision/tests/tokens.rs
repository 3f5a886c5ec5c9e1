//! Which registration or token of a device is of use.
use push_core::{DeviceToken, Quarantine};
use serde_json::json;

use super::*;

/// S57, S123 and the rest of what can be wrong with a token.
#[test]
fn every_fault_of_a_registration_has_its_own_reason() {
    let with = |change: fn(&mut StoredRegistration)| {
        let mut device = phone();
        change(&mut device.registrations[0]);
        outcome(&message(), &device).expect_err("it should be skipped")
    };
    assert_eq!(
        with(|it| it.registration.environment = Environment::Sandbox),
        "environment-mismatch"
    );
    assert_eq!(
        with(|it| it.registration.certificate = CertificateId::new(4).expect("an id")),
        "environment-mismatch"
    );
    assert_eq!(
        with(|it| it.registration.certificate = CertificateId::new(99).expect("an id")),
        "certificate-unknown"
    );
    assert_eq!(
        with(|it| it.registration.certificate = CertificateId::new(5).expect("an id")),
        "no-provider"
    );
    assert_eq!(
        with(|it| it.registration.certificate = CertificateId::new(3).expect("an id")),
        "channel-mismatch"
    );
    assert_eq!(
        with(|it| it.registration.certificate = CertificateId::new(2).expect("an id")),
        "slot-unsupported"
    );
    assert_eq!(
        with(|it| {
            it.quarantine = Some(Quarantine::new("token-of-another-app", NOW));
        }),
        "token-of-another-app"
    );
    assert_eq!(
        with(|it| it.registration.slot = Slot::Voip),
        "no-token",
        "a VoIP token is for calls only"
    );
    let mut bare = phone();
    bare.registrations.clear();
    assert_eq!(outcome(&message(), &bare), Err("no-token"));
}

/// S60.
#[test]
fn a_call_falls_back_to_an_alert_when_the_voip_token_is_of_no_use() {
    let call = apns(json!({ "voip": true }));
    let mut device = phone();
    assert_eq!(
        outcome(&call, &device).map(|it| it.kind),
        Ok(NotificationKind::Alert)
    );
    device
        .registrations
        .push(registration(Slot::Voip, Channel::APNS, 2));
    assert_eq!(
        outcome(&call, &device).map(|it| it.kind),
        Ok(NotificationKind::Voip)
    );
    assert_eq!(
        outcome(&message(), &device).map(|it| it.kind),
        Ok(NotificationKind::Alert)
    );
    device.registrations[1].quarantine = Some(Quarantine::new("environment-mismatch", NOW));
    assert_eq!(
        outcome(&call, &device).map(|it| it.kind),
        Ok(NotificationKind::Alert)
    );
}

/// Otherwise the reason would be that there is no token, which is not true.
#[test]
fn a_call_without_an_alert_token_is_skipped_for_what_is_wrong_with_its_own() {
    let call = pushed_json(json!({ "call": true }));
    let mut device = phone();
    device.registrations[0].registration.slot = Slot::Voip;
    device.registrations[0].registration.certificate = certificate(99);
    assert_eq!(outcome(&call, &device), Err("certificate-unknown"));
    let mut alert = phone().registrations.remove(0);
    alert.registration.certificate = certificate(5);
    device.registrations.push(alert);
    assert_eq!(outcome(&call, &device), Err("no-provider"));
    device.registrations.clear();
    assert_eq!(outcome(&call, &device), Err("no-token"));
}

#[test]
fn a_kind_that_the_vendor_does_not_have_is_skipped_with_its_reason() {
    let mut credentials = credentials();
    let Some(Ok(facts)) = credentials.get_mut(&certificate(1)) else {
        panic!("it is there");
    };
    facts.kinds = &[NotificationKind::Alert];
    let background = apns(json!({ "content_available": true }));
    let settings = DecisionSettings::default();
    assert_eq!(
        delivery(&background, &phone(), &credentials, &settings).map(drop),
        Err("kind-unsupported")
    );
}

/// For callers that keep tokens themselves.
#[test]
fn a_token_is_pushed_to_without_registration_if_it_fits_its_credential() {
    let outcome = |address: &TokenAddress| {
        let settings = DecisionSettings::default();
        let message = message();
        let prepared = prepare(&message, NOW, &settings).expect("pushable");
        let mut decision = Decision::default();
        decide_token(&prepared, 4, address, &credentials(), NOW, &mut decision);
        match decision.skips.first() {
            Some(skip) => {
                assert_eq!(skip.token, Some(4));
                Err(skip.reason.code)
            }
            None => Ok(decision.pushes[0].certificate),
        }
    };
    let token = || DeviceToken::new("ab").expect("a token");
    let mut address = TokenAddress::new(certificate(1), token());
    assert_eq!(outcome(&address), Ok(certificate(1)));
    address.environment = Some(Environment::Sandbox);
    assert_eq!(outcome(&address), Err("environment-mismatch"));
    let unknown = TokenAddress::new(certificate(99), token());
    assert_eq!(outcome(&unknown), Err("certificate-unknown"));
    let mut voip = TokenAddress::new(certificate(1), token());
    voip.slot = Slot::Voip;
    assert_eq!(outcome(&voip), Err("slot-unsupported"));
}
