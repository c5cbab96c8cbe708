use std::fmt;

/// What stands at the end of a text that was cut.
const CUT: char = '…';

/// A text of at most `N` bytes (255 at the most) that takes no memory of its own; what is longer is cut.
#[derive(Clone)]
pub(super) struct Text<const N: usize> {
    bytes: [u8; N],
    len: u8,
    cut: bool,
}

impl<const N: usize> Text<N> {
    pub(super) fn set(&mut self, text: &str) {
        (self.len, self.cut) = (0, false);
        self.push(text);
    }

    /// Adds as many whole characters as there is room for; nothing follows what was cut.
    fn push(&mut self, text: &str) {
        if self.cut {
            return;
        }
        let start = usize::from(self.len);
        let mut end = text.len().min(N - start);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.bytes[start..start + end].copy_from_slice(&text.as_bytes()[..end]);
        self.len = u8::try_from(start + end).unwrap_or(u8::MAX);
        self.cut = end < text.len();
    }

    /// Returns the text without the mark of a cut.
    pub(super) fn as_str(&self) -> &str {
        // Only whole characters are in it.
        str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        const { assert!(N <= u8::MAX as usize, "the length is a byte") }
        Self {
            bytes: [0; N],
            len: 0,
            cut: false,
        }
    }
}

/// With a mark if it was cut.
impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        if self.cut { write!(f, "{CUT}") } else { Ok(()) }
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_cut_at_a_character_and_says_so() {
        let mut text = Text::<5>::default();
        for (said, kept) in [
            ("", ""),
            ("12345", "12345"),
            ("123456", "12345…"),
            ("1234ä", "1234…"),
            ("äöü", "äö…"),
        ] {
            text.set(said);
            assert_eq!(text.to_string(), kept);
        }
    }

    #[test]
    fn nothing_follows_what_was_cut() {
        let mut text = Text::<5>::default();
        for piece in ["1234", "ä", "x"] {
            let _ = text.write_str(piece);
        }
        assert_eq!(text.to_string(), "1234…");
    }

    proptest! {
        #[test]
        fn what_is_kept_is_the_longest_beginning_that_fits(before in ".{0,40}", text in ".{0,40}") {
            let mut kept = Text::<16>::default();
            kept.set(&before);
            kept.set(&text);
            let fits = (0..=text.len().min(16)).rev().find(|end| text.is_char_boundary(*end)).unwrap();
            let mark = if fits < text.len() { "…" } else { "" };
            prop_assert_eq!(kept.to_string(), format!("{}{mark}", &text[..fits]));
        }
    }
}
