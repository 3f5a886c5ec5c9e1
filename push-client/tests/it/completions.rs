//! Completion callbacks, S34.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use push_client::{Completed, Completion, Deferral, Door, HostEvent, HostHooks, HostObserver};

use crate::kit::{Kit, Parts, block_on, message, until, until_idle};

/// A callback and how often it was called.
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

/// S34: nobody else completes, so the client does, at once.
#[test]
fn what_nobody_completes_the_client_does() {
    block_on(async {
        let kit = Kit::new().await;
        let (click, clicked) = callback();
        kit.client
            .clicked(Door::Response, message("denny", "hi"), click);
        let (push, arrived) = callback();
        kit.client.arrived(message("denny", "hi"), push);
        assert_eq!(calls(&clicked), [Completed::NewData]);
        assert_eq!(calls(&arrived), [Completed::NewData]);
        until_idle().await;
        assert_eq!(kit.clock.sleepers(), 0, "no time-out is left behind");
    });
}

/// S34: a click that was told before, or that names nothing, is completed too.
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
            kit.client.clicked(Door::Response, payload, completion);
            assert_eq!(calls(&completed), [Completed::NoData]);
        }
    });
}

/// What the app does with a completion.
#[derive(Debug)]
struct App {
    deferred: Mutex<Vec<Deferral>>,
    at_once: bool,
}

impl HostObserver for App {
    fn heard(&self, event: &HostEvent) {
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

/// S34: the app completed before the client came to it.
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

/// S34+: the app completes later; the original completes a second time.
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

/// S34+: the app never completes; the time-out does, once.
#[test]
fn an_app_that_never_completes_is_made_up_for() {
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
