//! The login bridge `{{name}}`: whoever logs in is registered for push, whoever logs out is not any more.
//!
//! [`tell`] stands for the login system: a program calls it on every login and logout. Replace it by what the system itself
//! calls its observers with, and `Observation` by how one becomes an observer and stops being one. Name the system's
//! documentation, and the date you read it, here.
#![cfg_attr(docsrs, feature(doc_cfg))]

use std::sync::{Arc, Mutex, PoisonError};

use push_core::{
    Account, BuildContext, Error, ErrorKind, Generation, LoginBridge, LoginKind, LogoutCause,
    Plugin, Result, SessionHandle, async_trait,
};
use serde::Deserialize;
use tokio::sync::mpsc;

/// How many events may wait for the session.
const MAX_WAITING: usize = 64;

/// What the login system tells.
#[derive(Clone, Debug)]
pub enum LoginEvent {
    /// This user is logged in now.
    LoggedIn(Account),
    /// Nobody is logged in any more.
    LoggedOut(LogoutCause),
}

/// The bridge asks for nothing: what it observes is in the same process.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct {{Name}}Config {}

/// The bridge.
#[derive(Debug)]
pub struct {{Name}};

push_core::register_plugin!({{Name}});

impl Plugin for {{Name}} {
    type Kind = LoginKind;
    type Config = {{Name}}Config;
    const NAME: &'static str = "{{name}}";
    const EXAMPLE: &'static str = "";

    fn build({{Name}}Config {}: {{Name}}Config, _: &BuildContext) -> Result<Arc<dyn LoginBridge>> {
        Ok(Arc::new(Self))
    }
}

#[async_trait]
impl LoginBridge for {{Name}} {
    async fn run(&self, session: SessionHandle) -> Result<()> {
        let (observer, mut events) = mpsc::channel(MAX_WAITING);
        let _observation = Observation::begin(observer)?;
        // The login that a logout may end: never one that began after it (S43).
        let mut current: Option<Generation> = None;
        loop {
            let event = tokio::select! {
                () = session.closed() => return Ok(()),
                event = events.recv() => event,
            };
            let done = match event {
                None => return Ok(()),
                Some(LoginEvent::LoggedIn(account)) => session
                    .register(account, Self::NAME)
                    .await
                    .map(|generation| current = Some(generation)),
                Some(LoginEvent::LoggedOut(cause)) => match current.take() {
                    Some(generation) => session.unregister(generation, cause, Self::NAME).await,
                    None => Ok(()),
                },
            };
            // The next login may fare better, so the bridge goes on.
            if let Err(error) = done {
                tracing::warn!(bridge = Self::NAME, %error, "the push session refused an event");
            }
        }
    }
}

/// Tells the bridge of a login or logout.
///
/// # Errors
/// [`ErrorKind::Unavailable`] while no bridge runs, [`ErrorKind::Busy`] if too many events wait for the session already.
pub fn tell(event: LoginEvent) -> Result<()> {
    let observer = OBSERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(observer) = &*observer else {
        return Err(
            Error::new(ErrorKind::Unavailable, "nobody observes the logins")
                .at("login/{{name}}")
                .advise("start the push client before the first login"),
        );
    };
    observer.try_send(event).map_err(|_| {
        Error::new(ErrorKind::Busy, "too many logins and logouts wait")
            .at("login/{{name}}")
            .advise("tell this one again later")
    })
}

static OBSERVER: Mutex<Option<mpsc::Sender<LoginEvent>>> = Mutex::new(None);

/// The bridge's place among the observers of the login system, until it drops.
struct Observation;

impl Observation {
    fn begin(observer: mpsc::Sender<LoginEvent>) -> Result<Self> {
        let mut place = OBSERVER.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_some() {
            return Err(
                Error::new(ErrorKind::Conflict, "two bridges observe the same logins")
                    .at("login/{{name}}")
                    .advise("configure it once"),
            );
        }
        *place = Some(observer);
        Ok(Self)
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        *OBSERVER.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use push_core::{AppId, RawConfig, Secret, Session, UserId};
    use push_testkit::{block_on, sample, until};
    use tokio::sync::Notify;

    use super::*;

    /// A session that keeps what it is told and refuses the user `nobody`.
    #[derive(Debug, Default)]
    struct Kept {
        told: Mutex<Vec<String>>,
        closed: Notify,
    }

    impl Kept {
        fn told(&self) -> Vec<String> {
            self.told.lock().expect("no test panics with the lock").clone()
        }
    }

    #[async_trait]
    impl Session for Kept {
        async fn register(&self, account: Account, by: &'static str) -> Result<Generation> {
            let mut told = self.told.lock().expect("no test panics with the lock");
            told.push(format!("{by}: {} in", account.user));
            if account.user.as_str() == "nobody" {
                return Err(Error::new(ErrorKind::Invalid, "nobody may log in"));
            }
            Ok(Generation(told.len() as u64))
        }

        async fn unregister(
            &self,
            generation: Generation,
            cause: LogoutCause,
            by: &'static str,
        ) -> Result<()> {
            let mut told = self.told.lock().expect("no test panics with the lock");
            told.push(format!("{by}: {} out, {cause:?}", generation.0));
            Ok(())
        }

        async fn closed(&self) {
            self.closed.notified().await;
        }
    }

    fn login(user: &str) -> LoginEvent {
        LoginEvent::LoggedIn(Account {
            app: AppId::new("chat").expect("an app id"),
            user: UserId::new(user).expect("a user id"),
            credential: Secret::new("a ticket"),
        })
    }

    // One test, because there is one login system in a process.
    #[test]
    fn logins_and_logouts_reach_the_session_in_order_until_it_closes() {
        let context = BuildContext::new(Arc::new(sample::clock()));
        let bridge = PLUGIN.build(RawConfig::empty(), &context).unwrap();
        block_on(async {
            assert!(tell(login("ann")).is_err(), "nobody observes yet");
            let kept = Arc::new(Kept::default());
            let session = SessionHandle::new(Arc::clone(&kept) as Arc<dyn Session>);
            let work = async {
                until(|| tell(LoginEvent::LoggedOut(LogoutCause::Logout)).is_ok()).await;
                tell(login("nobody")).unwrap();
                tell(login("ann")).unwrap();
                tell(LoginEvent::LoggedOut(LogoutCause::KickedOffline)).unwrap();
                tell(LoginEvent::LoggedOut(LogoutCause::Logout)).unwrap();
                tell(login("bob")).unwrap();
                until(|| kept.told().len() == 4).await;
                let second = bridge.run(session.clone()).await.expect_err("a second bridge");
                assert_eq!(second.kind(), ErrorKind::Conflict);
                kept.closed.notify_one();
            };
            let (run, ()) = tokio::join!(bridge.run(session.clone()), work);
            run.unwrap();
            assert_eq!(
                kept.told(),
                [
                    "{{name}}: nobody in",
                    "{{name}}: ann in",
                    "{{name}}: 2 out, KickedOffline",
                    "{{name}}: bob in",
                ]
            );
            assert!(tell(login("ann")).is_err(), "nobody observes any more");
        });
    }
}
