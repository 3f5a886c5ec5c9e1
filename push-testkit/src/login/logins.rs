//! How logins are reported.
use std::sync::Arc;

use push_core::{Generation, Secret, SessionHandle};

use super::{LoginKit, Reported, SessionRecorder, account};
use crate::until_idle;

fn registered(user: &str, generation: u64) -> Reported {
    Reported::Register(account(user), Some(Generation(generation)))
}

/// S36: nothing happens before the first registration.
pub async fn nothing_is_registered_before_the_first_login(mut kit: LoginKit) {
    kit.run().await;
    assert_eq!(kit.session.reports(), []);
}

/// S35, S44: a login is registered, once it has succeeded.
pub async fn a_login_is_registered(mut kit: LoginKit) {
    kit.run().await;
    kit.driver.login(account("alice")).await;
    assert_eq!(kit.reports(1).await, [registered("alice", 1)]);
}

/// An app may log in before the push client has started.
pub async fn a_login_from_before_the_bridge_ran_is_registered(mut kit: LoginKit) {
    kit.driver.login(account("alice")).await;
    kit.run().await;
    assert_eq!(kit.reports(1).await, [registered("alice", 1)]);
}

/// S38: a repeated login is the same login; the bridge may report it again, but never ends it.
pub async fn a_repeated_login_keeps_its_generation(mut kit: LoginKit) {
    kit.run().await;
    kit.driver.login(account("alice")).await;
    kit.reports(1).await;
    kit.driver.login(account("alice")).await;
    kit.driver.login(account("alice")).await;
    until_idle().await;
    for it in kit.session.reports() {
        assert_eq!(it, registered("alice", 1));
    }
    kit.driver.logout().await;
    until_idle().await;
    assert_eq!(kit.session.current(), None);
}

/// A repeated login with a new ticket replaces the old ticket.
pub async fn a_renewed_credential_reaches_the_session(mut kit: LoginKit) {
    kit.run().await;
    kit.driver.login(account("alice")).await;
    kit.reports(1).await;
    let mut renewed = account("alice");
    renewed.credential = Secret::new("another-ticket");
    kit.driver.login(renewed.clone()).await;
    until_idle().await;
    assert_eq!(kit.session.current(), Some(renewed));
}

/// S42: logging in bob while alice is logged in hands the device over, and nothing of alice's undoes it.
pub async fn another_user_takes_the_device_over_without_a_logout(mut kit: LoginKit) {
    kit.run().await;
    kit.driver.login(account("alice")).await;
    kit.reports(1).await;
    kit.driver.login(account("bob")).await;
    assert_eq!(kit.reports(2).await.last(), Some(&registered("bob", 2)));
    assert_eq!(kit.session.current(), Some(account("bob")));
}

/// One account that cannot be registered says nothing of the next.
pub async fn a_login_that_the_session_refuses_does_not_end_the_bridge(mut kit: LoginKit) {
    kit.run().await;
    kit.session.refuse_next();
    kit.driver.login(account("alice")).await;
    kit.reports(1).await;
    kit.driver.logout().await;
    kit.driver.login(account("bob")).await;
    kit.reports(2).await;
    assert_eq!(kit.session.current(), Some(account("bob")));
}

/// A process may have more than one push client.
pub async fn both_of_two_sessions_get_the_report(mut kit: LoginKit) {
    kit.run().await;
    let second = SessionRecorder::new();
    let bridge = kit.driver.bridge();
    let session = SessionHandle::new(Arc::new(second.clone()));
    let run = tokio::spawn(async move { bridge.run(session).await });
    until_idle().await;
    kit.driver.login(account("alice")).await;
    kit.reports(1).await;
    assert_eq!(second.current(), Some(account("alice")));
    second.close();
    run.await
        .expect("the bridge does not panic")
        .expect("the bridge returns no error");
    kit.driver.login(account("bob")).await;
    kit.reports(2).await;
    assert_eq!(kit.session.current(), Some(account("bob")));
    assert_eq!(second.current(), Some(account("alice")));
}
