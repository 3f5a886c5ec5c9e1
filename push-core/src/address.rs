//! Which IP addresses outgoing connections may reach.
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess},
};

use crate::{Error, ErrorKind, Result};

/// A range of IP addresses in CIDR notation (RFC 4632, RFC 4291 §2.3): `10.0.0.0/8`, `fd00::/8`.
///
/// An address without a prefix length is a range of one. An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) is the IPv4
/// address that it holds, both here and in [`contains`](Self::contains): a socket reaches the same host through either.
///
/// ```
/// let network: push_core::IpNetwork = "10.0.0.0/8".parse().unwrap();
/// assert!(network.contains("10.20.30.40".parse().unwrap()));
/// assert!(!network.contains("11.0.0.1".parse().unwrap()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpNetwork {
    first: IpAddr,
    prefix: u32,
}

impl IpNetwork {
    /// The addresses that share their first `prefix` bits with `first`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if `prefix` is longer than the address, or `first` has bits set after the prefix.
    pub fn new(first: IpAddr, prefix: u32) -> Result<Self> {
        let (width, first, prefix) = match first.to_canonical() {
            IpAddr::V4(address) if first.is_ipv6() => match prefix.checked_sub(96) {
                Some(prefix) => (32, IpAddr::V4(address), prefix),
                None => (128, first, prefix),
            },
            IpAddr::V4(_) => (32, first, prefix),
            IpAddr::V6(_) => (128, first, prefix),
        };
        if prefix > width {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "`{first}/{prefix}` is not a network: its prefix is longer than {width} bits"
                ),
            )
            .advise("write an address and a prefix length, like 10.0.0.0/8"));
        }
        let network = Self {
            first: masked(first, prefix),
            prefix,
        };
        if network.first != first {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("`{first}/{prefix}` is not a network: bits are set after its prefix"),
            )
            .advise(format!("write {network}, or {first} for this one address")));
        }
        Ok(network)
    }

    /// Returns `true` if `address` is in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.prefix) == self.first
    }
}

/// `address` with only its first `prefix` bits.
fn masked(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(it) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix));
            Ipv4Addr::from_bits(it.to_bits() & mask.unwrap_or(0)).into()
        }
        IpAddr::V6(it) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix));
            Ipv6Addr::from_bits(it.to_bits() & mask.unwrap_or(0)).into()
        }
    }
}

impl FromStr for IpNetwork {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: Option<IpAddr> = address.parse().ok();
        let prefix = match (prefix, address) {
            (None, Some(address)) => Some(if address.is_ipv4() { 32 } else { 128 }),
            // `u32` alone would take `+8`.
            (Some(prefix), _) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                prefix.parse().ok()
            }
            _ => None,
        };
        let (Some(address), Some(prefix)) = (address, prefix) else {
            let text: String = text.chars().take(60).collect();
            return Err(
                Error::new(ErrorKind::Invalid, format!("`{text}` is not a network"))
                    .advise("write an address and a prefix length, like 10.0.0.0/8 or fd00::/8"),
            );
        };
        Self::new(address, prefix)
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl fmt::Debug for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for IpNetwork {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Why an [`AddressPolicy`] does not permit an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressDenied {
    /// Loopback, link-local, private use, shared (carrier-grade NAT) or unique local: a host near this one.
    Private,
    /// Multicast, broadcast, unspecified, documentation, benchmarking, or not assigned: no host of the internet.
    Reserved,
    /// A public address that the policy does not list.
    NotListed,
}

impl fmt::Display for AddressDenied {
    /// Completes the sentence "the address is …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Private => "in a private network, which the operator has not allowed",
            Self::Reserved => "in a reserved network, which the operator has not allowed",
            Self::NotListed => "not in a network that the operator has allowed",
        })
    }
}

