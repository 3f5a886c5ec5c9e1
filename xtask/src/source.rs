//! Separates Rust's code, comments, strings and tests, without a parser.

use std::ops::Range;

/// A source file in two layers of the same length: the text of one is blank in the other.
pub(crate) struct Layers {
    /// Code, with strings, characters and comments blanked out.
    pub(crate) code: String,
    /// Only comments, including doc comments.
    pub(crate) comments: String,
}

/// Splits a source file. Line breaks stay in both layers, so that line numbers agree.
pub(crate) fn layers(text: &str) -> Layers {
    let mut code = Vec::with_capacity(text.len());
    let mut comments = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let (length, layer) = piece(bytes, at);
        for &byte in &bytes[at..at + length] {
            let blank = if byte == b'\n' { b'\n' } else { b' ' };
            code.push(if layer == Layer::Code { byte } else { blank });
            comments.push(if layer == Layer::Comment { byte } else { blank });
        }
        at += length;
    }
    Layers {
        code: String::from_utf8_lossy(&code).into_owned(),
        comments: String::from_utf8_lossy(&comments).into_owned(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Code,
    Comment,
    Literal,
}

/// Returns the length and layer of the piece that starts at `at`.
fn piece(bytes: &[u8], at: usize) -> (usize, Layer) {
    let rest = &bytes[at..];
    let after_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => {
            let end = rest.iter().position(|it| *it == b'\n');
            (end.unwrap_or(rest.len()), Layer::Comment)
        }
        [b'/', b'*', ..] => (block_comment(rest), Layer::Comment),
        [b'"', ..] => (quoted(rest, b'"'), Layer::Literal),
        [b'r', b'"' | b'#', ..] if !after_word => match raw_string(rest) {
            Some(length) => (length, Layer::Literal),
            None => (1, Layer::Code),
        },
        [b'b' | b'c', b'r', b'"' | b'#', ..] if !after_word => match raw_string(&rest[1..]) {
            Some(length) => (length + 1, Layer::Literal),
            None => (1, Layer::Code),
        },
        [b'\'', b'\\', ..] => (quoted(rest, b'\''), Layer::Literal),
        [b'\'', ..] => match character(rest) {
            Some(length) => (length, Layer::Literal),
            // A lifetime or a label.
            None => (1, Layer::Code),
        },
        _ => (1, Layer::Code),
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Returns the length of `r"…"` or `r#"…"#`; none for a raw identifier such as `r#type`.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|it| **it == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let start = hashes + 2;
    let end = [vec![b'"'], vec![b'#'; hashes]].concat();
    let length = rest[start..]
        .windows(end.len())
        .position(|it| it == end)
        .map_or(rest.len(), |it| start + it + end.len());
    Some(length)
}

/// Returns the length of `'x'`; none for a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    let inside = rest[1..].iter().take(5).position(|it| *it == b'\'')?;
    let letter = std::str::from_utf8(&rest[1..=inside]).ok()?;
    (letter.chars().count() == 1).then_some(inside + 2)
}

/// A test function: from its first doc comment or attribute to its closing brace, as line indexes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) lines: Range<usize>,
    /// The line of the test attribute.
    pub(crate) attribute: usize,
}

/// Returns the functions marked `#[test]`, `#[tokio::test]` and the like, in order, including those that a macro of
/// the file would write.
pub(crate) fn tests(text: &str, layers: &Layers) -> Vec<Test> {
    functions(text, layers, is_test_attribute)
}

/// The functions of a file that others call, in the same form: the cases of a conformance suite are such, and a
/// macro's tests call them.
pub(crate) fn cases(text: &str, layers: &Layers) -> Vec<Test> {
    functions(text, layers, |line| {
        line.starts_with("pub") && line.contains("fn ")
    })
}

fn functions(text: &str, layers: &Layers, starts: impl Fn(&str) -> bool) -> Vec<Test> {
    let original: Vec<&str> = text.lines().collect();
    let code: Vec<&str> = layers.code.lines().collect();
    let mut found: Vec<Test> = Vec::new();
    for (attribute, line) in code.iter().enumerate() {
        if !starts(line.trim()) {
            continue;
        }
        let mut first = attribute;
        while first > 0 {
            let above = original[first - 1].trim_start();
            if above.starts_with("//") || above.starts_with("#[") {
                first -= 1;
            } else {
                break;
            }
        }
        let end = body_end(&code, attribute);
        // The attributes of a parameterised test may hold two that look like a test's.
        if found.last().is_none_or(|it| it.lines.end <= attribute) {
            found.push(Test {
                lines: first..end,
                attribute,
            });
        }
    }
    found
}

fn is_test_attribute(line: &str) -> bool {
    let Some(inside) = line.strip_prefix("#[") else {
        return false;
    };
    let path = inside
        .split(['(', ']'])
        .next()
        .unwrap_or_default()
        .trim_end();
    path == "test" || path.ends_with("::test")
}

/// Returns the line after the one that closes the first brace opened from `from` on.
fn body_end(code: &[&str], from: usize) -> usize {
    let mut depth = 0;
    for (at, line) in code.iter().enumerate().skip(from) {
        for letter in line.chars() {
            match letter {
                '{' => depth += 1,
                '}' => {
                    depth -= 1;
                    if depth <= 0 {
                        return at + 1;
                    }
                }
                _ => {}
            }
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::{Test, layers, tests};

    #[test]
    fn strings_and_comments_leave_the_code() {
        let text = "let a = \"x // {\"; // S1 {\nlet b = 2; /* S2 /* { */ */ c";
        let it = layers(text);
        assert_eq!(it.code.len(), text.len());
        let words: Vec<&str> = it.code.split_whitespace().collect();
        assert_eq!(words, ["let", "a", "=", ";", "let", "b", "=", "2;", "c"]);
        let words: Vec<&str> = it.comments.split_whitespace().collect();
        assert_eq!(words, ["//", "S1", "{", "/*", "S2", "/*", "{", "*/", "*/"]);
        assert_eq!(it.comments.lines().count(), 2);
    }

    #[test]
    fn raw_strings_characters_and_lifetimes_are_distinguished() {
        let text =
            r####"fn f<'a>(x: &'a str) { r#"}"# ; br"}" ; '}' ; '\'' ; 'é' ; r#type ; var"}" }"####;
        let code = layers(text).code;
        assert_eq!(code.matches('}').count(), 1, "{code}");
        assert!(code.contains("fn f<'a>(x: &'a str)"), "{code}");
        assert!(code.contains("r#type"), "{code}");
    }

    #[test]
    fn what_never_ends_is_no_panic() {
        for text in ["\"", "'", "/*", "r#\"", "'\\", "\"\\", "b", "br#", "//"] {
            assert_eq!(layers(text).code.len(), text.len());
        }
    }

    #[test]
    fn a_test_reaches_from_its_comment_to_its_closing_brace() {
        let text = "\
fn helper() {}

/// S4: of the test.
#[tokio::test(start_paused = true)]
async fn a() {
    let x = \"}\";
    if x { y }
}
#[test]
fn b() {}
#[test_case]
fn c() {}
";
        let found = tests(text, &layers(text));
        let test = |lines, attribute| Test { lines, attribute };
        assert_eq!(found, [test(2..8, 3), test(8..10, 8)]);
    }
}
