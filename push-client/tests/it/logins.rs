//! Sessions and generations.
use std::sync::Arc;

use push_client::{
    Event, GatewayError, GatewayErrorKind, Permission, SlotState,
    testing::{Asked, PhoneCall, ScriptedPhone},
};
use push_core::{
    Generation, LogoutCause, Secret, Slot,
    api::{RegistrationBody, code},
};
use push_login_auto::{AutoLogin, LoginCenter};
use push_login_manual::ManualLogin;

use crate::kit::{Kit, Parts, TOKEN, account, block_on, until, until_idle, user};

/// S36: before the first login nothing is requested from phone or gateway.
#[test]
fn nothing_is_requested_before_the_first_login() {
    block_on(async {
        let kit = Kit::new().await;
        kit.client.foreground();
        kit.client.background(Some(3));
        kit.client.ready();
        kit.client.launched(crate::kit::message("denny", "hi"));
        kit.client
            .token_received(Slot::Alert, push_client::Token::Text(TOKEN.to_owned()))
            .unwrap();
        until_idle().await;
        assert_eq!(kit.phone.calls(), []);
        assert_eq!(kit.gateway.asked(), []);
    });
}

/// S37: registered, callbacks, extra tokens, permission, token; then the waiting click.
#[test]
fn a_login_sends_requests_to_the_phone_in_the_order_of_the_original() {
    block_on(async {
        let opened = push_client::Navigate::new(|_, _| push_core::Opened::Done);
        let mut kit = Parts::new().start(|it| it.route("chat", opened)).await;
        kit.client.launched(crate::kit::message("denny", "hi"));
        kit.new_events();
        kit.log_in("alice").await;
        assert_eq!(
            kit.phone.calls(),
            [
                PhoneCall::Hook,
                PhoneCall::RequestToken(Slot::Voip),
                PhoneCall::AskPermission,
                PhoneCall::RequestToken(Slot::Alert),
            ]
        );
        kit.event("opened").await;
        let counts = kit.client.counts();
        assert_eq!(counts["logged_in"], 1);
        assert_eq!(counts["opened"], 1);
    });
}

/// S37: registered comes before the phone's answers, and the click after them.
#[test]
fn events_of_a_login_come_in_order() {
    block_on(async {
        let opened = push_client::Navigate::new(|_, _| push_core::Opened::Done);
        let mut kit = Parts::new().start(|it| it.route("chat", opened)).await;
        kit.client.launched(crate::kit::message("denny", "hi"));
        kit.new_events();
        kit.phone.hold_main();
        kit.log_in("alice").await;
        until(|| kit.phone.run_main() == 1).await;
        let names = kit.new_event_names();
        let at = |name| names.iter().position(|it| *it == name).unwrap();
        assert_eq!(at("logged_in"), 0, "{names:?}");
        assert!(at("token_changed") < at("permission"), "{names:?}");
        assert!(at("permission") < at("opened"), "{names:?}");
    });
}

/// TUIOfflinePush requests no token without permission, although the vendor would issue one.
#[test]
fn a_denied_permission_does_not_stop_the_token() {
    block_on(async {
        for answer in [
            Some(Permission::Denied),
            Some(Permission::Failed("no window".to_owned())),
            None,
        ] {
            let phone = ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN);
            let mut kit = Parts::with_phone(phone).start(|it| it).await;
            kit.log_in("alice").await;
            assert!(kit.phone.answer_permission(answer.clone()));
            let Event::Permission(reported) = kit.event("permission").await else {
                unreachable!("the event has this name");
            };
            assert_eq!(reported, answer);
            kit.uploaded("alice", &[Slot::Alert]).await;
        }
    });
}

/// S38+: a repeated login keeps its generation, and sends nothing to phone or gateway.
#[test]
fn a_repeated_login_is_the_same_and_uploads_nothing() {
    block_on(async {
        let (kit, generation) = Kit::logged_in("alice").await;
        let (calls, asked) = (kit.phone.calls(), kit.gateway.asked());
        for _ in 0..3 {
            assert_eq!(kit.log_in("alice").await, generation);
            until_idle().await;
        }
        assert_eq!(kit.phone.calls(), calls);
        assert_eq!(kit.gateway.asked(), asked);
    });
}

/// S42, S61: bob logs in while alice is logged in; the device is bound to bob, and alice gets no push there.
#[test]
fn another_login_takes_the_device_over() {
    block_on(async {
        let (kit, alice) = Kit::logged_in("alice").await;
        let bob = kit.log_in("bob").await;
        assert!(bob > alice);
        kit.uploaded("bob", &[Slot::Alert, Slot::Voip]).await;
        assert_eq!(kit.client.user(), Some(user("bob")));
        let last = kit.gateway.tickets().pop();
        assert_eq!(last.as_deref(), Some("ticket-of-bob"));
    });
}

