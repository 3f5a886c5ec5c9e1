//! Interceptors and route handlers.
use std::sync::Arc;

use push_client::{AnswerCall, Event, Process};
use push_core::{
    Click, Handled, Opened, RouteHandler,
    payload::{Action, ChatType, ClickTarget, Entity, Payload},
};

use crate::{
    kit::{Parts, block_on, message, pushed, until, until_idle},
    log::{Log, chat},
};

/// S20: an interceptor that handles a click stops its routing; S21+: it gets the raw data and the entity.
#[test]
fn an_interceptor_sees_everything_and_can_stop_it() {
    block_on(async {
        for (answer, opened) in [(Handled::Yes, 0), (Handled::No, 1)] {
            let log = Log::default();
            let seen = log.clone();
            let process = Process::new(move |payload: &Payload| {
                let entity = payload.entity(payload.shape().profile());
                let sender = entity.map(|it| it.sender).unwrap_or_default();
                seen.add(format!("{sender},{}", payload.raw().contains_key("aps")));
                answer
            });
            let mut kit = Parts::new()
                .start(|it| chat(&log)(it).interceptor("process", process))
                .await;
            kit.log_in("alice").await;
            kit.click(message("denny", "hi"));
            if answer == Handled::Yes {
                kit.event("intercepted").await;
            } else {
                kit.event("opened").await;
            }
            until_idle().await;
            let lines = log.lines();
            assert_eq!(lines[0], "denny,true");
            assert_eq!(lines.len(), 1 + opened);
        }
    });
}

/// S22+: also on a cold start, before a login.
#[test]
fn an_interceptor_runs_on_a_cold_start() {
    block_on(async {
        let log = Log::default();
        let seen = log.clone();
        let process = Process::new(move |_: &Payload| {
            seen.add("process");
            Handled::Yes
        });
        let kit = Parts::new()
            .start(|it| chat(&log)(it).interceptor("process", process))
            .await;
        kit.client.launched(message("denny", "hi"));
        assert_eq!(log.lines(), ["process"]);
        kit.log_in("alice").await;
        until_idle().await;
        assert_eq!(log.lines(), ["process"], "nothing was left to open");
    });
}

/// S11: a call is routed only to the call handler, and a chat never is.
#[test]
fn a_call_goes_to_its_own_handler_only() {
    block_on(async {
        let log = Log::default();
        let calls = log.clone();
        let call = AnswerCall::new(move |call: &push_core::payload::CallTarget| {
            calls.add(format!("call from {}", call.entity.sender));
            Opened::Done
        });
        let kit = Parts::new()
            .start(|it| chat(&log)(it).route("call", call))
            .await;
        kit.log_in("alice").await;
        kit.click(pushed(
            &Entity::for_user_message("denny", "", "", "{}").calling(),
        ));
        until(|| log.lines().len() == 1).await;
        kit.click(message("erin", "hi"));
        until(|| log.lines().len() == 2).await;
        assert_eq!(log.lines(), ["call from denny", "chat(erin,)"]);
    });
}

/// S11: without a call handler a call opens no chat.
#[test]
fn a_call_without_a_call_handler_opens_no_chat() {
    block_on(async {
        let log = Log::default();
        let mut kit = Parts::new().start(chat(&log)).await;
        kit.log_in("alice").await;
        kit.click(pushed(
            &Entity::for_user_message("denny", "", "", "{}").calling(),
        ));
        kit.event("unhandled").await;
        assert_eq!(log.lines(), [""; 0]);
    });
}

#[test]
fn handlers_are_called_by_order_and_name_until_one_opens() {
    block_on(async {
        let log = Log::default();
        let failed = || Opened::Failed("no such view".to_owned());
        let z = log.chat("z", failed);
        let b = log.chat("b", failed);
        let a = log.chat("a", failed);
        let late = log.chat("late", || Opened::Done);
        let never = log.chat("never", || Opened::Done);
        let mut kit = Parts::new()
            .start(|it| {
                it.route_in_order("never", 20, Arc::new(never))
                    .route_in_order("late", 10, Arc::new(late))
                    .route("b", b)
                    .route("a", a)
                    .route_in_order("z", -1, Arc::new(z))
            })
            .await;
        kit.log_in("alice").await;
        until_idle().await;
        kit.click(message("denny", "hi"));
        let Event::Opened { by, .. } = kit.event("opened").await else {
            unreachable!("the event has this name");
        };
        assert_eq!(by, "late");
        let names: Vec<_> = log
            .lines()
            .iter()
            .map(|it| it.replace("(denny,)", ""))
            .collect();
        assert_eq!(names, ["z", "a", "b", "late"]);
        assert_eq!(kit.count("open_failed"), 3);
        assert_eq!(kit.count("unhandled"), 0);
    });
}

/// S10: an unknown action opens nothing either.
#[test]
fn other_chat_types_and_actions_open_nothing() {
    block_on(async {
        let log = Log::default();
        let mut kit = Parts::new().start(chat(&log)).await;
        kit.log_in("alice").await;
        let good = Entity::for_user_message("denny", "", "", "hi");
        for entity in [
            good.clone().with_chat_type(ChatType::Other(7)),
            good.with_action(Action::Other(9)),
        ] {
            kit.click(pushed(&entity));
            kit.event("nothing_to_open").await;
        }
        until_idle().await;
        assert_eq!(log.lines(), [""; 0]);
    });
}

#[test]
fn a_click_names_the_logged_in_user() {
    #[derive(Debug)]
    struct Who(Log);
    impl RouteHandler for Who {
        fn matches(&self, _: &ClickTarget) -> bool {
            true
        }
        fn open(&self, click: &Click) -> Opened {
            self.0.add(click.user.as_str());
            Opened::Done
        }
    }
    block_on(async {
        let log = Log::default();
        let who = Who(log.clone());
        let kit = Parts::new().start(|it| it.route("who", who)).await;
        kit.log_in("alice").await;
        kit.click(message("denny", "hi"));
        until(|| log.lines() == ["alice"]).await;
    });
}
