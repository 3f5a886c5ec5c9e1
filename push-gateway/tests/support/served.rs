//! A gateway's API on a loopback socket, and a client of few words.
#![allow(dead_code, unreachable_pub)]
use std::{net::SocketAddr, sync::Arc, time::Duration};

use push_core::{CertificateId, Ingress, Secret};
use push_gateway::http::{ApiKey, HttpSettings, KeyScope, router, serve};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use super::{World, app};

pub const SERVER_KEY: &str = "server-key-0123456789";
pub const ADMIN_KEY: &str = "admin-key-0123456789";
pub const OTHER_KEY: &str = "other-app-key-0123456789";

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Value,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The code of a problem document, which must look like one.
    pub fn problem(&self) -> &str {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        assert_eq!(self.body["status"], self.status, "{self:?}");
        assert!(
            self.body["title"].is_string() && self.body["type"].is_string(),
            "{self:?}"
        );
        self.body["code"].as_str().expect("a code")
    }
}

/// A served gateway.
pub struct Served {
    pub world: World,
    pub address: SocketAddr,
    pub stop: oneshot::Sender<()>,
    pub task: JoinHandle<()>,
}

pub fn settings() -> HttpSettings {
    let key = |name: &str, app, scopes: &[KeyScope], key: &str| {
        ApiKey::new(name, app, scopes.to_vec(), Secret::new(key))
    };
    HttpSettings::default().with_keys(vec![
        key("server", app(), &[KeyScope::Server], SERVER_KEY),
        key("admin", app(), &[KeyScope::Admin], ADMIN_KEY),
        key(
            "other",
            push_core::AppId::new("other").expect("an id"),
            &[KeyScope::Server, KeyScope::Admin],
            OTHER_KEY,
        ),
    ])
}

impl Served {
    pub async fn new() -> Self {
        Self::with(settings(), &[]).await
    }

    pub async fn with(settings: HttpSettings, ingresses: &[Arc<dyn Ingress>]) -> Self {
        Self::over(World::new(|_| {}), settings, ingresses).await
    }

    /// The API of this gateway.
    pub async fn over(
        world: World,
        settings: HttpSettings,
        ingresses: &[Arc<dyn Ingress>],
    ) -> Self {
        let router = router(&world.gateway, &settings, ingresses).expect("a router");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            serve(listener, router, &settings, async {
                stopped.await.ok();
            })
            .await;
        });
        Self {
            world,
            address,
            stop,
            task,
        }
    }

    pub async fn call(
        &self,
        method: &str,
        path: &str,
        bearer: &str,
        body: Option<Value>,
    ) -> Answer {
        let body = body.map(|it| it.to_string()).unwrap_or_default();
        self.raw(method, path, bearer, body.as_bytes()).await
    }

    pub async fn raw(&self, method: &str, path: &str, bearer: &str, body: &[u8]) -> Answer {
        let authorization = match bearer {
            "" => String::new(),
            it => format!("authorization: Bearer {it}\r\n"),
        };
        self.send(method, path, &authorization, body).await
    }

    /// Sends `body` as JSON with these lines of the head besides the usual ones.
    pub async fn send(&self, method: &str, path: &str, lines: &str, body: &[u8]) -> Answer {
        let lines = format!("{lines}content-type: application/json\r\n");
        self.bare(method, path, &lines, body).await
    }

    /// Sends `body` with these lines of the head and none that says what it is.
    pub async fn bare(&self, method: &str, path: &str, lines: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n{lines}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.expect("a request");
        // The gateway may answer, and close, before it has read all.
        stream.write_all(body).await.ok();
        read(stream).await
    }

    pub async fn get(&self, path: &str, bearer: &str) -> Answer {
        self.call("GET", path, bearer, None).await
    }

    /// Uploads a scripted credential over the API.
    pub async fn credential(&self) -> CertificateId {
        let upload = self.world.upload(json!({}));
        let body = json!({"provider": "scripted", "config": upload.config, "label": "mine"});
        let answer = self
            .call("POST", "/v1/credentials", ADMIN_KEY, Some(body))
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        CertificateId::new(answer.body["id"].as_i64().expect("an id")).expect("an id")
    }

    pub async fn ticket(&self, user: &str) -> String {
        let answer = self
            .call(
                "POST",
                "/v1/tickets",
                SERVER_KEY,
                Some(json!({"user": user})),
            )
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["ticket"].as_str().expect("a ticket").to_owned()
    }
}

pub async fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let all = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes));
    // A reset after the answer is fine: the answer is what counts.
    all.await.expect("an answer in time").ok();
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|it| it.parse().ok())
        .expect("a status");
    Answer {
        status,
        body: serde_json::from_str(body).unwrap_or_default(),
        head: head.to_owned(),
        text: body.to_owned(),
    }
}

pub fn token_body(token: &str, certificate: CertificateId) -> Value {
    json!({
        "channel": "apns", "certificate_id": certificate.get(), "environment": "production",
        "token": token, "platform": "ios",
    })
}
