//! What a click on a notification opens.
use std::{fmt, panic::Location, sync::Arc};

use crate::{
    Error, ErrorKind, Result, UserId,
    payload::{ClickTarget, Payload},
};

/// A click on a notification that names something to open.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Click {
    /// What it names.
    pub target: ClickTarget,
    /// The payload it came with.
    pub payload: Payload,
    /// The account that was logged in when it is opened.
    pub user: UserId,
}

impl Click {
    /// A click of `user` on `payload`, which opens `target`.
    pub const fn new(target: ClickTarget, payload: Payload, user: UserId) -> Self {
        Self {
            target,
            payload,
            user,
        }
    }
}

/// The result of a route handler.
#[derive(Clone, Debug, PartialEq, Eq)]
// Closed: the chat was opened, will be, or cannot be.
pub enum Opened {
    /// The target is open.
    Done,
    /// The app cannot open anything yet: keep the click and ask again (S30).
    NotReady,
    /// The target cannot be opened, and why.
    Failed(String),
}

/// The app's function that opens a click target.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a route handler",
    note = "implement `RouteHandler` for it, or wrap a function: `Navigate::new(|user_id, group_id| …)` of the app half"
)]
pub trait RouteHandler: fmt::Debug + Send + Sync + 'static {
    /// Whether it opens targets of this kind.
    fn matches(&self, target: &ClickTarget) -> bool;
    /// Opens the target of `click`. Must not block.
    fn open(&self, click: &Click) -> Opened;
}

/// Receives a payload before it is parsed, and may handle it instead of the router.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an interceptor",
    note = "implement `Interceptor` for it: `fn intercept(&self, payload: &Payload) -> Handled`"
)]
pub trait Interceptor: fmt::Debug + Send + Sync + 'static {
    /// Looks at `payload`. [`Handled::Yes`] stops everything that would follow (S20).
    fn intercept(&self, payload: &Payload) -> Handled;
}

/// Whether an interceptor handled a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// Closed: yes or no.
pub enum Handled {
    /// It did: the payload is neither parsed nor routed.
    Yes,
    /// It did not: the payload is parsed and routed.
    No,
}

/// A route handler or interceptor that an app left for the linker.
pub struct Hook<T: ?Sized + 'static> {
    /// Its name, unique among its kind.
    pub name: &'static str,
    /// Lower is asked first; ties are broken by name, never by the order of linking.
    pub order: i32,
    build: fn() -> Arc<T>,
    place: &'static Location<'static>,
}

impl<T: ?Sized> Clone for Hook<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Hook<T> {}

impl<T: ?Sized> Hook<T> {
    /// Describes one; the caller's place is its place.
    #[track_caller]
    pub const fn new(name: &'static str, order: i32, build: fn() -> Arc<T>) -> Self {
        Self {
            name,
            order,
            build,
            place: Location::caller(),
        }
    }

    /// Where it is registered.
    pub const fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// The handler or interceptor itself.
    pub fn build(&self) -> Arc<T> {
        (self.build)()
    }
}

impl<T: ?Sized> fmt::Debug for Hook<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (order {})", self.name, self.order)
    }
}

inventory::collect!(Hook<dyn RouteHandler>);
inventory::collect!(Hook<dyn Interceptor>);

/// The route handlers that the linker kept, in the order in which they are asked.
///
/// # Errors
/// [`ErrorKind::Conflict`] if two share a name, with both places.
pub fn linked_route_handlers() -> Result<Vec<Hook<dyn RouteHandler>>> {
    sorted(
        inventory::iter::<Hook<dyn RouteHandler>>
            .into_iter()
            .copied(),
        "route handlers",
    )
}

/// The interceptors that the linker kept, in the order in which they are asked.
///
/// # Errors
/// [`ErrorKind::Conflict`] if two share a name, with both places.
pub fn linked_interceptors() -> Result<Vec<Hook<dyn Interceptor>>> {
    sorted(
        inventory::iter::<Hook<dyn Interceptor>>
            .into_iter()
            .copied(),
        "interceptors",
    )
}

fn sorted<T: ?Sized>(hooks: impl Iterator<Item = Hook<T>>, what: &str) -> Result<Vec<Hook<T>>> {
    let mut hooks: Vec<_> = hooks.collect();
    hooks.sort_by_key(|it| (it.order, it.name));
    let mut names: Vec<_> = hooks
        .iter()
        .map(|hook| (hook.name, place(hook.place)))
        .collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(hooks),
        Some(twice) => Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "two {what} are called `{}`: at {} and at {}",
                twice[0].0, twice[0].1, twice[1].1
            ),
        )
        .advise("rename one of them: the name is the first argument of the macro")),
    }
}

/// `place` as file and line.
pub(crate) fn place(place: &Location<'_>) -> String {
    format!("{}:{}", place.file(), place.line())
}

/// Registers a route handler at link time: `route_handler!("chat", ChatRoute::default());`
///
/// The value is an expression that builds a [`RouteHandler`]; `order = 10` asks it after those with a lower order (0).
/// The crate that says this must be named by the program, as any crate that registers something at link time.
#[macro_export]
macro_rules! route_handler {
    ($name:literal, order = $order:expr, $handler:expr $(,)?) => {
        $crate::__private::inventory::submit! {
            $crate::Hook::<dyn $crate::RouteHandler>::new($name, $order, || ::std::sync::Arc::new($handler))
        }
    };
    ($name:literal, $handler:expr $(,)?) => {
        $crate::route_handler!($name, order = 0, $handler);
    };
}

/// Registers an interceptor at link time: `interceptor!("audit", Audit);`
///
/// The value is an expression that builds an [`Interceptor`]; `order = 10` asks it after those with a lower order (0).
#[macro_export]
macro_rules! interceptor {
    ($name:literal, order = $order:expr, $interceptor:expr $(,)?) => {
        $crate::__private::inventory::submit! {
            $crate::Hook::<dyn $crate::Interceptor>::new($name, $order, || ::std::sync::Arc::new($interceptor))
        }
    };
    ($name:literal, $interceptor:expr $(,)?) => {
        $crate::interceptor!($name, order = 0, $interceptor);
    };
}
