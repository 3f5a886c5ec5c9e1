//! The cache of access tokens, with a token service and a clock that the tests control.
use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use futures_util::{FutureExt, future::join_all, poll};
use http::Response;
use proptest::prelude::*;
use push_core::{
    ManualClock, Retry, Scope, Timestamp, VendorAnswer, Verdict, VerdictKind, async_trait,
};
use push_kit::access::{Access, AccessCache, Grant, TokenService};
use tokio::sync::Semaphore;

const START: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// A token service: the next answers, and one permit for each answer that it may give.
struct Service {
    answers: Mutex<VecDeque<Result<Grant, Verdict>>>,
    permits: Semaphore,
    asked: AtomicUsize,
    running: AtomicUsize,
}

/// Counts a fetch as running until it ends or is dropped.
struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Handle(Arc<Scene>);

#[async_trait]
impl TokenService for Handle {
    async fn fetch(&self) -> Result<Grant, Verdict> {
        let service = &self.0.service;
        let asked = service.asked.fetch_add(1, Ordering::SeqCst);
        let others = service.running.fetch_add(1, Ordering::SeqCst);
        let _running = Running(&service.running);
        assert_eq!(others, 0, "one fetch at a time");
        service.permits.acquire().await.expect("open").forget();
        let scripted = service.answers.lock().expect("no panic").pop_front();
        scripted.unwrap_or_else(|| Ok(Grant::new(format!("token-{asked}"), HOUR)))
    }
}

struct Scene {
    clock: ManualClock,
    service: Service,
}

impl Scene {
    /// A service that answers at once.
    fn new() -> (Arc<Self>, AccessCache<Handle>) {
        Self::with_permits(1000)
    }

    fn with_permits(permits: usize) -> (Arc<Self>, AccessCache<Handle>) {
        let clock = ManualClock::new(START);
        let scene = Arc::new(Self {
            clock: clock.clone(),
            service: Service {
                answers: Mutex::default(),
                permits: Semaphore::new(permits),
                asked: AtomicUsize::new(0),
                running: AtomicUsize::new(0),
            },
        });
        let cache = AccessCache::new(Handle(Arc::clone(&scene)), Arc::new(clock));
        (scene, cache)
    }

    fn asked(&self) -> usize {
        self.service.asked.load(Ordering::SeqCst)
    }

    fn next(&self, answer: Result<Grant, Verdict>) {
        self.service
            .answers
            .lock()
            .expect("no panic")
            .push_back(answer);
    }
}

fn down() -> Verdict {
    Verdict::unavailable("down")
}

