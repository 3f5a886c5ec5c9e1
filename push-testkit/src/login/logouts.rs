//! How the ends of logins are reported.
use push_core::{Generation, LogoutCause};

use super::{LoginKit, Reported, account};
use crate::until_idle;

/// S35, S44: a logout that has succeeded ends the generation of its login.
pub async fn a_logout_ends_its_own_generation(mut kit: LoginKit) {
    kit.run().await;
    kit.driver.login(account("alice")).await;
    kit.reports(1).await;
    kit.driver.logout().await;
    assert_eq!(
        kit.reports(2).await[1..],
        [Reported::Unregister(Generation(1), LogoutCause::Logout)]
    );
}

/// However fast they follow each other.
pub async fn logins_and_logouts_come_in_their_order(mut kit: LoginKit) {
    kit.run().await;
    for user in ["alice", "bob", "alice"] {
        kit.driver.login(account(user)).await;
        kit.driver.logout().await;
    }
    let mut expected = Vec::new();
    for (generation, user) in (1..).zip(["alice", "bob", "alice"]) {
        let generation = Generation(generation);
        expected.push(Reported::Register(account(user), Some(generation)));
        expected.push(Reported::Unregister(generation, LogoutCause::Logout));
    }
    assert_eq!(kit.reports(6).await, expected);
}

/// S43: the late logout belongs to the session before.
pub async fn a_late_logout_never_undoes_another_users_login(mut kit: LoginKit) {
    kit.run().await;
    kit.driver.login(account("alice")).await;
    kit.reports(1).await;
    let end = kit.driver.begin_logout().await;
    kit.driver.login(account("bob")).await;
    kit.reports(2).await;
    end();
    until_idle().await;
    assert_eq!(kit.session.current(), Some(account("bob")));
}

/// S43: also when it is the same user, whose generation may have stayed.
pub async fn a_late_logout_never_undoes_the_same_users_new_login(mut kit: LoginKit) {
    kit.run().await;
    kit.driver.login(account("alice")).await;
    kit.reports(1).await;
    let end = kit.driver.begin_logout().await;
    until_idle().await;
    kit.driver.login(account("alice")).await;
    until_idle().await;
    end();
    until_idle().await;
    assert_eq!(kit.session.current(), Some(account("alice")));
    kit.driver.logout().await;
    until_idle().await;
    assert_eq!(kit.session.current(), None);
}

/// S41+: a device that was taken over gets no push.
pub async fn being_kicked_ends_the_login_with_that_cause(mut kit: LoginKit) {
    kit.run().await;
    kit.driver.login(account("alice")).await;
    kit.reports(1).await;
    kit.driver.kick().await;
    assert_eq!(
        kit.reports(2).await[1..],
        [Reported::Unregister(
            Generation(1),
            LogoutCause::KickedOffline
        )]
    );
}

/// S41+: nor does one whose login has expired.
pub async fn an_expired_login_ends_with_that_cause(mut kit: LoginKit) {
    kit.run().await;
    kit.driver.login(account("alice")).await;
    kit.reports(1).await;
    kit.driver.expire().await;
    assert_eq!(
        kit.reports(2).await[1..],
        [Reported::Unregister(
            Generation(1),
            LogoutCause::CredentialExpired
        )]
    );
}

/// Before any login, and a second time after one.
pub async fn a_logout_without_a_login_is_ignored(mut kit: LoginKit) {
    kit.run().await;
    kit.driver.logout().await;
    kit.driver.kick().await;
    kit.driver.expire().await;
    until_idle().await;
    assert_eq!(kit.session.reports(), []);
    kit.driver.login(account("alice")).await;
    kit.driver.logout().await;
    kit.driver.logout().await;
    assert_eq!(kit.reports(2).await.len(), 2);
}

/// A session that is slow to answer costs no login: in the end the device is whose login there is.
pub async fn a_bridge_that_falls_behind_ends_where_the_login_system_is(mut kit: LoginKit) {
    kit.run().await;
    kit.session.hold(true);
    for number in 0..2000 {
        kit.driver.login(account(&format!("user-{number}"))).await;
    }
    kit.session.hold(false);
    crate::until(|| kit.session.current() == Some(account("user-1999"))).await;
    until_idle().await;
    assert_eq!(kit.session.current(), Some(account("user-1999")));

    kit.session.hold(true);
    for number in 0..2000 {
        kit.driver.login(account(&format!("user-{number}"))).await;
    }
    kit.driver.logout().await;
    kit.session.hold(false);
    crate::until(|| kit.session.current().is_none()).await;
    until_idle().await;
    assert_eq!(kit.session.current(), None);
}

/// Or a push client could never be closed.
pub async fn a_closed_session_ends_the_bridge(mut kit: LoginKit) {
    kit.run().await;
    kit.driver.login(account("alice")).await;
    kit.reports(1).await;
    kit.session.close();
    let run = kit.run.take().expect("the bridge runs");
    run.await
        .expect("the bridge does not panic")
        .expect("the bridge returns no error");
}

/// Later events are not part of the statement.
pub async fn nothing_is_reported_after_the_session_has_closed(mut kit: LoginKit) {
    kit.run().await;
    kit.session.close();
    let run = kit.run.take().expect("the bridge runs");
    run.await
        .expect("the bridge does not panic")
        .expect("the bridge returns no error");
    kit.driver.login(account("alice")).await;
    kit.driver.logout().await;
    until_idle().await;
    assert_eq!(kit.session.reports(), []);
}
