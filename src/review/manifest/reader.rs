use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::{Table, Value};

use super::{Attestation, Escalation, FAILURES, GameDay, Manifest, OnCall, SEVERITIES, Waiver, Word, read};
use crate::base::error::InvalidSetting;
use crate::review::day::Day;
use crate::review::item::Item;

/// How old the result of a game day may be unless it is said: the checklist asks for a review every quarter.
const QUARTER: Duration = Duration::from_secs(90 * 24 * 60 * 60);

impl Manifest {
    /// Reads a manifest, and notes everything that is wrong with it; `items` are all that it can speak of.
    pub(crate) fn read(path: &Path, items: &[Item], wrong: &mut Vec<InvalidSetting>) -> Self {
        let file = format!("manifest {}", path.display());
        let text = match read(path) {
            Ok(text) => text,
            Err(error) => {
                wrong.push(InvalidSetting::new(
                    file,
                    format!("not readable ({error})"),
                    "a TOML file of 1 MiB at most",
                ));
                return Self::default();
            }
        };
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        match text.parse::<Table>() {
            Ok(table) => Self::from_table(table, items, wrong).within(folder),
            Err(error) => {
                let before = error
                    .span()
                    .map_or("", |span| text.get(..span.start).unwrap_or_default());
                let line = before.matches('\n').count() + 1;
                let found = format!("no TOML in line {line}: {}", error.message());
                wrong.push(InvalidSetting::new(file, found, "TOML"));
                Self::default()
            }
        }
    }

    fn within(self, folder: PathBuf) -> Self {
        Self { folder, ..self }
    }

    pub(super) fn from_table(table: Table, items: &[Item], wrong: &mut Vec<InvalidSetting>) -> Self {
        let notes = RefCell::default();
        let mut root = Part::new("readiness".into(), table, &notes);
        let mut manifest = Self::default();
        for (id, mut part) in root.parts("attested") {
            let is_item = part.is_item(&id, items, false);
            if let (true, Some(attestation)) = (is_item, part.attestation()) {
                manifest.attested.insert(id, attestation);
            }
            part.finish();
        }
        for (id, mut part) in root.parts("waived") {
            let is_item = part.is_item(&id, items, true);
            if let (true, Some(waiver)) = (is_item, part.waiver()) {
                manifest.waived.insert(id, waiver);
            }
            part.finish();
        }
        if let Some(mut part) = root.part("runbooks") {
            manifest.dependency_runbooks = part.texts("dependencies");
            for failure in FAILURES {
                if let Some(path) = part.optional_text(failure) {
                    manifest.runbooks.insert(failure.to_owned(), path);
                }
            }
            part.finish();
        }
        if let Some(mut part) = root.part("on_call") {
            manifest.on_call = part.on_call();
            part.finish();
        }
        if let Some(mut part) = root.part("game_day") {
            let at_most = part.optional_span("at_most").unwrap_or(QUARTER);
            let result = part.text("result");
            manifest.game_day = result.map(|result| GameDay { result, at_most });
            part.finish();
        }
        root.finish();
        wrong.extend(notes.into_inner());
        manifest
    }
}

/// One table of the manifest, from which what is known is taken; what is left is unknown.
struct Part<'a> {
    key: String,
    table: Table,
    known: Vec<&'static str>,
    wrong: &'a RefCell<Vec<InvalidSetting>>,
}

/// What a day looks like.
const DAY: &str = "a day such as `2027-01-31`";
const TEXT: &str = "a text that is not empty";
const TABLE: &str = "a table";
const SPAN: &str = "a time such as `15min`, `4h` or `90days`, longer than zero";

impl<'a> Part<'a> {
    fn new(key: String, table: Table, wrong: &'a RefCell<Vec<InvalidSetting>>) -> Self {
        let known = Vec::new();
        Self {
            key,
            table,
            known,
            wrong,
        }
    }

    fn refuse(&self, key: &str, found: impl Into<String>, allowed: impl Into<String>) {
        let key = format!("{}.{key}", self.key);
        self.wrong.borrow_mut().push(InvalidSetting::new(key, found, allowed));
    }

    fn refuse_itself(&self, found: &str, allowed: impl Into<String>) {
        let mistake = InvalidSetting::new(self.key.as_str(), found, allowed);
        self.wrong.borrow_mut().push(mistake);
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// Takes a value that must be there and be of a kind.
    fn must<T>(&mut self, key: &'static str, allowed: &str, as_kind: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let value = self.take(key);
        let taken = value.as_ref().and_then(as_kind);
        if taken.is_none() {
            self.refuse(key, value.as_ref().map_or("not there".into(), found), allowed);
        }
        taken
    }

    fn may<T>(&mut self, key: &'static str, allowed: &str, as_kind: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        if self.table.contains_key(key) {
            return self.must(key, allowed, as_kind);
        }
        self.known.push(key);
        None
    }

    fn text(&mut self, key: &'static str) -> Option<String> {
        self.must(key, TEXT, text)
    }

    fn optional_text(&mut self, key: &'static str) -> Option<String> {
        self.may(key, TEXT, text)
    }