/// S42: also if bob has no token: alice is unbound with her own ticket.
#[test]
fn another_login_without_a_token_unbinds_the_first() {
    block_on(async {
        let phone = ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN);
        let mut kit = Parts::with_phone(phone).start(|it| it).await;
        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert]).await;
        // A refused credential is one example of a token that cannot be uploaded.
        kit.gateway.fail_next(GatewayError::new(
            GatewayErrorKind::CertificateUnknown,
            code::CERTIFICATE_UNKNOWN,
            "there is no credential 31287",
        ));
        kit.log_in("bob").await;
        let Event::Unbound(who) = kit.event("unbound").await else {
            unreachable!("the event has this name");
        };
        assert_eq!(who, user("alice"));
        assert_eq!(kit.gateway.device(&kit.client.device()), None);
        let last = kit.gateway.tickets().pop();
        assert_eq!(last.as_deref(), Some("ticket-of-alice"));
    });
}

/// S43+: a logout from an old generation ends nothing.
#[test]
fn a_late_logout_never_undoes_the_new_login() {
    block_on(async {
        let (mut kit, alice) = Kit::logged_in("alice").await;
        kit.log_in("bob").await;
        kit.uploaded("bob", &[Slot::Alert, Slot::Voip]).await;
        let asked = kit.gateway.asked().len();
        kit.log_out(alice).await;
        until_idle().await;
        assert_eq!(kit.client.user(), Some(user("bob")));
        assert_eq!(kit.gateway.asked().len(), asked);
        let Event::StaleLogout { generation, .. } = kit.event("stale_logout").await else {
            unreachable!("the event has this name");
        };
        assert_eq!(generation, alice);
    });
}

/// S43: an unknown generation ends nothing either.
#[test]
fn an_unknown_generation_ends_nothing() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.log_out(Generation(99)).await;
        until_idle().await;
        assert_eq!(kit.client.user(), Some(user("alice")));
    });
}

/// S47+: the client unbinds the device itself; S41: for every cause of the logout.
#[test]
fn the_end_of_a_login_unbinds_the_device() {
    block_on(async {
        for cause in [
            LogoutCause::Logout,
            LogoutCause::KickedOffline,
            LogoutCause::CredentialExpired,
        ] {
            let (mut kit, generation) = Kit::logged_in("alice").await;
            kit.session()
                .unregister(generation, cause, "test")
                .await
                .unwrap();
            kit.event("unbound").await;
            assert_eq!(kit.gateway.device(&kit.client.device()), None);
            let asked = kit.gateway.asked();
            assert_eq!(asked.last(), Some(&Asked::Unregister(user("alice"), None)));
            assert!(
                kit.phone.calls().contains(&PhoneCall::SetBadge(0)),
                "the icon shows nothing of the account that left"
            );
        }
    });
}

/// S47+: the IM server has unbound the device and the ticket is invalid; unbinding is done.
#[test]
fn unbinding_is_safe_when_the_server_did_it_already() {
    block_on(async {
        for kind in [GatewayErrorKind::TicketRefused, GatewayErrorKind::Refused] {
            let (mut kit, generation) = Kit::logged_in("alice").await;
            kit.gateway
                .fail_next(GatewayError::new(kind, "", "no such login"));
            kit.log_out(generation).await;
            kit.event("unbound").await;
            let asked = kit.gateway.asked().len();
            until_idle().await;
            assert_eq!(
                kit.gateway.asked().len(),
                asked,
                "the request is not repeated"
            );
        }
    });
}

/// S41: after a kick the same user may log in again, and receives push again.
#[test]
fn logging_in_again_after_a_kick_uploads_again() {
    block_on(async {
        let (kit, generation) = Kit::logged_in("alice").await;
        kit.session()
            .unregister(generation, LogoutCause::KickedOffline, "test")
            .await
            .unwrap();
        let device = kit.client.device();
        until(|| kit.gateway.device(&device).is_none()).await;
        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
    });
}

/// A logout whose request was lost must not undo the next login: requests are sent one after the other.
#[test]
fn logging_out_and_in_again_without_network_ends_bound() {
    block_on(async {
        let (kit, generation) = Kit::logged_in("alice").await;
        kit.gateway.set_down(Some(crate::kit::unavailable()));
        kit.log_out(generation).await;
        until_idle().await;
        kit.log_in("alice").await;
        until_idle().await;
        kit.gateway.set_down(None);
        kit.client.foreground();
        until_idle().await;
        assert!(matches!(
            kit.client.slot(Slot::Alert),
            SlotState::Uploaded { .. }
        ));
        let device = kit.client.device();
        assert!(kit.gateway.device(&device).is_some());
    });
}

