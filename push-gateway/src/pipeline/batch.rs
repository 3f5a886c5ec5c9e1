//! Which deliveries travel in one request.
use std::{collections::HashMap, sync::Arc};

use push_core::{
    Badge, Batch, BatchId, BatchRef, Batching, Capabilities, ContentId, Environment, Slot, Target,
    Timestamp,
};

use super::attempt::Sendable;

/// Deliveries that travel together.
pub(super) struct Group {
    pub(super) id: BatchId,
    pub(super) members: Vec<Sendable>,
}

impl Group {
    /// What the provider is given.
    pub(super) fn batch(&self) -> Option<Batch> {
        let first = self.members.first()?;
        let targets = self
            .members
            .iter()
            .map(|member| {
                let delivery = &member.lease.delivery;
                let content = Arc::clone(&delivery.content);
                Target::new(delivery.id, member.token.clone(), content)
                    .with_badge(delivery.badge)
                    .with_receiver(delivery.user().cloned())
            })
            .collect();
        let slot = first.lease.delivery.slot();
        Some(Batch::new(self.id, first.environment, slot, targets))
    }
}

/// What all members of a group have in common.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    environment: Environment,
    slot: Slot,
    /// The largest batch that its members may be in.
    most: usize,
    /// For vendors that send one content and badge to all.
    alike: Option<(ContentId, Badge)>,
}

/// Groups `members` into what one `send` can carry, in their order.
///
/// A batch that was sent before with an unknown outcome is sent again under the same id if all of it is here and its tokens are
/// of one environment; otherwise its deliveries are sent under new ids, since a vendor that recognises the id would drop the part it has not seen.
pub(super) fn group(
    members: Vec<Sendable>,
    capabilities: &Capabilities,
    now: Timestamp,
) -> Vec<Group> {
    let max = capabilities.max_batch.max(1);
    let mut groups: Vec<Group> = Vec::new();
    let mut repeated: HashMap<BatchRef, Vec<Sendable>> = HashMap::new();
    let mut fresh = Vec::with_capacity(members.len());
    for member in members {
        match member.lease.batch {
            Some(batch) if batch.size > 1 => repeated.entry(batch).or_default().push(member),
            _ => fresh.push(member),
        }
    }
    for (batch, members) in repeated {
        if members.len() == batch.size as usize
            && members.len() <= max
            && are_of_one_environment(&members)
        {
            groups.push(Group {
                id: batch.id,
                members,
            });
        } else {
            fresh.extend(members);
        }
    }
    if max == 1 {
        groups.extend(fresh.into_iter().map(|member| of(vec![member], now)));
        return groups;
    }
    let uniform = capabilities.batching == Batching::Uniform;
    let mut open: HashMap<Key, Vec<Sendable>> = HashMap::new();
    for member in fresh {
        let delivery = &member.lease.delivery;
        let most = most(max, member.lease.attempt);
        let key = Key {
            most,
            environment: member.environment,
            slot: delivery.slot(),
            alike: uniform.then(|| (delivery.content.id, delivery.badge)),
        };
        let members = open.entry(key).or_default();
        members.push(member);
        if members.len() == most {
            groups.push(of(std::mem::take(members), now));
        }
    }
    let rest = open.into_values().filter(|members| !members.is_empty());
    groups.extend(rest.map(|members| of(members, now)));
    groups
}

/// Whether one batch can name the environment of all tokens. A token that was registered again since it was sent to before may
/// be of another one.
fn are_of_one_environment(members: &[Sendable]) -> bool {
    members
        .windows(2)
        .all(|pair| pair[0].environment == pair[1].environment)
}

/// The largest batch for a delivery at this attempt. One target can spoil every batch that it is in, so that those which failed
/// several times are sent in ever smaller ones, and in the end alone.
const fn most(max: usize, attempt: u32) -> usize {
    let eighths = attempt.saturating_sub(2);
    let most = match max.checked_shr(eighths.saturating_mul(3)) {
        Some(most) => most,
        None => 0,
    };
    if most == 0 { 1 } else { most }
}

/// A group under a new id: for one delivery, the delivery's own, which stays the same on every attempt.
fn of(members: Vec<Sendable>, now: Timestamp) -> Group {
    let id = match members.as_slice() {
        [only] => BatchId::from_uuid(only.lease.delivery.id.as_uuid()),
        _ => BatchId::new(now),
    };
    Group { id, members }
}

