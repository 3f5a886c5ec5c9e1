//! The state that survives the end of the process.
use std::sync::Arc;

use push_client::{ClickSource, Settings, testing::ScriptedPhone};
use push_core::Slot;
use serde_json::json;

use crate::kit::{Kit, Parts, TOKEN, block_on, unavailable, until, until_idle};

#[test]
fn the_device_keeps_its_id() {
    block_on(async {
        let kit = Kit::new().await;
        let device = kit.client.device();
        let kit = kit.restarted(|builder| builder).await;
        assert_eq!(kit.client.device(), device);
    });
}

/// S54+: a failed upload is repeated after a restart, with the known token.
#[test]
fn a_failed_upload_is_repeated_after_a_restart() {
    block_on(async {
        let parts =
            Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
        parts.gateway.set_down(Some(unavailable()));
        let kit = parts.start(|it| it).await;
        kit.log_in("alice").await;
        until(|| kit.uploads() == 1).await;
        kit.gateway.set_down(None);
        kit.phone.give(Slot::Alert, Err("offline".to_owned()));
        let kit = kit.restarted(|builder| builder).await;
        until_idle().await;
        assert_eq!(kit.uploads(), 1, "not before the login");
        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert]).await;
    });
}

/// S55: a restart does not make an unchanged token new.
#[test]
fn an_unchanged_token_is_not_uploaded_again_after_a_restart() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        let kit = kit.restarted(|builder| builder).await;
        kit.log_in("alice").await;
        until_idle().await;
        assert_eq!(kit.uploads(), 2);
        kit.clock.advance(Settings::default().reupload_after);
        kit.log_in("alice").await;
        until(|| kit.uploads() == 4).await;
    });
}

/// S55: another certificate id in a new release does.
#[test]
fn another_certificate_id_after_an_update_is_uploaded() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        let updated = push_core::CertificateIds::new([
            crate::kit::entry(Slot::Alert, 31288),
            crate::kit::entry(Slot::Voip, 31290),
        ])
        .unwrap();
        let kit = kit.restarted(|it| it.certificates(updated)).await;
        kit.log_in("alice").await;
        until(|| kit.uploads() == 3).await;
        until_idle().await;
        let (_, tokens) = kit.gateway.device(&kit.client.device()).unwrap();
        assert_eq!(tokens[&Slot::Alert].certificate_id.get(), 31288);
        assert_eq!(kit.uploads(), 3);
    });
}

/// S47: the next start reports a logout without network to the gateway, before a login.
#[test]
fn a_logout_without_network_is_reported_after_a_restart() {
    block_on(async {
        let (kit, generation) = Kit::logged_in("alice").await;
        kit.gateway.set_down(Some(unavailable()));
        kit.log_out(generation).await;
        until(|| kit.clock.sleepers() == 1).await;
        kit.gateway.set_down(None);
        let device = kit.client.device();
        let kit = kit.restarted(|builder| builder).await;
        until(|| kit.gateway.device(&device).is_none()).await;
        assert_eq!(kit.gateway.tickets().last().unwrap(), "ticket-of-alice");
    });
}

/// A user who did not log out still gets pushes: a process that was restarted in the background has no login yet.
#[test]
fn a_start_before_the_login_leaves_the_device_bound() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        let device = kit.client.device();
        let kit = kit.restarted(|builder| builder).await;
        until_idle().await;
        // A second start without a login does not unbind either.
        let kit = kit.restarted(|builder| builder).await;
        until_idle().await;
        assert_eq!(kit.gateway.asked().len(), 2, "the two uploads");
        assert!(kit.gateway.device(&device).is_some());
        // Another user's login binds the device to that user, and switching push off unbinds it.
        kit.log_in("bob").await;
        kit.uploaded("bob", &[Slot::Alert, Slot::Voip]).await;
        let kit = kit.restarted(|builder| builder).await;
        kit.client.set_push(false);
        until(|| kit.gateway.device(&device).is_none()).await;
    });
}

