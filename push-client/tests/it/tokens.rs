//! Uploads of tokens.
use std::time::Duration;

use push_client::{
    Event, GatewayError, GatewayErrorKind, Settings, SlotState, Token, TokenError,
    testing::{Asked, PhoneCall, ScriptedPhone},
};
use push_core::{
    Secret, Slot,
    api::{Warning, code},
};

use crate::kit::{
    Kit, Parts, TOKEN, VOIP_TOKEN, account, block_on, unavailable, until, until_idle, user,
};

fn text(token: &str) -> Token {
    Token::Text(token.to_owned())
}

fn silent_phone() -> Parts {
    Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]))
}

/// S53: the token arrives after the login.
#[test]
fn a_token_that_arrives_after_the_login_is_uploaded_then() {
    block_on(async {
        let kit = silent_phone().start(|it| it).await;
        let logged_out = SlotState::Waiting(TokenError::NotLoggedIn);
        assert_eq!(kit.client.slot(Slot::Alert), logged_out);
        kit.log_in("alice").await;
        until_idle().await;
        assert_eq!(kit.gateway.asked(), [], "nothing without a token");
        assert_eq!(kit.client.slot(Slot::Alert), SlotState::NoToken);
        assert!(kit.phone.answer_token(Slot::Alert, Some(Ok(text(TOKEN)))));
        kit.uploaded("alice", &[Slot::Alert]).await;
    });
}

/// S53: an empty or missing token is never uploaded; S52: 22003.
#[test]
fn an_empty_token_is_never_uploaded() {
    block_on(async {
        let kit = silent_phone().start(|it| it).await;
        kit.log_in("alice").await;
        for empty in [Token::Bytes(Vec::new()), text("")] {
            let error = kit.client.token_received(Slot::Alert, empty).unwrap_err();
            assert_eq!(error, TokenError::Empty);
            assert_eq!(error.code(), Some(22003));
        }
        kit.phone.answer_token(Slot::Alert, None);
        until_idle().await;
        assert_eq!(kit.gateway.asked(), []);
    });
}

/// S53: an empty token does not replace the current one.
#[test]
fn an_invalid_token_does_not_replace_a_valid_one() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        let asked = kit.gateway.asked().len();
        kit.client
            .token_received(Slot::Alert, text(""))
            .unwrap_err();
        kit.client.token_failed(Slot::Alert, "APNs does not answer");
        until_idle().await;
        assert_eq!(kit.gateway.asked().len(), asked);
        assert!(matches!(
            kit.client.slot(Slot::Alert),
            SlotState::Uploaded { .. }
        ));
    });
}

/// S52: 22004, counted in the vendor's notation: 256 bytes of APNs are 512 digits.
#[test]
fn a_token_of_more_than_256_bytes_is_refused() {
    block_on(async {
        let kit = silent_phone().start(|it| it).await;
        let error = kit
            .client
            .token_received(Slot::Alert, Token::Bytes(vec![7; 257]))
            .unwrap_err();
        assert_eq!(error, TokenError::TooLong(257, 256));
        assert_eq!(error.code(), Some(22004));
        assert!(error.to_string().contains("257"), "{error}");
        kit.client
            .token_received(Slot::Alert, Token::Bytes(vec![7; 256]))
            .unwrap();
        kit.client
            .token_received(Slot::Alert, text("naïve"))
            .unwrap_err();
    });
}

/// S52: each of the SDK's numbers has a state, with a text that says what to do.
#[test]
fn errors_have_the_numbers_of_the_sdk() {
    let why = || "why".to_owned();
    for (error, code, says) in [
        (TokenError::NotLoggedIn, 21005, "log in"),
        (TokenError::NoCertificate(why()), 22001, "credential"),
        (TokenError::Network(why()), 22002, "retry"),
        (TokenError::Empty, 22003, "empty"),
        (TokenError::TooLong(300, 256), 22004, "256"),
        (TokenError::LoginDataTooLong(2000), 22005, "1024"),
        (TokenError::TooFrequent, 22006, "later"),
    ] {
        assert_eq!(error.code(), Some(code));
        let text = error.to_string();
        assert!(text.contains(says), "{text}");
        assert!(text.contains(&code.to_string()), "{text}");
    }
}