fn text(access: &Access) -> String {
    match access {
        Ok(token) => token.expose().to_owned(),
        Err(verdict) => format!("{:?}", verdict.kind),
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(test);
}

#[test]
fn pushes_that_need_a_token_at_the_same_time_share_one_fetch() {
    run(async {
        let (scene, cache) = Scene::new();
        let tokens = join_all((0..100).map(|_| cache.get())).await;
        assert!(tokens.iter().all(|token| text(token) == "token-0"));
        assert_eq!(text(&cache.get().await), "token-0");
        assert_eq!(scene.asked(), 1);
        let bearer = tokens[0].as_ref().unwrap().bearer();
        assert_eq!(bearer, "Bearer token-0");
        assert!(bearer.is_sensitive());
        assert!(!format!("{cache:?} {:?}", tokens[0]).contains("token-0"));
    });
}

#[test]
fn a_token_is_renewed_five_minutes_early_or_at_half_its_life() {
    run(async {
        for (life, renewed_after) in [(3599, 3299), (600, 300), (100, 50)] {
            let (scene, cache) = Scene::new();
            scene.next(Ok(Grant::new("first", Duration::from_secs(life))));
            cache.get().await.unwrap();
            scene
                .clock
                .advance(Duration::from_secs(renewed_after) - SECOND);
            assert_eq!(text(&cache.get().await), "first");
            scene.clock.advance(SECOND);
            assert_eq!(text(&cache.get().await), "token-1");
        }
    });
}

#[test]
fn a_token_is_renewed_at_the_age_its_vendor_asks_for_and_used_for_all_of_its_life() {
    run(async {
        let (scene, cache) = Scene::new();
        scene.next(Ok(Grant::new("first", 24 * HOUR).renewed_after(2 * HOUR)));
        cache.get().await.unwrap();
        scene.clock.advance(2 * HOUR - SECOND);
        assert_eq!(text(&cache.get().await), "first");
        scene.next(Err(down()));
        scene.clock.advance(SECOND);
        assert_eq!(text(&cache.get().await), "first", "it is still valid");
        assert_eq!(scene.asked(), 2);
        scene.clock.advance(HOUR);
        assert_eq!(text(&cache.get().await), "token-2");
        // An age beyond its life changes nothing.
        let (scene, cache) = Scene::new();
        scene.next(Ok(Grant::new("first", HOUR).renewed_after(2 * HOUR)));
        cache.get().await.unwrap();
        scene.clock.advance(HOUR - Duration::from_secs(300));
        assert_eq!(text(&cache.get().await), "token-1");
    });
}

#[test]
fn while_one_push_renews_a_valid_token_the_others_use_the_old_one() {
    run(async {
        let (scene, cache) = Scene::with_permits(1);
        cache.get().await.unwrap();
        scene.clock.advance(HOUR - 2 * SECOND);
        let mut renewing = Box::pin(cache.get());
        assert!(poll!(&mut renewing).is_pending());
        assert_eq!(text(&cache.get().await), "token-0");
        scene.service.permits.add_permits(1);
        assert_eq!(text(&renewing.await), "token-1");
        assert_eq!(scene.asked(), 2);
    });
}

#[test]
fn a_token_service_that_does_not_answer_delays_one_push_by_five_seconds() {
    run(async {
        let (scene, cache) = Scene::with_permits(1);
        cache.get().await.unwrap();
        scene.clock.advance(HOUR - 60 * SECOND);
        let mut renewing = Box::pin(cache.get());
        assert!(poll!(&mut renewing).is_pending());
        scene.clock.advance(5 * SECOND);
        assert_eq!(text(&renewing.await), "token-0");
        // The failure is returned for a second without another attempt.
        assert_eq!(text(&cache.get().await), "token-0");
        assert_eq!(scene.asked(), 2);
    });
}

#[test]
fn a_valid_token_is_used_while_the_token_service_is_down() {
    run(async {
        let (scene, cache) = Scene::new();
        cache.get().await.unwrap();
        scene.clock.advance(HOUR - 100 * SECOND);
        for _ in 0..2 {
            scene.next(Err(down()));
        }
        for _ in 0..5 {
            assert_eq!(text(&cache.get().await), "token-0");
        }
        assert_eq!(scene.asked(), 2);
        scene.clock.advance(100 * SECOND);
        assert_eq!(cache.get().await.unwrap_err(), down());
        assert_eq!(scene.asked(), 3);
        scene.clock.advance(2 * SECOND);
        assert_eq!(text(&cache.get().await), "token-3");
    });
}

#[test]
fn the_pause_after_failures_doubles_up_to_a_minute_and_ends_with_success() {
    run(async {
        let (scene, cache) = Scene::new();
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            scene.next(Err(down()));
            assert_eq!(cache.get().await.unwrap_err(), down());
            let asked = scene.asked();
            scene
                .clock
                .advance(Duration::from_secs(pause) - Duration::from_millis(1));
            assert_eq!(cache.get().await.unwrap_err(), down());
            assert_eq!(scene.asked(), asked, "{pause}");
            scene.clock.advance(Duration::from_millis(1));
        }
        let token = cache.get().await.unwrap();
        scene.next(Err(down()));
        cache.renew(&token).await.unwrap_err();
        scene.clock.advance(SECOND);
        assert!(cache.get().await.is_ok());
    });
}

#[test]
fn a_limit_of_the_token_service_is_obeyed_for_as_long_as_it_says() {
    run(async {
        let (scene, cache) = Scene::new();
        let limited = Verdict::new(
            VerdictKind::RateLimited(Scope::Credential),
            VendorAnswer::new(429, ""),
        )
        .with_retry(Retry::After(90 * SECOND));
        scene.next(Err(limited.clone()));
        assert_eq!(cache.get().await.unwrap_err(), limited);
        scene.clock.advance(89 * SECOND);
        assert_eq!(cache.get().await.unwrap_err(), limited);
        scene.clock.advance(SECOND);
        assert!(cache.get().await.is_ok());
        assert_eq!(scene.asked(), 2);
    });
}

