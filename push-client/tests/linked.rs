//! A client from what the linker kept, as an app writes it.
use std::sync::{Arc, Mutex};

use push_client::{
    AnswerCall, ClickSource, MemoryState, Navigate, Permission, Process, PushClient,
    testing::{ScriptedGateway, ScriptedPhone},
};
use push_core::{
    Account, AppId, Environment, Handled, Opened, Secret, Slot, UserId, certificate_id,
    interceptor,
    payload::{Entity, Ext, Payload},
    route_handler,
};
use push_login_auto::LoginCenter;
use push_testkit::{block_on, until};

certificate_id!(apns, debug = 31287, release = 31288);
certificate_id!(apns, slot = Voip, debug = 31290, release = 31291);

static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn saw(what: String) {
    SEEN.lock().expect("no test panics here").push(what);
}

route_handler!(
    "chat",
    Navigate::new(|user: &str, group: &str| {
        saw(format!("chat {user}{group}"));
        Opened::Done
    })
);
route_handler!(
    "call",
    AnswerCall::new(|call: &push_core::payload::CallTarget| {
        saw(format!("call {}", call.entity.sender));
        Opened::Done
    })
);
interceptor!(
    "late",
    order = 10,
    Process::new(|_: &Payload| {
        saw("late".to_owned());
        Handled::No
    })
);
interceptor!(
    "early",
    Process::new(|_: &Payload| {
        saw("early".to_owned());
        Handled::No
    })
);

/// S20: one line each, and everything is in its place: bridges, certificate ids, handlers and interceptors.
#[test]
fn one_line_each_makes_a_client() {
    block_on(async {
        let phone = ScriptedPhone::iphone(&[Slot::Alert, Slot::Voip])
            .permitting(Permission::Granted)
            .giving(Slot::Alert, "00fc13")
            .giving(Slot::Voip, "11fc13");
        let gateway = ScriptedGateway::new();
        let client = PushClient::linked(
            Arc::new(phone),
            Arc::new(gateway.clone()),
            &[
                push_login_auto::PLUGIN.any(),
                push_login_manual::PLUGIN.any(),
            ],
        )
        .unwrap()
        .state(MemoryState::new())
        .start()
        .await
        .unwrap();

        let account = Account::new(
            AppId::new("1400000001").unwrap(),
            UserId::new("alice").unwrap(),
            Secret::new("ticket"),
        );
        LoginCenter::shared().login(account).await.unwrap();
        let device = client.device();
        until(|| gateway.device(&device).is_some_and(|it| it.1.len() == 2)).await;
        let (_, tokens) = gateway.device(&device).unwrap();
        // The build of this test decides, as the build of an app does.
        let (alert, voip, environment) = if cfg!(debug_assertions) {
            (31287, 31290, Environment::Sandbox)
        } else {
            (31288, 31291, Environment::Production)
        };
        assert_eq!(tokens[&Slot::Alert].certificate_id.get(), alert);
        assert_eq!(tokens[&Slot::Voip].certificate_id.get(), voip);
        assert_eq!(tokens[&Slot::Alert].environment, environment);

        let entity = Entity::for_user_message("denny", "", "", "hi");
        for entity in [entity.clone(), entity.calling()] {
            let ext = Ext::new(entity).to_json_string();
            let payload = Payload::apns(serde_json::json!({ "ext": ext }));
            let before = client.counts().get("opened").copied().unwrap_or_default();
            client.clicked(
                ClickSource::Response,
                payload,
                push_client::Completion::none(),
            );
            until(|| client.counts().get("opened").copied().unwrap_or_default() > before).await;
        }
        assert_eq!(
            *SEEN.lock().unwrap(),
            ["early", "late", "chat denny", "early", "late", "call denny"]
        );
        client.close().await;
    });
}
