//! The recall of a notification.
use push_core::{Content, DeviceToken, ErrorKind};
use push_testkit::{Reply, block_on};

use super::*;

fn token(phone: &Phone) -> DeviceToken {
    DeviceToken::new(phone.token()).expect("a token")
}

async fn send(world: &World, notification: Notification, phone: &Phone) -> Arc<Content> {
    let batch = sample::batch(notification, [phone.token()]);
    let content = Arc::clone(batch.content().expect("a target"));
    assert_eq!(world.send(batch).await, [ACCEPTED]);
    content
}

#[test]
fn a_recall_takes_what_is_shown_and_what_waits_and_leaves_the_rest() {
    block_on(async {
        let world = world().await;
        let (on, off) = (world.simulator.install(), world.simulator.install());
        off.set_power(false);
        let mut contents = Vec::new();
        for phone in [&on, &off] {
            for key in ["chat-1", "chat-2"] {
                let notification = sample::notification().with_collapse(key).with_title(key);
                contents.push(send(&world, notification, phone).await);
            }
        }
        let tokens = [token(&on), token(&off)];
        let verdicts = world
            .typed()
            .revoke(&contents[0], &tokens)
            .await
            .expect("it is asked");
        let kinds: Vec<_> = verdicts.iter().map(|verdict| verdict.kind).collect();
        assert_eq!(kinds, [ACCEPTED; 2], "{verdicts:?}");
        off.set_power(true);
        for phone in [&on, &off] {
            let screen = phone.screen();
            let titles: Vec<_> = screen.iter().map(|shown| shown.text("title")).collect();
            assert_eq!(titles, ["chat-2"]);
            assert_eq!(phone.badge(), 3, "a recall leaves the badge");
        }
        assert_eq!(world.simulator.counters().recalls, 1);
        let requests = world.simulator.log().requests();
        let recall = requests.last().expect("a request");
        assert_eq!(recall.uri.path(), "/v1/100000001/messages:revoke");
        assert_eq!(recall.header("push-type"), Some("0"));
        // The next message with the same key is shown again.
        send(&world, sample::notification().with_collapse("chat-1"), &off).await;
        assert_eq!(off.screen().len(), 2);
    });
}

#[test]
fn a_recall_says_of_each_token_whether_it_was_known() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let content = send(&world, sample::notification(), &phone).await;
        let other = DeviceToken::new("IQAAAACy-of-no-phone").expect("a token");
        let tokens = [other.clone(), token(&phone)];
        let verdicts = world
            .typed()
            .revoke(&content, &tokens)
            .await
            .expect("it is asked");
        assert_eq!([verdicts[0].kind, verdicts[1].kind], [DEAD, ACCEPTED]);
        let verdicts = world
            .typed()
            .revoke(&content, &[other])
            .await
            .expect("it is asked");
        assert_eq!(verdicts[0].kind, DEAD);
    });
}

#[test]
fn the_codes_of_recalls_have_their_classes() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let content = send(&world, sample::notification(), &phone).await;
        let provider = world.typed();
        for (code, kind) in [
            ("80100020", VerdictKind::PayloadRefused),
            ("80300017", VerdictKind::PayloadRefused),
            ("80300028", VerdictKind::CredentialRefused),
            ("80300032", VerdictKind::CredentialRefused),
            (
                "80000001",
                VerdictKind::Unavailable(push_core::Scope::Credential),
            ),
        ] {
            let body = json!({ "code": code, "msg": "", "requestId": "r" });
            world.simulator.faults().next(Reply::new(400).json(body));
            let verdicts = provider.revoke(&content, &[token(&phone)]).await;
            assert_eq!(verdicts.expect("it is asked")[0].kind, kind, "{code}");
        }
        assert_eq!(phone.screen().len(), 1);
    });
}

#[test]
fn a_recall_needs_the_client_id_of_the_app() {
    block_on(async {
        let content = sample::content(sample::notification());
        let without = World::with(Options::default(), &json!({ "client_id": "" })).await;
        let phone = without.simulator.install();
        let error = without.typed().revoke(&content, &[token(&phone)]).await;
        let error = error.expect_err("there is no client id");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("client_id"), "{error}");
        let wrong = World::with(Options::default(), &json!({ "client_id": "7" })).await;
        let phone = wrong.simulator.install();
        let verdicts = wrong.typed().revoke(&content, &[token(&phone)]).await;
        let verdict = verdicts.expect("it is asked").remove(0);
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
        assert_eq!(verdict.answer.code, "80300028");
        let error = wrong
            .typed()
            .revoke(&content, &[])
            .await
            .expect_err("there is no token");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    });
}