/// Which IP addresses outgoing connections may reach.
///
/// A server that connects to URLs from uploaded data is otherwise a port scanner of the network it runs in
/// (server-side request forgery). The policy is the operator's; it is checked on each address after the name is resolved.
///
/// In configuration it is one word or a list of words: `any`, `public`, `loopback`, and networks in CIDR notation. A list permits what
/// at least one of its words permits, so that `["10.0.0.0/8"]` permits that network alone, and
/// `["public", "10.0.0.0/8"]` the internet as well. In one string, words are separated by commas. Cheap to clone.
///
/// ```
/// use push_core::AddressPolicy;
///
/// let policy = AddressPolicy::public_only().allow("10.1.0.0/16".parse().unwrap());
/// assert!(policy.permits("17.188.143.34".parse().unwrap()));
/// assert!(policy.permits("10.1.2.3".parse().unwrap()));
/// assert!(!policy.permits("10.2.0.1".parse().unwrap()));
/// assert!(!policy.permits("127.0.0.1".parse().unwrap()));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AddressPolicy {
    base: Base,
    allowed: Arc<[IpNetwork]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    Nothing,
    Public,
    Any,
}

impl AddressPolicy {
    /// Permits every address.
    pub fn any() -> Self {
        Self::new(Base::Any)
    }

    /// Permits public unicast addresses and denies the others: loopback, private use (RFC 1918), link-local, shared
    /// (RFC 6598), unique local (RFC 4193), multicast, broadcast, unspecified, documentation, benchmarking, reserved, and
    /// IPv6 forms that hold such an IPv4 address (mapped, compatible, NAT64, 6to4).
    ///
    /// The tables are IANA's special-purpose address registries (RFC 6890). Of IPv6 only the global unicast range
    /// `2000::/3` and NAT64 (`64:ff9b::/96`) of a public IPv4 address are public.
    pub fn public_only() -> Self {
        Self::new(Base::Public)
    }

    /// Permits no address until [`allow`](Self::allow) adds a network.
    pub fn none() -> Self {
        Self::new(Base::Nothing)
    }

    fn new(base: Base) -> Self {
        Self {
            base,
            allowed: Arc::from([]),
        }
    }

    /// Permits the addresses of `network` as well.
    #[must_use]
    pub fn allow(mut self, network: IpNetwork) -> Self {
        self.allowed = self.allowed.iter().copied().chain([network]).collect();
        self
    }

    /// Permits this machine's own addresses as well, `127.0.0.0/8` and `::1`: for tests and simulators.
    #[must_use]
    pub fn allow_loopback(self) -> Self {
        self.allow(IpNetwork {
            first: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
            prefix: 8,
        })
        .allow(IpNetwork {
            first: IpAddr::V6(Ipv6Addr::LOCALHOST),
            prefix: 128,
        })
    }

    /// Returns `true` if a connection to `address` may be opened.
    pub fn permits(&self, address: IpAddr) -> bool {
        self.check(address).is_ok()
    }

    /// Checks one address.
    ///
    /// # Errors
    /// The reason, if a connection to `address` may not be opened.
    pub fn check(&self, address: IpAddr) -> Result<(), AddressDenied> {
        if self.base == Base::Any || self.lists(address) {
            return Ok(());
        }
        match denied(address) {
            Some(denied) => Err(denied),
            None if self.base == Base::Public => Ok(()),
            None => Err(AddressDenied::NotListed),
        }
    }

    /// Returns `true` if a connection to `address` may go without TLS: everywhere under [`any`](Self::any), otherwise only
    /// in networks that were added with [`allow`](Self::allow).
    pub fn permits_plain_text(&self, address: IpAddr) -> bool {
        self.base == Base::Any || self.lists(address)
    }

    /// Returns `true` if every address is permitted.
    pub fn is_any(&self) -> bool {
        self.base == Base::Any
    }

    /// The words of a configuration that say the same.
    pub(crate) fn words(&self) -> Vec<String> {
        let base = match self.base {
            Base::Nothing => None,
            Base::Public => Some("public".to_owned()),
            Base::Any => Some("any".to_owned()),
        };
        let networks = self.allowed.iter().map(IpNetwork::to_string);
        base.into_iter().chain(networks).collect()
    }