/// S46+: a token that arrives while no user is logged in waits, and is uploaded at the next login; S52: 21005 until then.
#[test]
fn a_token_is_stored_while_logged_out() {
    block_on(async {
        let (kit, generation) = Kit::logged_in("alice").await;
        kit.log_out(generation).await;
        let device = kit.client.device();
        until(|| kit.gateway.device(&device).is_none()).await;
        let asked = kit.gateway.asked().len();
        kit.client
            .token_received(Slot::Alert, text("a-newer-token"))
            .unwrap();
        until_idle().await;
        assert_eq!(kit.gateway.asked().len(), asked, "no user is logged in");
        assert_eq!(
            kit.client.slot(Slot::Alert),
            SlotState::Waiting(TokenError::NotLoggedIn)
        );
        kit.phone.give(Slot::Alert, Err("not now".to_owned()));
        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
        let (_, tokens) = kit.gateway.device(&device).unwrap();
        assert_eq!(tokens[&Slot::Alert].token.expose(), "a-newer-token");
    });
}

/// S54+: a failed upload is repeated, each time after a longer pause, until the gateway has it.
#[test]
fn a_failed_upload_is_repeated_with_growing_pauses() {
    block_on(async {
        let parts =
            Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
        parts.gateway.set_down(Some(unavailable()));
        let kit = parts.start(|it| it).await;
        kit.log_in("alice").await;
        let mut pauses = Vec::new();
        for attempt in 1..=6 {
            until(|| kit.uploads() == attempt && kit.clock.sleepers() == 1).await;
            let mut waited = Duration::ZERO;
            while kit.uploads() == attempt {
                kit.clock.advance(Duration::from_millis(250));
                waited += Duration::from_millis(250);
                until_idle().await;
                if kit.clock.sleepers() == 0 {
                    until(|| kit.uploads() > attempt).await;
                }
            }
            pauses.push(waited);
        }
        for (number, pause) in (0_u32..).zip(&pauses) {
            let whole = Duration::from_secs(1 << number);
            assert!(
                *pause >= whole / 2 && *pause <= whole + Duration::from_millis(250),
                "{pauses:?}"
            );
        }
        assert!(matches!(
            kit.client.slot(Slot::Alert),
            SlotState::Waiting(TokenError::Network(_))
        ));
        kit.gateway.set_down(None);
        until(|| kit.clock.sleepers() == 1).await;
        kit.clock.advance(Duration::from_secs(64));
        kit.uploaded("alice", &[Slot::Alert]).await;
        assert!(matches!(
            kit.client.slot(Slot::Alert),
            SlotState::Uploaded { .. }
        ));
    });
}

#[test]
fn a_new_token_ends_a_pause_early() {
    block_on(async {
        let parts =
            Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
        parts.gateway.set_down(Some(unavailable()));
        let kit = parts.start(|it| it).await;
        kit.log_in("alice").await;
        until(|| kit.clock.sleepers() == 1).await;
        kit.gateway.set_down(None);
        kit.client.foreground();
        kit.uploaded("alice", &[Slot::Alert]).await;
    });
}

/// S52: 22006; the client waits as long as the gateway asks, even if the app triggers a retry.
#[test]
fn the_pause_that_the_gateway_asks_for_is_kept() {
    block_on(async {
        let parts =
            Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
        parts.gateway.fail_next(
            GatewayError::new(GatewayErrorKind::TooFrequent, code::TOO_FREQUENT, "slowly")
                .with_retry_after(Duration::from_secs(600)),
        );
        let kit = parts.start(|it| it).await;
        kit.log_in("alice").await;
        until(|| kit.clock.sleepers() == 1).await;
        assert_eq!(
            kit.client.slot(Slot::Alert),
            SlotState::Waiting(TokenError::TooFrequent)
        );
        kit.client.foreground();
        kit.pass(1, Duration::from_secs(599)).await;
        assert_eq!(kit.uploads(), 1);
        kit.pass(1, Duration::from_secs(1)).await;
        kit.uploaded("alice", &[Slot::Alert]).await;
    });
}

