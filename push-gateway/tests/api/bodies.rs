//! JSON that people really send.
use serde_json::{Value, json};

use crate::{
    TOKEN, hello, login,
    support::served::{ADMIN_KEY, SERVER_KEY, Served, token_body},
};

/// A text that was cut inside an emoji, as `JSON.stringify` escapes it, reaches the phone.
#[tokio::test]
async fn half_an_emoji_is_pushed_as_the_replacement_character() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    let case: Value =
        serde_json::from_str(include_str!("../fixtures/text_cut_inside_an_emoji.json")).unwrap();
    let body = case["raw_body_of POST /v1/messages"].as_str().unwrap();
    let answer = served
        .raw("POST", "/v1/messages", SERVER_KEY, body.as_bytes())
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    // The same in `ext`, a JSON text within the JSON text.
    let ext = r#"{\"entity\":{\"sender\":\"bob\"},\"note\":\"half \\ud83d\"}"#;
    let body =
        format!(r#"{{"id":"m2","receivers":["alice"],"push":{{"desc":"hi","ext":"{ext}"}}}}"#);
    let answer = served
        .raw("POST", "/v1/messages", SERVER_KEY, body.as_bytes())
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(
        answer.body["messages"][0]["deliveries"]
            .as_array()
            .unwrap()
            .len(),
        1,
        "{answer:?}"
    );
    served.world.calm().await;
    let seen = served.world.plan.seen();
    assert!(seen[0].notification.body.contains("see you \u{fffd}"));
    let ext: Value = serde_json::from_str(&seen[1].notification.ext).unwrap();
    assert_eq!(ext["note"], "half \u{fffd}");
}

/// `null` is what many languages write for a member that is not set.
#[tokio::test]
async fn a_member_that_is_null_is_taken_as_absent() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    let case: Value =
        serde_json::from_str(include_str!("../fixtures/null_for_unset.json")).unwrap();
    let answer = served
        .call(
            "POST",
            "/v1/messages",
            SERVER_KEY,
            Some(case["body"].clone()),
        )
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(
        answer.body["messages"][0]["deliveries"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

/// Every optional member of every body that the document describes, so that the next one is no exception.
#[tokio::test]
async fn every_optional_member_of_every_body_may_be_null() {
    let served = Served::new().await;
    let certificate = served.credential().await;
    let config = served
        .world
        .upload(json!({"secret": null, "expires_at": null}))
        .config;
    let document: Value = serde_json::from_str(&push_gateway::http::openapi()).unwrap();
    let schemas = &document["components"]["schemas"];
    let (mut bodies, mut members) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let content = &operation["requestBody"]["content"]["application/json"]["schema"];
            if content.is_null() {
                continue;
            }
            let reference = content["$ref"].as_str().expect("a named schema");
            let name = reference.rsplit('/').next().unwrap();
            // A signed body needs a signature; its members are those of others.
            if name == "Receipts" {
                continue;
            }
            bodies += 1;
            let required = sample(name, &config, certificate.get());
            let all = with_null(schemas, name, required, &mut members);
            let (user, path) = (format!("user-{bodies}"), fill(path));
            let bearer = match operation["tags"][0].as_str().unwrap() {
                "server" => SERVER_KEY.to_owned(),
                "admin" => ADMIN_KEY.to_owned(),
                _ => served.ticket(&user).await,
            };
            let answer = served
                .call(&method.to_uppercase(), &path, &bearer, Some(all.clone()))
                .await;
            assert!(
                answer.status < 300 || answer.status == 404,
                "{method} {path} {all}: {answer:?}"
            );
        }
    }
    assert!(
        bodies >= 8 && members >= 40,
        "{bodies} bodies, {members} members"
    );
}

/// What a body needs.
fn sample(name: &str, config: &Value, certificate: u32) -> Value {
    match name {
        "Message" => json!({
            "id": "m", "audience": {"tokens": [{"certificate_id": certificate, "token": "t"}]},
            "sender": {"user": "bob"}, "group": {"id": "g"},
            "elements": [{"type": "custom"}, {"type": "image"}],
            "push": {"channels": {"sample": {}}},
        }),
        "PresenceChanges" => {
            json!({"changes": [{"user": "alice", "presence": "online"}]})
        }
        "TicketRequest" => json!({"user": "alice"}),
        "Tags" => json!({"tags": []}),
        "CredentialBody" => json!({"provider": "scripted", "config": config}),
        "Registration" => token_body(
            TOKEN,
            push_core::CertificateId::new(certificate.into()).expect("an id"),
        ),
        "Presence" => json!({"presence": "online", "at": 1}),
        other => panic!("say here what a {other} needs"),
    }
}

/// Adds the members of `schema` that `value` has not as `null`, also in what it has.
fn with_null(schemas: &Value, schema: &str, mut value: Value, members: &mut usize) -> Value {
    let properties = schemas[schema]["properties"].as_object();
    let Some(object) = value.as_object_mut() else {
        return value;
    };
    for (member, property) in properties.into_iter().flatten() {
        let named = property["$ref"].as_str();
        let either = property["oneOf"].as_array().into_iter().flatten();
        let inner = named
            .or_else(|| either.filter_map(|one| one["$ref"].as_str()).next())
            .or_else(|| property["items"]["$ref"].as_str())
            .or_else(|| property["additionalProperties"]["$ref"].as_str());
        let inner = inner.and_then(|reference| reference.rsplit('/').next());
        match (object.get_mut(member), inner) {
            (None, _) => {
                // Of the audience and the receivers there is one.
                object.insert(member.clone(), Value::Null);
                *members += 1;
            }
            (Some(there), Some(inner)) => match there {
                Value::Array(items) => {
                    for item in items {
                        *item = with_null(schemas, inner, item.take(), members);
                    }
                }
                Value::Object(map) if property["additionalProperties"].is_object() => {
                    for item in map.values_mut() {
                        *item = with_null(schemas, inner, item.take(), members);
                    }
                }
                there => *there = with_null(schemas, inner, there.take(), members),
            },
            (Some(_), None) => {}
        }
    }
    value
}

