//! One verdict for each target.
use super::*;

/// S121+
#[test]
fn every_target_is_sent_once_whatever_the_batch_size() {
    block_on(async {
        let stage = Stage::with(Options::default().with_any_token()).await;
        let mut requests = 0;
        for (targets, needed) in [(0, 0), (1, 1), (999, 1), (1000, 1)] {
            let tokens: Vec<String> = (0..targets).map(|it| format!("{targets}-{it}")).collect();
            let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
            let kinds = stage.send_to(sample::notification(), &tokens).await;
            assert_eq!(kinds.len(), targets);
            assert!(kinds.iter().all(|it| *it == VerdictKind::Accepted));
            let lists = stage.token_lists().split_off(requests);
            assert_eq!(lists.len(), needed);
            requests += needed;
            // In order, each once.
            assert_eq!(lists.concat(), tokens);
        }
    });
}

/// S122
#[test]
fn one_dead_token_in_the_middle_costs_its_neighbours_nothing() {
    block_on(async {
        let stage = Stage::new().await;
        let phones: Vec<Phone> = (0..5).map(|_| stage.huawei.install()).collect();
        phones[2].uninstall();
        let phones: Vec<&Phone> = phones.iter().collect();
        let kinds = stage.send(sample::notification(), &phones).await;
        let ok = VerdictKind::Accepted;
        assert_eq!(kinds, [ok, ok, DEAD, ok, ok]);
        let arrived: Vec<u64> = phones.iter().map(|phone| phone.arrived()).collect();
        assert_eq!(arrived, [1, 1, 0, 1, 1]);
        assert_eq!(stage.huawei.counters().answers["80100000"], 1);
    });
}

#[test]
fn a_token_that_stands_twice_in_a_batch_rings_once_and_has_two_verdicts() {
    block_on(async {
        let stage = Stage::new().await;
        let (here, gone) = (stage.huawei.install(), stage.huawei.install());
        gone.uninstall();
        let kinds = stage
            .send(sample::notification(), &[&here, &gone, &here, &gone])
            .await;
        let ok = VerdictKind::Accepted;
        assert_eq!(kinds, [ok, DEAD, ok, DEAD]);
        assert_eq!(here.arrived(), 1);
        assert_eq!(stage.token_lists()[0].len(), 2);
    });
}

#[test]
fn when_every_token_is_dead_each_is_and_since_when_is_not_known() {
    block_on(async {
        let stage = Stage::new().await;
        let kinds = stage
            .send_to(sample::notification(), &["unknown-1", "unknown-2"])
            .await;
        assert_eq!(kinds, [DEAD, DEAD]);
        assert_eq!(stage.huawei.counters().answers["80300007"], 1);
    });
}

#[test]
fn a_phone_of_another_app_is_dead_to_this_one() {
    block_on(async {
        let other = App::default().with_id("200000002");
        let apps = vec![App::default(), other];
        let stage = Stage::with(Options::default().with_apps(apps)).await;
        let ours = stage.huawei.install();
        let theirs = stage.huawei.install_app("200000002");
        let kinds = stage.send(sample::notification(), &[&ours, &theirs]).await;
        assert_eq!(kinds, [VerdictKind::Accepted, DEAD]);
        assert_eq!(theirs.arrived(), 0);
    });
}

#[test]
fn verdicts_name_the_request_and_never_the_token() {
    block_on(async {
        let stage = Stage::new().await;
        let (here, gone) = (stage.huawei.install(), stage.huawei.install());
        gone.uninstall();
        let batch = sample::batch(sample::notification(), [here.token(), gone.token()]);
        let verdicts = sample::send(&stage.provider, batch).await;
        let request_id = &here.arrivals()[0].request_id;
        for verdict in &verdicts {
            assert_eq!(&verdict.answer.request_id, request_id);
            assert_eq!(verdict.answer.code, "80100000");
        }
        let shown = format!("{verdicts:?} {:?}", stage.provider);
        assert!(!shown.contains(here.token()) && !shown.contains(gone.token()));
    });
}

#[test]
fn a_message_names_its_receiver_only_if_all_targets_have_the_same() {
    block_on(async {
        let stage = Stage::new().await;
        for (users, named) in [
            ([Some("alice"), Some("alice")], Some("alice")),
            ([Some("alice"), Some("bob")], None),
            ([Some("alice"), None], None),
        ] {
            let phones = [stage.huawei.install(), stage.huawei.install()];
            let tokens = phones.iter().map(|phone| phone.token());
            let mut batch = sample::batch(sample::notification(), tokens);
            for (target, user) in batch.targets.iter_mut().zip(users) {
                target.receiver = user.map(|user| UserId::new(user).unwrap());
            }
            for verdict in sample::send(&stage.provider, batch).await {
                assert_eq!(verdict.kind, VerdictKind::Accepted);
            }
            let extras = phones[0].tap_newest().expect("a tap opens the app").extras;
            assert_eq!(extras.get("receiver").map(String::as_str), named);
            assert_eq!(extras.get("delivery"), None);
        }
    });
}
