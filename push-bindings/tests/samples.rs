//! The calls on the pages for iOS and Android match the generated sources.

use std::{collections::BTreeMap, fs, path::Path};

/// The callable names, such as `PushClient.login` and `Config.init`, each with its parameters in order.
type Declared = BTreeMap<String, Vec<Parameter>>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter {
    name: String,
    has_default: bool,
}

/// The two languages, as far as they differ here.
struct Language {
    page: &'static str,
    fence: &'static str,
    sources: &'static str,
    /// The keywords that begin a class, a record and a trait.
    class: &'static str,
    record: &'static str,
    protocol: &'static str,
    /// The keyword with which an app implements a method.
    implements: &'static str,
    /// The text before a function's name in a class.
    function: &'static [&'static str],
}

const SWIFT: Language = Language {
    page: "docs/ios.md",
    fence: "```swift\n",
    sources: "push-bindings/swift/OfflinePush.swift",
    class: "open class ",
    record: "public struct ",
    protocol: "public protocol ",
    implements: "func ",
    function: &["open func ", "public static func ", "public convenience "],
};

const KOTLIN: Language = Language {
    page: "docs/android.md",
    fence: "```kotlin\n",
    sources: "push-bindings/kotlin/io/offlinepush/offline_push.kt",
    class: "open class ",
    record: "data class ",
    protocol: "public interface ",
    implements: "override fun ",
    function: &[
        "override fun ",
        "@Throws(PushException::class) fun ",
        "constructor",
    ],
};

/// The names of our objects in the samples, and their types. One of the types must have the method.
const RECEIVERS: &[(&str, &[&str])] = &[
    ("push", &["PushClient"]),
    ("PushClient", &["PushClient"]),
    ("loginCenter()", &["LoginCenter"]),
    ("answer", &["PermissionAnswer", "TokenAnswer"]),
    ("permissionAsked", &["PermissionAnswer"]),
    ("job", &["Job"]),
    ("notificationExtension", &["NotificationExtension"]),
];

/// The types that the samples construct.
const MADE: &[&str] = &["Config", "CertificateId", "NotificationExtension"];

/// The traits that the app implements.
const TRAITS: &[&str] = &[
    "Platform",
    "RouteHandler",
    "Interceptor",
    "EventListener",
    "Completion",
];

/// The keywords that begin the next block.
const NEXT: &[&str] = &[
    "open class ",
    "public enum ",
    "public fun ",
    "public func ",
    "public interface ",
    "public object ",
    "public protocol ",
    "public struct ",
    "data class ",
    "enum class ",
    "sealed class ",
    "object ",
    "internal ",
    "private ",
    "fileprivate ",
    "extension ",
];

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the code in the page's fences.
fn samples(page: &str, fence: &str) -> Vec<String> {
    page.split(fence)
        .skip(1)
        .map(|it| it.split("\n```").next().unwrap_or_default().to_owned())
        .collect()
}

/// Returns generated code without the markers that samples do not have.
fn plain(source: &str) -> String {
    let mut text = source.replace('`', "").replace("kotlin.", "");
    while let Some(start) = text.find("/**") {
        let end = text[start..]
            .find("*/")
            .map_or(text.len(), |it| start + it + 2);
        text.replace_range(start..end, "");
    }
    text
}

/// Returns the text between the bracket at the start of `text` and the one that closes it.
fn inside(text: &str) -> &str {
    let mut depth = 0_usize;
    let mut is_text = false;
    for (at, it) in text.char_indices() {
        match it {
            '"' => is_text = !is_text,
            _ if is_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth -= 1;
                if depth == 0 {
                    return &text[1..at];
                }
            }
            _ => {}
        }
    }
    panic!("a bracket is not closed: {text:.80}")
}