#[test]
fn a_hundred_refusals_of_one_token_lead_to_one_fetch() {
    run(async {
        let (scene, cache) = Scene::new();
        let refused = cache.get().await.unwrap();
        let renewed = join_all((0..100).map(|_| cache.renew(&refused))).await;
        assert!(renewed.iter().all(|token| text(token) == "token-1"));
        // A refusal that arrives late is answered with the new token.
        assert_eq!(text(&cache.renew(&refused).await), "token-1");
        assert_eq!(scene.asked(), 2);
    });
}

#[test]
fn a_failed_renewal_fails_for_all_who_waited_and_is_not_repeated() {
    run(async {
        let (scene, cache) = Scene::new();
        let refused = cache.get().await.unwrap();
        scene.next(Err(down()));
        let renewed = join_all((0..100).map(|_| cache.renew(&refused))).await;
        assert!(
            renewed
                .iter()
                .all(|token| token.as_ref().is_err_and(|it| *it == down()))
        );
        assert!(cache.renew(&refused).await.is_err());
        assert!(
            cache.get().await.is_err(),
            "the refused token is not used again"
        );
        assert_eq!(scene.asked(), 2);
    });
}

#[test]
fn when_the_one_that_fetches_is_dropped_the_next_takes_over() {
    run(async {
        let (scene, cache) = Scene::with_permits(0);
        let mut first = Box::pin(cache.get());
        assert!(poll!(&mut first).is_pending());
        let mut second = Box::pin(cache.get());
        assert!(poll!(&mut second).is_pending());
        drop(first);
        assert!(poll!(&mut second).is_pending());
        assert_eq!(scene.asked(), 2);
        scene.service.permits.add_permits(1);
        assert_eq!(text(&second.await), "token-1");
    });
}

#[test]
fn a_clock_that_is_set_back_renews_the_token_and_does_not_prolong_a_pause() {
    run(async {
        let (scene, cache) = Scene::new();
        cache.get().await.unwrap();
        scene.clock.jump_to(START - 30 * SECOND);
        assert_eq!(text(&cache.get().await), "token-0");
        scene.clock.jump_to(START - HOUR);
        assert_eq!(text(&cache.get().await), "token-1");
        scene.clock.jump_to(START - 2 * HOUR);
        scene.next(Err(down()));
        assert_eq!(text(&cache.get().await), "token-1");
        scene.clock.jump_to(START - 3 * HOUR);
        assert_eq!(text(&cache.get().await), "token-3");
    });
}

#[test]
fn a_check_asks_the_token_service_even_if_there_is_a_token_or_it_failed_just_now() {
    run(async {
        let (scene, cache) = Scene::new();
        cache.get().await.unwrap();
        scene.next(Err(down()));
        assert!(cache.check().await.is_err());
        assert_eq!(text(&cache.check().await), "token-2");
        assert_eq!(text(&cache.get().await), "token-2");
    });
}

#[test]
fn a_request_refused_for_its_token_is_sent_once_more_with_another() {
    run(async {
        let (scene, cache) = Scene::new();
        let sent = Mutex::new(Vec::new());
        let exchange = |token: Arc<push_kit::access::AccessToken>| {
            sent.lock().unwrap().push(token.expose().to_owned());
            async move { Ok(401) }
        };
        let answer = cache.send(exchange, |status| *status == 401).await;
        assert_eq!(answer.unwrap(), 401);
        assert_eq!(*sent.lock().unwrap(), ["token-0", "token-1"]);
        assert_eq!(cache.send(exchange, |_| false).await.unwrap(), 401);
        assert_eq!(scene.asked(), 2);
    });
}

fn oauth(status: u16, body: &str) -> Result<Grant, Verdict> {
    let response = Response::builder()
        .status(status)
        .header("retry-after", "7")
        .body(body.to_owned().into())
        .expect("a response");
    Grant::from_oauth(&response, START, &["client-s3cret"])
}

