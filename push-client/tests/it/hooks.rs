//! Sharing the operating system's callbacks.
use std::sync::{Arc, Mutex, OnceLock};

use push_client::{Completion, HostEvent, HostHooks, HostObserver, Token};
use push_core::Slot;

use crate::kit::{Kit, Parts, TOKEN, block_on, message, until, until_idle};

/// Records events and forwards them, as a delegate that replaced another does.
#[derive(Debug, Default)]
struct Delegate {
    heard: Mutex<Vec<String>>,
    forwards_to: OnceLock<Arc<HostHooks>>,
}

impl Delegate {
    fn lines(&self) -> Vec<String> {
        self.heard.lock().expect("no test panics here").clone()
    }
}

impl HostObserver for Delegate {
    fn on_event(&self, event: &HostEvent) {
        let text = format!("{event:?}");
        let name = text.split('(').next().unwrap_or_default();
        self.heard
            .lock()
            .expect("no test panics here")
            .push(name.to_owned());
        if let Some(hooks) = self.forwards_to.get() {
            hooks.dispatch(event);
        }
    }
}

async fn kit_beside(delegate: &Arc<Delegate>) -> (Kit, Arc<HostHooks>) {
    let hooks = Arc::new(HostHooks::new());
    hooks.install(Arc::clone(delegate) as _);
    let kit = Parts::new().start(|it| it.hooks(Arc::clone(&hooks))).await;
    (kit, hooks)
}

/// S49+: an earlier observer still gets every event; S48: also after a logout.
#[test]
fn an_earlier_observer_gets_every_event_before_and_after_the_logout() {
    block_on(async {
        let app = Arc::new(Delegate::default());
        let (kit, hooks) = kit_beside(&app).await;
        let everything = || {
            for event in [
                HostEvent::Launched(None),
                HostEvent::TokenArrived(Slot::Alert, Token::Text(TOKEN.to_owned())),
                HostEvent::TokenFailed(Slot::Voip, "not now".to_owned()),
                HostEvent::Clicked(message("denny", "hi"), Completion::none()),
                HostEvent::Arrived(message("denny", "hi"), Completion::none()),
                HostEvent::Foreground,
                HostEvent::Background,
            ] {
                hooks.dispatch(&event);
            }
        };
        everything();
        let generation = kit.log_in("alice").await;
        everything();
        kit.log_out(generation).await;
        everything();
        let once = [
            "Launched",
            "TokenArrived",
            "TokenFailed",
            "Clicked",
            "Arrived",
            "Foreground",
            "Background",
        ];
        assert_eq!(app.lines(), [once, once, once].concat());
        assert_eq!(kit.count("received"), 3, "and so does the client");
        kit.client.close().await;
        everything();
        assert_eq!(app.lines().len(), 28);
    });
}

/// S48: the app is called first.
#[test]
fn observers_are_called_in_the_order_of_installation() {
    #[derive(Debug)]
    struct First(Arc<Mutex<Vec<u64>>>, OnceLock<push_client::PushClient>);
    impl HostObserver for First {
        fn on_event(&self, _: &HostEvent) {
            let counts = self.1.get().map(push_client::PushClient::counts);
            let clicked = counts.and_then(|it| it.get("clicked").copied());
            self.0
                .lock()
                .expect("no test panics here")
                .push(clicked.unwrap_or_default());
        }
    }
    block_on(async {
        let hooks = Arc::new(HostHooks::new());
        let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
        let first = Arc::new(First(Arc::clone(&seen), OnceLock::new()));
        hooks.install(Arc::clone(&first) as _);
        let kit = Parts::new().start(|it| it.hooks(Arc::clone(&hooks))).await;
        first.1.set(kit.client.clone()).unwrap();
        hooks.dispatch(&HostEvent::Launched(Some(message("denny", "hi"))));
        assert_eq!(*seen.lock().unwrap(), [0], "the client was called later");
        assert_eq!(kit.count("clicked"), 1);
    });
}

/// S48: installing twice is a no-op.
#[test]
fn an_observer_that_is_installed_twice_is_called_once() {
    block_on(async {
        let app = Arc::new(Delegate::default());
        let (kit, hooks) = kit_beside(&app).await;
        assert!(!hooks.install(Arc::clone(&app) as _));
        assert!(!hooks.install(kit.client.observer()));
        hooks.dispatch(&HostEvent::Arrived(
            message("denny", "hi"),
            Completion::none(),
        ));
        assert_eq!(app.lines(), ["Arrived"]);
        assert_eq!(kit.count("received"), 1);
    });
}

/// S48: two observers that replaced each other forward to each other, without a loop.
#[test]
fn observers_that_hook_each_other_do_not_recurse() {
    block_on(async {
        let app = Arc::new(Delegate::default());
        let (kit, ours) = kit_beside(&app).await;
        let theirs = Arc::new(HostHooks::new());
        let (to_ours, to_theirs) = (Arc::new(Delegate::default()), Arc::new(Delegate::default()));
        to_ours.forwards_to.set(Arc::clone(&ours)).unwrap();
        to_theirs.forwards_to.set(Arc::clone(&theirs)).unwrap();
        ours.install(Arc::clone(&to_theirs) as _);
        theirs.install(Arc::clone(&to_ours) as _);
        for hooks in [&ours, &theirs] {
            hooks.dispatch(&HostEvent::Arrived(
                message("denny", "hi"),
                Completion::none(),
            ));
        }
        assert_eq!(app.lines().len(), 2);
        assert_eq!(to_ours.lines().len(), 2);
        assert_eq!(to_theirs.lines().len(), 2);
        assert_eq!(kit.count("received"), 2);
    });
}

/// S22, S46: events of the operating system before the first login are not lost.
#[test]
fn events_before_the_login_count_after_it() {
    block_on(async {
        let app = Arc::new(Delegate::default());
        let hooks = Arc::new(HostHooks::new());
        hooks.install(Arc::clone(&app) as _);
        let phone = push_client::testing::ScriptedPhone::iphone(&[Slot::Alert]);
        let open = push_client::Navigate::new(|_, _| push_core::Opened::Done);
        let kit = Parts::with_phone(phone)
            .start(|it| it.hooks(Arc::clone(&hooks)).route("chat", open))
            .await;
        hooks.dispatch(&HostEvent::Launched(Some(message("denny", "hi"))));
        hooks.dispatch(&HostEvent::TokenArrived(
            Slot::Alert,
            Token::Text(TOKEN.to_owned()),
        ));
        until_idle().await;
        assert_eq!(kit.gateway.asked(), []);
        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert]).await;
        until(|| kit.count("opened") == 1).await;
    });
}

#[test]
fn a_completion_without_an_observer_is_completed() {
    let hooks = HostHooks::new();
    let (sender, results) = std::sync::mpsc::channel();
    let completion = Completion::new(move |how| sender.send(how).expect("the test listens"));
    hooks.dispatch(&HostEvent::Arrived(message("denny", "hi"), completion));
    assert_eq!(results.try_iter().count(), 1);
}
