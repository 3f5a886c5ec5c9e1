//! Who may send: the JWT, the path.
use super::*;

#[test]
fn the_jwts_of_the_vectors_are_accepted_and_refused_as_they_say() {
    let vectors = vectors();
    let text = |value: &Value| value["jwt"].as_str().map(str::to_owned);
    let good = vectors["harmony_jwt"].as_array().expect("an array");
    let mut cases = vec![
        (text(&good[0]), 1_700_000_001, "80000000"),
        (text(&good[1]), 1_700_086_399, "80000000"),
        (text(&good[2]), 1_700_000_001, "80300036"),
        (
            text(&vectors["harmony_jwt_rs256"]),
            1_700_000_001,
            "80200001",
        ),
    ];
    let negative = vectors["harmony_jwt_negative"]
        .as_array()
        .expect("an array");
    assert_eq!(negative.len(), 5);
    for case in negative {
        let by_index = case["jwt_index"]
            .as_u64()
            .map(|index| if index == 0 { &good[0] } else { &good[2] });
        let now = case["now"].as_i64().unwrap_or(1_700_000_001);
        let expected = case["expect"].as_str().expect("text");
        cases.push((text(by_index.unwrap_or(case)), now, expected));
    }
    block_on(async {
        for (jwt, now, code) in cases {
            let world = World::new(Options::default().with_any_token()).await;
            let passed = u64::try_from(now - sample::NOW.unix_seconds()).expect("later");
            world.clock.advance(Duration::from_secs(passed));
            let bearer = jwt.map(|jwt| format!("Bearer {jwt}"));
            let mut headers = vec![("push-type", "0")];
            headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
            let (status, answered, _) = world.ask(SEND, &headers, &message(&json!({}))).await;
            assert_eq!(answered, code, "{bearer:?}");
            assert_eq!(status, if code == "80000000" { 200 } else { 401 });
        }
        let lax = World::new(Options::default().with_any_token().with_rs256()).await;
        let bearer = format!(
            "Bearer {}",
            text(&vectors["harmony_jwt_rs256"]).expect("text")
        );
        let headers = [("authorization", bearer.as_str()), ("push-type", "0")];
        let (_, code, _) = lax.ask(SEND, &headers, &message(&json!({}))).await;
        assert_eq!(code, "80000000");
    });
}

#[test]
fn another_path_version_project_or_method_is_refused() {
    block_on(async {
        let world = World::new(Options::default().with_any_token()).await;
        let bearer = format!("Bearer {}", jwt());
        let headers = [("authorization", bearer.as_str()), ("push-type", "0")];
        for (path, code) in [
            (SEND, "80000000"),
            ("/v2/101653523863440882/messages:send", "80200001"),
            ("/v3/1/messages:send", "80200001"),
            ("/v3/101653523863440882/messages:revoke", "80200001"),
            ("/v1/7/messages:revoke", "80300028"),
            ("/v3/101653523863440882/topics", "404"),
        ] {
            let (_, answered, _) = world.ask(path, &headers, &message(&json!({}))).await;
            assert_eq!(answered, code, "{path}");
        }
    });
}
