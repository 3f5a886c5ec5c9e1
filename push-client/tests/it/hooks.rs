//! Sharing the operating system's callbacks.
use std::sync::{Arc, Mutex, OnceLock};

use push_client::{Completion, HostEvent, HostHooks, HostObserver, Token};
use push_core::Slot;

use crate::kit::{Kit, Parts, TOKEN, block_on, message, until, until_idle};

/// Remembers what it heard, and forwards it, as a delegate that took a place over does.
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
    fn heard(&self, event: &HostEvent) {
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

/// S49+: whoever was installed before keeps hearing everything; S48: also after a logout.
#[test]
fn an_earlier_observer_hears_everything_before_and_after_the_logout() {
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

/// S48: the app hears first.
#[test]
fn observers_hear_in_the_order_in_which_they_were_installed() {
    #[derive(Debug)]
    struct First(Arc<Mutex<Vec<u64>>>, OnceLock<push_client::PushClient>);
    impl HostObserver for First {
        fn heard(&self, _: &HostEvent) {
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
        assert_eq!(
            *seen.lock().unwrap(),
            [0],
            "the client had not heard it yet"
        );
        assert_eq!(kit.count("clicked"), 1);
    });
}

/// S48: installing twice is a no-op.
#[test]
fn installing_twice_hears_once() {
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

/// S48: two who took each other's place over forward to each other; it ends where it began.
#[test]
fn two_who_hook_each_other_do_not_recurse() {
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

/// S22, S46: what the operating system says before the first login is not lost.
#[test]
fn what_was_heard_before_the_login_counts_after_it() {
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
fn a_completion_that_nobody_is_there_for_is_completed() {
    let hooks = HostHooks::new();
    let (tell, told) = std::sync::mpsc::channel();
    let completion = Completion::new(move |how| tell.send(how).expect("the test listens"));
    hooks.dispatch(&HostEvent::Arrived(message("denny", "hi"), completion));
    assert_eq!(told.try_iter().count(), 1);
}
