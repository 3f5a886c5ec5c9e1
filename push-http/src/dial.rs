//! From a host name to a TCP connection: resolving, the address policy, and one address after the other.
use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::{
    StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};
use push_core::{AddressDenied, AddressPolicy, Clock};
use tokio::net::{TcpStream, lookup_host};

use crate::{
    error::{HttpError, HttpErrorKind},
    plain,
};

/// How long one address has to accept before the next is tried beside it (RFC 8305 §5 recommends 250 ms).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// A host to connect to, and what the operator permits.
#[derive(Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) policy: &'a AddressPolicy,
    /// The connection will not be encrypted.
    pub(crate) plain_text: bool,
}

impl Destination<'_> {
    /// Checks one address.
    ///
    /// # Errors
    /// The same for every port and whatever listens there: nothing was sent to the address.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), HttpError> {
        self.policy
            .check(address)
            .map_err(|reason| self.denied(reason))?;
        if self.plain_text && !self.policy.permits_plain_text(address) {
            return Err(self.plain_text_denied());
        }
        Ok(())
    }

    /// Checks a host that a proxy will resolve: only an address can be checked here, and a name only if it is
    /// `localhost` or another spelling of an address.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(crate) fn check_unresolved(&self) -> Result<(), HttpError> {
        if let Ok(address) = self.host.parse() {
            return self.check(address);
        }
        if self.policy.is_any() {
            return Ok(());
        }
        if self.plain_text {
            return Err(self.plain_text_denied());
        }
        let name = self.host.trim_end_matches('.');
        let last = name.rsplit('.').next().unwrap_or_default();
        // RFC 6761 §6.3; and `127.1` or `0x7f000001`, which resolvers take for addresses.
        if last.eq_ignore_ascii_case("localhost") || last.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(self.denied(AddressDenied::Private));
        }
        Ok(())
    }

    /// The error of a name that has no address which is permitted. Under a policy it does not say whether the name resolves:
    /// who may write addresses here could otherwise list the names of the operator's private networks.
    pub(crate) fn nowhere(&self) -> HttpError {
        if self.policy.is_any() {
            return unresolved(self.host);
        }
        HttpError::never(
            HttpErrorKind::AddressDenied,
            format!(
                "the name {} could not be resolved to an address that the operator has allowed",
                self.host
            ),
        )
        .advise(
            "check the name; if it belongs to a private network, ask the operator to allow that network",
        )
    }

    fn denied(&self, reason: AddressDenied) -> HttpError {
        HttpError::never(
            HttpErrorKind::AddressDenied,
            format!("the address of {} is {reason}", self.host),
        )
        .advise("use a public address, or ask the operator to allow this network")
    }

    fn plain_text_denied(&self) -> HttpError {
        HttpError::never(
            HttpErrorKind::AddressDenied,
            format!("plain http to {} is not allowed by the operator", self.host),
        )
        .advise("use https, or ask the operator to allow the network of this address")
    }
}

/// Resolves the host's name anew: push services move traffic by DNS. IPv4 and IPv6 addresses alternate. Only addresses
/// that the policy permits are returned, and the caller connects to these and resolves nothing again, so that an answer
/// of DNS that changes in between (DNS rebinding) has no effect.
///
/// # Errors
/// If the name does not resolve, or the policy permits none of its addresses.
pub(crate) async fn resolve(to: Destination<'_>) -> Result<Vec<SocketAddr>, HttpError> {
    let all: Vec<SocketAddr> = match to.host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, to.port)],
        Err(_) => match lookup_host((to.host, to.port)).await {
            Ok(addresses) => addresses.collect(),
            Err(_) => {
                tracing::debug!(host = to.host, "the name does not resolve");
                Vec::new()
            }
        },
    };
    permitted(to, &all)
}

/// Those of `all` that the policy permits, families alternating.
fn permitted(to: Destination<'_>, all: &[SocketAddr]) -> Result<Vec<SocketAddr>, HttpError> {
    let mut denied = None;
    let mut addresses = Vec::with_capacity(all.len());
    for address in all {
        match to.check(address.ip()) {
            Ok(()) => addresses.push(*address),
            Err(error) => denied = denied.or(Some(error)),
        }
    }
    let Some(first) = addresses.first() else {
        // Plain text to an address that is permitted is no secret, and neither is an address that is written out.
        let is_known = to.host.parse::<IpAddr>().is_ok()
            || all
                .iter()
                .any(|address| to.policy.check(address.ip()).is_ok());
        return Err(match denied {
            Some(error) if is_known => error,
            _ => to.nowhere(),
        });
    };
    let (preferred, other): (Vec<_>, Vec<_>) = addresses
        .iter()
        .copied()
        .partition(|address: &SocketAddr| address.is_ipv6() == first.is_ipv6());
    let mut preferred = preferred.into_iter();
    let mut other = other.into_iter();
    let mut mixed = Vec::with_capacity(addresses.len());
    while mixed.len() < addresses.len() {
        mixed.extend(preferred.next());
        mixed.extend(other.next());
    }
    Ok(mixed)
}

fn unresolved(host: &str) -> HttpError {
    HttpError::never(
        HttpErrorKind::Connect,
        format!("the name {host} could not be resolved to an address"),
    )
    .advise("check the name, and that this machine's DNS server answers")
}