/// Splits at commas outside brackets and string literals.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut is_text, mut start) = (0_usize, false, 0);
    let mut found = Vec::new();
    for (at, it) in text.char_indices() {
        match it {
            '"' => is_text = !is_text,
            _ if is_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(text[start..].trim());
    found.retain(|it| !it.is_empty());
    found
}

fn parameters(text: &str) -> Vec<Parameter> {
    parts(text)
        .into_iter()
        .map(|it| {
            let (name, rest) = it.split_once(':').expect("a parameter has a type");
            Parameter {
                name: name
                    .split_whitespace()
                    .last()
                    .unwrap_or_default()
                    .to_owned(),
                has_default: rest.contains('='),
            }
        })
        .collect()
}

/// Returns the blocks that begin with `keyword`: name, head and body.
fn blocks<'a>(source: &'a str, keyword: &str) -> Vec<(&'a str, &'a str)> {
    let mut found = Vec::new();
    for (start, _) in source.match_indices(&format!("\n{keyword}")) {
        let text = &source[start + 1 + keyword.len()..];
        let name = text
            .split(|it: char| !it.is_alphanumeric() && it != '_')
            .next()
            .unwrap_or_default();
        // The generator does not indent: a block ends where the next begins.
        let end = NEXT
            .iter()
            .filter_map(|it| text.find(&format!("\n{it}")))
            .min()
            .unwrap_or(text.len());
        found.push((name, &text[..end]));
    }
    found
}

fn declared(language: &Language, source: &str) -> Declared {
    let mut found = Declared::new();
    // Kotlin declares defaults only in the interface of a class.
    let interfaces = blocks(source, language.protocol)
        .into_iter()
        .filter_map(|(name, body)| Some((name.strip_suffix("Interface")?, body)))
        .map(|it| (it, &["fun "][..]));
    let classes = blocks(source, language.class)
        .into_iter()
        .map(|it| (it, language.function));
    for ((class, body), keywords) in interfaces.chain(classes) {
        for keyword in keywords {
            for (at, _) in body.match_indices(keyword) {
                let text = &body[at + keyword.len()..];
                let Some(open) = text.find('(') else {
                    continue;
                };
                let name = match text[..open].trim() {
                    "" => "init",
                    name => name,
                };
                if name.chars().all(char::is_alphanumeric) && text[open..].contains(')') {
                    found
                        .entry(format!("{class}.{name}"))
                        .or_insert_with(|| parameters(inside(&text[open..])));
                }
            }
        }
    }
    for (record, body) in blocks(source, language.record) {
        if !MADE.contains(&record) {
            continue;
        }
        let open = body
            .find("public init(")
            .map_or_else(|| body.find('('), |it| Some(it + "public init".len()))
            .expect("a record has a constructor");
        found.insert(format!("{record}.init"), parameters(inside(&body[open..])));
    }
    found
}

/// Returns the arguments of the calls of `head`, which ends with a bracket, in `code`.
fn calls<'a>(code: &'a str, head: &str) -> Vec<&'a str> {
    code.match_indices(head)
        .filter(|(at, _)| {
            !code[..*at].ends_with(|it: char| it.is_alphanumeric() || it == '_' || it == '.')
        })
        .map(|(at, _)| inside(&code[at + head.len() - 1..]))
        .collect()
}

/// Returns every method that is called on `receiver`, with its arguments.
fn methods<'a>(code: &'a str, receiver: &str) -> Vec<(&'a str, &'a str)> {
    let mut found = Vec::new();
    for dot in [".", "?."] {
        let head = format!("{receiver}{dot}");
        for (at, _) in code.match_indices(&head) {
            let before = code[..at].chars().next_back();
            let is_whole = !before.is_some_and(|it| it.is_alphanumeric() || it == '_');
            let text = &code[at + head.len()..];
            let name = text
                .split(|it: char| !it.is_alphanumeric())
                .next()
                .unwrap_or_default();
            if is_whole && text[name.len()..].starts_with('(') {
                found.push((name, inside(&text[name.len()..])));
            }
        }
    }
    found
}

/// Returns the label of an argument: `label: value` in Swift, `label = value` in Kotlin.
fn label(argument: &str) -> Option<&str> {
    let end = argument.find(|it: char| !it.is_alphanumeric())?;
    let rest = argument[end..].trim_start();
    let labels = (rest.starts_with(':') || rest.starts_with('=')) && !rest.starts_with("==");
    labels.then_some(&argument[..end])
}