/// S55+: the same account, certificate, channel and token are not uploaded again within the interval, but after it.
#[test]
fn an_unchanged_token_is_uploaded_again_only_after_the_interval() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        assert_eq!(kit.uploads(), 2);
        kit.clock
            .advance(Settings::default().reupload_after - Duration::from_millis(1));
        for _ in 0..3 {
            kit.client.token_received(Slot::Alert, text(TOKEN)).unwrap();
            kit.log_in("alice").await;
            until_idle().await;
        }
        assert_eq!(kit.uploads(), 2);
        kit.clock.advance(Duration::from_millis(1));
        kit.client.token_received(Slot::Alert, text(TOKEN)).unwrap();
        until(|| kit.uploads() == 4).await;
        until_idle().await;
        assert_eq!(kit.uploads(), 4);
    });
}

/// S55: a wall clock that was set back does not keep an upload forever.
#[test]
fn a_clock_that_was_set_back_uploads_again() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.clock
            .jump_to(push_core::Timestamp::from_unix_seconds(1_000_000));
        kit.client.token_received(Slot::Alert, text(TOKEN)).unwrap();
        until(|| kit.uploads() == 4).await;
    });
}

/// S55: a changed token is uploaded at once.
#[test]
fn a_changed_token_is_uploaded_at_once() {
    block_on(async {
        let (mut kit, _) = Kit::logged_in("alice").await;
        kit.new_events();
        kit.client
            .token_received(Slot::Alert, text("rotated"))
            .unwrap();
        until(|| kit.uploads() == 3).await;
        until_idle().await;
        assert_eq!(kit.uploads(), 3, "the other slot has not changed");
        let names = kit.new_event_names();
        assert_eq!(names, ["token_changed", "uploaded"]);
    });
}

/// S56: off unregisters the device's tokens, and a login does not register them; on registers them without a login.
#[test]
fn push_can_be_switched_off_for_this_device() {
    block_on(async {
        let (kit, generation) = Kit::logged_in("alice").await;
        kit.client.set_push(false);
        let device = kit.client.device();
        until(|| kit.gateway.device(&device).is_none()).await;
        assert_eq!(kit.gateway.switched_off(), 1, "the login goes on");
        assert_eq!(kit.client.slot(Slot::Alert), SlotState::Off);
        let calls = kit.phone.calls().len();
        assert_eq!(kit.log_in("alice").await, generation);
        kit.log_in("bob").await;
        until_idle().await;
        assert_eq!(kit.gateway.device(&device), None);
        assert_eq!(
            kit.phone.calls().len(),
            calls,
            "nothing is requested from the phone"
        );
        kit.client.set_push(true);
        kit.uploaded("bob", &[Slot::Alert, Slot::Voip]).await;
    });
}

/// S56: off and on again, and the answer to "off" was lost: the tokens are registered again at once.
#[test]
fn push_that_is_switched_on_after_a_lost_answer_is_registered() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.gateway.lose_next(unavailable());
        kit.client.set_push(false);
        until(|| kit.clock.sleepers() == 1).await;
        kit.client.set_push(true);
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
    });
}

/// S56: the switch survives a restart.
#[test]
fn push_stays_off_after_a_restart() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.client.set_push(false);
        let device = kit.client.device();
        until(|| kit.gateway.device(&device).is_none()).await;
        let kit = kit.restarted(|builder| builder).await;
        kit.log_in("alice").await;
        until_idle().await;
        assert_eq!(kit.gateway.device(&device), None);
        assert_eq!(kit.client.slot(Slot::Alert), SlotState::Off);
    });
}

/// S57: the gateway's warning about the environments reaches the app with its code.
#[test]
fn an_environment_mismatch_is_reported_with_its_code() {
    block_on(async {
        let parts =
            Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
        let warning = Warning::new(
            code::ENVIRONMENT_MISMATCH,
            "credential 31287 is for production, the token is from the sandbox",
        );
        parts.gateway.warn(warning.clone());
        let mut kit = parts.start(|it| it).await;
        kit.log_in("alice").await;
        let event = kit.event("uploaded").await;
        assert!(event.needs_attention());
        let Event::Uploaded {
            warning: reported, ..
        } = event
        else {
            unreachable!("the event has this name");
        };
        assert_eq!(reported, Some(warning.clone()));
        let SlotState::Uploaded {
            warning: reported, ..
        } = kit.client.slot(Slot::Alert)
        else {
            panic!("the token was uploaded");
        };
        assert_eq!(reported, Some(warning));
    });
}