#[test]
fn an_oauth_answer_is_a_token_a_refusal_or_an_outage() {
    assert!(oauth(200, r#"{"access_token":"a\/b","expires_in":3600}"#).is_ok());
    assert!(oauth(200, r#"{"access_token":"a","expires_in":"3600"}"#).is_ok());
    assert!(oauth(200, r#"{"access_token":"a","expires_in":3600.5}"#).is_ok());
    assert!(oauth(200, r#"{"access_token":"a","expires_in":1e300}"#).is_ok());
    let refused = VerdictKind::CredentialRefused;
    let down = VerdictKind::Unavailable(Scope::Credential);
    let limited = VerdictKind::RateLimited(Scope::Credential);
    for (status, body, kind) in [
        (400, r#"{"error":"invalid_grant"}"#, refused),
        (401, r#"{"error":"invalid_client"}"#, refused),
        (401, r#"{"error":"deleted_client"}"#, refused),
        // What stands in between says so, too.
        (
            403,
            r#"{"error":"access_denied","error_description":"blocked by policy"}"#,
            down,
        ),
        (401, r#"{"error":"Unauthorized"}"#, down),
        (400, r#"{"error":1101,"error_description":"x"}"#, refused),
        (200, r#"{"error":1101}"#, refused),
        (429, r#"{"error":"rate_limited"}"#, limited),
        (400, r#"{"error":"slow_down"}"#, limited),
        (503, r#"{"error":"x"}"#, down),
        (400, r#"{"error":"temporarily_unavailable"}"#, down),
        (200, r#"{"access_token":"a","expires_in":0}"#, down),
        (200, r#"{"access_token":"a","expires_in":-3600}"#, down),
        (200, r#"{"access_token":"a","expires_in":0.5}"#, down),
        (200, r#"{"access_token":"a","expires_in":1e400}"#, down),
        (200, r#"{"access_token":"a","expires_in":"soon"}"#, down),
        (400, r#"{"error":"invalid_grant","at":1e400}"#, refused),
        (200, r#"{"access_token":"","expires_in":3600}"#, down),
        (200, "<html>", down),
        (400, "{}", down),
        (404, "", down),
        (302, r#"{"error":"x"}"#, down),
    ] {
        let verdict = oauth(status, body).unwrap_err();
        assert_eq!(verdict.kind, kind, "{status} {body}");
        if kind != refused {
            assert_eq!(verdict.retry, Retry::After(7 * SECOND), "{status} {body}");
        }
    }
}

#[test]
fn no_access_token_is_believed_to_be_valid_for_more_than_a_day() {
    run(async {
        let (scene, cache) = Scene::new();
        for life in [Duration::from_secs(u64::MAX), Duration::MAX] {
            scene.next(Ok(Grant::new("long", life)));
            let asked = scene.asked();
            assert_eq!(cache.get().await.unwrap().expose(), "long");
            scene.clock.advance(24 * HOUR);
            cache.get().await.unwrap();
            assert_eq!(scene.asked(), asked + 2);
            scene.clock.advance(24 * HOUR);
        }
    });
}

#[test]
fn an_error_message_of_the_token_service_never_shows_the_secret() {
    let body = r#"{"error":"invalid_client","error_description":"client-s3cret is wrong"}"#;
    let verdict = oauth(400, body).unwrap_err();
    assert_eq!(verdict.answer.text, "… is wrong");
    assert_eq!(verdict.answer.code, "invalid_client");
}

#[test]
fn a_token_that_no_header_can_hold_is_not_granted() {
    run(async {
        let (scene, cache) = Scene::new();
        scene.next(Ok(Grant::new("a\nb", HOUR)));
        assert!(cache.get().await.is_err());
    });
}

proptest! {
    #[test]
    fn at_most_one_fetch_runs_and_no_caller_waits_for_ever(steps in prop::collection::vec(0_u8..6, 1..60)) {
        let (scene, cache) = Scene::with_permits(0);
        let mut waiting: Vec<std::pin::Pin<Box<dyn Future<Output = Access> + '_>>> = Vec::new();
        for step in steps {
            match step {
                0 => waiting.push(Box::pin(cache.get())),
                1 => waiting.push(Box::pin(cache.check())),
                2 => drop(waiting.pop()),
                3 => scene.service.permits.add_permits(1),
                4 => scene.next(Err(down())),
                _ => scene.clock.advance(20 * 60 * SECOND),
            }
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            waiting.retain_mut(|access| matches!(access.poll_unpin(&mut cx), Poll::Pending));
        }
        scene.service.permits.add_permits(100);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..waiting.len() + 1 {
            waiting.retain_mut(|access| matches!(access.poll_unpin(&mut cx), Poll::Pending));
        }
        prop_assert!(waiting.is_empty());
    }
}
