//! The configuration, as the header declares it.
use std::ffi::c_char;

use super::{
    callbacks::slot_of,
    grow::{self, Grow},
    text::{read, read_array, read_optional},
};
use crate::{CertificateId, Config, DeviceKind, ErrorKind, PayloadShape, PushError, Slot};

/// `offline_push_certificate`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct CCertificate {
    pub(super) channel: *const c_char,
    pub(super) slot: i32,
    pub(super) debug_id: i64,
    pub(super) release_id: i64,
}

/// `offline_push_config`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct CConfig {
    pub(super) size: usize,
    pub(super) gateway_url: *const c_char,
    pub(super) app_id: *const c_char,
    pub(super) state_path: *const c_char,
    pub(super) channel: *const c_char,
    pub(super) certificates: *const CCertificate,
    pub(super) certificate_count: usize,
    /// C's `bool`, which is a byte. Read as a number, so that every byte is valid.
    pub(super) is_debug_build: u8,
    pub(super) slots: *const i32,
    pub(super) slot_count: usize,
    pub(super) device_kind: i32,
    pub(super) payload_shape: i32,
    pub(super) device_id: *const c_char,
    pub(super) extra_ca_pem: *const c_char,
    pub(super) extension_folder: *const c_char,
}

// SAFETY: `repr(C)`, begins with its size, and is made of numbers and pointers.
unsafe impl Grow for CConfig {
    const NAME: &'static str = "offline_push_config";
    const FIRST: usize = size_of::<Self>();
}

/// Copies a configuration.
///
/// # Safety
/// `from` is NULL, or points to an `offline_push_config` as the header describes it.
pub(super) unsafe fn config(from: *const CConfig) -> Result<Config, PushError> {
    // SAFETY: as the caller promises.
    let it = unsafe { grow::read(from) }?;
    let at = |field: &str| format!("offline_push_config.{field}");
    // SAFETY: the header requires each to be NULL or a text that ends with a zero.
    let (needed, optional) = unsafe {
        (
            |text, field| read(text, &at(field)),
            |text, field| read_optional(text, &at(field)),
        )
    };
    // SAFETY: the header requires that number of values there.
    let (certificates, slots) = unsafe {
        (
            read_array(it.certificates, it.certificate_count, &at("certificates"))?,
            read_array(it.slots, it.slot_count, &at("slots"))?,
        )
    };
    let certificate_ids = certificates
        .iter()
        .map(|it| {
            Ok(CertificateId {
                channel: needed(it.channel, "certificates.channel")?,
                slot: slot(it.slot, &at("certificates.slot"))?,
                debug: it.debug_id,
                release: it.release_id,
            })
        })
        .collect::<Result<_, PushError>>()?;
    Ok(Config {
        gateway_url: needed(it.gateway_url, "gateway_url")?,
        app_id: needed(it.app_id, "app_id")?,
        state_path: needed(it.state_path, "state_path")?,
        channel: needed(it.channel, "channel")?,
        certificate_ids,
        is_debug_build: it.is_debug_build != 0,
        slots: slots
            .into_iter()
            .map(|it| slot(it, &at("slots")))
            .collect::<Result<_, _>>()?,
        device_kind: device_kind(it.device_kind)?,
        payload_shape: payload_shape(it.payload_shape)?,
        device_id: optional(it.device_id, "device_id")?,
        extension_folder: optional(it.extension_folder, "extension_folder")?,
        extra_ca_pem: optional(it.extra_ca_pem, "extra_ca_pem")?,
    })
}

/// Returns the slot with that number; `what` names it in the error.
pub(super) fn slot(number: i32, what: &str) -> Result<Slot, PushError> {
    slot_of(number).ok_or_else(|| unknown(number, what, "OFFLINE_PUSH_SLOT_…"))
}

pub(super) fn device_kind(number: i32) -> Result<Option<DeviceKind>, PushError> {
    use DeviceKind::{Android, Desktop, Harmony, Ios, Ipad, Web};
    let known = [Ios, Ipad, Android, Harmony, Web, Desktop];
    let found = known.into_iter().find(|it| device_number(*it) == number);
    match (number, found) {
        (0, _) => Ok(None),
        (_, Some(kind)) => Ok(Some(kind)),
        _ => {
            let what = "offline_push_config.device_kind";
            Err(unknown(number, what, "OFFLINE_PUSH_DEVICE_…"))
        }
    }
}

/// `OFFLINE_PUSH_DEVICE_…`
pub(super) const fn device_number(kind: DeviceKind) -> i32 {
    match kind {
        DeviceKind::Ios => 1,
        DeviceKind::Ipad => 2,
        DeviceKind::Android => 3,
        DeviceKind::Harmony => 4,
        DeviceKind::Web => 5,
        DeviceKind::Desktop => 6,
    }
}

pub(super) fn payload_shape(number: i32) -> Result<Option<PayloadShape>, PushError> {
    use PayloadShape::{Apns, Intent, IntentExtras, Oppo, Tpns, Xiaomi};
    let known = [Apns, Intent, Xiaomi, Oppo, Tpns, IntentExtras];
    let found = known.into_iter().find(|it| shape_number(*it) == number);
    match (number, found) {
        (0, _) => Ok(None),
        (_, Some(shape)) => Ok(Some(shape)),
        _ => Err(unknown(number, "payload_shape", "OFFLINE_PUSH_PAYLOAD_…")),
    }
}

/// `OFFLINE_PUSH_PAYLOAD_…`
pub(super) const fn shape_number(shape: PayloadShape) -> i32 {
    match shape {
        PayloadShape::Apns => 1,
        PayloadShape::Intent => 2,
        PayloadShape::Xiaomi => 3,
        PayloadShape::Oppo => 4,
        PayloadShape::Tpns => 5,
        PayloadShape::IntentExtras => 6,
    }
}

/// Returns the error for a number that the header does not declare.
pub(super) fn unknown(number: i32, what: &str, known: &str) -> PushError {
    PushError::new(
        ErrorKind::Invalid,
        what,
        format!("{number} is not one of its values"),
        format!("use {known}"),
    )
}
