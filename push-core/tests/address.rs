//! Which addresses are public, and what a policy permits.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use push_core::{
    AddressDenied::{self, NotListed, Private, Reserved},
    AddressPolicy, ErrorKind, IpNetwork,
};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Why `public_only` denies `address`, if it does.
fn denied(address: IpAddr) -> Option<AddressDenied> {
    AddressPolicy::public_only().check(address).err()
}

/// First and last address of every denied range, and the neighbours on both sides.
#[test]
fn every_special_range_is_denied_up_to_its_edges() {
    for (first, last, why) in [
        ("0.0.0.0", "0.255.255.255", Reserved),
        ("10.0.0.0", "10.255.255.255", Private),
        ("100.64.0.0", "100.127.255.255", Private),
        ("127.0.0.0", "127.255.255.255", Private),
        ("168.63.129.16", "168.63.129.16", Private),
        ("169.254.0.0", "169.254.255.255", Private),
        ("172.16.0.0", "172.31.255.255", Private),
        ("192.0.0.0", "192.0.0.255", Reserved),
        ("192.0.2.0", "192.0.2.255", Reserved),
        ("192.88.99.0", "192.88.99.255", Reserved),
        ("192.168.0.0", "192.168.255.255", Private),
        ("198.18.0.0", "198.19.255.255", Reserved),
        ("198.51.100.0", "198.51.100.255", Reserved),
        ("203.0.113.0", "203.0.113.255", Reserved),
        ("224.0.0.0", "255.255.255.255", Reserved),
    ] {
        let bits = |text: &str| text.parse::<Ipv4Addr>().expect("an address").to_bits();
        for address in [first, last] {
            assert_eq!(denied(ip(address)), Some(why), "{address}");
        }
        for neighbour in [bits(first).checked_sub(1), bits(last).checked_add(1)] {
            if let Some(neighbour) = neighbour.map(Ipv4Addr::from_bits) {
                assert_eq!(denied(neighbour.into()), None, "{neighbour}");
            }
        }
    }
    for (address, why) in [
        ("::", Some(Reserved)),
        ("::1", Some(Private)),
        ("::2", Some(Reserved)),
        ("100::1", Some(Reserved)),
        ("1fff:ffff::", Some(Reserved)),
        ("2000::", None),
        ("2001::1", Some(Reserved)),
        ("2001:1ff:ffff::", Some(Reserved)),
        ("2001:200::1", None),
        ("2001:db7:ffff::", None),
        ("2001:db8::", Some(Reserved)),
        ("2001:db8:ffff::1", Some(Reserved)),
        ("2001:db9::", None),
        ("2403:300:a42::1", None),
        ("3ffe:ffff::", None),
        ("3fff::1", Some(Reserved)),
        ("3fff:fff:ffff::", Some(Reserved)),
        ("3fff:1000::", None),
        ("4000::", Some(Reserved)),
        ("5f00::1", Some(Reserved)),
        ("fbff::1", Some(Reserved)),
        ("fc00::", Some(Private)),
        ("fd00:ec2::254", Some(Private)),
        ("fdff:ffff::1", Some(Private)),
        ("fe00::1", Some(Reserved)),
        ("fe80::1", Some(Private)),
        ("febf::1", Some(Private)),
        ("fec0::1", Some(Private)),
        ("feff::1", Some(Private)),
        ("ff00::", Some(Reserved)),
        ("ff02::1", Some(Reserved)),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some(Reserved)),
    ] {
        assert_eq!(denied(ip(address)), why, "{address}");
    }
}

#[test]
fn an_ipv4_address_is_denied_in_every_ipv6_form() {
    for (address, why) in [
        ("127.0.0.1", Some(Private)),
        ("10.1.2.3", Some(Private)),
        ("169.254.169.254", Some(Private)),
        ("192.168.1.1", Some(Private)),
        ("255.255.255.255", Some(Reserved)),
        ("17.188.143.34", None),
    ] {
        let v4: Ipv4Addr = address.parse().unwrap();
        let [a, b, c, d] = v4.octets().map(u16::from);
        let (high, low) = (a << 8 | b, c << 8 | d);
        for form in [
            v4.to_ipv6_mapped(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        ] {
            assert_eq!(denied(form.into()), why, "{address} as {form}");
        }
        let compatible = Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low);
        assert_eq!(denied(compatible.into()), why.or(Some(Reserved)));
        let local_nat64 = Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low);
        assert_eq!(denied(local_nat64.into()), Some(Private));
    }
}

