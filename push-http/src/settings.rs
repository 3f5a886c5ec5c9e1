//! What the connections of one client have in common, and the peer that one connection goes to.
use std::{collections::HashMap, fmt, sync::Arc};

use push_core::{Clock, Result};

use crate::{
    config::{HttpConfig, split_host_port},
    proxy::Proxy,
    tls,
};

/// The checked configuration of a client.
pub(crate) struct Settings {
    pub(crate) config: HttpConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) proxy: Option<Proxy>,
    resolve: HashMap<String, (String, u16)>,
}

impl Settings {
    pub(crate) fn new(config: HttpConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        config.check()?;
        let resolve = config
            .resolve
            .iter()
            .filter_map(|(from, to)| {
                let (from_host, from_port) = split_host_port(from)?;
                let (host, port) = split_host_port(to)?;
                Some((address_key(from_host, from_port), (host.to_owned(), port)))
            })
            .collect();
        let proxy = config.operator_proxy.as_ref().or(config.proxy.as_ref());
        Ok(Self {
            tls: tls::client_config(&config)?,
            proxy: proxy.map(Proxy::parse).transpose()?,
            resolve,
            config,
            clock,
        })
    }

    /// Host and port to connect to for `target`: its own, or those that `http.resolve` puts in their place.
    pub(crate) fn address_of<'a>(&'a self, target: &'a Target) -> (&'a str, u16) {
        self.resolve
            .get(&address_key(&target.host, target.port))
            .map_or((target.host.as_str(), target.port), |(host, port)| {
                (host, *port)
            })
    }
}

fn address_key(host: &str, port: u16) -> String {
    format!("{}:{port}", host.to_ascii_lowercase())
}

/// An origin: scheme, host and port.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    /// Without brackets, also where it is an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}
