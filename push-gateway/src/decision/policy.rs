//! Vendor fields by message class, and the one rule by which they are laid over each other (S100).
use std::collections::BTreeMap;

use push_core::{AppId, Channel, Class};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Vendor fields that an operator sets for every message of a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassPolicy {
    /// The class.
    pub class: Class,
    /// Only for this app; absent for every app.
    #[serde(default)]
    pub app: Option<AppId>,
    /// Fields in each vendor's own format, by channel.
    pub vendor: BTreeMap<Channel, Map<String, Value>>,
}

/// The policies of one class, those of every app before those of one.
#[derive(Debug)]
pub(super) struct Policies<'a>(Vec<&'a ClassPolicy>);

impl<'a> Policies<'a> {
    pub(super) fn of(all: &'a [ClassPolicy], class: &Class) -> Self {
        let mut policies: Vec<_> = all.iter().filter(|policy| policy.class == *class).collect();
        policies.sort_by_key(|policy| policy.app.is_some());
        Self(policies)
    }

    /// The fields for `app` and `channel`, with `message` laid over them.
    pub(super) fn fields(
        &self,
        app: &AppId,
        channel: &Channel,
        message: Option<&Map<String, Value>>,
    ) -> Map<String, Value> {
        let mut fields = Map::new();
        let of_class = self
            .0
            .iter()
            .filter(|policy| policy.app.as_ref().is_none_or(|of| of == app))
            .filter_map(|policy| policy.vendor.get(channel));
        for layer in of_class.chain(message) {
            overlay(&mut fields, layer);
        }
        fields
    }
}

/// Lays `over` over `under`: objects are merged, everything else is replaced. `null` and an empty text say nothing.
fn overlay(under: &mut Map<String, Value>, over: &Map<String, Value>) {
    let says_something = |value: &Value| !value.is_null() && value.as_str() != Some("");
    for (field, value) in over.iter().filter(|(_, value)| says_something(value)) {
        match (under.get_mut(field), value) {
            (Some(Value::Object(under)), Value::Object(over)) => overlay(under, over),
            _ => {
                under.insert(field.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(json: Value) -> ClassPolicy {
        serde_json::from_value(json).expect("a policy")
    }

    /// S100.
    #[test]
    fn a_message_goes_over_its_class_and_an_app_over_every_app() {
        let all = [
            policy(json!({"class":"chat","app":"im","vendor":{"sample":{"a":{"x":2},"b":2}}})),
            policy(json!({"class":"chat","vendor":{"sample":{"a":{"x":1,"y":1},"b":1,"c":1}}})),
            policy(json!({"class":"marketing","vendor":{"sample":{"c":9}}})),
        ];
        let policies = Policies::of(&all, &Class::CHAT);
        let channel = Channel::known("sample");
        let message = json!({"a":{"y":3},"b":"","c":null,"d":3});
        let fields = policies.fields(
            &AppId::new("im").expect("an id"),
            &channel,
            message.as_object(),
        );
        assert_eq!(
            Value::Object(fields),
            json!({"a":{"x":2,"y":3},"b":2,"c":1,"d":3})
        );
        let other = policies.fields(&AppId::new("other").expect("an id"), &channel, None);
        assert_eq!(Value::Object(other), json!({"a":{"x":1,"y":1},"b":1,"c":1}));
        let elsewhere = Channel::known("elsewhere");
        assert!(
            policies
                .fields(&AppId::new("im").expect("an id"), &elsewhere, None)
                .is_empty()
        );
    }
}