/// Connects to the first of `addresses` that accepts, trying the next beside it when one is slow.
///
/// # Errors
/// The last failure, if none accepts. `host` and `port` are for its text.
pub(crate) async fn connect(
    clock: &dyn Clock,
    addresses: Vec<SocketAddr>,
    (host, port): (&str, u16),
) -> Result<TcpStream, HttpError> {
    let mut addresses = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = addresses.next() {
            attempts.push(async move {
                let stream = TcpStream::connect(address).await?;
                // Without it Nagle's algorithm and delayed acknowledgements cost 40 ms a push at low rates.
                stream.set_nodelay(true)?;
                Ok::<_, io::Error>(stream)
            });
        } else if attempts.is_empty() {
            break;
        }
        let next_address = async {
            if addresses.len() == 0 {
                std::future::pending::<()>().await;
            }
            clock.sleep(NEXT_ADDRESS_AFTER).await;
        };
        match select(attempts.next(), std::pin::pin!(next_address)).await {
            Either::Left((Some(Ok(stream)), _)) => return Ok(stream),
            Either::Left((Some(Err(error)), _)) => last_error = error,
            Either::Left((None, _)) | Either::Right(_) => {}
        }
    }
    let colon = if host.contains(':') {
        ["[", "]"]
    } else {
        ["", ""]
    };
    Err(HttpError::never(
        HttpErrorKind::Connect,
        format!(
            "no connection to {}{host}{}:{port}: {}",
            colon[0],
            colon[1],
            plain::io(&last_error)
        ),
    )
    .advise("check that the peer is up and reachable from this machine"))
}

#[cfg(test)]
mod tests {
    use push_core::{ManualClock, Timestamp};
    use tokio::net::TcpListener;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    }

    fn to<'a>(policy: &'a AddressPolicy, host: &'a str, port: u16) -> Destination<'a> {
        Destination {
            host,
            port,
            policy,
            plain_text: false,
        }
    }

    #[test]
    fn every_connection_has_tcp_nodelay() {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let clock = ManualClock::new(Timestamp::default());
            let any = AddressPolicy::any();
            for host in ["127.0.0.1", "localhost"] {
                let addresses = resolve(to(&any, host, port)).await.unwrap();
                let stream = connect(&clock, addresses, (host, port)).await.unwrap();
                assert!(stream.nodelay().unwrap(), "{host}");
            }
        });
    }

    #[test]
    fn a_port_without_a_listener_is_a_connect_error_that_names_it() {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            drop(listener);
            let clock = ManualClock::new(Timestamp::default());
            let error = connect(&clock, vec![address], ("127.0.0.1", address.port()))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), HttpErrorKind::Connect);
            let expected = format!(
                "no connection to {address}: the peer refused the connection, nothing listens on this port"
            );
            assert_eq!(error.message(), expected);
        });
    }

    #[test]
    fn only_permitted_addresses_of_a_name_are_connected_to() {
        let addresses: Vec<SocketAddr> = ["10.0.0.1", "17.0.0.1", "17.0.0.2", "::1", "2403:300::1"]
            .map(|ip| SocketAddr::new(ip.parse().expect("an address"), 443))
            .to_vec();
        let public = AddressPolicy::public_only();
        let allowed = permitted(to(&public, "push.example.com", 443), &addresses).unwrap();
        let expected = ["17.0.0.1:443", "[2403:300::1]:443", "17.0.0.2:443"];
        let allowed: Vec<_> = allowed.iter().map(SocketAddr::to_string).collect();
        assert_eq!(allowed, expected);
        let none = to(&public, "push.example.com", 443);
        let error = permitted(none, &addresses[..1]).unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::AddressDenied);
        assert_eq!(
            error.message(),
            "the name push.example.com could not be resolved to an address that the operator has allowed"
        );
        let any = AddressPolicy::any();
        let error = permitted(to(&any, "push.example.com", 443), &[]).unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Connect);
    }

    #[test]
    fn under_a_policy_a_private_name_fails_as_one_that_does_not_exist() {
        let private = SocketAddr::new("10.0.0.1".parse().expect("an address"), 443);
        let listed = SocketAddr::new("127.0.0.1".parse().expect("an address"), 443);
        for policy in [AddressPolicy::public_only(), AddressPolicy::none()] {
            for plain_text in [false, true] {
                let mut to = to(&policy, "db.internal", 443);
                to.plain_text = plain_text;
                let said = |addresses: &[SocketAddr]| {
                    let error = permitted(to, addresses).unwrap_err();
                    (error.kind(), error.processed(), error.to_string())
                };
                assert_eq!(said(&[private]), said(&[]));
                assert_eq!(said(&[private, listed]), said(&[]));
            }
        }
    }

    #[test]
    fn a_host_that_a_proxy_resolves_is_checked_as_far_as_it_can_be() {
        let public = AddressPolicy::public_only();
        let any = AddressPolicy::any();
        for (host, permitted) in [
            ("push.example.com", true),
            ("17.0.0.1", true),
            ("1e100.net", true),
            ("10.0.0.1", false),
            ("::1", false),
            ("localhost", false),
            ("db.LOCALHOST.", false),
            ("127.1", false),
            ("2130706433", false),
            ("0x7f.0x0.0.0x1", false),
        ] {
            let result = to(&public, host, 443).check_unresolved();
            assert_eq!(result.is_ok(), permitted, "{host}");
            to(&any, host, 443).check_unresolved().unwrap();
            let mut plain = to(&public, host, 80);
            plain.plain_text = true;
            assert!(plain.check_unresolved().is_err(), "{host}");
        }
    }
}
