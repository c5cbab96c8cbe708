//! Takes settings one by one out of what was given, so that every mistake is found and none shows its text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use config::{Value, ValueKind};

use super::DependencySettings;
use super::sources::origin;
use crate::base::error::InvalidSetting;
use crate::client::ALLOWED;
use crate::server::Tls;

/// Takes known settings out of what was given, one by one, and notes what is wrong.
pub(super) struct Reader {
    values: BTreeMap<String, Value>,
    wrong: Vec<InvalidSetting>,
    /// Every key that was asked for.
    known: Vec<String>,
}

/// Both ends are allowed.
pub(super) struct Range<T>(pub(super) T, pub(super) T);

impl Reader {
    pub(super) fn new(values: BTreeMap<String, Value>, wrong: Vec<InvalidSetting>) -> Self {
        Self {
            values,
            wrong,
            known: Vec::new(),
        }
    }

    /// Returns every key that was asked for, in order.
    #[cfg(test)]
    pub(super) fn known(self) -> Vec<String> {
        self.known
    }

    pub(super) fn take<T: FromStr>(&mut self, key: &str, default: T, allowed: &str, accept: impl Fn(&T) -> bool) -> T {
        self.optional(key, allowed, accept).unwrap_or(default)
    }

    pub(super) fn optional<T: FromStr>(&mut self, key: &str, allowed: &str, accept: impl Fn(&T) -> bool) -> Option<T> {
        self.known.push(key.to_owned());
        let value = self.values.remove(key)?;
        let text = value.clone().into_string().ok();
        let parsed = text.and_then(|text| text.trim().parse().ok()).filter(accept);
        if parsed.is_none() {
            self.wrong.push(InvalidSetting::new(key, found(key, &value), allowed));
        }
        parsed
    }

    /// Takes what nobody may see, not even in part.
    pub(super) fn secret<T: FromStr>(&mut self, key: &str, allowed: &str) -> Option<T> {
        self.known.push(key.to_owned());
        let value = self.values.remove(key)?;
        let text = value.clone().into_string().ok();
        let secret = text.and_then(|text| text.trim().parse().ok());
        if secret.is_none() {
            let found = format!("something else, {}", origin(key, &value));
            self.wrong.push(InvalidSetting::new(key, found, allowed));
        }
        secret
    }

    pub(super) fn within<T>(&mut self, key: &str, default: T, range: Range<T>) -> T
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        self.optional_within(key, &range).unwrap_or(default)
    }

    fn optional_within<T>(&mut self, key: &str, range: &Range<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let allowed = format!("from {} to {}", range.0, range.1);
        self.optional(key, &allowed, |value| (&range.0..=&range.1).contains(&value))
    }

    /// The first of `words` is the default.
    pub(super) fn one_of<const N: usize>(&mut self, key: &str, words: [&'static str; N]) -> &'static str {
        let allowed = format!("one of `{}`", words.join("`, `"));
        let word = self.take(key, words[0].to_owned(), &allowed, |word| {
            words.contains(&word.as_str())
        });
        words.into_iter().find(|known| *known == word).unwrap_or(words[0])
    }

    pub(super) fn file(&mut self, key: &str) -> Option<PathBuf> {
        let path: Option<String> = self.optional(key, "the path of a file", |path: &String| !path.is_empty());
        path.map(Into::into)
    }

    pub(super) fn tls(&mut self) -> Option<Tls> {
        let file = "the path of a PEM file";
        let [certificate, key] = ["server.tls_certificate", "server.tls_key"]
            .map(|key| self.take(key, String::new(), file, |path| !path.is_empty()));
        match (certificate.is_empty(), key.is_empty()) {
            (true, true) => None,
            (false, false) => Tls::load(Path::new(&certificate), Path::new(&key))
                .map_err(|wrong| self.wrong.push(wrong))
                .ok(),
            (_, is_key_missing) => {
                let missing = if is_key_missing {
                    "server.tls_key"
                } else {
                    "server.tls_certificate"
                };
                self.wrong.push(InvalidSetting::new(
                    missing,
                    "not set",
                    "set too, as certificate and key go together",
                ));
                None
            }
        }
    }

    /// Takes what is said of any dependency; which ones there are, only the program knows.
    pub(super) fn dependencies(&mut self) -> BTreeMap<String, DependencySettings> {
        let names = self
            .values
            .keys()
            .filter_map(|key| Some(key.strip_prefix("dependencies.")?.rsplit_once('.')?.0.to_owned()));
        let names: BTreeSet<String> = names.collect();
        names
            .into_iter()
            .map(|name| {
                let settings = self.dependency(&name);
                (name, settings)
            })
            .collect()
    }

    fn dependency(&mut self, name: &str) -> DependencySettings {
        let key = |of: &str| format!("dependencies.{name}.{of}");
        let limit = || Range(Span(Duration::from_millis(1)), Span(Duration::from_secs(24 * 60 * 60)));
        DependencySettings {
            url: self.optional(&key("url"), ALLOWED, |_| true),
            ca_certificate: self.optional(&key("ca_certificate"), "the path of a PEM file", |_| true),
            deadline: self.optional_within(&key("deadline"), &limit()).map(|span| span.0),
            attempt_timeout: self
                .optional_within(&key("attempt_timeout"), &limit())
                .map(|span| span.0),
            attempts: self.optional_within(&key("attempts"), &Range(1, 100)),
            concurrent: self.optional_within(&key("concurrent"), &Range(1, 1_000_000)),
        }
    }

    /// What nobody took is not a setting.
    pub(super) fn finish(mut self) -> Vec<InvalidSetting> {
        let of_dependencies = DependencySettings::KEYS.map(|key| format!("dependencies.<name>.{key}"));
        let known = self.known.iter().chain(&of_dependencies);
        let known: Vec<_> = known.map(|key| format!("`{key}`")).collect();
        let allowed = format!("one of {}", known.join(", "));
        for (key, value) in &self.values {
            self.wrong.push(InvalidSetting::new(
                key,
                format!("unknown, {}", origin(key, value)),
                allowed.as_str(),
            ));
        }
        self.wrong
    }
}

/// Says what kind of value was given and where, never what it says.
fn found(key: &str, value: &Value) -> String {
    let kind = match &value.kind {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::Boolean(_) => "a boolean".to_owned(),
        ValueKind::I64(number) => format!("the integer {number}"),
        ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a large integer".to_owned(),
        ValueKind::Float(number) => format!("the number {number}"),
        ValueKind::String(text) if text.is_empty() => "an empty text".to_owned(),
        ValueKind::String(text) => format!("a text of {} characters", text.chars().count()),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
    };
    format!("{kind}, {}", origin(key, value))
}

/// A duration as it is written in settings: `250ms`, `5s`, `1m 30s`.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(super) struct Span(pub(super) Duration);

impl FromStr for Span {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}
