//! Routing of a click to a chat: when it waits, for which account, and that it is opened once.
use std::sync::{Arc, Mutex};

use push_client::{ClickSource, Completion, Dropped, Event};
use push_core::{
    Opened,
    payload::{ClickTarget, Payload},
};
use serde_json::json;

use crate::{
    kit::{Kit, Parts, block_on, group_message, message, until, until_idle},
    log::{Log, chat},
};

/// S24, S26: the click waits until the login has finished, and is then opened once, outside the login's call.
#[test]
fn a_click_before_the_login_is_opened_once_after_it() {
    block_on(async {
        let log = Log::default();
        let kit = Parts::new().start(chat(&log)).await;
        kit.client.launched(message("denny", "hi"));
        until_idle().await;
        assert_eq!(log.lines(), [""; 0]);
        assert_eq!(kit.count("click_pending"), 1);
        kit.phone.hold_main();
        kit.log_in("alice").await;
        assert_eq!(
            log.lines(),
            [""; 0],
            "the chat is not opened inside the login"
        );
        until(|| kit.phone.run_main() > 0).await;
        assert_eq!(log.lines(), ["chat(denny,)"]);
        kit.log_in("alice").await;
        kit.client.ready();
        until_idle().await;
        kit.phone.run_main();
        assert_eq!(log.lines().len(), 1, "exactly once");
    });
}

/// S25: the click does not wait while a user is logged in.
#[test]
fn a_click_while_logged_in_is_opened_at_once() {
    block_on(async {
        let log = Log::default();
        let kit = Parts::new().start(chat(&log)).await;
        kit.log_in("alice").await;
        kit.click(message("denny", "hi"));
        until(|| log.lines() == ["chat(denny,)"]).await;
    });
}

/// S23: the handler gets only the group id for a group, and only the user id for a one-to-one chat.
#[test]
fn a_chat_handler_gets_one_id() {
    block_on(async {
        let log = Log::default();
        let kit = Parts::new().start(chat(&log)).await;
        kit.log_in("alice").await;
        kit.click(group_message("@TGS#1", "hi"));
        until(|| log.lines().len() == 1).await;
        kit.click(message("denny", "hi"));
        until(|| log.lines().len() == 2).await;
        assert_eq!(log.lines(), ["chat(,@TGS#1)", "chat(denny,)"]);
    });
}

/// S23: with neither id no handler is called.
#[test]
fn a_click_without_an_id_calls_no_handler() {
    block_on(async {
        let log = Log::default();
        let mut kit = Parts::new().start(chat(&log)).await;
        kit.log_in("alice").await;
        kit.click(message("", "hi"));
        kit.event("nothing_to_open").await;
        until_idle().await;
        assert_eq!(log.lines(), [""; 0]);
    });
}

/// S27+: the second click replaces the first; TUIOfflinePush mixes the ids of both.
#[test]
fn a_second_click_before_the_login_replaces_the_first() {
    block_on(async {
        let log = Log::default();
        let mut kit = Parts::new().start(chat(&log)).await;
        kit.click(message("denny", "hi"));
        kit.click(group_message("@TGS#1", "hi"));
        let Event::ClickDropped { why, target } = kit.event("click_dropped").await else {
            unreachable!("the event has this name");
        };
        assert_eq!(why, Dropped::Replaced);
        assert!(matches!(target, ClickTarget::User(_)));
        kit.log_in("alice").await;
        until(|| !log.lines().is_empty()).await;
        until_idle().await;
        assert_eq!(log.lines(), ["chat(,@TGS#1)"]);
    });
}