/// S45+: with both bridges, the second registration joins the first and is reported; both bridges keep running.
#[test]
fn both_bridges_may_be_at_work() {
    block_on(async {
        let center = LoginCenter::new();
        let manual = ManualLogin::new();
        let parts = Parts::new();
        let client = parts
            .builder()
            .bridge("auto", Arc::new(AutoLogin::new(center.clone())))
            .bridge("manual", Arc::new(manual.clone()))
            .start()
            .await
            .unwrap();
        let mut kit = Kit {
            events: client.subscribe(),
            client,
            phone: parts.phone,
            gateway: parts.gateway,
            clock: parts.clock,
            state: parts.state,
        };
        center.login(account("alice")).await.unwrap();
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
        let uploads = kit.uploads();
        manual.register_service(account("alice"));
        let Event::AlsoLoggedIn { first, by, .. } = kit.event("also_logged_in").await else {
            unreachable!("the event has this name");
        };
        assert_eq!((first, by), ("auto", "manual"));
        until_idle().await;
        assert_eq!(
            kit.uploads(),
            uploads,
            "the second registration uploads nothing"
        );

        // Either bridge may end it, and either may begin the next.
        center.logout().await.unwrap();
        until(|| kit.client.user().is_none()).await;
        manual.unregister_service();
        until_idle().await;
        center.login(account("bob")).await.unwrap();
        until(|| kit.client.user() == Some(user("bob"))).await;

        // By hand also what only the automatic bridge reported; its next login counts again.
        manual.unregister_service();
        until(|| kit.client.user().is_none()).await;
        center.logout().await.unwrap();
        center.login(account("bob")).await.unwrap();
        until(|| kit.client.user() == Some(user("bob"))).await;
        manual.register_service(account("carol"));
        until(|| kit.client.user() == Some(user("carol"))).await;
        manual.unregister_service();
        until(|| kit.client.user().is_none()).await;
        kit.client.close().await;
    });
}

#[test]
fn a_bridge_that_fails_is_named() {
    #[derive(Debug)]
    struct Broken;
    #[push_core::async_trait]
    impl push_core::LoginBridge for Broken {
        async fn run(&self, _: push_core::SessionHandle) -> push_core::Result<()> {
            Err(push_core::Error::new(
                push_core::ErrorKind::Unavailable,
                "no login system",
            ))
        }
    }
    block_on(async {
        let mut kit = Parts::new()
            .start(|it| it.bridge("broken", Arc::new(Broken)))
            .await;
        let Event::BridgeEnded { name, error } = kit.event("bridge_ended").await else {
            unreachable!("the event has this name");
        };
        assert_eq!(name, "broken");
        assert!(error.unwrap().to_string().contains("no login system"));
    });
}

/// S52: 22005, and a ticket that cannot be sent in a header.
#[test]
fn an_invalid_credential_is_refused_at_login() {
    block_on(async {
        let kit = Kit::new().await;
        for (credential, says) in [
            ("x".repeat(1025), "22005"),
            (String::new(), "empty"),
            ("line\nbreak".to_owned(), "characters"),
        ] {
            let account = account("alice").with_credential(Secret::new(credential));
            let error = kit.session().register(account, "test").await.unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        assert_eq!(kit.client.user(), None);
        assert_eq!(kit.phone.calls(), []);
    });
}

#[test]
fn a_closed_client_refuses_a_login() {
    block_on(async {
        let kit = Kit::new().await;
        kit.client.close().await;
        kit.session().closed().await;
        let error = kit
            .session()
            .register(account("alice"), "test")
            .await
            .unwrap_err();
        assert!(error.to_string().contains("closed"), "{error}");
    });
}

/// S50: a registration has certificate id, token and channel, and the environment of the build.
#[test]
fn a_registration_has_channel_certificate_environment_and_token() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        let (_, tokens) = kit.gateway.device(&kit.client.device()).unwrap();
        let expected = |id, token: &str| {
            let mut body = RegistrationBody::new(
                push_core::Channel::APNS,
                push_core::CertificateId::new(id).unwrap(),
                push_core::Environment::Sandbox,
                push_core::DeviceToken::new(token).unwrap(),
            );
            body.facts.platform = Some(push_core::Platform::Ios);
            body
        };
        assert_eq!(tokens[&Slot::Alert], expected(31287, TOKEN));
        assert_eq!(tokens[&Slot::Voip], expected(31290, crate::kit::VOIP_TOKEN));
    });
}

