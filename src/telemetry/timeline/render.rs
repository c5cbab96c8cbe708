use std::fmt::{self, Display, Write};
use std::time::{Duration, UNIX_EPOCH};

use humantime::format_rfc3339_millis;
use serde_json::{Value, json};

use super::entry::{Entry, What};

/// The end of the year 9999, which RFC 3339 has no years after.
pub(in crate::telemetry) const LAST: Duration = Duration::from_secs(253_402_300_799);

/// Writes an entry as one line for people.
pub(super) fn line(entry: &Entry) -> String {
    let Entry {
        seq,
        at,
        kind,
        name,
        detail,
        ..
    } = entry;
    let mut line = format!("{} +{:.3}s #{seq} {kind}", time(entry.time), at.as_secs_f64());
    if !name.is_empty() {
        push(&mut line, " ", name);
    }
    push(&mut line, ": ", &entry.what);
    if !detail.is_empty() {
        push(&mut line, ": ", detail);
    }
    line
}

/// Returns an entry as one JSON object.
pub(super) fn object(entry: &Entry) -> Value {
    let mut object = json!({
        "seq": entry.seq,
        "at_ms": millis(entry.at),
        "time": time(entry.time).to_string(),
        "kind": entry.kind,
        "name": entry.name.to_string(),
        "detail": entry.detail.to_string(),
    });
    match entry.what {
        What::State { from, to } => {
            object["what"] = "state".into();
            object["from"] = from.into();
            object["to"] = to.into();
        }
        What::Finished { result, took } => {
            object["what"] = "finished".into();
            object["result"] = result.into();
            object["took_ms"] = millis(took).into();
        }
        What::Word(word) => object["what"] = word.into(),
    }
    object
}

/// Tells a time since 1970 as RFC 3339 does.
pub(super) fn time(time: Duration) -> impl Display {
    format_rfc3339_millis(UNIX_EPOCH + time.min(LAST))
}

/// Writes a text so that it stays on its line and moves no cursor.
pub(super) fn push(line: &mut String, before: &str, text: &impl Display) {
    line.push_str(before);
    let _ = write!(Escaped(line), "{text}");
}

struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if character == '\\' || character.is_control() || is_layout(character) {
                self.0.extend(character.escape_default());
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

/// Tells whether a character ends a line, or turns the direction of what follows, without being a control character.
fn is_layout(character: char) -> bool {
    matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State { from, to } => write!(f, "{from} -> {to}"),
            Self::Finished { result, took } => write!(f, "{result} after {took:.1?}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(name: &str, what: What, detail: &str) -> Entry {
        let mut entry = Entry {
            seq: 17,
            at: Duration::from_micros(12_345_678),
            time: Duration::from_millis(1_700_000_000_042),
            kind: "breaker",
            what,
            ..Entry::default()
        };
        entry.name.set(name);
        entry.detail.set(detail);
        entry
    }

    #[test]
    fn an_entry_is_a_line_for_people_and_an_object_for_programs() {
        let (from, to) = ("closed", "open");
        let opened = entry("payments", What::State { from, to }, "11 of 20 failed");
        let expected = "2023-11-14T22:13:20.042Z +12.346s #17 breaker payments: closed -> open: 11 of 20 failed";
        assert_eq!(line(&opened), expected);
        let expected = json!({
            "seq": 17, "at_ms": 12345.678, "time": "2023-11-14T22:13:20.042Z", "kind": "breaker", "name": "payments",
            "what": "state", "from": "closed", "to": "open", "detail": "11 of 20 failed",
        });
        assert_eq!(object(&opened), expected);

        let (result, took) = ("done", Duration::from_millis(1500));
        let drained = entry("", What::Finished { result, took }, "");
        assert!(
            line(&drained).ends_with(" breaker: done after 1.5s"),
            "{}",
            line(&drained)
        );
        assert_eq!(object(&drained)["took_ms"], 1500.0);
        assert_eq!(object(&entry("", What::Word("settings"), ""))["what"], "settings");
    }

    #[test]
    fn a_hostile_text_stays_on_its_line() {
        let hostile = entry("a\nb\u{1b}[2J", What::Word("x"), "c\\\r\u{202e}\u{2028}\u{9b}ä");
        let line = line(&hostile);
        assert!(
            line.ends_with(r"breaker a\nb\u{1b}[2J: x: c\\\r\u{202e}\u{2028}\u{9b}ä"),
            "{line}"
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_line(name in any::<String>(), detail in any::<String>()) {
            let line = line(&entry(&name, What::Word("x"), &detail));
            prop_assert!(!line.chars().any(|character| character.is_control() || is_layout(character)), "{line:?}");
        }
    }
}
