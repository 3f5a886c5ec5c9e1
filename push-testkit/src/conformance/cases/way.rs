//! What happens on the way to the vendor.
use push_core::{Retry, VerdictKind};

use crate::conformance::{
    Vendor,
    stage::{Stage, build},
};
use crate::{Authority, Reply, block_on, sample, until};

/// Nobody listens, from the beginning or any more.
pub fn a_vendor_that_cannot_be_reached_is_unavailable(vendor: &Vendor) {
    block_on(async {
        // Bound and not listening: the port is ours, and refuses.
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(crate::LOOPBACK).expect("loopback can be bound");
        let port = socket.local_addr().expect("a bound socket").port();
        let config = vendor.configured(
            &format!("https://localhost:{port}"),
            &Authority::new().pem(),
        );
        let provider = build(vendor, &config, &sample::clock());
        let verdict = sample::send_one(&provider, &(vendor.token)(0)).await;
        assert!(
            matches!(verdict.kind, VerdictKind::Unavailable(_)),
            "{verdict:?}"
        );
        assert_ne!(verdict.retry, Retry::Never);
        let error = provider.verify().await.expect_err("nobody answers");
        assert!(error.is_transient(), "{error}");
        // It was there, granted access, and went away.
        let Stage {
            server, provider, ..
        } = Stage::new(vendor).await;
        let verdict = sample::send_one(&provider, &(vendor.token)(0)).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        server.stop().await;
        for _ in 0..200 {
            // The client sees for itself that its connection is gone.
            tokio::task::yield_now().await;
        }
        let verdict = sample::send_one(&provider, &(vendor.token)(1)).await;
        assert!(
            matches!(verdict.kind, VerdictKind::Unavailable(_)),
            "{verdict:?}"
        );
        assert_ne!(verdict.retry, Retry::Never);
    });
}

/// The vendor read the request, and was gone.
pub fn a_connection_that_breaks_after_the_request_leaves_the_verdict_unknown(vendor: &Vendor) {
    for alpn in &vendor.protocols {
        block_on(async {
            let stage = Stage::with(vendor, *alpn).await;
            let verdict = stage.answered(&Reply::reset()).await;
            assert_eq!(verdict.kind, VerdictKind::Unknown, "{alpn:?}: {verdict:?}");
            assert_ne!(verdict.retry, Retry::Never);
            let sent = vendor.sends(stage.server.log()).len();
            assert_eq!(
                sent, 1,
                "it was sent again, though it may have been delivered"
            );
        });
    }
}

/// The vendor read the request, and says nothing.
pub fn silence_ends_at_the_deadline_with_an_unknown_verdict(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        stage.sends.always(Reply::silence());
        let batch = sample::batch(sample::notification(), [(vendor.token)(0)]);
        let (task, collected) = stage.begin(batch);
        stage.wait_for_sends(1).await;
        stage.let_time_pass(&task).await;
        let verdict = collected.get(0).expect("there is a verdict");
        assert_eq!(verdict.kind, VerdictKind::Unknown, "{verdict:?}");
        assert_ne!(verdict.retry, Retry::Never);
    });
}

/// A send whose future drops: the targets are unknown, the provider goes on.
pub fn a_send_given_up_midway_accounts_for_every_target_and_harms_no_other(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        stage.sends.next(Reply::silence());
        let targets = 2.min(stage.provider.capabilities().max_batch);
        let tokens = (0..targets).map(|it| (vendor.token)(it));
        let (task, collected) = stage.begin(sample::batch(sample::notification(), tokens));
        stage.wait_for_sends(1).await;
        task.abort();
        until(|| task.is_finished()).await;
        assert_eq!(collected.verdicts().len(), targets);
        let unknown = |at| {
            collected
                .get(at)
                .is_some_and(|it| it.kind == VerdictKind::Unknown)
        };
        assert!((0..targets).any(unknown), "{collected:?}");
        stage.sends.clear();
        let next = sample::send_one(&stage.provider, &(vendor.token)(9)).await;
        assert_eq!(next.kind, VerdictKind::Accepted, "{next:?}");
    });
}