/// S47: the IM server unbound the device at the logout, which the client could not report; the next login registers again.
#[test]
fn a_login_after_a_logout_without_network_uploads_again() {
    block_on(async {
        let (kit, generation) = Kit::logged_in("alice").await;
        kit.gateway.set_down(Some(crate::kit::unavailable()));
        kit.log_out(generation).await;
        until(|| kit.clock.sleepers() == 1).await;
        kit.gateway.forget(&kit.client.device());
        kit.gateway.set_down(None);
        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
    });
}

/// S47: also if the IM server unbinds at the logout while the client waits for another answer.
#[test]
fn a_quick_logout_and_login_uploads_again_what_the_server_has_unbound() {
    block_on(async {
        let (kit, generation) = Kit::logged_in("alice").await;
        kit.gateway.hold(true);
        let rotated = push_client::Token::Text("rotated".to_owned());
        kit.client.token_received(Slot::Alert, rotated).unwrap();
        until(|| kit.uploads() == 3).await;
        kit.log_out(generation).await;
        kit.gateway.forget(&kit.client.device());
        kit.log_in("alice").await;
        until_idle().await;
        kit.gateway.hold(false);
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
    });
}

#[test]
fn a_bridge_that_does_not_return_cannot_keep_the_client_open() {
    #[derive(Debug)]
    struct Stubborn;
    #[push_core::async_trait]
    impl push_core::LoginBridge for Stubborn {
        async fn run(&self, _: push_core::SessionHandle) -> push_core::Result<()> {
            std::future::pending().await
        }
    }
    block_on(async {
        let kit = Parts::new()
            .start(|it| it.bridge("stubborn", Arc::new(Stubborn)))
            .await;
        let client = kit.client.clone();
        let closing = tokio::spawn(async move { client.close().await });
        kit.pass(1, std::time::Duration::from_secs(2)).await;
        closing.await.unwrap();
    });
}

/// S54: a late refusal for the previous account does not apply to the current one.
#[test]
fn a_late_refusal_never_keeps_the_next_account_from_uploading() {
    block_on(async {
        let parts =
            Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
        parts.gateway.hold(true);
        let kit = parts.start(|it| it).await;
        kit.log_in("alice").await;
        until(|| kit.uploads() == 1).await;
        kit.log_in("bob").await;
        kit.gateway.fail_next(GatewayError::new(
            GatewayErrorKind::Refused,
            "",
            "not for this user",
        ));
        kit.gateway.hold(false);
        until_idle().await;
        assert_eq!(kit.uploads(), 2);
        kit.uploaded("bob", &[Slot::Alert]).await;
    });
}

/// S54: a late refusal of the old ticket does not apply to the new one of the same account.
#[test]
fn a_late_refusal_of_an_old_ticket_never_keeps_the_new_one_from_uploading() {
    block_on(async {
        for kind in [
            GatewayErrorKind::Refused,
            GatewayErrorKind::CertificateUnknown,
            GatewayErrorKind::TicketRefused,
        ] {
            let parts =
                Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
            parts.gateway.hold(true);
            let kit = parts.start(|it| it).await;
            kit.log_in("alice").await;
            until(|| kit.uploads() == 1).await;
            let mut renewed = account("alice");
            renewed.credential = Secret::new("renewed");
            kit.session().register(renewed, "test").await.unwrap();
            kit.gateway
                .fail_next(GatewayError::new(kind, "", "not with this ticket"));
            kit.gateway.hold(false);
            kit.uploaded("alice", &[Slot::Alert]).await;
            assert_eq!(kit.gateway.tickets(), ["ticket-of-alice", "renewed"]);
            assert_eq!(kit.count("token_failed"), 0, "{kind:?}");
        }
    });
}

/// S42: a login with an invalid ticket still ends the login of the previous account.
#[test]
fn a_login_that_cannot_be_registered_ends_the_one_before() {
    block_on(async {
        let (mut kit, alice) = Kit::logged_in("alice").await;
        let renewed = account("alice").with_credential(Secret::new("x".repeat(1025)));
        kit.session().register(renewed, "test").await.unwrap_err();
        until_idle().await;
        assert_eq!(
            kit.client.user(),
            Some(user("alice")),
            "Alice is still logged in"
        );
        let overlong = account("bob").with_credential(Secret::new("x".repeat(1025)));
        kit.session().register(overlong, "test").await.unwrap_err();
        assert_eq!(kit.client.user(), None);
        let Event::LoggedOut {
            generation, cause, ..
        } = kit.event("logged_out").await
        else {
            unreachable!("the event has this name");
        };
        assert_eq!((generation, cause), (alice, LogoutCause::OtherAccount));
        kit.event("unbound").await;
        assert_eq!(kit.gateway.device(&kit.client.device()), None);
    });
}
