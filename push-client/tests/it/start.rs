//! Errors at the start of a client.
use std::sync::Arc;

use push_client::{Builder, MemoryState, Navigate, Process, PushClient, testing::ScriptedPhone};
use push_core::{
    CertificateIds, Channel, Error, ErrorKind, Handled, Opened, Slot, payload::Payload,
};

use crate::kit::{Parts, block_on, certificates, entry};

async fn refused(builder: Builder) -> Error {
    builder
        .start()
        .await
        .expect_err("the client does not start")
}

/// S51+: a missing certificate id is an error at start, with the line to write.
#[test]
fn a_missing_certificate_id_is_an_error_at_start() {
    block_on(async {
        let parts = Parts::new();
        let none = parts.builder().without_bridge();
        let error = refused(none.certificates(CertificateIds::default())).await;
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(
            text.contains("certificate_id!(apns, debug = 31287, release = 31288)"),
            "{text}"
        );
        // The phone also asks for VoIP tokens, which have a certificate id of their own.
        let alert = CertificateIds::new([entry(Slot::Alert, 31287)]).unwrap();
        let error = refused(parts.builder().without_bridge().certificates(alert)).await;
        let text = error.to_string();
        assert!(text.contains("certificate_id!(apns, slot = Voip"), "{text}");
        assert_eq!(parts.phone.calls(), []);
    });
}

/// S51+: in TUIOfflinePush a forgotten macro results in zero; here zero is an error that names the line.
#[test]
fn a_zero_certificate_id_is_an_error_that_names_its_line() {
    let error = CertificateIds::new([entry(Slot::Alert, 0)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("app/src/main.rs:7"), "{error}");
}

/// S51: the ids are those of the channel of this phone.
#[test]
fn a_certificate_id_of_another_channel_does_not_count() {
    block_on(async {
        let parts = Parts::with_phone(ScriptedPhone::new(Channel::HUAWEI));
        let error = refused(parts.builder().without_bridge()).await;
        assert!(error.to_string().contains("huawei"), "{error}");
    });
}

#[test]
fn a_client_without_bridge_store_or_unique_names_does_not_start() {
    block_on(async {
        let parts = Parts::new();
        let error = refused(parts.builder()).await;
        assert!(error.to_string().contains("login-auto"), "{error}");

        let nowhere = PushClient::builder(
            Arc::new(parts.phone.clone()),
            Arc::new(parts.gateway.clone()),
        )
        .certificates(certificates())
        .without_bridge();
        let error = refused(nowhere).await;
        assert!(error.to_string().contains("FileState::new"), "{error}");

        let open = || Navigate::new(|_, _| Opened::Done);
        let twice = parts.builder().without_bridge();
        let error = refused(twice.route("chat", open()).route("chat", open())).await;
        assert!(error.to_string().contains("`chat`"), "{error}");
    });
}

/// The client works without handlers, but reports it before the first click.
#[test]
fn a_client_that_opens_nothing_says_so_at_start() {
    block_on(async {
        let kit = Parts::new().start(|it| it).await;
        assert_eq!(kit.count("started_without"), 1);
        let open = Navigate::new(|_, _| Opened::Done);
        let kit = Parts::new().start(|it| it.route("chat", open)).await;
        assert_eq!(kit.count("started_without"), 0);
        let take = Process::new(|_: &Payload| Handled::Yes);
        let kit = Parts::new().start(|it| it.interceptor("all", take)).await;
        assert_eq!(kit.count("started_without"), 0);
    });
}

#[test]
fn a_start_outside_a_runtime_is_an_error_and_no_panic() {
    let builder = Parts::new().builder().without_bridge();
    let mut start = Box::pin(builder.start());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = start.as_mut().poll(&mut context) else {
        panic!("the error is returned at once");
    };
    assert!(error.to_string().contains("tokio"), "{error}");
}

#[test]
fn a_state_of_a_newer_app_is_not_changed() {
    block_on(async {
        let newer = br#"{"version":2,"more":true}"#;
        let parts = Parts {
            state: Arc::new(MemoryState::with(*newer)),
            ..Parts::new()
        };
        let error = refused(parts.builder().without_bridge()).await;
        assert!(error.to_string().contains("newer version"), "{error}");
        use push_client::StateStore;
        assert_eq!(parts.state.load().unwrap().unwrap(), newer);
    });
}

#[test]
fn a_damaged_state_is_reported_and_replaced_by_a_new_one() {
    block_on(async {
        let parts = Parts {
            state: Arc::new(MemoryState::with(*b"{\"version\":1,")),
            ..Parts::new()
        };
        let kit = parts.start(|it| it).await;
        assert_eq!(kit.count("state_lost"), 1);
        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
    });
}
