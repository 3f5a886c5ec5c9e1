//! Route handlers and interceptors made from functions.
use std::fmt;

use push_core::{
    Click, Handled, Interceptor, Opened, RouteHandler,
    payload::{CallTarget, ClickTarget, Payload},
};

/// A handler that opens chats, as TUIOfflinePush's `navigateToTUIChatViewController:groupID:`. The function gets a user id and a
/// group id, exactly one of which is not empty (S23). Calls are not routed to it.
pub struct Navigate<F>(F);

impl<F: Fn(&str, &str) -> Opened + Send + Sync + 'static> Navigate<F> {
    /// Calls `open(user_id, group_id)`.
    pub const fn new(open: F) -> Self {
        Self(open)
    }
}

impl<F: Fn(&str, &str) -> Opened + Send + Sync + 'static> RouteHandler for Navigate<F> {
    fn matches(&self, target: &ClickTarget) -> bool {
        target.navigate_ids().is_some()
    }

    fn open(&self, click: &Click) -> Opened {
        match click.target.navigate_ids() {
            Some((user, group)) => (self.0)(user, group),
            None => Opened::Failed("a call is not a chat".to_owned()),
        }
    }
}

impl<F> fmt::Debug for Navigate<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Navigate")
    }
}

/// A handler that opens incoming calls only (S11).
pub struct AnswerCall<F>(F);

impl<F: Fn(&CallTarget) -> Opened + Send + Sync + 'static> AnswerCall<F> {
    /// Calls `open(call)`.
    pub const fn new(open: F) -> Self {
        Self(open)
    }
}

impl<F: Fn(&CallTarget) -> Opened + Send + Sync + 'static> RouteHandler for AnswerCall<F> {
    fn matches(&self, target: &ClickTarget) -> bool {
        matches!(target, ClickTarget::Call(_))
    }

    fn open(&self, click: &Click) -> Opened {
        match &click.target {
            ClickTarget::Call(call) => (self.0)(call),
            _ => Opened::Failed("a chat is not a call".to_owned()),
        }
    }
}

impl<F> fmt::Debug for AnswerCall<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerCall")
    }
}

/// An interceptor made from a function, as TUIOfflinePush's `processTUIOfflinePushNotification:`. The function gets every clicked
/// payload before it is routed, raw ([`Payload::raw`]) and parsed ([`Payload::entity`]), and may handle it itself (S20, S21).
pub struct Process<F>(F);

impl<F: Fn(&Payload) -> Handled + Send + Sync + 'static> Process<F> {
    /// Calls `process(payload)`.
    pub const fn new(process: F) -> Self {
        Self(process)
    }
}

impl<F: Fn(&Payload) -> Handled + Send + Sync + 'static> Interceptor for Process<F> {
    fn intercept(&self, payload: &Payload) -> Handled {
        (self.0)(payload)
    }
}

impl<F> fmt::Debug for Process<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Process")
    }
}