/// S28+: a click that waits for alice is dropped when she logs out.
#[test]
fn a_waiting_click_is_dropped_at_the_logout() {
    block_on(async {
        let log = Log::default();
        let not_ready = log.chat("chat", || Opened::NotReady);
        let mut kit = Parts::new().start(|it| it.route("chat", not_ready)).await;
        let generation = kit.log_in("alice").await;
        until_idle().await;
        kit.click(message("denny", "hi"));
        kit.event("not_ready").await;
        kit.log_out(generation).await;
        let Event::ClickDropped { why, .. } = kit.event("click_dropped").await else {
            unreachable!("the event has this name");
        };
        assert_eq!(why, Dropped::LoggedOut);
        kit.log_in("bob").await;
        until_idle().await;
        assert_eq!(
            log.lines().len(),
            1,
            "only the attempt during alice's login"
        );
    });
}

/// S28+: it is not opened for another account either.
#[test]
fn a_waiting_click_is_dropped_when_another_account_logs_in() {
    block_on(async {
        let log = Log::default();
        let not_ready = log.chat("chat", || Opened::NotReady);
        let mut kit = Parts::new().start(|it| it.route("chat", not_ready)).await;
        kit.log_in("alice").await;
        until_idle().await;
        kit.click(message("denny", "hi"));
        kit.event("not_ready").await;
        kit.log_in("bob").await;
        let Event::ClickDropped { why, .. } = kit.event("click_dropped").await else {
            unreachable!("the event has this name");
        };
        assert_eq!(why, Dropped::OtherAccount);
        kit.client.ready();
        until_idle().await;
        assert_eq!(
            log.lines().len(),
            1,
            "only the attempt during alice's login"
        );
    });
}

/// S28+: alice's notification is clicked while no user is logged in, also after a restart; it is not opened for bob.
#[test]
fn a_click_on_the_last_accounts_notification_waits_for_that_account() {
    block_on(async {
        for next in ["alice", "bob"] {
            let (kit, _) = Kit::logged_in("alice").await;
            let log = Log::default();
            let kit = kit.restarted(chat(&log)).await;
            kit.client.launched(message("denny", "hi"));
            kit.log_in(next).await;
            until_idle().await;
            let opened = if next == "alice" { 1 } else { 0 };
            assert_eq!(log.lines().len(), opened, "{next}");
            assert_eq!(kit.count("click_dropped"), 1 - opened as u64);
        }
    });
}

/// S29+: a click that no handler opens is reported and counted.
#[test]
fn a_click_without_a_handler_is_reported_as_unhandled() {
    block_on(async {
        let mut kit = Kit::new().await;
        kit.log_in("alice").await;
        kit.click(message("denny", "hi"));
        let event = kit.event("unhandled").await;
        assert!(event.needs_attention(), "so that it is logged as a warning");
        assert!(matches!(event, Event::Unhandled(ClickTarget::User(_))));
        assert_eq!(kit.count("unhandled"), 1);
        kit.client.ready();
        until_idle().await;
        assert_eq!(kit.count("unhandled"), 1);
    });
}

/// S30+: the root view does not exist yet: the click waits, and is opened when the app reports that it is ready.
#[test]
fn a_click_that_the_app_is_not_ready_for_is_kept() {
    block_on(async {
        let log = Log::default();
        let ready = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let is_ready = Arc::clone(&ready);
        let handler = log.chat("chat", move || {
            if is_ready.load(std::sync::atomic::Ordering::SeqCst) {
                Opened::Done
            } else {
                Opened::NotReady
            }
        });
        let mut kit = Parts::new().start(|it| it.route("chat", handler)).await;
        kit.log_in("alice").await;
        until_idle().await;
        kit.click(message("denny", "hi"));
        kit.event("not_ready").await;
        kit.client.ready();
        kit.event("not_ready").await;
        ready.store(true, std::sync::atomic::Ordering::SeqCst);
        kit.client.ready();
        kit.event("opened").await;
        kit.client.ready();
        until_idle().await;
        assert_eq!(log.lines().len(), 3);
    });
}

/// The main thread runs the job after the client has closed; the next start would open the click again.
#[test]
fn nothing_opens_after_the_client_has_closed() {
    block_on(async {
        let log = Log::default();
        let kit = Parts::new().start(chat(&log)).await;
        kit.log_in("alice").await;
        until_idle().await;
        kit.phone.hold_main();
        kit.click(message("denny", "hi"));
        until_idle().await;
        kit.client.close().await;
        assert!(kit.phone.run_main() > 0, "there was a job");
        assert_eq!(log.lines(), [""; 0]);
    });
}