/// Returns why `arguments` do not match the parameters, if they do not.
fn misfit(language: &Language, wanted: &[Parameter], arguments: &str) -> Option<String> {
    let arguments = parts(arguments);
    let mut left = wanted.iter();
    for argument in &arguments {
        let next = match label(argument) {
            Some(label) => {
                let skipped = left.by_ref().find(|it| it.name == label);
                if skipped.is_none() {
                    return Some(format!(
                        "there is no parameter `{label}`, or not at this position"
                    ));
                }
                continue;
            }
            None if language.fence == SWIFT.fence => None,
            None => left.next(),
        };
        if next.is_none() {
            return Some(format!("there is no parameter for `{argument}`"));
        }
    }
    let missing = wanted.iter().enumerate().find(|(at, it)| {
        let is_positional = arguments.get(*at).is_some_and(|it| label(it).is_none());
        let is_named = arguments.iter().any(|a| label(a) == Some(&it.name));
        !it.has_default && !is_named && !is_positional
    });
    missing.map(|(_, it)| format!("`{}` is missing", it.name))
}

/// Compares `code` with the declarations. Returns the names that it calls, and adds errors to `wrong`.
fn check(
    language: &Language,
    declared: &Declared,
    code: &str,
    wrong: &mut Vec<String>,
) -> Vec<String> {
    let mut called = Vec::new();
    let mut look = |names: &[String], arguments: &str| match names
        .iter()
        .find_map(|it| Some((it, declared.get(it)?)))
    {
        None => wrong.push(format!("there is no {}", names.join(" or "))),
        Some((name, wanted)) => {
            called.push(name.clone());
            let fits = names
                .iter()
                .filter_map(|it| declared.get(it))
                .any(|it| misfit(language, it, arguments).is_none());
            if !fits {
                let why = misfit(language, wanted, arguments).unwrap_or_default();
                wrong.push(format!("{name}({arguments}): {why}"));
            }
        }
    };
    for (receiver, types) in RECEIVERS {
        for (method, arguments) in methods(code, receiver) {
            let names: Vec<String> = types.iter().map(|it| format!("{it}.{method}")).collect();
            look(&names, arguments);
        }
    }
    for made in MADE {
        for arguments in calls(code, &format!("{made}(")) {
            look(&[format!("{made}.init")], arguments);
        }
    }
    called
}

/// Returns the methods of our traits that `code` does not implement although it declares the trait, and the traits it implements.
fn lacking(language: &Language, source: &str, code: &str) -> (Vec<String>, Vec<String>) {
    let mut lacking = Vec::new();
    let mut implemented = Vec::new();
    let headers: String = code
        .lines()
        .scan(false, |in_header, line| {
            *in_header |= line.contains("class ");
            let is_header = *in_header;
            *in_header &= !line.contains('{');
            Some(if is_header { line } else { "" })
        })
        .collect::<Vec<_>>()
        .join(" ");
    let names: Vec<&str> = headers.split(|it: char| !it.is_alphanumeric()).collect();
    for (protocol, body) in blocks(source, language.protocol) {
        if !TRAITS.contains(&protocol) || !names.contains(&protocol) {
            continue;
        }
        implemented.push(protocol.to_owned());
        for (at, _) in body.match_indices("fun") {
            let text = &body[at..];
            let Some(rest) = text.strip_prefix("func ").or(text.strip_prefix("fun ")) else {
                continue;
            };
            let open = rest.find('(').expect("a function has brackets");
            let signature = format!(
                "{}{}({})",
                language.implements,
                rest[..open].trim(),
                inside(&rest[open..])
            );
            if !code.contains(&signature) {
                lacking.push(format!("{protocol} wants `{signature}`"));
            }
        }
    }
    (lacking, implemented)
}

