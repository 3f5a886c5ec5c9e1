//! The mistakes of people who compose a stack, each with the message that mends it: what is wrong, where, and what to write.
//!
//! The compiler finds more of them; those are in `cargo xtask ci outside`.
mod app;
mod credentials;
mod gateway;
mod names;

/// A mistake: what it is, the code that makes it, and the whole message.
type Mistake = (&'static str, fn() -> String, &'static str);

fn all() -> impl Iterator<Item = Mistake> {
    [
        names::MISTAKES,
        gateway::MISTAKES,
        credentials::MISTAKES,
        app::MISTAKES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Runs `work` to its end.
fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work)
}

/// The message of a result that is an error.
fn message<T, E: std::fmt::Display>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "nothing is wrong".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// `text` with `LINE` for the numbers of lines in these files.
fn without_lines(text: &str) -> String {
    let mut parts = text.split(".rs:");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        all += ".rs:LINE";
        all += part.trim_start_matches(|letter: char| letter.is_ascii_digit());
    }
    all
}

#[test]
fn forty_mistakes_are_each_answered_with_the_message_that_mends_them() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for (what, make, expected) in all() {
        count += 1;
        let printed = without_lines(&make());
        if printed != expected {
            wrong.push(format!(
                "{what}\n  expected: {expected}\n  printed:  {printed}"
            ));
        }
    }
    assert!(count >= 40, "{count}");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_message_names_an_internal_type_or_shows_a_value_as_rust_prints_it() {
    // Advice may show a line of code, in the names that users write.
    let internal = [
        "push_core::",
        "push_gateway::",
        "push_client::",
        "serde",
        "config::",
    ];
    for (what, _, expected) in all() {
        for part in internal
            .into_iter()
            .chain(["Some(", "Err(", "Error {", "struct "])
        {
            assert!(!expected.contains(part), "{what}: {expected}");
        }
    }
}