/// S30: the app becomes ready while its handler is returning `NotReady`.
#[test]
fn a_ready_that_crosses_a_not_ready_is_not_lost() {
    block_on(async {
        let log = Log::default();
        let client: Arc<Mutex<Option<push_client::PushClient>>> = Arc::default();
        let inside = Arc::clone(&client);
        let handler = log.chat("chat", move || {
            let ready = inside.lock().expect("no test panics here").take();
            match ready {
                Some(client) => {
                    client.ready();
                    Opened::NotReady
                }
                None => Opened::Done,
            }
        });
        let mut kit = Parts::new().start(|it| it.route("chat", handler)).await;
        *client.lock().unwrap() = Some(kit.client.clone());
        kit.log_in("alice").await;
        until_idle().await;
        kit.click(message("denny", "hi"));
        kit.event("opened").await;
        assert_eq!(log.lines().len(), 2);
    });
}

/// S30: a later click replaces one that waits for the app to be ready.
#[test]
fn a_waiting_click_is_replaced_by_a_later_one() {
    block_on(async {
        let log = Log::default();
        let not_ready = log.chat("chat", || Opened::NotReady);
        let mut kit = Parts::new().start(|it| it.route("chat", not_ready)).await;
        kit.log_in("alice").await;
        until_idle().await;
        kit.click(message("denny", "hi"));
        kit.event("not_ready").await;
        kit.click(message("erin", "hi"));
        kit.event("not_ready").await;
        kit.client.ready();
        kit.event("not_ready").await;
        assert_eq!(log.lines(), ["chat(denny,)", "chat(erin,)", "chat(erin,)"]);
    });
}

/// S31+: the arrival of a push is reported, and opens nothing; the click on it does.
#[test]
fn a_push_that_arrives_opens_nothing() {
    block_on(async {
        let log = Log::default();
        let mut kit = Parts::new().start(chat(&log)).await;
        kit.log_in("alice").await;
        let silent = message("denny", "hi");
        kit.client.arrived(silent.clone(), Completion::none());
        let Event::Received(payload) = kit.event("received").await else {
            unreachable!("the event has this name");
        };
        assert_eq!(payload, silent);
        until_idle().await;
        assert_eq!(log.lines(), [""; 0]);
        assert_eq!(kit.count("clicked"), 0);
        kit.click(silent);
        until(|| log.lines().len() == 1).await;
    });
}

/// S32+: launch options and response callback report the same click; it is routed once.
#[test]
fn the_same_click_from_two_sources_is_routed_once() {
    block_on(async {
        let log = Log::default();
        let kit = Parts::new().start(chat(&log)).await;
        kit.client.launched(message("denny", "hi"));
        kit.click(message("denny", "hi"));
        kit.log_in("alice").await;
        until(|| log.lines().len() == 1).await;
        // Another message with the same text, from the same source, is another click.
        kit.click(message("denny", "hi"));
        until(|| log.lines().len() == 2).await;
        assert_eq!(kit.count("clicked"), 2);
        assert_eq!(kit.count("duplicate_click"), 1);
    });
}

/// S33: a click with an empty ext, or none, still counts.
#[test]
fn a_click_without_a_target_still_counts() {
    block_on(async {
        let mut kit = Kit::new().await;
        for payload in [
            json!({"aps": {}, "ext": ""}),
            json!({"aps": {}}),
            json!({"ext": "{}"}),
            json!([]),
        ] {
            kit.click(Payload::apns(payload));
            kit.event("clicked").await;
            kit.event("nothing_to_open").await;
        }
        assert_eq!(kit.count("clicked"), 4);
    });
}

/// Polls a future that must be ready at once.
fn now<T>(work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match work.as_mut().poll(&mut context) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => panic!("the future is pending"),
    }
}

