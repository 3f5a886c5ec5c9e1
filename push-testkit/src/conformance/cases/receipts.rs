//! What the vendor posts later.
use std::mem::discriminant;

use bytes::Bytes;
use http::Request;
use push_core::{ErrorKind, Late, VerdictKind};

use super::access::is_refusal;
use crate::conformance::{Vendor, check::plain, stage::Stage};
use crate::{block_on, sample};

/// [`Vendor::receipt`]: what was posted is read, with the tag of the request and the token in canonical form, and answered.
pub fn a_receipt_is_read_with_its_tag_and_token(vendor: &Vendor) {
    let posted = vendor.receipt.as_ref().expect("declare `receipt`");
    block_on(async {
        let stage = Stage::new(vendor).await;
        let batch = plain(sample::notification(), [stage.token(0)]);
        let first = batch.targets[0].delivery;
        let shown = stage.shown(batch).await.remove(0);
        let tag = shown.tag.expect("`shown.tag`");
        let receipts = posted(&tag, &stage.token(0));
        assert!(!receipts.is_empty(), "`receipt` makes a receipt");
        for (request, wanted) in receipts {
            let received = stage.provider.receive(&request);
            let received = received.expect("a receipt of the vendor is read");
            assert!(received.reply.status().is_success(), "{received:?}");
            let [receipt] = received.receipts.as_slice() else {
                panic!("one receipt, but {received:?}");
            };
            assert_eq!(receipt.tag, first, "the tag is the first delivery's id");
            let named = String::from_utf8_lossy(request.body()).contains(&stage.token(0))
                || request.uri().to_string().contains(&stage.token(0));
            match &receipt.token {
                Some(token) => assert_eq!(token.expose(), stage.token(0)),
                None => assert!(!named, "the receipt names the token"),
            }
            let same = match (&receipt.what, &wanted) {
                (Late::Verdict(read), Late::Verdict(wanted)) => match (read.kind, wanted.kind) {
                    (VerdictKind::TokenDead { .. }, VerdictKind::TokenDead { .. }) => true,
                    (read, wanted) => read == wanted,
                },
                (read, wanted) => discriminant(read) == discriminant(wanted),
            };
            assert!(same, "{wanted:?} is read as {:?}", receipt.what);
            let shown = format!("{received:?}");
            assert!(!shown.contains(&stage.token(0)), "`Debug` shows a token");
        }
    });
}

/// [`Vendor::receipt_forged`]
pub fn a_forged_receipt_is_refused(vendor: &Vendor) {
    let forged = vendor.receipt_forged.as_ref().expect("it is declared");
    block_on(async {
        let stage = Stage::new(vendor).await;
        let batch = plain(sample::notification(), [stage.token(0)]);
        let tag = batch.targets[0].delivery.to_string();
        let requests = forged(&tag, &stage.token(0));
        assert!(!requests.is_empty(), "`receipt_forged` makes a receipt");
        for request in requests {
            let error = stage.provider.receive(&request);
            let error = error.expect_err("a forged receipt is refused");
            assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        }
    });
}

/// [`Vendor::receipt`]: text of any form, with the vendor's headers or without, is refused or holds no receipt.
pub fn a_damaged_receipt_is_refused_without_harm(vendor: &Vendor) {
    let posted = vendor.receipt.as_ref().expect("declare `receipt`");
    block_on(async {
        let stage = Stage::new(vendor).await;
        let tag = plain(sample::notification(), [stage.token(0)]).targets[0].delivery;
        for (whole, _) in posted(&tag.to_string(), &stage.token(0)) {
            let length = whole.body().len();
            for body in [
                Bytes::new(),
                Bytes::from_static(b"\xff\xfe"),
                Bytes::from_static(b"{}"),
                Bytes::from_static(b"[]"),
                Bytes::from(vec![b'['; 50_000]),
                whole.body().slice(..length / 2),
                whole.body().slice(length / 3..),
            ] {
                let mut damaged = Request::new(body);
                *damaged.method_mut() = whole.method().clone();
                *damaged.uri_mut() = whole.uri().clone();
                *damaged.headers_mut() = whole.headers().clone();
                match stage.provider.receive(&damaged) {
                    Ok(received) => assert!(received.receipts.is_empty(), "{received:?}"),
                    Err(error) => assert!(is_refusal(error.kind()), "{error}"),
                }
            }
        }
    });
}
