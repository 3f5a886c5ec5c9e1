//! Refused credentials, redirects, outages, and answers of others.
use push_core::{Acceptance, ErrorKind, Scope, VerdictKind};
use push_testkit::{HttpServer, Reply, ServerOptions, block_on, json, sample};

use super::{Options, with, world};

const UNAVAILABLE: VerdictKind = VerdictKind::Unavailable(Scope::Credential);

#[test]
fn a_wrong_app_or_secret_refuses_the_credential_and_verify_says_so() {
    block_on(async {
        for (keys, code) in [
            (json!({ "app_id": "1" }), "110000"),
            (json!({ "app_secret": "another" }), "1006"),
        ] {
            let world = with(Options::default(), &keys).await;
            let phone = world.simulator.install();
            let verdict = sample::send_one(&world.provider, phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
            assert_eq!(verdict.answer.code, code);
            let health = world.provider.verify().await.expect("an answer");
            assert_eq!(health.acceptance, Acceptance::Refused, "{health:?}");
            assert!(phone.arrivals().is_empty());
        }
    });
}

#[test]
fn verify_asks_for_statistics_by_either_method_and_rings_no_phone() {
    block_on(async {
        for method in ["GET", "POST"] {
            let keys = json!({ "statistics_method": method });
            let world = with(Options::default().with_daily_pushes(0), &keys).await;
            let phone = world.simulator.install();
            let health = world.provider.verify().await.expect("an answer");
            assert_eq!(health.acceptance, Acceptance::Accepted, "{health:?}");
            let request = world.simulator.log().requests().pop().expect("a request");
            assert_eq!(request.method, method);
            let path = "/garcia/api/server/push/statistics/dailyPushStatics";
            assert_eq!(request.uri.path(), path);
            assert!(phone.arrivals().is_empty());
        }
    });
}

#[test]
fn a_request_is_repeated_where_meizu_redirects_it_to() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        world.simulator.set_redirects(true);
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        let counters = world.simulator.counters();
        assert_eq!((counters.requests, counters.redirected), (2, 1));
        assert_eq!(phone.arrivals().len(), 1);
        let [first, second] = &world.simulator.log().requests()[..] else {
            panic!("two requests");
        };
        assert_eq!(first.body, second.body);
        let health = world.provider.verify().await.expect("an answer");
        assert_eq!(health.acceptance, Acceptance::Accepted);
    });
}

/// Message and push ids would go to another server.
#[test]
fn a_redirect_to_another_server_is_not_followed() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let options = ServerOptions::default().with_clock(world.clock());
        let other = HttpServer::start(options, |_| std::future::ready(Reply::new(200)));
        let other = other.await.expect("a free port");
        for redirect in [other.url(), String::new(), "not a url".to_owned()] {
            let body = json!({ "code": "300", "value": "", "redirect": redirect });
            world.simulator.faults().next(Reply::new(200).json(body));
            assert_eq!(world.send_to(&phone).await, UNAVAILABLE, "{redirect}");
        }
        assert_eq!(world.simulator.counters().requests, 3);
        assert_eq!(other.log().total(), 0);
        assert!(phone.arrivals().is_empty());
    });
}

/// A second redirect in a row is not followed: there is no circle.
#[test]
fn a_redirect_is_followed_once() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let url = world.simulator.config()["endpoint"].clone();
        let here = format!(
            "{}/garcia/api/server/push/varnished/pushByPushId",
            url.as_str().expect("text")
        );
        let body = json!({ "code": "300", "value": "", "redirect": here });
        world.simulator.faults().always(Reply::new(200).json(body));
        assert_eq!(world.send_to(&phone).await, UNAVAILABLE);
        assert_eq!(world.simulator.counters().requests, 2);
    });
}

#[test]
fn an_outage_passes_and_costs_no_token() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let ok = json!({ "code": "200", "message": "", "value": {}, "msgId": "m" });
        let coded = |code: &str| json!({ "code": code, "message": "", "value": "" });
        let other = json!({ "code": 200, "message": "success", "data": { "requestId": "1" } });
        for (reply, kind) in [
            (Reply::reset(), VerdictKind::Unknown),
            (
                Reply::new(200).json(ok.clone()).truncated(),
                VerdictKind::Unknown,
            ),
            (Reply::new(200).body("<html>Welcome!</html>"), UNAVAILABLE),
            (
                Reply::new(502).body("<html>Bad Gateway</html>"),
                UNAVAILABLE,
            ),
            (Reply::new(403).body("Forbidden"), UNAVAILABLE),
            (Reply::new(200).body("{\"code\":\"200\",\"val"), UNAVAILABLE),
            (Reply::new(200).json(other), UNAVAILABLE),
            (Reply::new(502).json(ok), UNAVAILABLE),
            (Reply::new(200).json(coded("1003")), UNAVAILABLE),
            (
                Reply::new(200).json(coded("110010")),
                VerdictKind::RateLimited(Scope::Credential),
            ),
        ] {
            world.simulator.faults().next(reply.clone());
            assert_eq!(world.send_to(&phone).await, kind, "{reply:?}");
        }
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        assert_eq!(phone.arrivals().len(), 1);
    });
}

/// Signatures need no access token: a hundred pushes are a hundred requests and nothing else.
#[test]
fn a_hundred_pushes_at_once_need_nothing_besides() {
    block_on(async {
        let world = world().await;
        let phones: Vec<_> = (0..100).map(|_| world.simulator.install()).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for phone in &phones {
            let provider = std::sync::Arc::clone(&world.provider);
            let token = phone.token().to_owned();
            tasks.spawn(async move { sample::send_one(&provider, &token).await.kind });
        }
        let kinds = tasks.join_all().await;
        assert!(kinds.iter().all(|kind| *kind == VerdictKind::Accepted));
        assert_eq!(world.simulator.counters().requests, 100);
    });
}

#[test]
fn every_fault_of_a_configuration_has_its_key() {
    let wrong = json!({
        "app_id": "123456789012345678901", "app_secret": " ", "activity": ".ChatActivity",
        "packages": ["im"], "receipt_token": "", "redirect_domains": ["https://meizu.com"],
        "receipt_url": "http://push.example.com/m", "endpoint": "http://push.meizu.com",
    });
    let config = push_core::RawConfig::from_json(&wrong).expect("an object");
    let context = push_core::BuildContext::new(std::sync::Arc::new(sample::clock()));
    let error = push_provider_meizu::PLUGIN.build(config, &context);
    let error = error.expect_err("all is wrong");
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    for key in wrong.as_object().expect("an object").keys() {
        assert!(text.contains(key.as_str()), "`{key}` in: {text}");
    }
}
