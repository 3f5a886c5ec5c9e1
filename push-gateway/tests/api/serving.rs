//! Protocols, shutdown, and ways in beside the API.
use std::sync::Arc;

use bytes::Bytes;
use push_core::{Gateway, Ingress, async_trait};
use push_gateway::http::{HttpSettings, router};
use push_testkit::{eventually, until};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    hello,
    support::{
        World, app,
        served::{SERVER_KEY, Served, read, settings},
    },
};

#[tokio::test]
async fn http_2_with_prior_knowledge_is_answered() {
    use push_http::HttpClient as _;
    let served = Served::new().await;
    let config = push_http::HttpConfig::default().with_protocols(push_http::Protocols::H2Only);
    let client = push_http::Client::new(config, Arc::new(push_http::TokioClock)).unwrap();
    let uri = format!("http://{}/v1/messages", served.address);
    for number in 0..20 {
        let request = http::Request::post(uri.as_str())
            .header("authorization", format!("Bearer {SERVER_KEY}"))
            .body(Bytes::from(
                hello(&format!("m{number}"), "alice").to_string(),
            ))
            .unwrap();
        let answer = client.send(request).await.unwrap();
        assert_eq!(answer.status(), 202);
    }
}

#[tokio::test]
async fn a_shutdown_finishes_what_is_under_way_and_takes_nothing_new() {
    let served = Served::new().await;
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    let body = hello("m1", "alice").to_string();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {SERVER_KEY}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let before = served.world.clock.sleepers();
    until(|| served.world.clock.sleepers() > before).await;
    served.stop.send(()).unwrap();
    eventually(async || TcpStream::connect(served.address).await.err()).await;
    slow.write_all(body.as_bytes()).await.unwrap();
    let answer = read(slow).await;
    assert_eq!(answer.status, 202);
    served.task.await.unwrap();
}

#[derive(Debug)]
struct Echo(&'static str);

#[async_trait]
impl Ingress for Echo {
    fn prefix(&self) -> &str {
        self.0
    }
    async fn handle(
        &self,
        gateway: Arc<dyn Gateway>,
        request: http::Request<Bytes>,
    ) -> http::Response<Bytes> {
        let messages =
            vec![serde_json::from_value(hello("via-ingress", "alice")).expect("a message")];
        let submitted = gateway.submit(&app(), messages).await.expect("an answer");
        let text = format!(
            "{} {} {} {}",
            request.method(),
            request.uri(),
            request.body().len(),
            submitted[0].skipped[0].reason
        );
        http::Response::builder()
            .status(201)
            .body(text.into())
            .expect("a response")
    }
}

#[tokio::test]
async fn ways_in_are_mounted_below_their_prefix() {
    let served = Served::with(settings(), &[Arc::new(Echo("/echo"))]).await;
    let answer = served.raw("POST", "/echo/a/b?c=d", "", b"12345").await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.text, "POST /echo/a/b?c=d 5 never-registered");
    assert_eq!(served.raw("GET", "/echo", "", b"").await.status, 201);
    assert_eq!(
        served.raw("GET", "/echoes", "", b"").await.problem(),
        "no-such-path"
    );

    let world = World::new(|_| {});
    for prefixes in [
        &["/v1"][..],
        &["/a", "/a"],
        &["/a/b", "/a/c"],
        &["a"],
        &["/"],
        &["/a/"],
        &["/{x}"],
    ] {
        let ingresses: Vec<Arc<dyn Ingress>> =
            prefixes.iter().map(|it| Arc::new(Echo(it)) as _).collect();
        assert!(
            router(&world.gateway, &HttpSettings::default(), &ingresses).is_err(),
            "{prefixes:?}"
        );
    }
}
