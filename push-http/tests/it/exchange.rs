//! One request and its answer.
use bytes::Bytes;
use push_http::{HttpClient, HttpConfig};

use crate::support::{client, echo_server, post, soon};

#[tokio::test]
async fn a_request_is_answered_over_clear_text_http2() {
    let server = echo_server().await;
    let (client, _clock) = client(HttpConfig::default());
    let response = soon(client.send(post(&server.url(), "hello")))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.body(), &Bytes::from_static(b"hello"));
}
