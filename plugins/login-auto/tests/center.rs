//! The login center behaves as the IM kit's login, and the bridge reports the right registrations.
use std::sync::{Arc, Mutex};

use push_core::{
    Account, AppId, BuildContext, LoginBridge, LoginKind, ManualClock, RawConfig, Registry,
    SessionHandle, Timestamp, async_trait,
};
use push_login_auto::{
    AutoLogin, LoginCenter, LoginEvent, LoginFault, LoginNumber, LoginSubject, LoginSystem,
};
use push_testkit::{
    block_on,
    login::{Reported, SessionRecorder, account},
    until, until_idle,
};
use tokio::sync::broadcast::Receiver;

/// A login system that fails the listed operations once.
#[derive(Debug, Default)]
struct Failing {
    fails: Mutex<Vec<&'static str>>,
}

impl Failing {
    fn once(what: &'static str) -> Arc<Self> {
        Arc::new(Self {
            fails: Mutex::new(vec![what]),
        })
    }

    fn answer(&self, what: &str) -> Result<(), LoginFault> {
        let mut fails = self.fails.lock().expect("no test panics here");
        match fails.iter().position(|failing| *failing == what) {
            Some(at) => {
                fails.remove(at);
                Err(LoginFault::new(9501, format!("{what} failed")))
            }
            None => Ok(()),
        }
    }
}

#[async_trait]
impl LoginSystem for Failing {
    async fn init(&self, _: &AppId) -> Result<(), LoginFault> {
        self.answer("init")
    }
    async fn login(&self, _: &Account) -> Result<(), LoginFault> {
        self.answer("login")
    }
    async fn logout(&self, _: &Account) -> Result<(), LoginFault> {
        self.answer("logout")
    }
}

fn drain(events: &mut Receiver<LoginEvent>) -> Vec<LoginEvent> {
    std::iter::from_fn(|| events.try_recv().ok()).collect()
}

fn names(events: &mut Receiver<LoginEvent>) -> Vec<String> {
    let name = |event: &LoginEvent| {
        let text = format!("{event:?}");
        text.split('(').next().unwrap_or_default().to_owned()
    };
    drain(events).iter().map(name).collect()
}

/// Runs a bridge that observes `center`. Returns the recorder of its reports.
async fn observed(center: &LoginCenter) -> SessionRecorder {
    let session = SessionRecorder::new();
    let handle = SessionHandle::new(Arc::new(session.clone()));
    let bridge = AutoLogin::new(center.clone());
    tokio::spawn(async move { bridge.run(handle).await });
    until_idle().await;
    session
}

#[test]
fn a_login_reports_that_the_library_is_ready_and_then_success() {
    block_on(async {
        let center = LoginCenter::new();
        let mut events = center.subscribe().events;
        center.login(account("alice")).await.unwrap();
        let app = account("alice").app;
        assert_eq!(
            drain(&mut events),
            [
                LoginEvent::InitSdkSuccess(app),
                LoginEvent::LoginSuccess(LoginNumber(1), account("alice")),
            ]
        );
    });
}

/// S38: for the same login the kit sends no request, and reports success again.
#[test]
fn a_repeated_login_sends_no_request_and_reports_success_again() {
    block_on(async {
        let system = Arc::new(Failing::default());
        let center = LoginCenter::with(Arc::clone(&system) as _);
        center.login(account("alice")).await.unwrap();
        system.fails.lock().unwrap().push("login");
        let mut events = center.subscribe().events;
        center.login(account("alice")).await.unwrap();
        assert_eq!(
            drain(&mut events),
            [LoginEvent::LoginSuccess(LoginNumber(1), account("alice"))]
        );
    });
}

/// S35: a failed login, and a library that is not ready, register nothing.
#[test]
fn a_failed_login_registers_nothing() {
    block_on(async {
        for what in ["init", "login"] {
            let center = LoginCenter::with(Failing::once(what));
            let session = observed(&center).await;
            let mut events = center.subscribe().events;
            center.login(account("alice")).await.unwrap_err();
            until_idle().await;
            assert_eq!(session.reports(), [], "{what}");
            assert!(names(&mut events).iter().any(|name| name.ends_with("Fail")));
            assert_eq!(center.user(), None);
            center.login(account("alice")).await.unwrap();
            until(|| session.current().is_some()).await;
        }
    });
}

/// S39: the server still holds the login, so push stays registered.
#[test]
fn a_failed_logout_leaves_push_registered() {
    block_on(async {
        let center = LoginCenter::with(Failing::once("logout"));
        let session = observed(&center).await;
        center.login(account("alice")).await.unwrap();
        until(|| session.current().is_some()).await;
        let mut events = center.subscribe().events;
        center.logout().await.unwrap_err();
        until_idle().await;
        assert_eq!(names(&mut events), ["LogoutFail"]);
        assert_eq!(session.current(), Some(account("alice")));
        assert_eq!(center.user(), None, "the kit has forgotten the user");
    });
}

/// S39, S41: a kick or an expiry ends the login at the server, also after a failed logout.
#[test]
fn a_kick_or_an_expiry_after_a_failed_logout_ends_push() {
    let ends: [fn(&LoginCenter); 2] = [LoginCenter::kicked_offline, LoginCenter::user_sig_expired];
    block_on(async {
        for end in ends {
            let center = LoginCenter::with(Failing::once("logout"));
            let session = observed(&center).await;
            center.login(account("alice")).await.unwrap();
            until(|| session.current().is_some()).await;
            center.logout().await.unwrap_err();
            until_idle().await;
            assert_eq!(session.current(), Some(account("alice")));
            end(&center);
            until_idle().await;
            assert_eq!(session.current(), None);
        }
    });
}