#[cfg(test)]
mod tests {
    use push_core::{
        Address, AppId, CertificateId, Channel, Class, Content, Delivery, DeliveryId, DeviceId,
        DeviceToken, Instance, Lease, LeaseId, MessageId, Notification, UserId,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn content(number: u128) -> Arc<Content> {
        Arc::new(Content::new(
            ContentId::from_uuid(uuid::Uuid::from_u128(number)),
            AppId::new("app").expect("an id"),
            MessageId::new("message").expect("an id"),
            Class::CHAT,
            Notification::default(),
        ))
    }

    fn member(number: i64, content: &Arc<Content>, badge: Badge) -> Sendable {
        let delivery = Delivery::new(
            DeliveryId::new(NOW),
            Arc::clone(content),
            Address::Device {
                user: UserId::new("user").expect("an id"),
                device: DeviceId::new("device").expect("an id"),
                slot: Slot::Alert,
                instance: Instance::ONLY,
            },
            Channel::known("sample"),
            CertificateId::new(1).expect("an id"),
            NOW,
        )
        .with_badge(badge);
        Sendable {
            lease: Lease::new(LeaseId::from(number), delivery),
            token: DeviceToken::new(format!("token-{number}")).expect("a token"),
            environment: Environment::Production,
            reported_at: NOW,
        }
    }

    fn members(count: i64, content: &Arc<Content>) -> Vec<Sendable> {
        (0..count)
            .map(|number| member(number, content, Badge::Leave))
            .collect()
    }

    fn capabilities(max: usize, batching: Batching) -> Capabilities {
        Capabilities::new(Channel::known("sample"), 4096).with_batch(max, batching)
    }

    /// S121.
    #[test]
    fn every_delivery_is_in_exactly_one_batch_whatever_the_limit() {
        const MAX: usize = 5;
        for batching in [Batching::Mixed, Batching::Uniform] {
            for count in [0, 1, MAX - 1, MAX, MAX + 1, 3 * MAX + 7] {
                let members = members(count as i64, &content(1));
                let groups = group(members, &capabilities(MAX, batching), NOW);
                let sizes = groups.iter().map(|group| group.members.len());
                assert!(sizes.clone().all(|size| (1..=MAX).contains(&size)));
                assert_eq!(groups.len(), count.div_ceil(MAX));
                let mut ids: Vec<_> = groups
                    .iter()
                    .flat_map(|group| &group.members)
                    .map(|member| member.lease.id.number())
                    .collect();
                ids.sort_unstable();
                assert_eq!(ids, (0..count as i64).map(Some).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn only_a_vendor_of_uniform_batches_separates_content_and_badge() {
        let (one, other) = (content(1), content(2));
        let make = || {
            let mut mixed = members(2, &one);
            mixed.extend(members(2, &other));
            mixed.push(member(9, &one, Badge::Set(1)));
            mixed
        };
        let sizes = |batching| {
            let groups = group(make(), &capabilities(100, batching), NOW);
            let mut sizes: Vec<_> = groups.iter().map(|group| group.members.len()).collect();
            sizes.sort_unstable();
            sizes
        };
        assert_eq!(sizes(Batching::Mixed), [5]);
        assert_eq!(sizes(Batching::Uniform), [1, 2, 2]);
    }

    #[test]
    fn deliveries_that_failed_often_are_sent_in_smaller_batches() {
        let sizes = |attempt| {
            let mut members = members(100, &content(1));
            for member in &mut members {
                member.lease.attempt = attempt;
            }
            let groups = group(members, &capabilities(100, Batching::Uniform), NOW);
            let sizes = groups.iter().map(|group| group.members.len());
            (sizes.clone().max(), sizes.sum::<usize>())
        };
        let largest = [
            (1, 100),
            (2, 100),
            (3, 12),
            (4, 1),
            (5, 1),
            (40, 1),
            (u32::MAX, 1),
        ];
        for (attempt, largest) in largest {
            assert_eq!(sizes(attempt), (Some(largest), 100), "attempt {attempt}");
        }
        // Those that failed do not make the batches of others smaller.
        let mut mixed = members(20, &content(1));
        mixed[3].lease.attempt = 9;
        let groups = group(mixed, &capabilities(100, Batching::Uniform), NOW);
        let mut sizes: Vec<_> = groups.iter().map(|group| group.members.len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 19]);
    }

    #[test]
    fn environments_and_slots_never_share_a_batch() {
        let mut mixed = members(3, &content(1));
        mixed[1].environment = Environment::Sandbox;
        let groups = group(mixed, &capabilities(100, Batching::Mixed), NOW);
        assert_eq!(groups.len(), 2);
    }

    #[test]
    fn a_batch_with_unknown_outcome_keeps_its_id_only_as_a_whole() {
        let batch = BatchRef::new(BatchId::new(NOW), 3);
        let repeat = |count| {
            let mut members = members(count, &content(1));
            for member in &mut members {
                member.lease.batch = Some(batch);
            }
            group(members, &capabilities(100, Batching::Uniform), NOW)
        };
        assert_eq!(repeat(3)[0].id, batch.id);
        let part = repeat(2);
        assert_eq!(part[0].members.len(), 2);
        assert_ne!(part[0].id, batch.id);
    }

    #[test]
    fn a_repeated_batch_is_divided_if_a_token_has_another_environment_now() {
        let batch = BatchRef::new(BatchId::new(NOW), 3);
        let mut members = members(3, &content(1));
        for member in &mut members {
            member.lease.batch = Some(batch);
        }
        members[1].environment = Environment::Sandbox;
        let groups = group(members, &capabilities(100, Batching::Mixed), NOW);
        let mut sizes: Vec<_> = groups.iter().map(|group| group.members.len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 2]);
        assert!(groups.iter().all(|group| group.id != batch.id));
    }

    #[test]
    fn a_batch_of_one_has_the_id_of_its_delivery() {
        let groups = group(
            members(1, &content(1)),
            &capabilities(9, Batching::Mixed),
            NOW,
        );
        let delivery = groups[0].members[0].lease.delivery.id;
        assert_eq!(groups[0].id.as_uuid(), delivery.as_uuid());
    }
}
