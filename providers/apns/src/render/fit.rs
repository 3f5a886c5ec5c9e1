//! Makes a text shorter without breaking a character.

/// What stands for what was cut off.
const ELLIPSIS: char = '…';

/// How many bytes `text` takes inside a JSON string, as `serde_json` writes it.
pub(super) fn json_len(text: &str) -> usize {
    text.chars().map(json_len_of).sum()
}

fn json_len_of(it: char) -> usize {
    match it {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => it.len_utf8(),
    }
}

/// The longest beginning of `text` that together with an ellipsis takes at most `max` bytes in JSON; the ellipsis alone
/// if there is none. Never cuts inside what a person sees as one character, as far as a few rules without tables know:
/// emoji sequences, flags, combining marks.
pub(super) fn shortened(text: &str, max: usize) -> String {
    let room = max.saturating_sub(ELLIPSIS.len_utf8());
    let (mut used, mut cut) = (0, 0);
    for (at, it) in text.char_indices() {
        if is_boundary(text, at) {
            cut = at;
        }
        used += json_len_of(it);
        if used > room {
            break;
        }
    }
    if used <= room {
        cut = text.len();
    }
    let mut short = text[..cut].trim_end().to_owned();
    short.push(ELLIPSIS);
    short
}

/// Whether `text` may be cut before the character at `at`.
fn is_boundary(text: &str, at: usize) -> bool {
    let Some(next) = text[at..].chars().next() else {
        return true;
    };
    let Some(last) = text[..at].chars().next_back() else {
        return true;
    };
    let is_flag = |it: char| matches!(it, '\u{1f1e6}'..='\u{1f1ff}');
    if is_flag(next) && is_flag(last) {
        // Flags are pairs: cut only after a whole number of them.
        let before = text[..at]
            .chars()
            .rev()
            .take_while(|it| is_flag(*it))
            .count();
        return before % 2 == 0;
    }
    let joins = matches!(
        next,
        '\u{200d}' // zero width joiner
        | '\u{fe00}'..='\u{fe0f}' // variation selectors
        | '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' // combining marks
        | '\u{1f3fb}'..='\u{1f3ff}' // skin tones
        | '\u{e0020}'..='\u{e007f}' // tags
    );
    !joins && last != '\u{200d}' && (last, next) != ('\r', '\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[a-zA-Z0-9 ]{1,8}",
            "[一-龥]{1,6}",
            "[\"\\\\\n\r\t\u{1}\u{7f}]{1,3}",
            Just("👨‍👩‍👧‍👦".to_owned()),
            Just("👍🏽".to_owned()),
            Just("🇨🇳".to_owned()),
            Just("❤️".to_owned()),
            Just("é".to_owned()),
            any::<String>(),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|it| it.concat())
    }

    proptest! {
        // S98+: cut on a character boundary, CJK and emoji included.
        #[test]
        fn a_shortened_text_fits_and_begins_like_the_text(text in text(), max in 3_usize..400) {
            let short = shortened(&text, max);
            prop_assert!(json_len(&short) <= max);
            let kept = short.strip_suffix('…').expect("it ends in an ellipsis");
            prop_assert!(text.starts_with(kept));
        }

        #[test]
        fn the_length_in_json_is_what_serde_json_writes(text in any::<String>()) {
            prop_assert_eq!(json_len(&text) + 2, serde_json::to_string(&text).unwrap().len());
        }

        #[test]
        fn a_family_a_flag_and_a_skin_tone_stay_whole(max in 3_usize..80) {
            let text = "👨‍👩‍👧‍👦🇨🇳🇩🇪👍🏽é❤️👨‍👩‍👧‍👦";
            let whole = ["👨‍👩‍👧‍👦", "🇨🇳", "🇩🇪", "👍🏽", "é", "❤️", "👨‍👩‍👧‍👦"];
            let short = shortened(text, max);
            let kept = short.trim_end_matches('…');
            let ends: Vec<String> = (0..=whole.len()).map(|n| whole[..n].concat()).collect();
            prop_assert!(ends.iter().any(|it| it == kept), "{kept:?}");
        }
    }

    #[test]
    fn nothing_is_left_but_the_ellipsis_when_there_is_no_room() {
        assert_eq!(shortened("hello", 0), "…");
        assert_eq!(shortened("你好", 5), "…");
        assert_eq!(shortened("你好", 6), "你…");
    }
}