/// S44, S47: the app was killed, and the user logs out before the app has logged in again.
#[test]
fn a_logout_by_hand_before_any_login_unbinds_the_user_of_the_last_process() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        let device = kit.client.device();
        let manual = push_login_manual::ManualLogin::new();
        let bridge = Arc::new(manual.clone());
        let kit = kit.restarted(|it| it.bridge("manual", bridge)).await;
        kit.client.launched(crate::kit::message("denny", "hi"));
        until_idle().await;
        assert!(kit.gateway.device(&device).is_some());
        manual.unregister_service();
        until(|| kit.gateway.device(&device).is_none()).await;
        assert_eq!(kit.count("click_dropped"), 1);
        // After a login that another bridge reported, too (S45).
        kit.log_in("bob").await;
        kit.uploaded("bob", &[Slot::Alert, Slot::Voip]).await;
        manual.unregister_service();
        until(|| kit.gateway.device(&device).is_none()).await;
    });
}

/// S41: the same through the IM kit: the ticket expired, or another device logged in, while the app was not running.
#[test]
fn a_logout_that_the_kit_reports_before_any_login_unbinds_the_last_user() {
    block_on(async {
        use push_login_auto::{AutoLogin, LoginCenter};
        let ends: [fn(&LoginCenter); 2] =
            [LoginCenter::kicked_offline, LoginCenter::user_sig_expired];
        for end in ends {
            let (kit, _) = Kit::logged_in("alice").await;
            let device = kit.client.device();
            let center = LoginCenter::new();
            let bridge = Arc::new(AutoLogin::new(center.clone()));
            let kit = kit.restarted(|it| it.bridge("auto", bridge)).await;
            until_idle().await;
            end(&center);
            until(|| kit.gateway.device(&device).is_none()).await;
            center.login(crate::kit::account("alice")).await.unwrap();
            kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
        }
    });
}

/// S41, S44, S47: the app logs out right after its start, before the bridges observe it.
#[test]
fn a_logout_that_comes_before_the_bridge_observes_it_is_not_lost() {
    block_on(async {
        use push_login_auto::{AutoLogin, LoginCenter};
        use push_login_manual::ManualLogin;

        let manual = ManualLogin::new();
        let center = LoginCenter::new();
        let (kit, _) = Kit::logged_in("alice").await;
        let device = kit.client.device();
        manual.unregister_service();
        let bridge = Arc::new(manual.clone());
        let kit = kit.restarted(|it| it.bridge("manual", bridge)).await;
        until(|| kit.gateway.device(&device).is_none()).await;

        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
        center.kicked_offline();
        let bridge = Arc::new(AutoLogin::new(center.clone()));
        let kit = kit.restarted(|it| it.bridge("auto", bridge)).await;
        until(|| kit.gateway.device(&device).is_none()).await;

        // A login and its logout, both before the bridge observes.
        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
        let center = LoginCenter::new();
        center.login(crate::kit::account("alice")).await.unwrap();
        center.logout().await.unwrap();
        let bridge = Arc::new(AutoLogin::new(center.clone()));
        let kit = kit.restarted(|it| it.bridge("auto", bridge)).await;
        until(|| kit.gateway.device(&device).is_none()).await;
        // The repeated report does not undo the next login.
        center.login(crate::kit::account("alice")).await.unwrap();
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
        until_idle().await;
        assert!(kit.gateway.device(&device).is_some());
    });
}