/// S52: 22001 from the gateway: not repeated in this login, but tried again at the next one.
#[test]
fn a_certificate_that_the_gateway_does_not_know_is_tried_once_per_login() {
    block_on(async {
        let parts =
            Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
        parts.gateway.fail_next(GatewayError::new(
            GatewayErrorKind::CertificateUnknown,
            code::CERTIFICATE_UNKNOWN,
            "there is no credential 31287",
        ));
        let mut kit = parts.start(|it| it).await;
        kit.log_in("alice").await;
        let Event::TokenFailed { error, .. } = kit.event("token_failed").await else {
            unreachable!("the event has this name");
        };
        assert_eq!(error.code(), Some(22001));
        assert!(error.to_string().contains("31287"), "{error}");
        until_idle().await;
        assert_eq!(kit.clock.sleepers(), 0, "no retry is pending");
        assert_eq!(kit.uploads(), 1);
        kit.log_in("alice").await;
        until(|| kit.uploads() == 2).await;
    });
}

#[test]
fn a_refused_ticket_stops_everything_until_there_is_another() {
    block_on(async {
        let parts =
            Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
        parts.gateway.fail_next(GatewayError::new(
            GatewayErrorKind::TicketRefused,
            code::TICKET_REFUSED,
            "the ticket has expired",
        ));
        let mut kit = parts.start(|it| it).await;
        let generation = kit.log_in("alice").await;
        kit.event("ticket_refused").await;
        kit.client.foreground();
        until_idle().await;
        assert_eq!(kit.uploads(), 1);
        assert_eq!(
            kit.client.slot(Slot::Alert),
            SlotState::Waiting(TokenError::TicketRefused)
        );
        let mut renewed = account("alice");
        renewed.credential = Secret::new("renewed");
        let same = kit.session().register(renewed, "test").await.unwrap();
        assert_eq!(same, generation);
        kit.uploaded("alice", &[Slot::Alert]).await;
        assert_eq!(kit.gateway.tickets().last().unwrap(), "renewed");
    });
}

/// S59: slots are independent, each with its certificate id; one can be removed without the others.
#[test]
fn slots_are_registered_and_removed_independently() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.client
            .token_received(Slot::LiveActivity, text("activity"))
            .unwrap();
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip, Slot::LiveActivity])
            .await;
        let (_, tokens) = kit.gateway.device(&kit.client.device()).unwrap();
        let ids: Vec<u32> = tokens.values().map(|it| it.certificate_id.get()).collect();
        assert_eq!(ids, [31287, 31290, 31300]);
        kit.client.token_removed(Slot::LiveActivity);
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
        let asked = kit.gateway.asked();
        assert_eq!(
            asked.last(),
            Some(&Asked::Unregister(user("alice"), Some(Slot::LiveActivity)))
        );
    });
}

/// S51: a token of a slot without a certificate id is an error that names the line to write.
#[test]
fn a_token_without_a_certificate_id_is_refused() {
    block_on(async {
        let only_alert =
            push_core::CertificateIds::new([crate::kit::entry(Slot::Alert, 31287)]).unwrap();
        let kit = silent_phone().start(|it| it.certificates(only_alert)).await;
        let error = kit
            .client
            .token_received(Slot::Voip, text(VOIP_TOKEN))
            .unwrap_err();
        assert_eq!(error.code(), Some(22001));
        let text = error.to_string();
        assert!(text.contains("certificate_id!(apns, slot = Voip"), "{text}");
    });
}