fn fill(path: &str) -> String {
    path.replace("{slot}", "alert")
        .replace("{device}", "phone")
        .replace("{user}", "alice")
        .replace("{id}", "1")
}

#[tokio::test]
async fn a_body_that_says_it_is_something_else_is_refused_with_415() {
    let served = Served::new().await;
    let body = hello("m", "alice").to_string();
    let send = async |content_type: &str| {
        let lines = format!("authorization: Bearer {SERVER_KEY}\r\n{content_type}");
        served
            .bare("POST", "/v1/messages", &lines, body.as_bytes())
            .await
    };
    for wrong in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=gbk",
        "application/jsonp",
        "",
    ] {
        let answer = send(&format!("content-type: {wrong}\r\n")).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (415, "not-json"),
            "{wrong}"
        );
        assert!(answer.text.contains("content-type: application/json"));
    }
    for right in [
        "content-type: application/json\r\n",
        "Content-Type: Application/JSON; charset=UTF-8\r\n",
        "content-type: application/vnd.im+json\r\n",
        "",
    ] {
        assert_eq!(send(right).await.status, 202, "{right}");
    }
    // On every path that reads JSON.
    let ticket = served.ticket("alice").await;
    for (method, path, bearer) in [
        ("POST", "/v1/presence", SERVER_KEY),
        ("POST", "/v1/tickets", SERVER_KEY),
        ("POST", "/v1/credentials", ADMIN_KEY),
        ("PUT", "/v1/users/alice/tags", SERVER_KEY),
        ("PUT", "/v1/devices/phone/presence", &ticket),
        ("PUT", "/v1/devices/phone/registrations/alert", &ticket),
    ] {
        let lines = format!("authorization: Bearer {bearer}\r\ncontent-type: text/plain\r\n");
        let answer = served.bare(method, path, &lines, b"{}").await;
        assert_eq!(answer.status, 415, "{method} {path}: {answer:?}");
    }
}

#[tokio::test]
async fn an_encoded_body_is_refused_with_415() {
    let served = Served::new().await;
    let body = hello("m", "alice").to_string();
    // The beginning of a file of gzip.
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let send = async |lines: &str, body: &[u8]| {
        let lines = format!("authorization: Bearer {SERVER_KEY}\r\n{lines}");
        served.send("POST", "/v1/messages", &lines, body).await
    };
    for encoding in ["gzip", "GZIP", "deflate", "br", "identity, gzip", "x"] {
        // The header is believed, whatever the body is.
        for body in [&gzip[..], body.as_bytes()] {
            let answer = send(&format!("content-encoding: {encoding}\r\n"), body).await;
            assert_eq!(
                (answer.status, answer.problem()),
                (415, "encoded"),
                "{encoding}"
            );
            assert!(answer.text.contains("`content-encoding`"), "{answer:?}");
        }
    }
    let twice = "content-encoding: identity\r\ncontent-encoding: gzip\r\n";
    assert_eq!(send(twice, body.as_bytes()).await.status, 415);
    for right in [
        "",
        "content-encoding: identity\r\n",
        "content-encoding: Identity\r\n",
        "content-encoding:\r\n",
    ] {
        assert_eq!(send(right, body.as_bytes()).await.status, 202, "{right}");
    }
    // Phones and operators, too.
    let ticket = served.ticket("alice").await;
    for (method, path, bearer) in [
        ("POST", "/v1/credentials", ADMIN_KEY),
        ("PUT", "/v1/devices/phone/presence", &ticket),
    ] {
        let lines = format!("authorization: Bearer {bearer}\r\ncontent-encoding: gzip\r\n");
        let answer = served.send(method, path, &lines, b"{}").await;
        assert_eq!(answer.status, 415, "{method} {path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_wrong_path_or_query_says_which_part_is_wrong() {
    let served = Served::new().await;
    let ticket = served.ticket("alice").await;
    for (path, bearer, says) in [
        ("/v1/traces?limit=many", SERVER_KEY, "limit"),
        ("/v1/traces?colour=red", SERVER_KEY, "colour"),
        (
            "/v1/traces?limit=0",
            SERVER_KEY,
            "`limit` is from 1 to 1000",
        ),
        (
            "/v1/traces?from=1760000000",
            SERVER_KEY,
            "`from`: 1760000000 looks like seconds",
        ),
        ("/v1/deliveries/no-uuid/trace", SERVER_KEY, "part"),
    ] {
        let answer = served.get(path, bearer).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid"),
            "{path}"
        );
        assert!(answer.text.contains(says), "{path}: {answer:?}");
    }
    let path = format!("/v1/devices/{}/presence", "x".repeat(129));
    let body = json!({"presence": "online", "at": 1});
    let answer = served.call("PUT", &path, &ticket, Some(body)).await;
    assert!(answer.text.contains("longer than 128 bytes"), "{answer:?}");
}
