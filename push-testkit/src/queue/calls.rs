//! Random calls of a queue.
use std::sync::Arc;

use proptest::{collection::vec, prelude::*};
use push_core::{Badge, Channel, Class, Delivery, Lane, Notification, Slot, Timestamp};

use super::fixtures::{changed, content_id, delivery_with, lane_of, seconds, to, to_token, within};

/// What one random delivery is made of; small numbers, so that they meet.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) app: u8,
    pub(super) message: u8,
    pub(super) address: u8,
    pub(super) channel: bool,
    pub(super) certificate: i64,
    pub(super) call: bool,
    pub(super) badge: u32,
    pub(super) due: Option<u8>,
    pub(super) revision: u64,
    pub(super) age: u8,
    pub(super) thread: bool,
    pub(super) life: Option<u8>,
}

impl Spec {
    pub(super) fn lane(&self) -> Lane {
        let class = if self.call { Class::CALL } else { Class::CHAT };
        lane_of(&format!("app{}", self.app), self.certificate, class)
    }

    pub(super) fn delivery(&self, start: Timestamp, now: Timestamp) -> Delivery {
        let notification = Notification::default()
            .with_thread(if self.thread { "ann" } else { "" }.to_owned())
            .with_expires_at(self.life.map(|life| start + seconds(life.into())));
        let of = format!("m{}", self.message);
        let delivery = within(delivery_with(&of, "x", notification), &self.lane());
        changed(delivery, |delivery| {
            let seed = format!("{:?}/{:?}/{}", self.thread, self.life, self.call);
            Arc::make_mut(&mut delivery.content).id = content_id(&seed);
            delivery.to = match self.address {
                0 => to("u0", "phone", Slot::Alert, ""),
                1 => to("u0", "phone", Slot::Voip, ""),
                2 => to("u0", "phone", Slot::LiveActivity, "a"),
                3 => to("u0", "tablet", Slot::Alert, ""),
                4 => to("u1", "phone", Slot::Alert, ""),
                other => to_token(&format!("token {other}")),
            };
            if self.channel {
                delivery.channel = Channel::known("second");
            }
            delivery.badge = match self.badge % 3 {
                0 => Badge::Leave,
                1 => Badge::Set(self.badge),
                _ => Badge::Add(self.badge),
            };
            delivery.due = self.due.map(|due| now + seconds(due.into()));
            delivery.revision = self.revision;
            delivery.created_at = now - seconds(self.age.into());
        })
    }
}

/// One call. A lease is named by the number of leases before it, modulo how many there are.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Put(Vec<Spec>),
    Lease(Spec, usize, u8),
    Ack(Vec<usize>),
    Nack(Vec<(usize, u8, bool, u8)>),
    Replace(Vec<(usize, Spec)>),
    Hasten(Spec),
    Cancel(Spec, u8, usize),
    Lanes,
    Advance(u8),
}

fn spec() -> impl Strategy<Value = Spec> {
    let place = (0..2_u8, 0..4_u8, 0..7_u8, any::<bool>(), 1..3_i64);
    let rest = (
        any::<bool>(),
        0..6_u32,
        proptest::option::weighted(0.2, 0..60_u8),
        0..4_u64,
        0..20_u8,
        any::<bool>(),
        proptest::option::of(0..120_u8),
    );
    (place, rest).prop_map(
        |(
            (app, message, address, channel, certificate),
            (call, badge, due, revision, age, thread, life),
        )| Spec {
            app,
            message,
            address,
            channel,
            certificate,
            call,
            badge,
            due,
            revision,
            age,
            thread,
            life,
        },
    )
}

pub(super) fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        8 => vec(spec(), 0..8).prop_map(Call::Put),
        8 => (spec(), 0..6_usize, 0..60_u8).prop_map(|(of, limit, hold)| Call::Lease(of, limit, hold)),
        2 => vec(any::<usize>(), 0..4).prop_map(Call::Ack),
        4 => vec((any::<usize>(), 0..40_u8, any::<bool>(), 0..3_u8), 0..6).prop_map(Call::Nack),
        2 => vec((any::<usize>(), spec()), 0..3).prop_map(Call::Replace),
        1 => spec().prop_map(Call::Hasten),
        2 => (spec(), 0..5_u8, 0..5_usize).prop_map(|(of, what, limit)| Call::Cancel(of, what, limit)),
        2 => Just(Call::Lanes),
        3 => (0..45_u8).prop_map(Call::Advance),
    ]
}
