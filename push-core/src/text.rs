//! Limits on text, and cutting text to them (S99).
use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;

/// How much text a vendor accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextLimits {
    /// The longest title, in `unit`s.
    pub title: usize,
    /// The longest body, in `unit`s.
    pub body: usize,
    /// What is counted.
    pub unit: TextUnit,
}

impl TextLimits {
    /// No limit but the payload's.
    pub const NONE: Self = Self {
        title: usize::MAX,
        body: usize::MAX,
        unit: TextUnit::Utf16,
    };

    /// Limits of title and body, in `unit`.
    pub const fn new(title: usize, body: usize, unit: TextUnit) -> Self {
        Self { title, body, unit }
    }

    /// Returns `title` within the limit.
    pub fn cut_title<'a>(&self, title: &'a str) -> Cow<'a, str> {
        self.unit.cut(title, self.title)
    }

    /// Returns `body` within the limit.
    pub fn cut_body<'a>(&self, body: &'a str) -> Cow<'a, str> {
        self.unit.cut(body, self.body)
    }
}

/// What a vendor counts when it limits text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextUnit {
    /// Unicode scalar values.
    Chars,
    /// UTF-16 code units.
    Utf16,
    /// Half-width columns: an ideograph counts two.
    HalfWidth,
    /// UTF-8 bytes.
    Bytes,
}

/// Ends a text that was cut. Counts one unit in [`TextUnit::Chars`] and [`TextUnit::Utf16`].
const ELLIPSIS: char = '…';

impl TextUnit {
    /// Returns how many units `character` counts.
    pub fn of(self, character: char) -> usize {
        match self {
            Self::Chars => 1,
            Self::Utf16 => character.len_utf16(),
            Self::HalfWidth if character.is_ascii() => 1,
            Self::HalfWidth => 2,
            Self::Bytes => character.len_utf8(),
        }
    }

    /// Returns how many units `text` counts.
    pub fn count(self, text: &str) -> usize {
        match self {
            Self::Bytes => text.len(),
            _ => text.chars().map(|character| self.of(character)).sum(),
        }
    }

    /// Returns `text` if it has at most `max` units, else as much of its beginning as fits with `…` behind it.
    ///
    /// Never cuts inside a grapheme cluster (Unicode Standard Annex 29): an emoji keeps its modifiers, a flag its second half,
    /// a letter its accents.
    pub fn cut(self, text: &str, max: usize) -> Cow<'_, str> {
        if text.len() <= max || self.count(text) <= max {
            // One byte is at most one unit in every unit but half-width columns, where ASCII counts one a byte and
            // everything else at most one a byte.
            return Cow::Borrowed(text);
        }
        let Some(room) = max.checked_sub(self.of(ELLIPSIS)) else {
            return Cow::Borrowed("");
        };
        let mut used = 0;
        let kept = text
            .graphemes(true)
            .take_while(|cluster| {
                used += self.count(cluster);
                used <= room
            })
            .map(str::len)
            .sum();
        let mut cut = text[..kept].to_owned();
        cut.push(ELLIPSIS);
        Cow::Owned(cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_within_the_limit_is_returned_as_it_is() {
        for unit in [
            TextUnit::Chars,
            TextUnit::Utf16,
            TextUnit::HalfWidth,
            TextUnit::Bytes,
        ] {
            assert_eq!(unit.cut("abc", 3), "abc");
            assert_eq!(unit.cut("", 0), "");
        }
        assert_eq!(TextUnit::Chars.cut("你好吗", 3), "你好吗");
        assert_eq!(TextUnit::HalfWidth.cut("你好", 4), "你好");
    }

    #[test]
    fn a_cut_text_ends_in_an_ellipsis_within_the_limit() {
        assert_eq!(TextUnit::Chars.cut("abcdef", 4), "abc…");
        assert_eq!(TextUnit::HalfWidth.cut("你好吗你", 6), "你好…");
        assert_eq!(TextUnit::Bytes.cut("abcdef", 5), "ab…");
        assert_eq!(TextUnit::Bytes.cut("abcdef", 2), "");
    }

    #[test]
    fn no_character_and_no_cluster_is_cut_in_the_middle() {
        // Two UTF-16 units that count as one character.
        assert_eq!(TextUnit::Utf16.cut("😀😀😀", 4), "😀…");
        // A family joined by zero-width joiners, a thumb with a skin tone, a flag, a letter with an accent.
        for cluster in ["👨\u{200d}👩\u{200d}👧", "👍\u{1f3fd}", "🇨🇳", "e\u{301}"] {
            let text = format!("{cluster}{cluster}");
            for max in 1..TextUnit::Utf16.count(&text) {
                let cut = TextUnit::Utf16.cut(&text, max);
                let kept = cut.strip_suffix(ELLIPSIS).unwrap_or(&cut);
                assert!(kept.is_empty() || kept == cluster, "{max}: {cut}");
                assert!(TextUnit::Utf16.count(&cut) <= max);
            }
        }
    }
}
