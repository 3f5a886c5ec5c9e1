//! A batch that waits for its turn.
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use push_core::{Class, Sleep};

use crate::limiter::{Limiter, Turn};

/// Waits until `targets` deliveries of `class` may be sent, at most [`Limiter::largest_batch`].
///
/// # Errors
/// After how long to come back, if it would take longer than [`Limiter::max_wait`], or has.
pub(crate) async fn take(limiter: &Limiter, class: Class, targets: usize) -> Result<(), Duration> {
    let number = limiter.join(&class, targets as u64)?;
    match Waiting::new(limiter, class, number).await {
        true => Ok(()),
        false => Err(limiter.come_back(Duration::ZERO)),
    }
}

/// Completes with `true` when the batch may be sent, and with `false` when it has waited for as long as it may. Leaves the line
/// when it is dropped.
struct Waiting<'a> {
    limiter: &'a Limiter,
    class: Class,
    number: u64,
    is_done: bool,
    deadline: Sleep,
    /// Until it is its turn, once it is next.
    turn: Option<Sleep>,
}

impl<'a> Waiting<'a> {
    fn new(limiter: &'a Limiter, class: Class, number: u64) -> Self {
        Self {
            limiter,
            class,
            number,
            is_done: false,
            deadline: limiter.clock().sleep(limiter.max_wait()),
            turn: None,
        }
    }
}

impl Future for Waiting<'_> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        let this = &mut *self;
        loop {
            let wait = match this.limiter.turn(&this.class, this.number, context.waker()) {
                Turn::Now => {
                    this.is_done = true;
                    return Poll::Ready(true);
                }
                Turn::Next(wait) => Some(wait),
                Turn::Later => None,
            };
            if this.deadline.as_mut().poll(context).is_ready() {
                this.is_done = true;
                // Its turn may have come since.
                return Poll::Ready(!this.limiter.leave(&this.class, this.number));
            }
            let Some(wait) = wait else {
                this.turn = None;
                return Poll::Pending;
            };
            let turn = this.turn.insert(this.limiter.clock().sleep(wait));
            if turn.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.limiter.leave(&self.class, self.number);
        }
    }
}
