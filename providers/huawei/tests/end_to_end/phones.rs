//! The simulated phones themselves.
use super::*;

#[test]
fn a_phone_that_was_off_gets_later_what_was_kept_and_not_over() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        phone.switch_off();
        let ttl = |seconds, body: &str| Notification {
            expires_at: Some(stage.clock.now() + Duration::from_secs(seconds)),
            ..with_body(body)
        };
        stage.send(ttl(60, "short"), &[&phone]).await;
        stage.send(ttl(600, "long"), &[&phone]).await;
        assert_eq!(phone.arrived(), 0);
        stage.clock.advance(Duration::from_secs(120));
        phone.switch_on();
        let bodies: Vec<_> = phone.arrivals().into_iter().map(|it| it.body).collect();
        assert_eq!(bodies, ["long"]);
    });
}

#[test]
fn no_two_phones_have_one_token() {
    block_on(async {
        let stage = Stage::new().await;
        let tokens: HashSet<String> = (0..100)
            .map(|_| stage.huawei.install().token().to_owned())
            .collect();
        assert_eq!(tokens.len(), 100);
    });
}