/// S40, S41, S47: a login that was not registered, because it was local-only or its ticket was invalid, does not hide its
/// logout.
#[test]
fn the_end_of_an_unregistered_login_unbinds_the_user_of_the_last_process() {
    use push_login_auto::{AutoLogin, LoginCenter};
    use push_login_manual::ManualLogin;

    block_on(async {
        let without_ticket =
            || crate::kit::account("alice").with_credential(push_core::Secret::new(""));
        for is_local in [true, false] {
            let (kit, _) = Kit::logged_in("alice").await;
            let device = kit.client.device();
            let center = LoginCenter::new();
            let bridge = Arc::new(AutoLogin::new(center.clone()));
            let kit = kit.restarted(|it| it.bridge("auto", bridge)).await;
            until_idle().await;
            if is_local {
                let account = crate::kit::account("alice");
                center.login_local_only(account).await.unwrap();
            } else {
                center.login(without_ticket()).await.unwrap();
            }
            until_idle().await;
            assert!(kit.gateway.device(&device).is_some());
            center.logout().await.unwrap();
            until_idle().await;
            assert!(kit.gateway.device(&device).is_none(), "auto, {is_local}");
        }

        let (kit, _) = Kit::logged_in("alice").await;
        let device = kit.client.device();
        let manual = ManualLogin::new();
        let bridge = Arc::new(manual.clone());
        let kit = kit.restarted(|it| it.bridge("manual", bridge)).await;
        manual.register_service(without_ticket());
        until_idle().await;
        assert!(kit.gateway.device(&device).is_some());
        manual.unregister_service();
        until_idle().await;
        assert!(kit.gateway.device(&device).is_none(), "manual");
    });
}

/// The user was kicked while the app was not running: the gateway does not know the device, and gets the tokens again.
#[test]
fn a_gateway_that_forgot_the_device_gets_the_tokens_again() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        let kit = kit.restarted(|builder| builder).await;
        kit.gateway.forget(&kit.client.device());
        kit.client.foreground();
        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
        assert_eq!(kit.uploads(), 4);
    });
}

/// S32: the process was killed, and the phone reports the same click again.
#[test]
fn a_click_that_was_routed_is_not_routed_again_after_a_restart() {
    block_on(async {
        let open = || push_client::Navigate::new(|_, _| push_core::Opened::Done);
        let ext = push_core::payload::Ext::new(push_core::payload::Entity::for_user_message(
            "denny", "", "", "hi",
        ));
        let click = push_core::payload::Payload::apns(json!({
            "ext": ext.to_json_string(),
            "delivery": "0190163d-8694-739b-aea5-966c26f8ad91",
        }));
        let kit = Parts::new().start(|it| it.route("chat", open())).await;
        kit.log_in("alice").await;
        kit.client.launched(click.clone());
        until(|| kit.count("opened") == 1).await;
        let kit = kit.restarted(|it| it.route("chat", open())).await;
        kit.log_in("alice").await;
        kit.client.launched(click.clone());
        kit.client
            .clicked(ClickSource::Warm, click, push_client::Completion::none());
        until_idle().await;
        assert_eq!(kit.count("opened"), 0);
        assert_eq!(kit.count("duplicate_click"), 2);
    });
}

/// S32: Android delivers the intent of the last click again when the app is opened from the list of recent apps.
#[test]
fn a_chat_opened_from_an_intent_without_an_id_does_not_open_again_from_recents() {
    block_on(async {
        let open = || push_client::Navigate::new(|_, _| push_core::Opened::Done);
        let ext = |text: &str| {
            let entity = push_core::payload::Entity::for_user_message("denny", "", "", text);
            push_core::payload::Ext::new(entity).to_json_string()
        };
        let intent = |text: &str| push_core::payload::Payload::intent(ext(text));
        let kit = Parts::new().start(|it| it.route("chat", open())).await;
        kit.log_in("alice").await;
        kit.client.launched(intent("hi"));
        until(|| kit.count("opened") == 1).await;
        // The process is still there, the activity was closed; hours later.
        kit.clock.advance(std::time::Duration::from_secs(36_000));
        kit.client.launched(intent("hi"));
        until_idle().await;
        assert_eq!((kit.count("opened"), kit.count("duplicate_click")), (1, 1));
        // The process has ended, too.
        let kit = kit.restarted(|it| it.route("chat", open())).await;
        kit.log_in("alice").await;
        kit.client.launched(intent("hi"));
        until_idle().await;
        assert_eq!((kit.count("opened"), kit.count("duplicate_click")), (0, 1));
        // Another notification is another click.
        kit.client.launched(intent("hello"));
        until(|| kit.count("opened") == 1).await;
    });
}