#[test]
fn a_missing_token_is_requested_a_limited_number_of_times() {
    block_on(async {
        let mut kit = silent_phone().start(|it| it).await;
        kit.log_in("alice").await;
        let requests = |kit: &Kit| {
            let calls = kit.phone.calls();
            calls
                .iter()
                .filter(|it| **it == PhoneCall::RequestToken(Slot::Alert))
                .count()
        };
        for attempt in 1..=6 {
            until(|| requests(&kit) == attempt).await;
            let answer = (attempt % 2 == 0).then(|| Err("the network is down".to_owned()));
            assert!(kit.phone.answer_token(Slot::Alert, answer));
            kit.event("token_failed").await;
            if attempt < 6 {
                kit.pass(1, Duration::from_secs(300)).await;
            }
        }
        until_idle().await;
        assert_eq!(kit.clock.sleepers(), 0);
        assert_eq!(requests(&kit), 6);
        assert!(matches!(
            kit.client.slot(Slot::Alert),
            SlotState::Waiting(TokenError::NoToken(_))
        ));
        kit.client.token_received(Slot::Alert, text(TOKEN)).unwrap();
        kit.uploaded("alice", &[Slot::Alert]).await;
    });
}

/// S47, S54: the answer to an upload was lost, so the device may be bound; a logout unbinds it.
#[test]
fn a_logout_after_a_lost_answer_unbinds_nevertheless() {
    block_on(async {
        let parts =
            Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
        parts.gateway.fail_next(unavailable());
        let mut kit = parts.start(|it| it).await;
        let generation = kit.log_in("alice").await;
        until(|| kit.uploads() == 1 && kit.clock.sleepers() == 1).await;
        kit.log_out(generation).await;
        kit.event("unbound").await;
        let asked = kit.gateway.asked();
        assert_eq!(asked.last(), Some(&Asked::Unregister(user("alice"), None)));
    });
}

/// S42: a pause that the gateway asked for during alice's login must not keep the phone bound to her during bob's.
#[test]
fn a_new_login_does_not_wait_for_the_pause_of_the_one_before() {
    block_on(async {
        let parts =
            Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
        parts.gateway.fail_next(
            GatewayError::new(GatewayErrorKind::TooFrequent, code::TOO_FREQUENT, "slowly")
                .with_retry_after(Duration::from_secs(600)),
        );
        let kit = parts.start(|it| it).await;
        kit.log_in("alice").await;
        until(|| kit.clock.sleepers() == 1).await;
        kit.log_in("bob").await;
        kit.uploaded("bob", &[Slot::Alert]).await;
    });
}

#[test]
fn a_refusal_of_the_old_ticket_does_not_apply_to_the_new_one() {
    block_on(async {
        let parts =
            Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
        parts.gateway.hold(true);
        parts.gateway.fail_next(GatewayError::new(
            GatewayErrorKind::TicketRefused,
            code::TICKET_REFUSED,
            "the ticket has expired",
        ));
        let kit = parts.start(|it| it).await;
        kit.log_in("alice").await;
        until(|| kit.uploads() == 1).await;
        let mut renewed = account("alice");
        renewed.credential = Secret::new("renewed");
        kit.session().register(renewed, "test").await.unwrap();
        kit.gateway.hold(false);
        kit.uploaded("alice", &[Slot::Alert]).await;
        assert_eq!(kit.gateway.tickets(), ["ticket-of-alice", "renewed"]);
        assert_eq!(kit.count("ticket_refused"), 0);
    });
}

#[test]
fn a_token_that_arrived_without_a_request_is_not_requested_again() {
    block_on(async {
        let kit = silent_phone().start(|it| it).await;
        kit.log_in("alice").await;
        kit.phone.answer_token(Slot::Alert, None);
        until(|| kit.clock.sleepers() == 1).await;
        kit.client.token_received(Slot::Alert, text(TOKEN)).unwrap();
        kit.uploaded("alice", &[Slot::Alert]).await;
        let calls = kit.phone.calls();
        kit.pass(1, Duration::from_secs(300)).await;
        assert_eq!(kit.phone.calls(), calls);
    });
}

/// S42: alice, then bob, then alice again, and the answer to bob's requests is lost.
#[test]
fn coming_back_after_another_account_uploads_again() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.gateway.set_down(Some(unavailable()));
        kit.log_in("bob").await;
        until(|| kit.clock.sleepers() == 1).await;
        kit.gateway.forget(&kit.client.device());
        kit.gateway.set_down(None);
        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
    });
}
