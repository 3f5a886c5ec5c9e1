//! The structs that the app's functions exchange, as the header declares them.
use std::ffi::{CString, c_char, c_void};

use super::{grow::Grow, names::Handle, text::c_string};
use crate::{Entity, Event, Slot};

/// `offline_push_callbacks`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Callbacks {
    pub(super) size: usize,
    pub(super) user_data: *mut c_void,
    pub(super) ask_permission: Option<unsafe extern "C" fn(*mut Handle, *mut c_void)>,
    pub(super) request_token: Option<unsafe extern "C" fn(i32, *mut Handle, *mut c_void)>,
    pub(super) navigate_to_chat:
        Option<unsafe extern "C" fn(*const c_char, *const c_char, *mut c_void) -> i32>,
    pub(super) hook: Option<unsafe extern "C" fn(*mut c_void)>,
    pub(super) set_badge: Option<unsafe extern "C" fn(u32, *mut c_void)>,
    pub(super) on_main: Option<unsafe extern "C" fn(*mut Handle, *mut c_void)>,
    pub(super) answer_call: Option<
        unsafe extern "C" fn(*const c_char, *const c_char, *const CEntity, *mut c_void) -> i32,
    >,
    pub(super) process_notification:
        Option<unsafe extern "C" fn(*const c_char, *const CEntity, *mut c_void) -> bool>,
    pub(super) event: Option<unsafe extern "C" fn(*const CEvent, *mut c_void)>,
}

// SAFETY: `repr(C)`, begins with its size, and is made of pointers that may be NULL.
unsafe impl Grow for Callbacks {
    const NAME: &'static str = "offline_push_callbacks";
    const FIRST: usize = size_of::<[usize; 11]>();
}

// SAFETY: the pointer is not dereferenced here; it is only passed back to the functions, which the header requires to be
// callable from any thread.
unsafe impl Send for Callbacks {}
// SAFETY: as above; nothing in it is modified.
unsafe impl Sync for Callbacks {}

/// `offline_push_completion`.
pub(super) type Completion = Option<unsafe extern "C" fn(i32, *mut c_void)>;

/// `offline_push_entity`.
#[repr(C)]
pub(super) struct CEntity {
    pub(super) size: usize,
    pub(super) version: i32,
    pub(super) chat_type: i32,
    pub(super) action: i32,
    pub(super) sender: *const c_char,
    pub(super) nickname: *const c_char,
    pub(super) face_url: *const c_char,
    pub(super) content: *const c_char,
    pub(super) send_time: i64,
    pub(super) custom_data: *const u8,
    pub(super) custom_data_length: usize,
}

/// `offline_push_event`.
#[repr(C)]
pub(super) struct CEvent {
    pub(super) size: usize,
    pub(super) name: *const c_char,
    pub(super) text: *const c_char,
    pub(super) needs_attention: bool,
    pub(super) slot: i32,
    pub(super) code: u32,
    pub(super) user: *const c_char,
    pub(super) by: *const c_char,
    pub(super) delivery: *const c_char,
    pub(super) target_user: *const c_char,
    pub(super) target_group: *const c_char,
}

/// Texts that outlive the struct that points to them.
#[derive(Default)]
struct Texts(Vec<CString>);

impl Texts {
    fn of(&mut self, text: &str) -> *const c_char {
        let text = c_string(text);
        // The text is on the heap, and does not move when the list grows.
        let at = text.as_ptr();
        self.0.push(text);
        at
    }

    fn of_optional(&mut self, text: Option<&str>) -> *const c_char {
        text.map_or(std::ptr::null(), |it| self.of(it))
    }
}

/// Calls `then` with the C form of `entity`.
pub(super) fn with_entity<T>(entity: &Entity, then: impl FnOnce(*const CEntity) -> T) -> T {
    let mut texts = Texts::default();
    let bytes = entity.custom_data.as_deref();
    let seen = CEntity {
        size: size_of::<CEntity>(),
        version: entity.version,
        chat_type: entity.chat_type.unwrap_or_default(),
        action: entity.action.unwrap_or_default(),
        sender: texts.of(&entity.sender),
        nickname: texts.of(&entity.nickname),
        face_url: texts.of(&entity.face_url),
        content: texts.of(&entity.content),
        send_time: entity.send_time,
        custom_data: bytes.map_or(std::ptr::null(), <[u8]>::as_ptr),
        custom_data_length: bytes.map_or(0, <[u8]>::len),
    };
    then(&raw const seen)
}

/// Calls `then` with the C form of `event`.
pub(super) fn with_event<T>(event: &Event, then: impl FnOnce(*const CEvent) -> T) -> T {
    let mut texts = Texts::default();
    let seen = CEvent {
        size: size_of::<CEvent>(),
        name: texts.of(&event.name),
        text: texts.of(&event.text),
        needs_attention: event.needs_attention,
        slot: event.slot.map_or(-1, slot_number),
        code: event.code.unwrap_or_default(),
        user: texts.of_optional(event.user.as_deref()),
        by: texts.of_optional(event.by.as_deref()),
        delivery: texts.of_optional(event.delivery.as_deref()),
        target_user: texts.of_optional(event.target_user.as_deref()),
        target_group: texts.of_optional(event.target_group.as_deref()),
    };
    then(&raw const seen)
}

/// `offline_push_slot`.
pub(super) const fn slot_number(slot: Slot) -> i32 {
    match slot {
        Slot::Alert => 0,
        Slot::Voip => 1,
        Slot::LiveActivity => 2,
    }
}

/// Returns the slot with that number.
pub(super) const fn slot_of(number: i32) -> Option<Slot> {
    Some(match number {
        0 => Slot::Alert,
        1 => Slot::Voip,
        2 => Slot::LiveActivity,
        _ => return None,
    })
}
