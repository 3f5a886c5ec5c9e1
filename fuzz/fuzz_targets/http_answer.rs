//! What a peer sends on one clear-text HTTP/2 connection: the input, and then the end of the stream. Frames and HPACK are
//! read by the crate h2; this drives what push-http puts around it. Every request must end, with an answer or an error.
#![no_main]

use std::{cell::OnceCell, sync::Arc};

use bytes::Bytes;
use http::Request;
use push_core::{ManualClock, Timestamp};
use push_http::{Client, HttpClient, HttpConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    runtime::{Builder, Runtime},
};

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

async fn exchange(input: &[u8]) {
    let peer = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = peer.local_addr().expect("an address");
    // Its time stands still: no timer of the client ends a request, only what the peer sends.
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_millis(0)));
    let client = Client::new(HttpConfig::default(), clock).expect("a client");
    let request = Request::post(format!("http://{address}/"))
        .body(Bytes::from_static(b"{}"))
        .expect("a request");
    let serve = async {
        // The same to every connection that the client tries.
        while let Ok((mut connection, _)) = peer.accept().await {
            let _ = connection.write_all(input).await;
            let _ = connection.shutdown().await;
            let mut ignored = [0; 1024];
            while matches!(connection.read(&mut ignored).await, Ok(1..)) {}
        }
    };
    tokio::select! {
        _ = client.send(request) => {}
        () = serve => {}
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    RUNTIME.with(|runtime| {
        let runtime = runtime.get_or_init(|| {
            let mut builder = Builder::new_current_thread();
            builder.enable_io().build().expect("a runtime")
        });
        runtime.block_on(exchange(input));
    });
});
