//! Making a payload fit into the vendor's limit by cutting its texts.
use push_core::TextUnit;
use serde_json::Value;

/// What stays of a text that is cut most.
const SHORTEST: &str = "…";

/// Cuts the texts at the JSON pointers `texts` (RFC 6901), the first one first, until `size_of(payload)` is at most `max`
/// bytes. Nothing else is touched, so `ext` stays whole (S98).
///
/// A cut text ends in `…`, is never cut inside a grapheme cluster, and is not longer than necessary allows; it never becomes
/// empty, because vendors refuse empty texts. `size_of` must grow by as many bytes as the JSON of a text does.
///
/// # Errors
/// How many bytes it is still too large. `payload` may have been cut.
pub fn fit(
    payload: &mut Value,
    max: usize,
    texts: &[&str],
    size_of: impl Fn(&Value) -> usize,
) -> Result<(), usize> {
    for pointer in texts {
        let excess = size_of(payload).saturating_sub(max);
        if excess == 0 {
            return Ok(());
        }
        if let Some(Value::String(text)) = payload.pointer_mut(pointer) {
            *text = shorten(text, excess);
        }
    }
    match size_of(payload).saturating_sub(max) {
        0 => Ok(()),
        excess => Err(excess),
    }
}

/// Returns as much of `text` as takes `excess` bytes less in JSON, or the least that can stay of it.
fn shorten(text: &str, excess: usize) -> String {
    // A few control characters can take more bytes in JSON than the mark does.
    let least = if json_len(text) <= json_len(SHORTEST) {
        text
    } else {
        SHORTEST
    };
    if text.len() <= least.len() {
        return least.to_owned();
    }
    let room = json_len(text).saturating_sub(excess);
    // Longer texts take more bytes, so the longest that fits is found by bisection: between a length that fits and one that
    // does not.
    let (mut fits, mut too_long) = (least.len(), text.len());
    let cut = |length| TextUnit::Bytes.cut(text, length);
    while too_long - fits > 1 {
        let middle = usize::midpoint(fits, too_long);
        if json_len(&cut(middle)) <= room {
            fits = middle;
        } else {
            too_long = middle;
        }
    }
    match cut(fits) {
        kept if kept.is_empty() => least.to_owned(),
        kept => kept.into_owned(),
    }
}

/// How many bytes `text` takes as a JSON string, without its quotation marks.
pub fn json_len(text: &str) -> usize {
    text.chars().map(escaped_len).sum()
}

fn escaped_len(character: char) -> usize {
    match character {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_short_text_that_takes_many_bytes_in_json_gives_way_too() {
        let mut payload = json!({ "text": "\"\u{1}" });
        let max = size(&json!({ "text": SHORTEST }));
        assert_eq!(fit(&mut payload, max, &["/text"], size), Ok(()));
        assert_eq!(payload["text"], SHORTEST);
    }

    fn size(payload: &Value) -> usize {
        payload.to_string().len()
    }

    #[test]
    fn the_first_text_is_cut_before_the_second_and_the_rest_is_not() {
        let payload =
            json!({"title": "t".repeat(50), "body": "b".repeat(50), "ext": "e".repeat(50)});
        let whole = size(&payload);
        let texts = ["/body", "/title", "/absent"];
        let mut fitted = payload.clone();
        assert_eq!(fit(&mut fitted, whole, &texts, size), Ok(()));
        assert_eq!(fitted, payload);
        assert_eq!(fit(&mut fitted, whole - 10, &texts, size), Ok(()));
        assert_eq!(fitted["body"], format!("{}…", "b".repeat(37)));
        assert_eq!(fitted["title"], payload["title"]);
        assert_eq!(fit(&mut fitted, whole - 60, &texts, size), Ok(()));
        assert_eq!(fitted["body"], "…");
        assert_eq!(fitted["title"], format!("{}…", "t".repeat(34)));
        assert_eq!(fitted["ext"], payload["ext"]);
        assert_eq!(fit(&mut fitted, whole - 100, &texts, size), Err(6));
    }

    #[test]
    fn an_emoji_is_kept_whole_or_not_at_all() {
        let family = "👨\u{200d}👩\u{200d}👧";
        for max in 20..60 {
            let mut payload = json!({"body": format!("{family}{family}")});
            if fit(&mut payload, max, &["/body"], size).is_ok() {
                let body = payload["body"].as_str().unwrap();
                let kept = body.trim_end_matches('…');
                assert!(kept.replace(family, "").is_empty(), "{max}: {body}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_fits_is_a_beginning_of_the_text_and_as_long_as_possible(
            text in any::<String>(),
            repeat in 1_usize..5,
            max in 12_usize..200,
        ) {
            let text = text.repeat(repeat);
            let mut payload = json!({ "body": text });
            let whole = size(&payload);
            match fit(&mut payload, max, &["/body"], size) {
                Err(excess) => {
                    prop_assert_eq!(size(&payload), max + excess);
                    prop_assert!(json_len(payload["body"].as_str().unwrap()) <= 6 * 3);
                }
                Ok(()) if whole <= max => prop_assert_eq!(&payload["body"], &text),
                Ok(()) => {
                    prop_assert!(size(&payload) <= max);
                    let kept = payload["body"].as_str().unwrap();
                    let kept = kept.strip_suffix(SHORTEST).expect("the cut is marked");
                    prop_assert!(text.starts_with(kept));
                }
            }
        }

        #[test]
        fn the_length_of_a_text_in_json_is_known(text in any::<String>()) {
            prop_assert_eq!(json_len(&text), Value::from(text.as_str()).to_string().len() - 2);
        }
    }
}