fn holds(language: &Language, must_call: &[&str]) {
    let source = plain(&read(language.sources));
    let declared = declared(language, &source);
    let page = read(language.page);
    let samples = samples(&page, language.fence);
    assert!(
        samples.len() >= 5,
        "{}: {} samples",
        language.page,
        samples.len()
    );
    let mut wrong = Vec::new();
    let mut called = Vec::new();
    let mut implemented = Vec::new();
    for code in &samples {
        called.extend(check(language, &declared, code, &mut wrong));
        let (lacks, has) = lacking(language, &source, code);
        wrong.extend(lacks);
        implemented.extend(has);
    }
    assert_eq!(wrong, [""; 0], "{}", language.page);
    let forgotten: Vec<&&str> = must_call
        .iter()
        .filter(|it| !called.iter().any(|called| called == **it))
        .collect();
    assert!(
        forgotten.is_empty(),
        "{} does not show {forgotten:?}",
        language.page
    );
    for name in ["Platform", "RouteHandler", "Interceptor", "EventListener"] {
        assert!(
            implemented.iter().any(|it| it == name),
            "{}: {name}",
            language.page
        );
    }
}

/// The names that both pages must show.
const SHOWN: [&str; 19] = [
    "Config.init",
    "CertificateId.init",
    "PushClient.start",
    "PushClient.loginCenter",
    "PushClient.registerService",
    "PushClient.unregisterService",
    "PushClient.tokenReceived",
    "PushClient.launched",
    "PushClient.clicked",
    "PushClient.arrived",
    "PushClient.ready",
    "PushClient.setPush",
    "LoginCenter.login",
    "LoginCenter.logout",
    "LoginCenter.kickedOffline",
    "LoginCenter.userSigExpired",
    "PermissionAnswer.give",
    "TokenAnswer.fail",
    "Job.run",
];

#[test]
fn the_page_for_ios_calls_existing_functions() {
    let mut must_call = SHOWN.to_vec();
    must_call.extend([
        "PushClient.foreground",
        "PushClient.background",
        "PushClient.tokenFailed",
        "NotificationExtension.init",
        "NotificationExtension.delivered",
    ]);
    holds(&SWIFT, &must_call);
}

#[test]
fn the_page_for_android_calls_existing_functions() {
    let mut must_call = SHOWN.to_vec();
    must_call.extend([
        "PushClient.activityStarted",
        "PushClient.activityStopped",
        "PushClient.setUnread",
    ]);
    holds(&KOTLIN, &must_call);
}

#[test]
fn a_wrong_call_is_found() {
    for (language, code) in [
        (&SWIFT, "push.logIn()"),
        (&SWIFT, "push?.registerService(user: user)"),
        (&SWIFT, "push.registerService(ticket: ticket, user: user)"),
        (&SWIFT, "push.registerService(user, ticket)"),
        (
            &SWIFT,
            "CertificateId(channel: \"apns\", slot: .alert, debug: 1)",
        ),
        (
            &SWIFT,
            "push.loginCenter().login(name: user, ticket: ticket)",
        ),
        (&SWIFT, "answer.give(badge: 1)"),
        (&KOTLIN, "push.registerService(user)"),
        (&KOTLIN, "push.registerService(user, ticket, 1)"),
        (&KOTLIN, "push.registerService(user, password = ticket)"),
        (&KOTLIN, "Config(gatewayUrl = \"https://push.example.com\")"),
        (&KOTLIN, "push?.unregister()"),
    ] {
        let declared = declared(language, &plain(&read(language.sources)));
        let mut wrong = Vec::new();
        check(language, &declared, code, &mut wrong);
        assert_eq!(wrong.len(), 1, "{code}: {wrong:?}");
    }
    let source = plain(&read(KOTLIN.sources));
    let code = "class A : Platform {\n override fun hook() {}\n}";
    assert_eq!(lacking(&KOTLIN, &source, code).0.len(), 4);
    let source = plain(&read(SWIFT.sources));
    let code = "final class A: RouteHandler {\n func navigateToChat(user: String) -> Opened {}\n}";
    assert_eq!(lacking(&SWIFT, &source, code).0.len(), 1);
}
