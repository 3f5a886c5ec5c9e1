//! Tests of the manual bridge beyond the contract.
use std::sync::Arc;

use push_core::{
    BuildContext, LoginBridge, LoginKind, LogoutCause, ManualClock, RawConfig, Registry,
    Session as _, SessionHandle, Timestamp,
};
use push_login_manual::ManualLogin;
use push_testkit::{
    block_on,
    login::{SessionRecorder, account},
    until, until_idle,
};

/// S44: the guide's pair of calls, on the handle that the linked bridge observes.
#[test]
fn the_shared_handle_drives_the_linked_bridge() {
    let registry = Registry::linked(&[push_login_manual::PLUGIN.any()]).unwrap();
    let context = BuildContext::new(Arc::new(ManualClock::new(Timestamp::default())));
    let bridge = registry
        .build::<LoginKind>("manual", RawConfig::empty(), &context)
        .unwrap();
    block_on(async {
        let session = SessionRecorder::new();
        let handle = SessionHandle::new(Arc::new(session.clone()));
        tokio::spawn(async move { bridge.run(handle).await });
        ManualLogin::shared().register_service(account("alice"));
        until(|| session.current().is_some()).await;
        ManualLogin::shared().unregister_service();
        until(|| session.current().is_none()).await;
    });
}

/// S43: a handle on one registration ends that one only.
#[test]
fn an_old_service_does_not_end_the_login_that_replaced_it() {
    block_on(async {
        let login = ManualLogin::new();
        let session = SessionRecorder::new();
        let (bridge, handle) = (login.clone(), SessionHandle::new(Arc::new(session.clone())));
        tokio::spawn(async move { bridge.run(handle).await });
        let old = login.register_service(account("alice"));
        let new = login.register_service(account("alice"));
        old.unregister(LogoutCause::Logout);
        until(|| session.current().is_some()).await;
        until_idle().await;
        assert_eq!(session.current(), Some(account("alice")));
        new.unregister(LogoutCause::KickedOffline);
        until(|| session.current().is_none()).await;
    });
}

/// S45+: the app that logs out by hand gets no pushes, whichever bridge reported the login.
#[test]
fn unregister_ends_a_login_that_another_bridge_reported() {
    block_on(async {
        let login = ManualLogin::new();
        let session = SessionRecorder::new();
        let (bridge, handle) = (login.clone(), SessionHandle::new(Arc::new(session.clone())));
        tokio::spawn(async move { bridge.run(handle).await });
        until_idle().await;
        session.register(account("alice"), "auto").await.unwrap();
        login.unregister_service();
        until(|| session.current().is_none()).await;

        // The other bridge's next login is registered, also after a registration by hand.
        login.register_service(account("bob"));
        until(|| session.current() == Some(account("bob"))).await;
        session.register(account("carol"), "auto").await.unwrap();
        login.unregister_service();
        until(|| session.current().is_none()).await;
        session.register(account("dave"), "auto").await.unwrap();
        until_idle().await;
        assert_eq!(session.current(), Some(account("dave")));
    });
}

/// S43: what another bridge reports after the call is not ended by it, even if the call is handled late.
#[test]
fn unregister_does_not_end_a_login_that_follows_it() {
    block_on(async {
        let login = ManualLogin::new();
        let session = SessionRecorder::new();
        let (bridge, handle) = (login.clone(), SessionHandle::new(Arc::new(session.clone())));
        tokio::spawn(async move { bridge.run(handle).await });
        until_idle().await;
        session.register(account("alice"), "auto").await.unwrap();
        // Nothing runs between these calls: the bridge sees the first when the second has happened.
        login.unregister_service();
        session.register(account("bob"), "auto").await.unwrap();
        until_idle().await;
        assert_eq!(session.current(), Some(account("bob")));
    });
}

#[test]
fn a_handle_never_shows_a_credential() {
    let login = ManualLogin::new();
    login.register_service(account("alice"));
    let text = format!("{login:?}");
    assert!(text.contains("alice"), "{text}");
    assert!(!text.contains("ticket-of"), "{text}");
}