/// A click that was never opened has to come again: the process ended while it waited for the login.
#[test]
fn an_intent_that_waited_for_the_login_opens_after_a_restart() {
    block_on(async {
        let open = || push_client::Navigate::new(|_, _| push_core::Opened::Done);
        let entity = push_core::payload::Entity::for_user_message("denny", "", "", "hi");
        let ext = push_core::payload::Ext::new(entity).to_json_string();
        let kit = Parts::new().start(|it| it.route("chat", open())).await;
        kit.client
            .launched(push_core::payload::Payload::intent(ext.clone()));
        until(|| kit.count("click_pending") == 1).await;
        let kit = kit.restarted(|it| it.route("chat", open())).await;
        kit.client
            .launched(push_core::payload::Payload::intent(ext));
        kit.log_in("alice").await;
        until(|| kit.count("opened") == 1).await;
    });
}

#[test]
fn a_store_that_cannot_save_stops_nothing() {
    #[derive(Debug)]
    struct Full;
    impl push_client::StateStore for Full {
        fn load(&self) -> push_core::Result<Option<Vec<u8>>> {
            Ok(None)
        }
        fn save(&self, _: &[u8]) -> push_core::Result<()> {
            Err(push_core::Error::new(
                push_core::ErrorKind::Unavailable,
                "the disk is full",
            ))
        }
    }
    block_on(async {
        let kit = Parts::new()
            .start(|it| it.shared_state(Arc::new(Full)))
            .await;
        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert, Slot::Voip]).await;
        assert!(kit.count("state_not_saved") > 0);
    });
}

/// A disk that saves nothing until its gate is open.
#[derive(Debug)]
struct Slow {
    inner: push_client::MemoryState,
    gate: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
    saves: std::sync::atomic::AtomicU32,
}

impl Slow {
    /// Waits until a save has begun, and for all that does not wait for it.
    async fn saving(&self) {
        until(|| self.saves.load(std::sync::atomic::Ordering::SeqCst) > 0).await;
        until_idle().await;
    }
}

impl push_client::StateStore for Slow {
    fn load(&self) -> push_core::Result<Option<Vec<u8>>> {
        self.inner.load()
    }
    fn save(&self, state: &[u8]) -> push_core::Result<()> {
        self.saves.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        // An error means that the sender is gone, which counts as open.
        self.gate
            .lock()
            .expect("no test panics here")
            .recv()
            .unwrap_or_default();
        self.inner.save(state)
    }
}

fn slow() -> (std::sync::mpsc::Sender<()>, Arc<Slow>) {
    let (open, gate) = std::sync::mpsc::channel();
    let store = Arc::new(Slow {
        inner: push_client::MemoryState::new(),
        gate: std::sync::Mutex::new(gate),
        saves: Default::default(),
    });
    (open, store)
}

/// S47, S54: if the process ends during an upload, the next one knows that the device may be bound.
// Not on a runtime whose one blocking thread waits at the gate.
#[tokio::test]
async fn an_upload_is_recorded_on_disk_before_it_is_sent() {
    let (open, store) = slow();
    let parts = Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
    let kit = parts
        .start(|it| it.shared_state(Arc::clone(&store) as _))
        .await;
    kit.log_in("alice").await;
    store.saving().await;
    assert_eq!(kit.gateway.asked(), []);
    drop(open);
    kit.uploaded("alice", &[Slot::Alert]).await;
    use push_client::StateStore;
    let saved = store.load().unwrap().unwrap();
    assert!(
        String::from_utf8(saved)
            .unwrap()
            .contains("ticket-of-alice")
    );
}

/// S47: a user who logged out while the disk was slow is not bound afterwards.
// Not on a runtime whose one blocking thread waits at the gate.
#[tokio::test]
async fn an_upload_that_waited_for_the_disk_is_not_sent_after_the_logout() {
    let (open, store) = slow();
    let parts = Parts::with_phone(ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN));
    let kit = parts
        .start(|it| it.shared_state(Arc::clone(&store) as _))
        .await;
    let generation = kit.log_in("alice").await;
    store.saving().await;
    kit.log_out(generation).await;
    drop(open);
    until(|| kit.count("unbound") == 1).await;
    assert_eq!(kit.uploads(), 0);
}
