//! After a client has stopped, no thread of it can call the app.
use std::{
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use push_bindings::{
    AppError, CertificateId, Config, Entity, Interceptor, Job, Opened, PermissionAnswer, Platform,
    PushClient, RouteHandler, Slot, TokenAnswer,
};

struct Phone;

impl Platform for Phone {
    fn hook(&self) -> Result<(), AppError> {
        Ok(())
    }
    fn ask_permission(&self, _: Arc<PermissionAnswer>) -> Result<(), AppError> {
        Ok(())
    }
    fn request_token(&self, _: Slot, _: Arc<TokenAnswer>) -> Result<(), AppError> {
        Ok(())
    }
    fn set_badge(&self, _: u32) -> Result<(), AppError> {
        Ok(())
    }
    fn on_main(&self, _: Arc<Job>) -> Result<(), AppError> {
        Ok(())
    }
}

struct Chats;

impl RouteHandler for Chats {
    fn navigate_to_chat(&self, _: String, _: String) -> Result<Opened, AppError> {
        Ok(Opened::Done)
    }
}

fn config(channel: &str, folder: &Path) -> Config {
    Config {
        gateway_url: "https://push.example.com".to_owned(),
        app_id: "1400000001".to_owned(),
        state_path: folder.join("push.json").to_string_lossy().into_owned(),
        channel: channel.to_owned(),
        certificate_ids: vec![CertificateId {
            channel: channel.to_owned(),
            slot: Slot::Alert,
            debug: 31287,
            release: 31288,
        }],
        is_debug_build: false,
        slots: vec![Slot::Alert],
        device_kind: None,
        payload_shape: None,
        device_id: None,
        extension_folder: None,
        extra_ca_pem: None,
    }
}

/// Takes every click over, and counts them.
struct Clicks(AtomicU32);

impl Interceptor for Clicks {
    fn process_notification(&self, _: String, _: Option<Entity>) -> Result<bool, AppError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(true)
    }
}

/// S32: Android delivers the intent again when the app is opened from the list of recent apps; Huawei's names no delivery if
/// another server sent it.
#[test]
fn an_intent_that_comes_again_after_a_restart_is_no_second_click() {
    let folder = std::env::temp_dir().join(format!("push-bindings-intent-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder in the temporary one");
    let clicks = Arc::new(Clicks(AtomicU32::new(0)));
    let ext = r#"{"entity":{"sender":"denny","action":1,"chatType":1,"version":1}}"#;
    for _ in 0..3 {
        let interceptor = Some(Arc::clone(&clicks) as Arc<dyn Interceptor>);
        let config = config("huawei", &folder);
        let client = PushClient::start(
            config,
            Arc::new(Phone),
            Arc::new(Chats),
            None,
            interceptor,
            None,
        )
        .expect("it starts");
        client.launched(ext.to_owned());
        client.stop();
    }
    assert_eq!(clicks.0.load(Ordering::SeqCst), 1);
    drop(std::fs::remove_dir_all(folder));
}

/// Dropping a foreign object calls its language, which crashes if Python has ended.
#[test]
fn after_stop_no_thread_of_the_library_holds_an_object_of_the_app() {
    let folder = std::env::temp_dir().join(format!("push-bindings-life-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder in the temporary one");
    for run in 0..500 {
        let phone = Arc::new(Phone);
        let chats = Arc::new(Chats);
        let left: (Weak<Phone>, Weak<Chats>) = (Arc::downgrade(&phone), Arc::downgrade(&chats));
        let config = config("apns", &folder);
        let client = PushClient::start(config, phone, chats, None, None, None).expect("it starts");
        client.stop();
        drop(client);
        assert!(left.0.upgrade().is_none(), "the phone is held, run {run}");
        assert!(left.1.upgrade().is_none(), "a handler is held, run {run}");
    }
    drop(std::fs::remove_dir_all(folder));
}
