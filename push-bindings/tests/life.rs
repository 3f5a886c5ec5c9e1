//! After a client has stopped, no thread of it can call the app.
use std::sync::{Arc, Weak};

use push_bindings::{
    AppError, CertificateId, Config, Job, Opened, PermissionAnswer, Platform, PushClient,
    RouteHandler, Slot, TokenAnswer,
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

/// Dropping a foreign object calls its language, which crashes if Python has ended.
#[test]
fn after_stop_no_thread_of_the_library_holds_an_object_of_the_app() {
    let folder = std::env::temp_dir().join(format!("push-bindings-life-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder in the temporary one");
    for run in 0..500 {
        let phone = Arc::new(Phone);
        let chats = Arc::new(Chats);
        let left: (Weak<Phone>, Weak<Chats>) = (Arc::downgrade(&phone), Arc::downgrade(&chats));
        let config = Config {
            gateway_url: "https://push.example.com".to_owned(),
            app_id: "1400000001".to_owned(),
            state_path: folder.join("push.json").to_string_lossy().into_owned(),
            channel: "apns".to_owned(),
            certificate_ids: vec![CertificateId {
                channel: "apns".to_owned(),
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
        };
        let client = PushClient::start(config, phone, chats, None, None, None).expect("it starts");
        client.stop();
        drop(client);
        assert!(left.0.upgrade().is_none(), "the phone is held, run {run}");
        assert!(left.1.upgrade().is_none(), "a handler is held, run {run}");
    }
    drop(std::fs::remove_dir_all(folder));
}
