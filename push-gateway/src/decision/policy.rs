//! Vendor fields by message class, and the one rule by which they are laid over each other (S100).
use std::collections::BTreeMap;

use push_core::{
    ADDRESSING_FIELDS, AppId, Channel, Class, Describe, DynProvider, Error, ErrorKind, Faults,
    Result,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Vendor fields that an operator sets for every message of a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClassPolicy {
    /// The class.
    #[describe(example = "marketing")]
    pub class: Class,
    /// Only for this app; absent for every app.
    #[serde(default)]
    #[describe(example = "demo")]
    pub app: Option<AppId>,
    /// Fields in each vendor's own format, by channel.
    #[describe(example = serde_json::json!({ "web": { "category": "MARKETING" } }))]
    pub vendor: BTreeMap<Channel, Map<String, Value>>,
}

impl ClassPolicy {
    /// The policy of `class` in every app.
    pub const fn new(class: Class, vendor: BTreeMap<Channel, Map<String, Value>>) -> Self {
        Self {
            class,
            app: None,
            vendor,
        }
    }

    push_core::setters! {
        with_app(app: impl Into<Option<AppId>>);
    }
}

/// What the policies set for one class, app and channel, with `message` laid over it: what a push carries in the end.
pub(crate) fn vendor_fields(
    policies: &[ClassPolicy],
    app: &AppId,
    class: &Class,
    channel: &Channel,
    message: Option<&Map<String, Value>>,
) -> Map<String, Value> {
    Policies::of(policies, class).fields(app, channel, message)
}

/// Checks policies as far as possible without a credential: none may set a field of [`ADDRESSING_FIELDS`].
///
/// # Errors
/// [`ErrorKind::Config`] with everything that is wrong, each with its key.
pub(crate) fn check_all(policies: &[ClassPolicy]) -> Result<()> {
    let mut faults = Faults::default();
    for (n, policy) in policies.iter().enumerate() {
        for (channel, fields) in &policy.vendor {
            for field in fields.keys() {
                let is_addressing = ADDRESSING_FIELDS
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(field));
                faults.refuse(
                    is_addressing,
                    &format!("policies[{n}].vendor.{channel}.{field}"),
                    "belongs to the credential or the registration, so no policy sets it; remove it",
                );
            }
        }
    }
    faults.result()
}

/// Checks what the policies set for `app` with the provider that would send it.
///
/// # Errors
/// [`ErrorKind::Config`], naming the class and the field.
pub(crate) fn check_with(
    policies: &[ClassPolicy],
    app: &AppId,
    provider: &DynProvider,
) -> Result<()> {
    let channel = &provider.capabilities().channel;
    let mut classes: Vec<&Class> = policies.iter().map(|policy| &policy.class).collect();
    classes.sort();
    classes.dedup();
    for class in classes {
        let fields = vendor_fields(policies, app, class, channel, None);
        provider
            .check_fields(&fields)
            .map_err(|error| of_policy(class, channel, &error.to_string()))?;
    }
    Ok(())
}

fn of_policy(class: &Class, channel: &Channel, what: &str) -> Error {
    Error::new(ErrorKind::Config, what)
        .at(format!(
            "`decision.policies`, class {class}, channel {channel}"
        ))
        .advise("the operator of the gateway corrects the policy")
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
