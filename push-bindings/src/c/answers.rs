//! Answers that the app gives later, and jobs that it runs.
use std::ffi::c_char;

use super::{
    fault::guarded,
    names::{Handle, Names},
    text,
};
use crate::{Job, Permission, PermissionAnswer, Token, TokenAnswer};

pub(super) static PERMISSIONS: Names<PermissionAnswer> = Names::new();
pub(super) static TOKENS: Names<TokenAnswer> = Names::new();
pub(super) static JOBS: Names<Job> = Names::new();

/// Discards everything that the app has not answered or run.
pub(super) fn forget(client: usize) {
    PERMISSIONS.forget(client);
    TOKENS.forget(client);
    JOBS.forget(client);
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_permission_answer_give(answer: *mut Handle, permission: i32) -> bool {
    guarded(|| {
        let permission = match permission {
            0 => Permission::Granted,
            1 => Permission::Denied,
            2 => Permission::Failed {
                why: "the app could not request permission".to_owned(),
            },
            _ => return None,
        };
        Some(PERMISSIONS.take(answer)?.give(permission))
    })
    .unwrap_or_default()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_token_answer_give_bytes(
    answer: *mut Handle,
    bytes: *const u8,
    length: usize,
) -> bool {
    guarded(|| {
        let answer = TOKENS.take(answer)?;
        // SAFETY: the header requires `length` bytes there.
        match unsafe { text::read_array(bytes, length, "bytes") } {
            Ok(bytes) => Some(answer.give(Token::Bytes { bytes })),
            Err(error) => {
                answer.fail(error.to_string());
                None
            }
        }
    })
    .unwrap_or_default()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_token_answer_give_text(
    answer: *mut Handle,
    text: *const c_char,
) -> bool {
    guarded(|| {
        let answer = TOKENS.take(answer)?;
        // SAFETY: the header requires a text that ends with a zero.
        match unsafe { text::read(text, "text") } {
            Ok(text) => Some(answer.give(Token::Text { text })),
            Err(error) => {
                answer.fail(error.to_string());
                None
            }
        }
    })
    .unwrap_or_default()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_token_answer_fail(
    answer: *mut Handle,
    why: *const c_char,
) -> bool {
    guarded(|| {
        let answer = TOKENS.take(answer)?;
        // SAFETY: the header requires a text that ends with a zero.
        let why = unsafe { text::read(why, "why") };
        let is_text = why.is_ok();
        Some(answer.fail(why.unwrap_or_else(|error| error.to_string())) && is_text)
    })
    .unwrap_or_default()
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_job_run(job: *mut Handle) -> bool {
    guarded(|| {
        JOBS.take(job)?.run();
        Some(true)
    })
    .unwrap_or_default()
}
