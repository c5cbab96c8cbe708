//! Writes members of a JSON object, each behind a comma.

use std::fmt::{self, Debug, Write};

/// As many bytes of a value are logged.
pub(super) const LONGEST: usize = 4096;

/// Stands at the end of a value that was longer.
pub(super) const CUT: &str = "…[cut]";

/// Begins a member.
pub(super) fn key(text: &mut String, name: &str) {
    text.push_str(",\"");
    escape(text, name);
    text.push_str("\":");
}

/// Writes a text as a value.
pub(super) fn string(text: &mut String, value: &str) {
    quoted(text, |quoted| quoted.write_str(value));
}

/// Writes what something looks like as a value.
pub(super) fn debug(text: &mut String, value: &dyn Debug) {
    quoted(text, |quoted| write!(quoted, "{value:?}"));
}

/// Writes a number; JSON has none for what is infinite, or no number.
pub(super) fn float(text: &mut String, value: f64) {
    if value.is_finite() {
        number(text, format_args!("{value:?}"));
    } else {
        text.push_str("null");
    }
}

pub(super) fn number(text: &mut String, value: fmt::Arguments<'_>) {
    // A `String` takes everything.
    let _ = text.write_fmt(value);
}

/// Takes a member out.
pub(super) fn remove(text: &mut String, name: &str) {
    let mut begin = String::new();
    key(&mut begin, name);
    // In a text every quote has a backslash before it: this is found nowhere but where a member begins.
    if let Some(start) = text.find(&begin) {
        let value = start + begin.len();
        let end = value + length(&text[value..]);
        text.replace_range(start..end, "");
    }
}

/// Returns how long the value is that stands at the beginning.
fn length(text: &str) -> usize {
    let Some(inside) = text.strip_prefix('"') else {
        return text.find(',').unwrap_or(text.len());
    };
    let mut is_escaped = false;
    let end = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

fn quoted(text: &mut String, write: impl FnOnce(&mut Quoted<'_>) -> fmt::Result) {
    text.push('"');
    let mut quoted = Quoted {
        text,
        left: LONGEST,
        is_cut: false,
    };
    // Fails on purpose at the end of what is taken; whoever fails otherwise has no more to say.
    let _ = write(&mut quoted);
    let is_cut = quoted.is_cut;
    if is_cut {
        text.push_str(CUT);
    }
    text.push('"');
}

/// A text that is being written: escaped, and cut if it is too long.
struct Quoted<'a> {
    text: &'a mut String,
    left: usize,
    is_cut: bool,
}

impl Write for Quoted<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.is_cut |= piece.len() > self.left;
        let end = (0..=self.left.min(piece.len())).rfind(|end| piece.is_char_boundary(*end));
        let taken = &piece[..end.unwrap_or(0)];
        escape(self.text, taken);
        self.left -= taken.len();
        if self.is_cut {
            self.left = 0;
            return Err(fmt::Error);
        }
        Ok(())
    }
}

fn escape(text: &mut String, mut rest: &str) {
    while let Some(at) = rest.bytes().position(is_special) {
        let (plain, special) = rest.split_at(at);
        text.push_str(plain);
        let mut chars = special.chars();
        match chars.next() {
            Some('\n') => text.push_str("\\n"),
            Some(quote @ ('"' | '\\')) => text.extend(['\\', quote]),
            Some(control) if control.is_control() => number(text, format_args!("\\u{:04x}", u32::from(control))),
            other => text.extend(other),
        }
        rest = chars.as_str();
    }
    text.push_str(rest);
}

/// Returns whether a character that begins with this byte may have to be escaped: controls are below 32, 127, and some of
/// those that begin with 0xc2.
fn is_special(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\' | 0x7f | 0xc2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str) -> String {
        let mut text = String::new();
        string(&mut text, value);
        text
    }

    #[test]
    fn whatever_a_value_holds_it_is_one_json_text_that_reads_the_same() {
        let every: String = (0..0x300).filter_map(char::from_u32).collect();
        for value in [
            "",
            "plain",
            "\"",
            "\\",
            "\\\"",
            "a\nb\rc\td\0",
            "\u{1b}[31m",
            "°é☃🦀",
            &every,
        ] {
            let text = written(value);
            assert_eq!(serde_json::from_str::<String>(&text).unwrap(), value, "{text}");
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters_and_says_so() {
        let long = "é".repeat(LONGEST);
        let read: String = serde_json::from_str(&written(&format!("x{long}"))).unwrap();
        assert_eq!(read, format!("x{}{CUT}", "é".repeat(LONGEST / 2 - 1)));
        assert_eq!(written(&"x".repeat(LONGEST)).len(), LONGEST + 2);
        assert_eq!(written(&"x".repeat(LONGEST + 1)).len(), LONGEST + 2 + CUT.len());
    }

    #[test]
    fn nobody_goes_on_writing_behind_the_cut() {
        struct Stubborn;
        impl Debug for Stubborn {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (0..LONGEST).for_each(|_| _ = f.write_str("1234567"));
                Ok(())
            }
        }
        let mut text = String::new();
        debug(&mut text, &Stubborn);
        assert_eq!(text.len(), LONGEST + 2 + CUT.len());
    }

    #[test]
    fn a_member_is_taken_out_whatever_the_others_hold() {
        let members: [(&str, &str); 5] = [
            ("a", r#""x,""#),
            ("b", r#""\",\"c\":1""#),
            ("c", "17"),
            ("d", r#""\\""#),
            ("e", "true"),
        ];
        for (name, _) in members {
            let mut text = String::new();
            let mut expected = String::new();
            for (other, value) in members {
                key(&mut text, other);
                text.push_str(value);
                if other != name {
                    key(&mut expected, other);
                    expected.push_str(value);
                }
            }
            remove(&mut text, name);
            assert_eq!(text, expected);
        }
    }
}
