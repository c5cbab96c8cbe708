//! Takes settings one by one out of what was given, so that every mistake is found and none shows its text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use config::{Value, ValueKind};
use http::Uri;

use super::sources::origin;
use crate::base::error::InvalidSetting;
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
        self.known.push(key.to_owned());
        let Some(value) = self.values.remove(key) else {
            return default;
        };
        let parsed = value
            .clone()
            .into_string()
            .ok()
            .and_then(|text| text.trim().parse().ok());
        parsed.filter(accept).unwrap_or_else(|| {
            self.wrong.push(InvalidSetting::new(key, found(key, &value), allowed));
            default
        })
    }

    pub(super) fn within<T: FromStr + PartialOrd + fmt::Display>(
        &mut self,
        key: &str,
        default: T,
        range: Range<T>,
    ) -> T {
        let allowed = format!("from {} to {}", range.0, range.1);
        self.take(key, default, &allowed, |value| (&range.0..=&range.1).contains(&value))
    }

    /// The first of `words` is the default.
    pub(super) fn one_of<const N: usize>(&mut self, key: &str, words: [&'static str; N]) -> &'static str {
        let allowed = format!("one of `{}`", words.join("`, `"));
        let word = self.take(key, words[0].to_owned(), &allowed, |word| {
            words.contains(&word.as_str())
        });
        words.into_iter().find(|known| *known == word).unwrap_or(words[0])
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

    pub(super) fn dependencies(&mut self) -> BTreeMap<String, Uri> {
        let names = self
            .values
            .keys()
            .filter_map(|key| key.strip_prefix("dependencies.")?.strip_suffix(".url"));
        let names: Vec<String> = names.map(str::to_owned).collect();
        let is_absolute = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.authority().is_some();
        let allowed = "an absolute URL, such as `http://127.0.0.1:8081`";
        let mut urls = BTreeMap::new();
        for name in names {
            let key = format!("dependencies.{name}.url");
            let url = self.take(&key, Uri::default(), allowed, is_absolute);
            urls.insert(name, url);
        }
        urls
    }

    /// What nobody took is not a setting.
    pub(super) fn finish(mut self) -> Vec<InvalidSetting> {
        let allowed = format!("one of `{}`, `dependencies.<name>.url`", self.known.join("`, `"));
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
