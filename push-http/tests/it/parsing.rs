//! Everything that parses bytes from outside, with arbitrary bytes.
use proptest::prelude::*;
use push_http::fuzz;

/// One frame with a correct length.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = proptest::collection::vec(any::<u8>(), 0..64);
    (0_u8..12, any::<u8>(), any::<u32>(), payload).prop_map(|(kind, flags, stream, payload)| {
        let length = u32::try_from(payload.len()).expect("a short payload");
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    })
}

proptest! {
    #[test]
    fn frames_mean_the_same_however_they_are_cut(
        frames in proptest::collection::vec(frame(), 0..20),
        rest in proptest::collection::vec(any::<u8>(), 0..40),
        piece in 1_usize..50,
    ) {
        let mut bytes = frames.concat();
        bytes.extend(rest);
        prop_assert_eq!(fuzz::frames(&bytes, piece), fuzz::frames(&bytes, bytes.len()));
    }

    #[test]
    fn arbitrary_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000), piece in 1_usize..50) {
        fuzz::frames(&bytes, piece);
        fuzz::connect_status(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        fuzz::host_port(&text);
        fuzz::proxy_url(&text).ok();
    }

    #[test]
    fn a_status_is_read_only_from_a_status_line(code in 100_u16..1000, reason in "[ -~]{0,20}", minor in 0..2) {
        let head = format!("HTTP/1.{minor} {code} {reason}\r\nx: y\r\n\r\n");
        prop_assert_eq!(fuzz::connect_status(head.as_bytes()), Some(code));
        prop_assert_eq!(fuzz::connect_status(&head.as_bytes()[1..]), None);
    }

    #[test]
    fn a_port_of_a_url_is_a_number_up_to_65535_or_none(port in 0_u32..200_000, host in "[a-z]{1,9}|\\[::1\\]") {
        let url: http::Uri = format!("https://{host}:{port}/path").parse().unwrap();
        let number = u16::try_from(port).ok().filter(|port| *port != 0);
        prop_assert_eq!(push_http::port_of(&url), number);
        let url: http::Uri = format!("http://{host}/").parse().unwrap();
        prop_assert_eq!(push_http::port_of(&url), Some(80));
    }

    #[test]
    fn a_host_and_port_are_read_back(host in "[a-z0-9.-]{1,20}", port in 1_u16..) {
        let text = format!("{host}:{port}");
        prop_assert_eq!(fuzz::host_port(&text), Some((host.as_str(), port)));
        let url = format!("http://user:pa%20ss@{host}:{port}/");
        prop_assert_eq!(fuzz::proxy_url(&url).unwrap(), (host, port));
    }
}