/// A client that its own handler may take, once.
#[derive(Clone, Default)]
struct Inside(Arc<Mutex<Option<push_client::PushClient>>>);

impl Inside {
    fn set(&self, kit: &Kit) {
        *self.0.lock().expect("no test panics here") = Some(kit.client.clone());
    }

    fn take(&self) -> Option<push_client::PushClient> {
        self.0.lock().expect("no test panics here").take()
    }
}

/// S27: a click arrives while a handler is returning `NotReady` for the previous one.
#[test]
fn a_click_during_a_not_ready_replaces_the_earlier_one() {
    block_on(async {
        let log = Log::default();
        let inside = Inside::default();
        let client = inside.clone();
        let handler = log.chat("chat", move || match client.take() {
            Some(client) => {
                client.clicked(ClickSource::Warm, message("erin", "hi"), Completion::none());
                Opened::NotReady
            }
            None => Opened::Done,
        });
        let mut kit = Parts::new().start(|it| it.route("chat", handler)).await;
        kit.log_in("alice").await;
        until_idle().await;
        inside.set(&kit);
        kit.click(message("denny", "hi"));
        let Event::ClickDropped { why, target } = kit.event("click_dropped").await else {
            unreachable!("the event has this name");
        };
        assert_eq!(why, Dropped::Replaced);
        assert_eq!(target.navigate_ids(), Some(("denny", "")));
        kit.event("opened").await;
        assert_eq!(log.lines(), ["chat(denny,)", "chat(erin,)"]);
    });
}

/// S28: another account logs in while a handler is returning `NotReady`.
#[test]
fn an_account_switch_during_a_not_ready_drops_the_click() {
    block_on(async {
        let log = Log::default();
        let inside = Inside::default();
        let client = inside.clone();
        let handler = log.chat("chat", move || {
            if let Some(client) = client.take() {
                now(client
                    .session()
                    .register(crate::kit::account("bob"), "test"))
                .expect("the login is accepted");
            }
            Opened::NotReady
        });
        let mut kit = Parts::new().start(|it| it.route("chat", handler)).await;
        kit.log_in("alice").await;
        until_idle().await;
        inside.set(&kit);
        kit.click(message("denny", "hi"));
        let Event::ClickDropped { why, .. } = kit.event("click_dropped").await else {
            unreachable!("the event has this name");
        };
        assert_eq!(why, Dropped::OtherAccount);
        kit.client.ready();
        until_idle().await;
        assert_eq!(log.lines().len(), 1);
    });
}

/// S30: the app becomes ready on one thread while its handler returns `NotReady` on another.
#[test]
fn a_ready_on_another_thread_is_not_lost() {
    block_on(async {
        let log = Log::default();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel();
        let may_go_on = Mutex::new(Some(may_go_on));
        let handler = log.chat("chat", move || {
            let first = may_go_on.lock().expect("no test panics here").take();
            match first {
                Some(may_go_on) => {
                    begun.send(()).expect("the test listens");
                    may_go_on.recv().expect("the test sends");
                    Opened::NotReady
                }
                None => Opened::Done,
            }
        });
        let mut kit = Parts::new().start(|it| it.route("chat", handler)).await;
        kit.log_in("alice").await;
        until_idle().await;
        kit.phone.hold_main();
        kit.click(message("denny", "hi"));
        until_idle().await;
        let phone = kit.phone.clone();
        let main_thread = std::thread::spawn(move || phone.run_main());
        has_begun.recv().unwrap();
        kit.client.ready();
        until_idle().await;
        assert_eq!(
            kit.phone.run_main(),
            1,
            "there is no waiting click: the handler has it"
        );
        go_on.send(()).unwrap();
        assert_eq!(main_thread.join().unwrap(), 1);
        until(|| kit.phone.run_main() == 1).await;
        kit.event("opened").await;
        assert_eq!(log.lines().len(), 2);
    });
}