    fn day(&mut self, key: &'static str) -> Option<Day> {
        // Written bare or in quotes.
        self.must(key, DAY, |value| match value {
            Value::String(text) => text.parse().ok(),
            Value::Datetime(date) => date.to_string().parse().ok(),
            _ => None,
        })
    }

    fn span(&mut self, key: &'static str) -> Option<Duration> {
        self.must(key, SPAN, span)
    }

    fn optional_span(&mut self, key: &'static str) -> Option<Duration> {
        self.may(key, SPAN, span)
    }

    /// Takes a list of texts.
    fn names(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.must(key, "a list of texts", |value| {
            value.as_array()?.iter().map(text).collect()
        })
    }

    /// Takes a table of texts under any names.
    fn texts(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let Some(part) = self.part(key) else {
            return BTreeMap::new();
        };
        let mut texts = BTreeMap::new();
        for (name, value) in &part.table {
            match text(value) {
                Some(text) => drop(texts.insert(name.clone(), text)),
                None => part.refuse(name, found(value), TEXT),
            }
        }
        texts
    }

    fn part(&mut self, key: &'static str) -> Option<Self> {
        let table = self.may(key, TABLE, |value| value.as_table().cloned())?;
        Some(Self::new(format!("{}.{key}", self.key), table, self.wrong))
    }

    /// Takes a table of tables under any names.
    fn parts(&mut self, key: &'static str) -> Vec<(String, Self)> {
        let Some(whole) = self.part(key) else {
            return Vec::new();
        };
        let Self { key, table, wrong, .. } = whole;
        let parts = table.into_iter().filter_map(|(name, value)| {
            let key = format!("{key}.{name}");
            match value {
                Value::Table(table) => Some((name, Self::new(key, table, wrong))),
                other => {
                    let mistake = InvalidSetting::new(key, found(&other), TABLE);
                    wrong.borrow_mut().push(mistake);
                    None
                }
            }
        });
        parts.collect()
    }

    /// Returns whether there is such an item, and, to waive it, whether that is allowed.
    fn is_item(&self, id: &str, items: &[Item], to_waive: bool) -> bool {
        let item = items.iter().find(|item| item.id == id);
        let (found, allowed) = match item {
            None => ("unknown", "the id of an item of the checklist, as the review shows it"),
            Some(item) if to_waive && item.is_never => {
                ("an item that no service is ready without", "met: it cannot be waived")
            }
            Some(_) => return true,
        };
        self.refuse_itself(found, allowed);
        false
    }

    fn word(&mut self) -> Option<Word> {
        let (by, on, expires) = (self.text("by"), self.day("on"), self.day("expires"));
        let word = Word {
            by: by?,
            on: on?,
            expires: expires?,
        };
        if word.expires <= word.on {
            self.refuse("expires", word.expires.to_string(), format!("after `on` ({})", word.on));
        }
        Some(word)
    }

    fn attestation(&mut self) -> Option<Attestation> {
        let (word, link) = (self.word(), self.text("link"));
        let authority = link
            .as_ref()
            .and_then(|link| link.split_once("://")?.1.split('/').next());
        if authority.is_some_and(|authority| authority.contains('@')) {
            self.refuse(
                "link",
                "an address with a user or a password",
                "an address that everybody may see",
            );
        }
        let note = self.optional_text("note").unwrap_or_default();
        Some(Attestation {
            word: word?,
            link: link?,
            note,
        })
    }

    fn waiver(&mut self) -> Option<Waiver> {
        let (by, reason, until) = (self.text("by"), self.text("reason"), self.day("until"));
        Some(Waiver {
            by: by?,
            reason: reason?,
            until: until?,
        })
    }

    fn on_call(&mut self) -> Option<OnCall> {
        let word = self.word();
        let (rotation, chain) = (self.names("rotation"), self.names("chain"));
        let mut escalation = BTreeMap::new();
        for (severity, mut part) in self.parts("escalation") {
            if !SEVERITIES.contains(&severity.as_str()) {
                part.refuse_itself("an unknown severity", format!("one of `{}`", SEVERITIES.join("`, `")));
                continue;
            }
            let respond = part.span("respond");
            let after = part.optional_span("escalate_after");
            part.finish();
            if let Some(respond) = respond {
                escalation.insert(severity, Escalation { respond, after });
            }
        }
        Some(OnCall {
            word: word?,
            rotation: rotation?,
            chain: chain?,
            escalation,
        })
    }

    /// Refuses what nobody took.
    fn finish(&self) {
        let known: Vec<_> = self.known.iter().map(|key| format!("`{key}`")).collect();
        for key in self.table.keys() {
            self.refuse(key, "unknown", format!("one of {}", known.join(", ")));
        }
    }
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn span(value: &Value) -> Option<Duration> {
    let span = humantime::parse_duration(value.as_str()?).ok()?;
    (!span.is_zero()).then_some(span)
}

/// Says what kind of value there is, never what it says.
fn found(value: &Value) -> String {
    match value {
        Value::String(text) if text.trim().is_empty() => "an empty text".into(),
        Value::String(text) => format!("a text of {} characters", text.chars().count()),
        Value::Datetime(_) => "a date with a time".into(),
        other => format!("of the kind {}", other.type_str()),
    }
}
