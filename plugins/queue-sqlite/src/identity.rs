//! The identity of a delivery within its message, as it is stored.
use push_core::{Address, Channel, Delivery};
use sha2::{Digest, Sha256};

/// The first half of a SHA-256 of address and channel: short for every address, and without the token of one.
pub(crate) type Identity = [u8; 16];

/// The identity of `delivery`.
pub(crate) fn of(delivery: &Delivery) -> Identity {
    of_address(&delivery.to, Some(&delivery.channel))
}

/// The identity that a file of version 2 has for it, without a channel.
pub(crate) fn without_channel(delivery: &Delivery) -> Identity {
    of_address(&delivery.to, None)
}

fn of_address(to: &Address, channel: Option<&Channel>) -> Identity {
    let channel = channel.map_or("", Channel::as_str);
    match to {
        Address::Device {
            user,
            device,
            slot,
            instance,
        } => of_parts(&[
            "device",
            user.as_str(),
            device.as_str(),
            slot.as_str(),
            instance.as_str(),
            channel,
        ]),
        Address::Token {
            slot,
            environment,
            token,
        } => of_parts(&[
            "token",
            slot.as_str(),
            environment.as_str(),
            token.expose(),
            channel,
        ]),
        // An address that this version does not know is refused before.
        _ => of_parts(&[]),
    }
}

/// The identity of a device's slot in a file of version 2.
pub(crate) fn of_version_2(user: &str, device: &str, slot: &str) -> Identity {
    of_parts(&["device", user, device, slot, "", ""])
}

/// The first half of a SHA-256 of texts, each with its length.
pub(crate) fn of_parts(parts: &[&str]) -> Identity {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let hash = hash.finalize();
    let mut identity = [0; 16];
    identity.copy_from_slice(&hash[..16]);
    identity
}