    fn lists(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|network| network.contains(address))
    }

    fn with(mut self, word: &str) -> Result<Self> {
        match word {
            "any" => self.base = Base::Any,
            "public" if self.base == Base::Any => {}
            "public" => self.base = Base::Public,
            "loopback" => return Ok(self.allow_loopback()),
            _ => {
                let network = word.parse().map_err(|_| {
                    let word: String = word.chars().take(60).collect();
                    Error::new(
                        ErrorKind::Invalid,
                        format!("`{word}` is neither `any`, `public`, `loopback` nor a network"),
                    )
                    .advise("write networks as first address and prefix length, like 10.0.0.0/8 or fd00::/8")
                })?;
                return Ok(self.allow(network));
            }
        }
        Ok(self)
    }
}

impl FromStr for AddressPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.split(',')
            .try_fold(Self::none(), |policy, word| policy.with(word.trim()))
    }
}

impl fmt::Debug for AddressPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = match self.base {
            Base::Nothing => None,
            Base::Public => Some("public"),
            Base::Any => Some("any"),
        };
        let mut words = f.debug_tuple("AddressPolicy");
        base.iter().for_each(|word| {
            words.field(&format_args!("{word}"));
        });
        self.allowed.iter().for_each(|network| {
            words.field(network);
        });
        words.finish()
    }
}

impl<'de> Deserialize<'de> for AddressPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = AddressPolicy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "`any`, `public`, `loopback`, or a list of these and of networks like \"10.0.0.0/8\"",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<AddressPolicy, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<AddressPolicy, A::Error> {
                let mut policy = AddressPolicy::none();
                while let Some(word) = words.next_element::<String>()? {
                    policy = policy.with(&word).map_err(de::Error::custom)?;
                }
                Ok(policy)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Why `address` is not a public unicast address, if it is not.
fn denied(address: IpAddr) -> Option<AddressDenied> {
    match address.to_canonical() {
        IpAddr::V4(address) => denied_v4(address),
        IpAddr::V6(address) => denied_v6(address),
    }
}

/// The IANA IPv4 Special-Purpose Address Registry; the rest of IPv4 is public.
fn denied_v4(address: Ipv4Addr) -> Option<AddressDenied> {
    use AddressDenied::{Private, Reserved};
    match address.octets() {
        // Private use (RFC 1918), shared (RFC 6598), loopback, link-local with the metadata services of clouds.
        [10 | 127, ..] | [192, 168, ..] | [169, 254, ..] => Some(Private),
        [172, 16..=31, ..] | [100, 64..=127, ..] => Some(Private),
        // "This network", IETF protocol assignments, 6to4 relays.
        [0, ..] | [192, 0, 0, _] | [192, 88, 99, _] => Some(Reserved),
        // Documentation (RFC 5737) and benchmarking (RFC 2544).
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18..=19, ..] => {
            Some(Reserved)
        }
        // Azure's platform services, which answer to virtual machines only.
        [168, 63, 129, 16] => Some(Private),
        // Multicast, the former class E, broadcast.
        [224..=255, ..] => Some(Reserved),
        _ => None,
    }
}

/// The IANA IPv6 Special-Purpose Address Registry. Everything outside `2000::/3` and NAT64 is denied, which includes the
/// IPv4-compatible form (`::10.0.0.1`), loopback and unspecified.
fn denied_v6(address: Ipv6Addr) -> Option<AddressDenied> {
    use AddressDenied::{Private, Reserved};
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        denied_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // NAT64 (RFC 6052), and 6to4 (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Local-use NAT64 (RFC 8215), unique local, link-local, the former site-local, loopback.
        [0x64, 0xff9b, 1, ..] | [0xfc00..=0xfdff, ..] | [0xfe80..=0xfeff, ..] => Some(Private),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Private),
        // IPv4-compatible (RFC 4291 §2.5.5.1): no public one is left.
        [0, 0, 0, 0, 0, 0, high, low] => embedded(high, low).or(Some(Reserved)),
        // IETF protocol assignments with Teredo and benchmarking, and documentation (RFC 3849, RFC 9637).
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some(Reserved),
        [0x2000..=0x3fff, ..] => None,
        _ => Some(Reserved),
    }
}
