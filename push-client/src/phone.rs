//! The interface of the phone to the app half.
use std::fmt;

use push_core::{Channel, DeviceToken, Slot};

/// The functions of the phone's operating system that push needs: implemented once for each kind of phone, and by
/// [`ScriptedPhone`](crate::testing::ScriptedPhone) for tests.
///
/// Methods return at once. Results that take time are passed to a [`Responder`], from any thread, possibly before the method
/// returns. The client requests nothing before the first login (S36).
pub trait Phone: fmt::Debug + Send + Sync + 'static {
    /// Returns the channel of this phone. Called once, by [`Builder::start`](crate::Builder::start).
    fn channel(&self) -> Channel;

    /// Returns the slots whose tokens are requested at login; each needs a certificate id (S51). Default: [`Slot::Alert`].
    ///
    /// Tokens of other slots can still be reported by [`PushClient::token_received`](crate::PushClient::token_received), as for a
    /// Live Activity, which has a token only while it runs.
    fn slots(&self) -> Vec<Slot> {
        vec![Slot::Alert]
    }

    /// Returns the kind of this client, for the presence rules of the gateway.
    fn device_kind(&self) -> Option<push_core::Platform> {
        None
    }

    /// Installs the client's observer of the operating system's callbacks. Called at every login, before any request (S37); a
    /// repeated call must be a no-op (S48). [`HostHooks`](crate::HostHooks) helps to implement it.
    fn hook(&self) {}

    /// Asks the user for permission to show notifications. The client reports the answer and requests the token in any case:
    /// vendors issue tokens without permission, and the user may grant it later in the phone's settings.
    fn ask_permission(&self, answer: Responder<Permission>);

    /// Requests the token of `slot` from the vendor.
    fn request_token(&self, slot: Slot, answer: Responder<TokenAnswer>);

    /// Sets the number on the app's icon; 0 removes it.
    fn set_badge(&self, _badge: u32) {}

    /// Runs `job` on the thread of the app's user interface, on which route handlers are called. By default it runs on the
    /// client's thread.
    fn on_main(&self, job: Job) {
        job();
    }
}

/// A function that runs once.
pub type Job = Box<dyn FnOnce() + Send>;

/// The user's answer to the request for permission to show notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Permission {
    /// Granted, possibly provisionally.
    Granted,
    /// Denied.
    Denied,
    /// The request failed, and why.
    Failed(String),
}

/// The vendor's answer to a request for a token: the token, or why there is none.
pub type TokenAnswer = Result<Token, String>;

/// A token as the vendor issues it. `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Token {
    /// Bytes, as from APNs; sent as lower-case hexadecimal digits.
    Bytes(Vec<u8>),
    /// Text, as from other vendors.
    Text(String),
}

impl Token {
    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Text(text) => text.len(),
        }
    }

    /// Returns `true` if the token has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn to_device_token(&self) -> push_core::Result<DeviceToken> {
        match self {
            Self::Text(text) => DeviceToken::new(text.as_str()),
            Self::Bytes(bytes) => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let hex = bytes
                    .iter()
                    .flat_map(|byte| [byte >> 4, byte & 15])
                    .map(|digit| char::from(DIGITS[usize::from(digit)]));
                DeviceToken::new(hex.collect::<String>())
            }
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} bytes)", self.len())
    }
}

/// Receives one answer. Dropping it reports that there is no answer, so the caller does not wait forever.
pub struct Responder<T>(Option<Box<dyn FnOnce(Option<T>) + Send>>);

impl<T> Responder<T> {
    /// Passes the answer to `then`; `None` if the responder is dropped without one.
    pub fn new(then: impl FnOnce(Option<T>) + Send + 'static) -> Self {
        Self(Some(Box::new(then)))
    }

    /// Passes on `answer`.
    pub fn answer(mut self, answer: T) {
        if let Some(then) = self.0.take() {
            then(Some(answer));
        }
    }
}

impl<T> Drop for Responder<T> {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then(None);
        }
    }
}

impl<T> fmt::Debug for Responder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_responder_answers_once_and_reports_that_it_was_dropped() {
        let (sender, answers) = mpsc::channel();
        let second = sender.clone();
        Responder::new(move |answer| sender.send(answer).unwrap()).answer(7);
        drop(Responder::<i32>::new(move |answer| {
            second.send(answer).unwrap();
        }));
        assert_eq!(answers.iter().collect::<Vec<_>>(), [Some(7), None]);
    }

    #[test]
    fn bytes_become_lower_case_hexadecimal_and_never_show_in_debug() {
        let token = Token::Bytes(vec![0, 0xfc, 0x13]);
        assert_eq!(token.to_device_token().unwrap().expose(), "00fc13");
        assert_eq!(format!("{token:?}"), "Token(3 bytes)");
    }
}
