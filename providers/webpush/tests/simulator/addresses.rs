//! Where pushes go, and which services are believed.
use push_core::{AddressPolicy, ErrorKind, Scope, TokenFault, VerdictKind};
use push_provider_webpush::simulator::{Browser, Keys};
use push_testkit::{
    Reply, block_on, json,
    serde_json::{self, Value},
};

use crate::world::{with, world};

#[test]
fn a_redirect_is_not_followed() {
    block_on(async {
        let (world, elsewhere) = (world().await, world().await);
        let phone = world.simulator.install(Browser::Chrome);
        let other = elsewhere.simulator.install(Browser::Chrome);
        let token: Value = serde_json::from_str(other.token()).expect("JSON");
        let location = token["endpoint"].as_str().expect("text");
        for status in [301, 302, 307, 308] {
            let reply = Reply::new(status).header("location", location);
            world.simulator.faults().next(reply);
            let verdict = world.send_to(phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::Unavailable(Scope::Origin));
        }
        assert_eq!(elsewhere.simulator.log().total(), 0);
    });
}

#[test]
fn by_default_nothing_but_https_at_public_addresses_is_sent_to() {
    block_on(async {
        let world = with(&json!({ "origins": [] }), AddressPolicy::any()).await;
        let keys = Keys::generate();
        let own = world.simulator.config()["origins"][0].clone();
        let own = own.as_str().expect("a URL");
        let port = own.rsplit(':').next().expect("a port");
        for host in [
            "127.0.0.1",
            "[::1]",
            "10.0.0.1",
            "169.254.169.254",
            "[::ffff:10.0.0.1]",
        ] {
            let token = keys.subscription(&format!("https://{host}:{port}/wpush/v2/a"));
            let error = world.checked(&token).expect_err(host);
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains("operator"), "{error}");
            let verdict = world.send_to(&token).await;
            assert_eq!(verdict.kind, VerdictKind::TargetRefused, "{host}");
        }
        // A name is checked when it is resolved. One that does not resolve looks the same, and may do so tomorrow.
        let phone = world.simulator.install(Browser::Firefox);
        assert!(world.checked(phone.token()).is_ok());
        let verdict = world.send_to(phone.token()).await;
        let denied = VerdictKind::Unavailable(Scope::Origin);
        assert_eq!(verdict.kind, denied, "{verdict:?}");
        let clear = keys.subscription("http://localhost:1/wpush/v2/a");
        assert!(world.checked(&clear).is_err());
        let verdict = world.send_to(&clear).await;
        let malformed = VerdictKind::TokenUnusable(TokenFault::Malformed);
        assert_eq!(verdict.kind, malformed, "{verdict:?}");
        assert_eq!(world.simulator.log().total(), 0);
    });
}

#[test]
fn a_service_that_is_not_listed_gets_no_push_and_loses_no_token() {
    block_on(async {
        let listed = json!({ "origins": ["https://*.push.services.mozilla.com"] });
        let world = with(&listed, AddressPolicy::any()).await;
        let phone = world.simulator.install(Browser::Chrome);
        let error = world.checked(phone.token()).expect_err("it is not listed");
        assert!(error.to_string().contains("`origins`"), "{error}");
        let verdict = world.send_to(phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::TargetRefused, "{verdict:?}");
        assert_eq!(world.simulator.log().total(), 0);
    });
}

/// Anybody can register an endpoint at a server of their own: what that says must not stop the pushes to all others.
#[test]
fn an_unknown_service_accuses_no_credential() {
    block_on(async {
        let policy = AddressPolicy::public_only().allow_loopback();
        let world = with(&json!({ "origins": [] }), policy).await;
        let key = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";
        let phone = world.simulator.install(Browser::Safari);
        let refused = Reply::new(403).json(json!({ "reason": "BadJwtToken" }));
        world.simulator.faults().next(refused);
        for token in [
            phone.token(),
            world.simulator.subscribe(Browser::Firefox, key).token(),
        ] {
            let verdict = world.send_to(token).await;
            assert_eq!(verdict.kind, VerdictKind::TargetRefused, "{verdict:?}");
        }
        let verdict = world.send_to(phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
    });
}
