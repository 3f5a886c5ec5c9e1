//! `null` is what many languages write for a member that is not set.
use push_core::Message;
use serde::Deserialize as _;
use serde_json::Value;

/// A message with every member that there is, in each of its spellings.
fn whole() -> Value {
    serde_json::from_str(include_str!("fixtures/message_with_every_member.json")).expect("JSON")
}

fn places(value: &Value, place: &str, found: &mut Vec<String>) {
    // What is in vendor fields is the vendor's.
    if place.ends_with("/fields") || place.starts_with("/push/vendor/") {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let place = format!("{place}/{name}");
                found.push(place.clone());
                places(value, &place, found);
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                places(value, &format!("{place}/{at}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn a_member_that_may_be_left_out_may_be_null_wherever_it_is() {
    let whole = whole();
    Message::deserialize(&whole).expect("every member is known");
    let mut all = Vec::new();
    places(&whole, "", &mut all);
    let mut optional = 0;
    for place in &all {
        let (parent, name) = place.rsplit_once('/').expect("a pointer");
        let (mut without, mut null) = (whole.clone(), whole.clone());
        let members = without.pointer_mut(parent).and_then(Value::as_object_mut);
        members.expect("an object").remove(name);
        let Ok(without) = Message::deserialize(&without) else {
            continue;
        };
        optional += 1;
        *null.pointer_mut(place).expect("it is there") = Value::Null;
        match Message::deserialize(&null) {
            Ok(null) => assert!(null == without, "`{place}` is not as if it was left out"),
            Err(error) => panic!("`{place}` may be left out, and not be null: {error}"),
        }
    }
    assert!(optional > 50, "{optional} of {} may be left out", all.len());
}
