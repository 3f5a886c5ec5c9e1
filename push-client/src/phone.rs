//! What the app half asks of the phone.
use std::fmt;

use push_core::{Channel, DeviceToken, Slot};

/// The phone's operating system, as far as push needs it: implemented once for each kind of phone, and by
/// [`ScriptedPhone`](crate::testing::ScriptedPhone) for tests.
///
/// Methods return at once; what takes time is answered through a [`Responder`], from any thread, even before the method
/// returns. Nothing is asked before the first login (S36).
pub trait Phone: fmt::Debug + Send + Sync + 'static {
    /// The vendor's way to this phone. Called once, by [`Builder::start`](crate::Builder::start).
    fn channel(&self) -> Channel;

    /// The kinds of token to ask for at login; each needs a certificate id (S51). [`Slot::Alert`] by default.
    ///
    /// A kind that is not listed can still be reported by [`PushClient::token_received`](crate::PushClient::token_received): Live
    /// Activities have a token only while one runs.
    fn slots(&self) -> Vec<Slot> {
        vec![Slot::Alert]
    }

    /// What kind of client this is, for the presence rules of the gateway.
    fn device_kind(&self) -> Option<push_core::Platform> {
        None
    }

    /// Installs the client's observer of the operating system's callbacks; called at every login, before anything is
    /// asked (S37). The second time is a no-op (S48); [`HostHooks`](crate::HostHooks) helps to do it well.
    fn hook(&self) {}

    /// Asks the person whether notifications may be shown. The answer is reported; the token is asked for in any case, because
    /// the vendors give one also to those who said no, and they may change their mind in the phone's settings.
    fn ask_permission(&self, answer: Responder<Permission>);

    /// Asks the vendor for the token of `slot`.
    fn request_token(&self, slot: Slot, answer: Responder<TokenAnswer>);

    /// Sets the number on the app's icon; 0 removes it.
    fn set_badge(&self, _badge: u32) {}

    /// Runs `job` where the app's user interface may be touched: route handlers are called there. By default it runs on
    /// the client's own thread.
    fn on_main(&self, job: Job) {
        job();
    }
}

/// Something to run once.
pub type Job = Box<dyn FnOnce() + Send>;

/// What the person said about notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Yes, or quietly yes.
    Granted,
    /// No.
    Denied,
    /// The question could not be asked, and why.
    Failed(String),
}

/// What the vendor said when asked for a token: the token, or why there is none.
pub type TokenAnswer = Result<Token, String>;

/// A token as the vendor gives it. `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub enum Token {
    /// Bytes, as from APNs; sent as lower-case hexadecimal digits.
    Bytes(Vec<u8>),
    /// Text, as from the others.
    Text(String),
}

impl Token {
    /// Its length, in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Text(text) => text.len(),
        }
    }

    /// Whether there is nothing in it.
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
                    .flat_map(|it| [it >> 4, it & 15])
                    .map(|it| char::from(DIGITS[usize::from(it)]));
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

/// Takes one answer. Dropped without one, it says so: who asked never waits for nothing.
pub struct Responder<T>(Option<Box<dyn FnOnce(Option<T>) + Send>>);

impl<T> Responder<T> {
    /// Hands the answer to `then`; `None` if there never was one.
    pub fn new(then: impl FnOnce(Option<T>) + Send + 'static) -> Self {
        Self(Some(Box::new(then)))
    }

    /// Answers.
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
    fn a_responder_answers_once_and_says_when_it_was_dropped() {
        let (tell, told) = mpsc::channel();
        let again = tell.clone();
        Responder::new(move |it| tell.send(it).unwrap()).answer(7);
        drop(Responder::<i32>::new(move |it| again.send(it).unwrap()));
        assert_eq!(told.iter().collect::<Vec<_>>(), [Some(7), None]);
    }

    #[test]
    fn bytes_become_lower_case_hexadecimal_and_never_show_in_debug() {
        let token = Token::Bytes(vec![0, 0xfc, 0x13]);
        assert_eq!(token.to_device_token().unwrap().expose(), "00fc13");
        assert_eq!(format!("{token:?}"), "Token(3 bytes)");
    }
}
