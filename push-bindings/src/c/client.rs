//! The client.
use std::{
    ffi::{c_char, c_void},
    ptr,
    sync::Arc,
    time::Duration,
};

use super::{
    answers,
    app::{App, is_inside_callback},
    callbacks::{Callbacks, Completion, slot_of},
    config::{CConfig, config, slot, unknown},
    fault::{guarded, not_open, reporting},
    grow,
    names::{self, Handle, Names},
    text,
};
use crate::{
    ClickSource, ErrorKind, EventListener, Interceptor, PushClient, PushError, Token, TokenState,
};

/// The time for which [`offline_push_close`] waits for a callback to return.
const CALLBACKS: Duration = Duration::from_secs(5);

/// A client that C code holds.
struct Open {
    client: Arc<PushClient>,
    app: Arc<App>,
}

static CLIENTS: Names<Open> = Names::new();

/// Runs `work` with a client. Returns `false` if it is not open.
fn with(client: *mut Handle, work: impl FnOnce(&PushClient) -> Option<()>) -> bool {
    guarded(|| work(&CLIENTS.get(client)?.client)).is_some()
}

/// Runs `work` with a client and writes its error to `error`.
///
/// # Safety
/// As for [`reporting`].
unsafe fn trying(
    client: *mut Handle,
    error: *mut *mut Handle,
    work: impl FnOnce(&Open) -> Result<(), PushError>,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe { reporting(error, || work(&*CLIENTS.get(client).ok_or_else(not_open)?)) }.is_some()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_start(
    config: *const CConfig,
    callbacks: *const Callbacks,
    error: *mut *mut Handle,
) -> *mut Handle {
    let start = || {
        // SAFETY: the header requires a struct that `…_new()` made at each address.
        let (config, callbacks) = unsafe { (self::config(config)?, grow::read(callbacks)?) };
        for (is_there, name) in [
            (callbacks.ask_permission.is_some(), "ask_permission"),
            (callbacks.request_token.is_some(), "request_token"),
            (callbacks.navigate_to_chat.is_some(), "navigate_to_chat"),
        ] {
            if !is_there {
                return Err(PushError::new(
                    ErrorKind::Config,
                    format!("offline_push_callbacks.{name}"),
                    "the required function is NULL",
                    "set it to a function of the app",
                ));
            }
        }
        let name = names::new();
        let app = App::new(callbacks, name);
        let client = PushClient::start(
            config,
            Arc::clone(&app) as _,
            Arc::clone(&app) as _,
            app.has_calls().then(|| Arc::clone(&app) as _),
            app.has_interceptor()
                .then(|| Arc::clone(&app) as Arc<dyn Interceptor>),
            app.has_listener()
                .then(|| Arc::clone(&app) as Arc<dyn EventListener>),
        )?;
        CLIENTS.put(name, name, Arc::new(Open { client, app }));
        Ok(ptr::without_provenance_mut(name))
    };
    // SAFETY: the header requires NULL or a place for a pointer.
    unsafe { reporting(error, start) }.unwrap_or(ptr::null_mut())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_close(client: *mut Handle, error: *mut *mut Handle) -> bool {
    let close = || {
        if client.is_null() {
            return Ok(());
        }
        let wrong = |kind, what: &str, advice: &str| {
            PushError::new(kind, "offline_push_close", what, advice)
        };
        if is_inside_callback() {
            return Err(wrong(
                ErrorKind::Invalid,
                "it was called inside a callback, and would wait for that callback",
                "call it after the callback has returned",
            ));
        }
        let open = CLIENTS.get(client).ok_or_else(not_open)?;
        // Not inside a callback. Inside another runtime `stop` would not wait.
        open.client.end(true);
        open.app.complete_all();
        if !open.app.close(CALLBACKS) {
            return Err(wrong(
                ErrorKind::Unavailable,
                "a callback has not returned yet, and may still use user_data",
                "make callbacks return at once, and call it again",
            ));
        }
        answers::forget(open.app.client);
        drop(CLIENTS.take(client));
        Ok(())
    };
    // SAFETY: the header requires NULL or a place for a pointer.
    unsafe { reporting(error, close) }.is_some()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_register_service(
    client: *mut Handle,
    user: *const c_char,
    ticket: *const c_char,
    error: *mut *mut Handle,
) -> bool {
    // SAFETY: the header requires texts that end with a zero, and NULL or a place for a pointer.
    unsafe {
        trying(client, error, |it| {
            let (user, ticket) = (text::read(user, "user")?, text::read(ticket, "ticket")?);
            it.client.register_service(user, ticket)
        })
    }
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_unregister_service(client: *mut Handle) -> bool {
    with(client, |it| {
        it.unregister_service();
        Some(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_login(
    client: *mut Handle,
    user: *const c_char,
    ticket: *const c_char,
    error: *mut *mut Handle,
) -> bool {
    // SAFETY: the header requires texts that end with a zero, and NULL or a place for a pointer.
    unsafe {
        trying(client, error, |it| {
            let (user, ticket) = (text::read(user, "user")?, text::read(ticket, "ticket")?);
            it.client.login_center().login(user, ticket)
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_login_local_only(
    client: *mut Handle,
    user: *const c_char,
    ticket: *const c_char,
    error: *mut *mut Handle,
) -> bool {
    // SAFETY: the header requires texts that end with a zero, and NULL or a place for a pointer.
    unsafe {
        trying(client, error, |it| {
            let (user, ticket) = (text::read(user, "user")?, text::read(ticket, "ticket")?);
            it.client.login_center().login_local_only(user, ticket)
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_logout(client: *mut Handle, error: *mut *mut Handle) -> bool {
    // SAFETY: the header requires NULL or a place for a pointer.
    unsafe { trying(client, error, |it| it.client.login_center().logout()) }
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_kicked_offline(client: *mut Handle) -> bool {
    with(client, |it| {
        it.login_center().kicked_offline();
        Some(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_user_sig_expired(client: *mut Handle) -> bool {
    with(client, |it| {
        it.login_center().user_sig_expired();
        Some(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_token_received_bytes(
    client: *mut Handle,
    slot: i32,
    bytes: *const u8,
    length: usize,
    error: *mut *mut Handle,
) -> bool {
    // SAFETY: the header requires `length` bytes there, and NULL or a place for a pointer.
    unsafe {
        trying(client, error, |it| {
            let bytes = text::read_array(bytes, length, "bytes")?;
            let slot = self::slot(slot, "slot")?;
            it.client.token_received(slot, Token::Bytes { bytes })
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_token_received_text(
    client: *mut Handle,
    slot: i32,
    text: *const c_char,
    error: *mut *mut Handle,
) -> bool {
    // SAFETY: the header requires a text that ends with a zero, and NULL or a place for a pointer.
    unsafe {
        trying(client, error, |it| {
            let text = text::read(text, "text")?;
            let slot = self::slot(slot, "slot")?;
            it.client.token_received(slot, Token::Text { text })
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_token_failed(
    client: *mut Handle,
    slot: i32,
    why: *const c_char,
    error: *mut *mut Handle,
) -> bool {
    // SAFETY: the header requires a text that ends with a zero, and NULL or a place for a pointer.
    unsafe {
        trying(client, error, |it| {
            let why = text::read(why, "why")?;
            it.client.token_failed(self::slot(slot, "slot")?, why);
            Ok(())
        })
    }
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_token_removed(client: *mut Handle, slot: i32) -> bool {
    with(client, |it| {
        it.token_removed(slot_of(slot)?);
        Some(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_launched(
    client: *mut Handle,
    payload: *const c_char,
    error: *mut *mut Handle,
) -> bool {
    // SAFETY: the header requires a text that ends with a zero, and NULL or a place for a pointer.
    unsafe {
        trying(client, error, |it| {
            it.client.launched(text::read(payload, "payload")?);
            Ok(())
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_clicked(
    client: *mut Handle,
    source: i32,
    payload: *const c_char,
    completion: Completion,
    user_data: *mut c_void,
    error: *mut *mut Handle,
) -> bool {
    // SAFETY: the header requires a text that ends with a zero, and NULL or a place for a pointer.
    unsafe {
        trying(client, error, |it| {
            let payload = text::read(payload, "payload")?;
            let source = match source {
                0 => ClickSource::Launch,
                1 => ClickSource::Response,
                2 => ClickSource::Warm,
                _ => return Err(unknown(source, "source", "OFFLINE_PUSH_CLICK_SOURCE_…")),
            };
            let completion = it.app.keep(completion, user_data)?;
            it.client.clicked(source, payload, completion);
            Ok(())
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_arrived(
    client: *mut Handle,
    payload: *const c_char,
    completion: Completion,
    user_data: *mut c_void,
    error: *mut *mut Handle,
) -> bool {
    // SAFETY: the header requires a text that ends with a zero, and NULL or a place for a pointer.
    unsafe {
        trying(client, error, |it| {
            let payload = text::read(payload, "payload")?;
            let completion = it.app.keep(completion, user_data)?;
            it.client.arrived(payload, completion);
            Ok(())
        })
    }
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_ready(client: *mut Handle) -> bool {
    with(client, |it| {
        it.ready();
        Some(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_foreground(client: *mut Handle) -> bool {
    with(client, |it| {
        it.foreground();
        Some(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_background(client: *mut Handle, unread: i64) -> bool {
    with(client, |it| {
        let unread = (unread >= 0).then(|| u32::try_from(unread).unwrap_or(u32::MAX));
        it.background(unread);
        Some(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_activity_started(client: *mut Handle) -> bool {
    with(client, |it| {
        it.activity_started();
        Some(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_activity_stopped(
    client: *mut Handle,
    is_changing_configuration: bool,
) -> bool {
    with(client, |it| {
        it.activity_stopped(is_changing_configuration);
        Some(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_set_unread(client: *mut Handle, unread: u32) -> bool {
    with(client, |it| {
        it.set_unread(unread);
        Some(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_set_push(client: *mut Handle, on: bool) -> bool {
    with(client, |it| {
        it.set_push(on);
        Some(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_token_status(
    client: *mut Handle,
    slot: i32,
    code: *mut u32,
    text: *mut *mut c_char,
) -> i32 {
    let status = guarded(|| Some(CLIENTS.get(client)?.client.token_status(slot_of(slot)?)));
    if !code.is_null() {
        let number = status.as_ref().and_then(|it| it.code).unwrap_or_default();
        // SAFETY: the header requires NULL or a place for a number.
        unsafe { code.write(number) };
    }
    if !text.is_null() {
        let given = status
            .as_ref()
            .map_or(ptr::null_mut(), |status| text::give(&status.text));
        // SAFETY: the header requires NULL or a place for a pointer.
        unsafe { text.write(given) };
    }
    status.map_or(-1, |it| state_number(it.state))
}

/// `OFFLINE_PUSH_TOKEN_…`
pub(super) const fn state_number(state: TokenState) -> i32 {
    match state {
        TokenState::Off => 0,
        TokenState::NoToken => 1,
        TokenState::Waiting => 2,
        TokenState::Uploading => 3,
        TokenState::Uploaded => 4,
    }
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_device(client: *mut Handle) -> *mut c_char {
    guarded(|| Some(text::give(&CLIENTS.get(client)?.client.device()))).unwrap_or(ptr::null_mut())
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_user(client: *mut Handle) -> *mut c_char {
    guarded(|| Some(text::give(&CLIENTS.get(client)?.client.user()?))).unwrap_or(ptr::null_mut())
}

#[cfg(test)]
mod tests {
    use std::{env, fs, mem::MaybeUninit, process};

    use super::*;
    use crate::c::config::CCertificate;

    unsafe extern "C" fn ask(_: *mut Handle, _: *mut c_void) {}
    unsafe extern "C" fn request(_: i32, _: *mut Handle, _: *mut c_void) {}
    unsafe extern "C" fn navigate(_: *const c_char, _: *const c_char, _: *mut c_void) -> i32 {
        0
    }

    /// An app in Rust may call the library from inside a runtime of its own.
    #[test]
    fn closing_waits_for_the_end_also_inside_a_foreign_runtime() {
        let folder = env::temp_dir().join(format!("push-bindings-close-{}", process::id()));
        fs::create_dir_all(&folder).expect("a folder in the temporary one");
        let state = folder.join("push.json");
        let state = text::c_string(state.to_str().expect("UTF-8"));
        let certificate = CCertificate {
            channel: c"apns".as_ptr(),
            slot: 0,
            debug_id: 1,
            release_id: 2,
        };
        // SAFETY: all zeros are a value of every `Grow`.
        let (config, callbacks) = unsafe {
            (
                MaybeUninit::<CConfig>::zeroed().assume_init(),
                MaybeUninit::<Callbacks>::zeroed().assume_init(),
            )
        };
        let config = CConfig {
            size: size_of::<CConfig>(),
            gateway_url: c"https://push.example.com".as_ptr(),
            app_id: c"1400000001".as_ptr(),
            state_path: state.as_ptr(),
            channel: c"apns".as_ptr(),
            certificates: &raw const certificate,
            certificate_count: 1,
            ..config
        };
        let callbacks = Callbacks {
            size: size_of::<Callbacks>(),
            ask_permission: Some(ask),
            request_token: Some(request),
            navigate_to_chat: Some(navigate),
            ..callbacks
        };
        // SAFETY: structs of this function, whose texts outlive the call.
        let client =
            unsafe { offline_push_start(&raw const config, &raw const callbacks, ptr::null_mut()) };
        let open = CLIENTS.get(client).expect("the client is open");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let is_closed = runtime.block_on(async {
            // SAFETY: the error is not requested.
            unsafe { offline_push_close(client, ptr::null_mut()) }
        });
        assert!(is_closed);
        assert!(open.client.has_ended(), "the state may not be saved yet");
        fs::remove_dir_all(folder).expect("the folder can be removed");
    }
}
