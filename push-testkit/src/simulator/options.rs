//! How a simulator listens, and the server that most of them are.
use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use push_core::Clock;
use push_http::TokioClock;

use crate::{Authority, HttpServer, LOOPBACK, Reply, ServerOptions};

/// How a simulator of any vendor listens and behaves. A vendor's own options hold it as `base`; see
/// [`simulator_options!`](crate::simulator_options).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The address to bind. Default: a free port of 127.0.0.1. A simulator with several ports takes the ones after it.
    pub address: SocketAddr,
    /// The authority that issues the server's certificate. Default: a new one.
    pub authority: Option<Arc<Authority>>,
    /// The clock that dates are compared with and delays wait on. Default: real time.
    pub clock: Arc<dyn Clock>,
    /// How long every answer takes. Default: zero.
    pub delay: Duration,
    /// Whether every well-formed token belongs to a phone that accepts everything: for load. Default: `false`.
    pub any_token: bool,
    /// How many requests the log keeps. Default: 1,024.
    pub log: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: LOOPBACK,
            authority: None,
            clock: Arc::new(TokioClock),
            delay: Duration::ZERO,
            any_token: false,
            log: 1024,
        }
    }
}

impl Options {
    /// Sets the port of 127.0.0.1 to listen on; 0 is any free port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.address = SocketAddr::new(LOOPBACK.ip(), port);
        self
    }

    /// The address of the `offset`-th port of a simulator that listens on several.
    pub fn address_of(&self, offset: u16) -> SocketAddr {
        match self.address.port() {
            0 => self.address,
            first => SocketAddr::new(self.address.ip(), first.saturating_add(offset)),
        }
    }

    /// The authority that was given, or a new one.
    pub fn authority(&self) -> Arc<Authority> {
        self.authority
            .clone()
            .unwrap_or_else(|| Arc::new(Authority::new()))
    }

    /// Serves HTTP/2 and HTTP/1.1 over TLS. Each answer of `handler` waits for the delay.
    ///
    /// `max_body` is in bytes; a larger body gets 413.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn serve<H>(&self, max_body: usize, handler: H) -> io::Result<Service>
    where
        H: Fn(&Request<Bytes>) -> Reply + Send + Sync + 'static,
    {
        let authority = self.authority();
        let delay = Delay::new(self.delay);
        let options = ServerOptions {
            address: self.address,
            max_body,
            log: self.log,
            ..ServerOptions::tls(&authority).with_clock(Arc::clone(&self.clock))
        };
        let waits = delay.clone();
        let server = HttpServer::start(options, move |request| {
            let reply = handler(&request);
            std::future::ready(reply.later(waits.get()))
        })
        .await?;
        Ok(Service {
            server,
            authority,
            delay,
        })
    }

    push_core::setters! {
        with_address(address: SocketAddr);
        with_authority(authority: impl Into<Option<Arc<Authority>>>);
        with_clock(clock: Arc<dyn Clock>);
        with_delay(delay: Duration);
        with_any_token(any_token: bool);
        with_log(log: usize);
    }
}

/// Adds the builder methods of [`Options`] to a vendor's options, which hold one as the field `base`.
#[macro_export]
macro_rules! simulator_options {
    ($options:ty) => {
        impl $options {
            /// Compares dates with this clock, and waits on it.
            #[must_use]
            pub fn with_clock(
                mut self,
                clock: ::std::sync::Arc<dyn $crate::simulator::Clock>,
            ) -> Self {
                self.base.clock = clock;
                self
            }

            /// Answers after this long.
            #[must_use]
            pub fn with_delay(mut self, delay: ::std::time::Duration) -> Self {
                self.base.delay = delay;
                self
            }

            /// Delivers to every well-formed token.
            #[must_use]
            pub fn with_any_token(mut self) -> Self {
                self.base.any_token = true;
                self
            }

            /// Listens on this port of 127.0.0.1.
            #[must_use]
            pub fn with_port(mut self, port: u16) -> Self {
                self.base = self.base.with_port(port);
                self
            }

            /// Shows a certificate that this authority issued.
            #[must_use]
            pub fn with_authority(
                mut self,
                authority: ::std::sync::Arc<$crate::Authority>,
            ) -> Self {
                self.base.authority = Some(authority);
                self
            }
        }
    };
}

/// How long every answer takes. Clones share the value.
#[derive(Clone, Debug, Default)]
pub struct Delay(Arc<AtomicU64>);

impl Delay {
    /// A delay of this length, in whole milliseconds.
    pub fn new(delay: Duration) -> Self {
        let this = Self::default();
        this.set(delay);
        this
    }

    /// The delay now.
    pub fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    /// Changes the delay of every later answer.
    pub fn set(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.0.store(millis, Ordering::Relaxed);
    }
}

/// The server of a simulator: see [`Options::serve`]. Everything stops when it drops.
pub struct Service {
    server: HttpServer,
    authority: Arc<Authority>,
    delay: Delay,
}

impl Service {
    /// The server: its URL, its log, its connections.
    pub fn server(&self) -> &HttpServer {
        &self.server
    }

    /// The certificate of the authority, as PEM: the value of `http.extra_ca_pem`.
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// How long every answer takes.
    pub fn delay(&self) -> &Delay {
        &self.delay
    }

    /// Closes every connection: after the requests in flight (GOAWAY in HTTP/2), or at once and without a message.
    pub fn disconnect(&self, gracefully: bool) {
        if gracefully {
            self.server.listener().finish_connections();
        } else {
            self.server.listener().cut_connections();
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use push_http::{Client, HttpClient, HttpConfig};

    use super::*;
    use crate::{block_on, sample, until};

    #[test]
    fn a_graceful_disconnect_answers_what_has_begun_and_takes_new_connections() {
        block_on(async {
            let clock = sample::clock();
            let options = Options {
                clock: Arc::new(clock.clone()),
                delay: Duration::from_secs(1),
                ..Options::default()
            };
            let service = options
                .serve(1024, |_| Reply::new(200))
                .await
                .expect("loopback can be bound");
            let mut config = HttpConfig::default();
            config.extra_ca_pem = Some(service.ca_pem());
            let client = Client::new(config, Arc::new(clock.clone())).expect("a client");
            let ask = |client: Client, url: String| async move {
                let request = Request::post(url).body(Bytes::new()).expect("a request");
                client.send(request).await.map(|answer| answer.status())
            };
            let url = service.server().url();
            let begun = tokio::spawn(ask(client.clone(), url.clone()));
            service.server().log().wait_for(1).await;
            service.disconnect(true);
            clock.advance(Duration::from_secs(1));
            assert_eq!(begun.await.expect("no panic").expect("an answer"), 200);
            until(|| service.server().listener().open() == 0).await;
            service.delay().set(Duration::ZERO);
            assert_eq!(ask(client, url).await.expect("an answer"), 200);
            assert_eq!(service.server().listener().accepted(), 2);
        });
    }
}
