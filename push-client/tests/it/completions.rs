//! Completion callbacks, S34.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use push_client::{
    ClickSource, Completed, Completion, Deferral, HostEvent, HostHooks, HostObserver,
};

use crate::kit::{Kit, Parts, block_on, message, until, until_idle};

/// Returns a completion and the results it was called with.
fn callback() -> (Completion, Arc<Mutex<Vec<Completed>>>) {
    let calls: Arc<Mutex<Vec<Completed>>> = Arc::default();
    let inside = Arc::clone(&calls);
    let completion = Completion::new(move |how| {
        inside.lock().expect("no test panics here").push(how);
    });
    (completion, calls)
}

fn calls(of: &Mutex<Vec<Completed>>) -> Vec<Completed> {
    of.lock().expect("no test panics here").clone()
}

/// S34: the client completes at once if the app does not.
#[test]
fn the_client_completes_unless_the_app_does() {
    block_on(async {
        let kit = Kit::new().await;
        let (click, clicked) = callback();
        kit.client
            .clicked(ClickSource::Response, message("denny", "hi"), click);
        let (push, arrived) = callback();
        kit.client.arrived(message("denny", "hi"), push);
        assert_eq!(calls(&clicked), [Completed::NewData]);
        assert_eq!(calls(&arrived), [Completed::NewData]);
        until_idle().await;
        assert_eq!(kit.clock.sleepers(), 0, "no time-out is pending");
    });
}

/// S34: a repeated click, or one without a target, is completed too.
#[test]
fn every_way_through_the_router_completes() {
    block_on(async {
        let kit = Kit::new().await;
        kit.client.launched(message("denny", "hi"));
        for payload in [
            message("denny", "hi"),
            push_core::payload::Payload::apns(serde_json::json!({})),
        ] {
            let (completion, completed) = callback();
            kit.client
                .clicked(ClickSource::Response, payload, completion);
            assert_eq!(calls(&completed), [Completed::NoData]);
        }
    });
}

/// The app's handling of a completion.
#[derive(Debug)]
struct App {
    deferred: Mutex<Vec<Deferral>>,
    at_once: bool,
}

impl HostObserver for App {
    fn on_event(&self, event: &HostEvent) {
        let HostEvent::Clicked(_, completion) = event else {
            return;
        };
        if self.at_once {
            completion.complete(Completed::NoData);
        } else {
            let deferral = completion.defer();
            self.deferred
                .lock()
                .expect("no test panics here")
                .push(deferral);
        }
    }
}

async fn kit_with(app: &Arc<App>) -> (Kit, Arc<HostHooks>) {
    let hooks = Arc::new(HostHooks::new());
    hooks.install(Arc::clone(app) as _);
    let kit = Parts::new().start(|it| it.hooks(Arc::clone(&hooks))).await;
    (kit, hooks)
}

/// S34: the app completes before the client.
#[test]
fn an_app_that_completes_at_once_is_not_repeated() {
    block_on(async {
        let app = Arc::new(App {
            deferred: Mutex::default(),
            at_once: true,
        });
        let (kit, hooks) = kit_with(&app).await;
        let (completion, completed) = callback();
        hooks.dispatch(&HostEvent::Clicked(message("denny", "hi"), completion));
        until_idle().await;
        assert_eq!(calls(&completed), [Completed::NoData]);
        assert_eq!(kit.count("clicked"), 1);
        assert_eq!(kit.clock.sleepers(), 0);
    });
}

/// S34+: the app completes later; TUIOfflinePush completes a second time.
#[test]
fn an_app_that_completes_later_is_waited_for() {
    block_on(async {
        let app = Arc::new(App {
            deferred: Mutex::default(),
            at_once: false,
        });
        let (kit, hooks) = kit_with(&app).await;
        let (completion, completed) = callback();
        hooks.dispatch(&HostEvent::Clicked(message("denny", "hi"), completion));
        kit.pass(1, Duration::from_secs(24)).await;
        assert_eq!(calls(&completed), []);
        let deferral = app.deferred.lock().unwrap().remove(0);
        assert!(deferral.complete(Completed::NewData));
        assert_eq!(calls(&completed), [Completed::NewData]);
        kit.clock.advance(Duration::from_secs(60));
        until_idle().await;
        assert_eq!(calls(&completed), [Completed::NewData], "no second call");
    });
}

/// S34+: if the app never completes, the time-out does, once.
#[test]
fn the_time_out_completes_if_the_app_never_does() {
    block_on(async {
        let app = Arc::new(App {
            deferred: Mutex::default(),
            at_once: false,
        });
        let (kit, hooks) = kit_with(&app).await;
        let (completion, completed) = callback();
        hooks.dispatch(&HostEvent::Clicked(message("denny", "hi"), completion));
        kit.pass(1, Duration::from_secs(25)).await;
        until(|| calls(&completed) == [Completed::Failed]).await;
        let deferral = app.deferred.lock().unwrap().remove(0);
        assert!(!deferral.complete(Completed::NewData), "too late");
        assert_eq!(calls(&completed), [Completed::Failed]);
        assert_eq!(kit.count("completed"), 1);
    });
}