/// S40: opening only the local store emits no login event, and a later login is registered.
#[test]
fn a_local_login_registers_nothing_until_a_full_login() {
    block_on(async {
        let center = LoginCenter::new();
        let session = observed(&center).await;
        let mut events = center.subscribe().events;
        center.login_local_only(account("alice")).await.unwrap();
        until_idle().await;
        assert_eq!(names(&mut events), ["InitSdkSuccess"]);
        assert_eq!(session.reports(), []);
        assert!(center.subscribe().current.is_none());
        center.login(account("alice")).await.unwrap();
        until(|| session.current().is_some()).await;
        center.login_local_only(account("alice")).await.unwrap();
        center.logout().await.unwrap();
        until(|| session.current().is_none()).await;
    });
}

/// S42: bob's login emits no logout event for alice.
#[test]
fn another_user_is_logged_in_without_a_logout_event() {
    block_on(async {
        let center = LoginCenter::new();
        center.login(account("alice")).await.unwrap();
        let mut events = center.subscribe().events;
        center.login(account("bob")).await.unwrap();
        assert_eq!(names(&mut events), ["LoginSuccess"]);
    });
}

/// Holds back one logout.
#[derive(Debug)]
struct Late(tokio::sync::watch::Sender<bool>);

#[async_trait]
impl LoginSystem for Late {
    async fn logout(&self, _: &Account) -> Result<(), LoginFault> {
        drop(self.0.subscribe().wait_for(|is_open| *is_open).await);
        Ok(())
    }
}

/// S43+: a login to another app does not wait for the logout from the first, whose success arrives after the new login.
#[test]
fn the_race_of_an_app_switch_leaves_the_new_login_registered() {
    block_on(async {
        let gate = Arc::new(Late(tokio::sync::watch::Sender::new(false)));
        let center = LoginCenter::with(Arc::clone(&gate) as _);
        let session = observed(&center).await;
        center.login(account("alice")).await.unwrap();
        let mut events = center.subscribe().events;
        let mut elsewhere = account("alice");
        elsewhere.app = AppId::new("1400000002").unwrap();
        center.login(elsewhere.clone()).await.unwrap();
        gate.0.send_replace(true);
        until_idle().await;
        assert_eq!(
            names(&mut events),
            ["InitSdkSuccess", "LoginSuccess", "LogoutSuccess"],
            "the logout comes last"
        );
        assert_eq!(session.current(), Some(elsewhere));
        assert_eq!(session.reports().len(), 2);
    });
}

#[test]
fn connection_events_reach_observers_and_register_nothing() {
    block_on(async {
        let center = LoginCenter::new();
        let session = observed(&center).await;
        let mut events = center.subscribe().events;
        center.connection(LoginEvent::Connecting);
        center.connection(LoginEvent::Connected);
        center.connection(LoginEvent::LogoutSuccess(LoginNumber(1)));
        until_idle().await;
        assert_eq!(names(&mut events), ["Connecting", "Connected"]);
        assert_eq!(session.reports(), []);
    });
}

#[test]
fn the_linked_plugin_observes_the_center_of_the_process() {
    let registry = Registry::linked(&[push_login_auto::PLUGIN.any()]).unwrap();
    let context = BuildContext::new(Arc::new(ManualClock::new(Timestamp::default())));
    let bridge = registry
        .build::<LoginKind>("auto", RawConfig::empty(), &context)
        .unwrap();
    block_on(async {
        let session = SessionRecorder::new();
        let handle = SessionHandle::new(Arc::new(session.clone()));
        tokio::spawn(async move { bridge.run(handle).await });
        LoginCenter::shared().login(account("alice")).await.unwrap();
        until(|| session.current().is_some()).await;
        assert!(matches!(session.reports()[..], [Reported::Register(..)]));
    });
}

#[test]
fn a_configuration_key_that_does_not_exist_is_named() {
    let registry = Registry::new([push_login_auto::PLUGIN.any()]).unwrap();
    let context = BuildContext::new(Arc::new(ManualClock::new(Timestamp::default())));
    let raw = RawConfig::from_json(&push_testkit::json!({ "speed": 9 })).unwrap();
    let error = registry
        .build::<LoginKind>("auto", raw, &context)
        .unwrap_err();
    assert!(error.to_string().contains("speed"), "{error}");
}

#[test]
fn a_flood_of_other_events_hides_neither_login_nor_logout_from_a_slow_bridge() {
    block_on(async {
        let center = LoginCenter::new();
        let session = observed(&center).await;
        let flood = || (0..1000).for_each(|_| center.connection(LoginEvent::Connecting));
        session.hold(true);
        center.login(account("alice")).await.unwrap();
        until_idle().await;
        center.login(account("bob")).await.unwrap();
        flood();
        session.hold(false);
        until(|| session.current() == Some(account("bob"))).await;
        session.hold(true);
        center.login(account("bob")).await.unwrap();
        until_idle().await;
        center.logout().await.unwrap();
        flood();
        session.hold(false);
        until(|| session.current().is_none()).await;
    });
}
