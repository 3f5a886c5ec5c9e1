//! The simulated phones themselves.
use super::*;

#[test]
fn a_phone_that_was_off_gets_later_what_was_kept_and_not_over() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        phone.switch_off();
        let ttl = |seconds, body: &str| {
            with_body(body).with_expires_at(stage.clock.now() + Duration::from_secs(seconds))
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

#[test]
fn an_app_that_was_installed_again_has_another_token_and_the_old_one_is_dead() {
    block_on(async {
        let stage = Stage::new().await;
        let old = stage.huawei.install();
        let new = old.reinstall();
        let kinds = stage.send(sample::notification(), &[&old, &new]).await;
        assert_eq!(kinds, [DEAD, VerdictKind::Accepted]);
        assert_eq!((old.arrived(), new.arrived()), (0, 1));
    });
}

#[test]
fn what_is_kept_for_a_phone_obeys_collapse_key_and_a_bound_of_120() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        let keyed = |body: &str, key: i64| {
            with_body(body).with_vendor(
                [("collapse_key".to_owned(), json!(key))]
                    .into_iter()
                    .collect(),
            )
        };
        let bodies = || -> Vec<String> { phone.arrivals().into_iter().map(|it| it.body).collect() };
        phone.switch_off();
        for (body, key) in [("a1", 1), ("b", 2), ("free", -1), ("a2", 1)] {
            stage.send(keyed(body, key), &[&phone]).await;
        }
        phone.switch_on();
        assert_eq!(bodies(), ["b", "free", "a2"]);
        phone.switch_off();
        for number in 0..121 {
            stage.send(with_body(&number.to_string()), &[&phone]).await;
        }
        phone.switch_on();
        let kept = bodies().split_off(3);
        assert_eq!((kept.len(), kept[0].as_str()), (120, "1"));
    });
}