#[test]
fn a_policy_permits_its_base_and_the_networks_added() {
    let private = ip("10.1.2.3");
    let public = ip("17.188.143.34");
    let network: IpNetwork = "10.0.0.0/8".parse().unwrap();
    for (policy, permits_private, permits_public, plain_private, plain_public) in [
        (AddressPolicy::any(), true, true, true, true),
        (AddressPolicy::public_only(), false, true, false, false),
        (AddressPolicy::none(), false, false, false, false),
        (
            AddressPolicy::public_only().allow(network),
            true,
            true,
            true,
            false,
        ),
        (
            AddressPolicy::none().allow(network),
            true,
            false,
            true,
            false,
        ),
    ] {
        assert_eq!(policy.permits(private), permits_private, "{policy:?}");
        assert_eq!(policy.permits(public), permits_public, "{policy:?}");
        assert_eq!(
            policy.permits_plain_text(private),
            plain_private,
            "{policy:?}"
        );
        assert_eq!(
            policy.permits_plain_text(public),
            plain_public,
            "{policy:?}"
        );
        assert_eq!(
            policy.permits(ip("::ffff:10.1.2.3")),
            permits_private,
            "{policy:?}"
        );
    }
    assert_eq!(AddressPolicy::none().check(public), Err(NotListed));
    assert_eq!(AddressPolicy::none().check(private), Err(Private));
}

#[test]
fn a_network_contains_exactly_the_addresses_with_its_prefix() {
    for (network, inside, outside) in [
        ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
        ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
        ("10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ("10.0.0.1/32", "::ffff:10.0.0.1", "::10.0.0.1"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("::/0", "ffff::", "127.0.0.1"),
        ("fd00::/8", "fdff::1", "fe00::"),
        ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
        ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"),
    ] {
        let network: IpNetwork = network.parse().unwrap();
        assert!(network.contains(ip(inside)), "{network} {inside}");
        assert!(!network.contains(ip(outside)), "{network} {outside}");
        assert_eq!(network.to_string().parse::<IpNetwork>().unwrap(), network);
    }
}

#[test]
fn a_text_that_is_no_network_is_refused_with_advice() {
    for text in [
        "",
        "/",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/+8",
        "10.0.0.0/-1",
        "10.0.0/8",
        "::/129",
        "10.0.0.0/8/8",
        "localhost",
        "fd00::/8 ",
        "10.0.0.0/99999999999",
    ] {
        let error = text.parse::<IpNetwork>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        assert!(error.advice().is_some(), "{error}");
    }
    let error = "10.1.2.3/8".parse::<IpNetwork>().unwrap_err();
    assert!(error.to_string().contains("write 10.0.0.0/8"), "{error}");
}

#[test]
fn a_policy_is_read_from_a_word_or_a_list() {
    let ten: IpNetwork = "10.0.0.0/8".parse().unwrap();
    for (json, expected) in [
        (r#""any""#, AddressPolicy::any()),
        (r#""public""#, AddressPolicy::public_only()),
        (r#"["public"]"#, AddressPolicy::public_only()),
        (r#"["10.0.0.0/8"]"#, AddressPolicy::none().allow(ten)),
        (
            r#"["public", "10.0.0.0/8"]"#,
            AddressPolicy::public_only().allow(ten),
        ),
        (
            r#""10.0.0.0/8, public""#,
            AddressPolicy::public_only().allow(ten),
        ),
        (r#"["any", "public"]"#, AddressPolicy::any()),
        ("[]", AddressPolicy::none()),
    ] {
        let policy: AddressPolicy = serde_json::from_str(json).unwrap();
        assert_eq!(policy, expected, "{json}");
    }
    for json in [
        r#""""#,
        r#""private""#,
        r#"["10.0.0.0/33"]"#,
        "1",
        "null",
        r#"{"any": true}"#,
    ] {
        assert!(
            serde_json::from_str::<AddressPolicy>(json).is_err(),
            "{json}"
        );
    }
    let policy = AddressPolicy::public_only().allow(ten);
    assert_eq!(format!("{policy:?}"), "AddressPolicy(public, 10.0.0.0/8)");
}
