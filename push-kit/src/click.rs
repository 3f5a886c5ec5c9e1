//! What an app reads when its user clicks: `ext`, and beside it the delivery and the receiver.
use push_core::{
    Batch,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};

/// The keys of [`data`], in its order.
pub const KEYS: [&str; 3] = ["ext", DELIVERY_KEY, RECEIVER_KEY];

/// Returns the click data of a message that carries `ext` to all targets of `batch`: `ext` where there is one, the delivery if
/// there is one target only, and the receiver if all targets share it.
pub fn data(batch: &Batch, ext: &str) -> Vec<(&'static str, String)> {
    let only = match batch.targets.as_slice() {
        [only] => Some(only.delivery.to_string()),
        _ => None,
    };
    let receiver = batch.receiver().map(|user| user.as_str().to_owned());
    let ext = (!ext.is_empty()).then(|| ext.to_owned());
    let values = KEYS.into_iter().zip([ext, only, receiver]);
    values
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use push_core::{
        AppId, BatchId, Class, Content, ContentId, DeliveryId, DeviceToken, Environment, MessageId,
        Notification, Slot, Target, Timestamp, UserId,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn batch(receivers: &[Option<&str>]) -> Batch {
        let content = Arc::new(Content::new(
            ContentId::new(NOW),
            AppId::new("app").unwrap(),
            MessageId::new("m").unwrap(),
            Class::CHAT,
            Notification::default(),
        ));
        let target = |receiver: &Option<&str>| {
            let token = DeviceToken::new("token").unwrap();
            Target::new(DeliveryId::new(NOW), token, Arc::clone(&content))
                .with_receiver(receiver.map(|name| UserId::new(name).unwrap()))
        };
        let targets = receivers.iter().map(target).collect();
        Batch::new(
            BatchId::new(NOW),
            Environment::Production,
            Slot::Alert,
            targets,
        )
    }

    #[test]
    fn delivery_and_receiver_are_named_only_where_the_message_has_one() {
        let keys = |receivers: &[Option<&str>], ext| -> Vec<&str> {
            let data = data(&batch(receivers), ext);
            data.into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(keys(&[Some("ann")], "{}"), KEYS);
        assert_eq!(keys(&[None], ""), [DELIVERY_KEY]);
        assert_eq!(keys(&[Some("ann"), Some("ann")], "{}"), ["ext", "receiver"]);
        assert_eq!(keys(&[Some("ann"), Some("bob")], "{}"), ["ext"]);
        assert_eq!(keys(&[Some("ann"), None], "").len(), 0);
        let one = batch(&[Some("ann")]);
        let delivery = one.targets[0].delivery.to_string();
        assert_eq!(data(&one, "{}")[0].1, "{}");
        assert_eq!(data(&one, "{}")[1].1, delivery);
        assert_eq!(data(&one, "{}")[2].1, "ann");
    }
}
