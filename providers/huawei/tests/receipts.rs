//! Receipts: the way from a phone through the provider to the gateway.
use std::sync::{Arc, Mutex};

use push_core::{
    BuildContext, Clock, DynProvider, Late, RawConfig, Secret, TokenFault, VendorReceipt,
    VerdictKind,
};
use push_http::{Client, HttpConfig};
use push_provider_huawei::{
    PLUGIN,
    simulator::{Options, Simulator},
};
use push_testkit::{HttpServer, Reply, ServerOptions, block_on, json, sample, serde_json::Value};

type Taken = Arc<Mutex<Vec<VendorReceipt>>>;

/// An HTTP server that hands what is posted to `provider`, as the gateway does.
async fn gateway(provider: DynProvider) -> (HttpServer, Taken) {
    let taken = Taken::default();
    let keep = Arc::clone(&taken);
    let server = HttpServer::start(ServerOptions::default(), move |request| {
        let reply = match provider.receive(&request) {
            Ok(received) => {
                assert!(received.receipts.len() <= 100);
                keep.lock()
                    .expect("no test panics")
                    .extend(received.receipts);
                Reply::new(received.reply.status().as_u16())
                    .body(received.reply.into_body().to_vec())
            }
            Err(_) => Reply::new(403),
        };
        async move { reply }
    })
    .await
    .expect("loopback can be bound");
    (server, taken)
}

fn provider(
    huawei: &Simulator,
    clock: &Arc<dyn Clock>,
    change: impl FnOnce(&mut Value),
) -> DynProvider {
    let mut config = huawei.config();
    change(&mut config);
    let raw = RawConfig::from_json(&config).expect("an object");
    PLUGIN
        .build(raw, &BuildContext::new(Arc::clone(clock)))
        .expect("the configuration is right")
}

fn verdict(receipt: &VendorReceipt) -> VerdictKind {
    match &receipt.what {
        Late::Verdict(verdict) => verdict.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn signed_receipts_of_a_batch_name_its_first_delivery_and_each_token() {
    block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(sample::clock());
        let options = Options::default().with_clock(Arc::clone(&clock));
        let huawei = Simulator::start(options).await.unwrap();
        let provider = provider(&huawei, &clock, |config| {
            config["receipt_user"] = json!("imuser");
            config["receipt_key"] = json!("im-secret-1");
        });
        let phones: Vec<_> = (0..250).map(|_| huawei.install()).collect();
        phones[1].uninstall_unnoticed();
        phones[2].set_muted(true);
        let tokens = phones.iter().map(|phone| phone.token());
        let batch = sample::batch(sample::notification(), tokens);
        let first = batch.targets[0].delivery;
        sample::send(&provider, batch).await;

        let (server, taken) = gateway(Arc::clone(&provider)).await;
        let client = Client::new(HttpConfig::default(), Arc::clone(&clock)).unwrap();
        let url = format!("{}/receipts/huawei", server.url());
        let wrong = Secret::new("im-secret-2");
        for signer in [None, Some(("imuser", &wrong)), Some(("other", &wrong))] {
            let posted = huawei.post_receipts(&client, &url, signer).await;
            assert_eq!((posted.requests, posted.taken, posted.due), (0, 0, 250));
        }
        let key = Secret::new("im-secret-1");
        let posted = huawei
            .post_receipts(&client, &url, Some(("imuser", &key)))
            .await;
        assert_eq!((posted.requests, posted.taken, posted.due), (3, 250, 0));

        let taken = std::mem::take(&mut *taken.lock().unwrap());
        assert_eq!(taken.len(), 250);
        for (at, (receipt, phone)) in taken.iter().zip(&phones).enumerate() {
            assert_eq!(receipt.tag, first);
            assert_eq!(receipt.token.as_ref().unwrap().expose(), phone.token());
            assert_eq!(receipt.at, clock.now());
            match at {
                1 => {
                    let since = Some(clock.now());
                    assert_eq!(verdict(receipt), VerdictKind::TokenDead { since });
                }
                2 => assert_eq!(
                    verdict(receipt),
                    VerdictKind::TokenUnusable(TokenFault::Muted)
                ),
                _ => assert_eq!(receipt.what, Late::Delivered, "{at}"),
            }
        }
        // Huawei has learned it.
        let verdict = sample::send_one(&provider, phones[1].token()).await;
        assert_eq!(verdict.answer.code, "80300007");
    });
}
