use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use config::{Config, Environment, File, FileFormat, Source, Value, ValueKind};
use http::Uri;

use crate::base::error::InvalidSetting;
use crate::server::{ServerConfig, Tls};
use crate::shutdown::ShutdownConfig;
use crate::telemetry::{LogFormat, is_filter};

const PREFIX: &str = "SEAWORTHY_";
const SEPARATOR: &str = "__";

/// The settings of a service, read once when it is built.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) listen: SocketAddr,
    pub(super) server: ServerConfig,
    pub(super) deadline: Duration,
    pub(super) body_idle: Duration,
    pub(super) body_limit: u64,
    pub(super) trust_request_id: bool,
    pub(super) admin_listen: SocketAddr,
    pub(super) admin_exposes_all: bool,
    pub(super) shutdown: ShutdownConfig,
    pub(super) log_filter: String,
    pub(super) log_format: LogFormat,
    pub(super) dependencies: BTreeMap<String, Uri>,
}

type Env = Vec<(OsString, OsString)>;

impl Settings {
    /// Reads the program's defaults, then the file, then the environment, later ones winning; lists what is wrong.
    pub(super) fn read(defaults: &[(String, String)], file: Option<&Path>, env: Env) -> (Self, Vec<InvalidSetting>) {
        let mut wrong = Vec::new();
        let values = collect(defaults, file, env, &mut wrong);
        let mut reader = Reader {
            values,
            wrong,
            known: Vec::new(),
        };
        let settings = Self::read_from(&mut reader);
        (settings, reader.finish())
    }

    fn read_from(reader: &mut Reader) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        const LIMIT: Range<Span> = Range(Span(Duration::from_millis(1)), Span(DAY));
        const WAIT: Range<Span> = Range(Span(Duration::ZERO), Span(DAY));
        let mut server = ServerConfig::default();
        let mut shutdown = ShutdownConfig::default();
        let address = "an IP address with a port, such as `127.0.0.1:8080`";
        let listen = reader.take(
            "server.listen",
            SocketAddr::from(([127, 0, 0, 1], 8080)),
            address,
            |_| true,
        );
        let connections = Range(1, 1_000_000);
        server.max_connections = reader.within("server.max_connections", server.max_connections, connections);
        server.max_connections_per_address = reader.within(
            "server.max_connections_per_address",
            server.max_connections_per_address.min(server.max_connections),
            Range(1, server.max_connections),
        );
        for (key, limit) in [
            ("server.first_byte_timeout", &mut server.first_byte_timeout),
            ("server.tls_handshake_timeout", &mut server.tls_handshake_timeout),
            ("server.preface_timeout", &mut server.preface_timeout),
            ("server.header_timeout", &mut server.header_timeout),
            ("server.write_timeout", &mut server.write_timeout),
            ("server.idle_timeout", &mut server.idle_timeout),
            ("server.max_age", &mut server.max_age),
        ] {
            *limit = reader.within(key, Span(*limit), LIMIT).0;
        }
        server.tls = reader.tls();
        let deadline = reader.within("server.deadline", Span(Duration::from_secs(10)), LIMIT).0;
        let body_idle = reader
            .within("server.body_idle_timeout", Span(Duration::from_secs(30)), LIMIT)
            .0;
        let body_limit = reader.within("server.body_limit", 2 << 20, Range(0, 1 << 40));
        let trust_request_id = reader.take("server.trust_request_id", false, "`true` or `false`", |_| true);
        let admin_listen = reader.take(
            "admin.listen",
            SocketAddr::from(([127, 0, 0, 1], 9090)),
            address,
            |_| true,
        );
        let expose = reader.one_of("admin.expose", ["probes", "all"]);
        shutdown.hold = reader.within("shutdown.hold", Span(shutdown.hold), WAIT).0;
        shutdown.drain = reader.within("shutdown.drain", Span(shutdown.drain), WAIT).0;
        shutdown.hooks = reader.within("shutdown.hooks", Span(shutdown.hooks), WAIT).0;
        shutdown.grace_period = reader
            .within("shutdown.grace_period", Span(shutdown.grace_period), WAIT)
            .0;
        let filter = "a filter of levels, such as `info` or `info,orders=debug`";
        let log_filter = reader.take("log.filter", "info".to_owned(), filter, |filter| is_filter(filter));
        let log_format = match reader.one_of("log.format", ["auto", "json", "pretty"]) {
            "json" => LogFormat::Json,
            "pretty" => LogFormat::Pretty,
            _ => LogFormat::Auto,
        };
        Self {
            listen,
            server,
            deadline,
            body_idle,
            body_limit,
            trust_request_id,
            admin_listen,
            admin_exposes_all: expose == "all",
            shutdown,
            log_filter,
            log_format,
            dependencies: reader.dependencies(),
        }
    }
}

/// Merges all sources into one list of dotted keys.
fn collect(
    defaults: &[(String, String)],
    file: Option<&Path>,
    env: Env,
    wrong: &mut Vec<InvalidSetting>,
) -> BTreeMap<String, Value> {
    let mut builder = Config::builder();
    for (key, value) in defaults {
        // A key that cannot be parsed is unknown, and said to be so below.
        builder = match builder.clone().set_default(key, value.as_str()) {
            Ok(builder) => builder,
            Err(_) => {
                wrong.push(InvalidSetting::new(
                    key,
                    "not a key",
                    "a dotted name, such as `server.listen`",
                ));
                builder
            }
        };
    }
    if let Some(path) = file {
        let source = File::from(path).format(FileFormat::Toml);
        match source.collect() {
            Ok(_) => builder = builder.add_source(source),
            Err(error) => wrong.push(unreadable(path, &error.to_string())),
        }
    }
    let source = Environment::with_prefix("SEAWORTHY")
        .prefix_separator("_")
        .separator(SEPARATOR);
    builder = builder.add_source(source.source(Some(ours(env, wrong))));
    let values = builder.build().and_then(|config| config.collect()).unwrap_or_default();
    let mut flat = BTreeMap::new();
    values
        .into_iter()
        .for_each(|(key, value)| flatten(key, value, &mut flat));
    flat
}

/// Picks the variables with our prefix.
fn ours(env: Env, wrong: &mut Vec<InvalidSetting>) -> HashMap<String, String> {
    let mut ours = HashMap::new();
    for (name, value) in env {
        let Ok(name) = name.into_string() else { continue };
        if !name.starts_with(PREFIX) || is_service_link(&name) {
            continue;
        }
        match value.into_string() {
            Ok(value) => drop(ours.insert(name, value)),
            Err(_) => wrong.push(InvalidSetting::new(name, "not UTF-8", "UTF-8")),
        }
    }
    ours
}

/// Tells what Kubernetes sets for a Service whose name begins like ours, such as `SEAWORTHY_ORDERS_SERVICE_HOST`.
fn is_service_link(name: &str) -> bool {
    let is_link = name.ends_with("_PORT")
        || ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"]
            .iter()
            .any(|part| name.contains(part));
    is_link && !name.contains(SEPARATOR)
}

/// Says why a file cannot be read, without a line of it: that could show a secret.
fn unreadable(path: &Path, error: &str) -> InvalidSetting {
    let position = error.lines().find(|line| line.contains("parse error at line"));
    let found = position.unwrap_or(if path.exists() { "not readable" } else { "not there" });
    InvalidSetting::new(
        format!("settings file {}", path.display()),
        found,
        "a readable TOML file",
    )
}

fn flatten(key: String, value: Value, flat: &mut BTreeMap<String, Value>) {
    match value.kind {
        ValueKind::Table(table) => {
            table
                .into_iter()
                .for_each(|(name, value)| flatten(format!("{key}.{name}"), value, flat));
        }
        _ => drop(flat.insert(key, value)),
    }
}

/// Takes known settings out of what was given, one by one, and notes what is wrong.
struct Reader {
    values: BTreeMap<String, Value>,
    wrong: Vec<InvalidSetting>,
    /// Every key that was asked for.
    known: Vec<String>,
}

/// Both ends are allowed.
struct Range<T>(T, T);

impl Reader {
    fn take<T: FromStr>(&mut self, key: &str, default: T, allowed: &str, accept: impl Fn(&T) -> bool) -> T {
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

    fn within<T: FromStr + PartialOrd + fmt::Display>(&mut self, key: &str, default: T, range: Range<T>) -> T {
        let allowed = format!("from {} to {}", range.0, range.1);
        self.take(key, default, &allowed, |value| (&range.0..=&range.1).contains(&value))
    }

    /// The first of `words` is the default.
    fn one_of<const N: usize>(&mut self, key: &str, words: [&'static str; N]) -> &'static str {
        let allowed = format!("one of `{}`", words.join("`, `"));
        let word = self.take(key, words[0].to_owned(), &allowed, |word| {
            words.contains(&word.as_str())
        });
        words.into_iter().find(|known| *known == word).unwrap_or(words[0])
    }

    fn tls(&mut self) -> Option<Tls> {
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

    fn dependencies(&mut self) -> BTreeMap<String, Uri> {
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
    fn finish(mut self) -> Vec<InvalidSetting> {
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

fn origin(key: &str, value: &Value) -> String {
    match value.origin() {
        Some("the environment") => {
            format!(
                "from the environment variable {PREFIX}{}",
                key.to_uppercase().replace('.', SEPARATOR)
            )
        }
        Some(_) => "from the settings file".to_owned(),
        None => "from the program".to_owned(),
    }
}

/// A duration as it is written in settings: `250ms`, `5s`, `1m 30s`.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Span(Duration);

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

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Env {
        variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    fn file(name: &str, text: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("seaworthy-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_program() {
        let path = file("wins.toml", "[server]\ndeadline = \"2s\"\nbody_limit = 7\n");
        let defaults = [
            ("server.deadline".to_owned(), "1s".to_owned()),
            ("log.filter".to_owned(), "warn".to_owned()),
        ];
        let env = env(&[
            ("SEAWORTHY_SERVER__DEADLINE", "3s"),
            ("OTHER", "x"),
            ("SEAWORTHY_ORDERS_SERVICE_HOST", "10.0.0.1"),
            ("SEAWORTHY_ORDERS_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("SEAWORTHY_ORDERS_SERVICE_HOST", "10.0.0.1"),
            ("SEAWORTHY_ORDERS_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ]);
        let (settings, wrong) = Settings::read(&defaults, Some(&path), env);
        assert_eq!(wrong, []);
        assert_eq!(settings.deadline, Duration::from_secs(3));
        assert_eq!(settings.body_limit, 7);
        assert_eq!(settings.log_filter, "warn");
    }

    #[test]
    fn every_wrong_setting_is_listed_with_its_origin_and_no_content() {
        let path = file(
            "wrong.toml",
            "[server]\nlisten = \"hunter2\"\nmax_connections = 0\n[servr]\nx = 1\n",
        );
        let env = env(&[
            ("SEAWORTHY_LOG__FORMAT", "hunter2"),
            ("SEAWORTHY_DEPENDENCIES__PAYMENTS__URL", "hunter2"),
        ]);
        let (_, wrong) = Settings::read(&[], Some(&path), env);
        let text = wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let expected = "`server.listen` is a text of 7 characters, from the settings file; it must be an IP address with a port, \
             such as `127.0.0.1:8080`\n\
             `server.max_connections` is the integer 0, from the settings file; it must be from 1 to 1000000\n\
             `log.format` is a text of 7 characters, from the environment variable SEAWORTHY_LOG__FORMAT; \
             it must be one of `auto`, `json`, `pretty`\n\
             `dependencies.payments.url` is a text of 7 characters, from the environment variable \
             SEAWORTHY_DEPENDENCIES__PAYMENTS__URL; it must be an absolute URL, such as `http://127.0.0.1:8081`\n\
             `servr.x` is unknown, from the settings file; it must be one of `server.listen`, ";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn a_broken_file_is_named_with_the_line_and_without_its_content() {
        let path = file("broken.toml", "[server]\npassword = \"hunter2\n");
        let (_, wrong) = Settings::read(&[], Some(&path), Vec::new());
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].found.contains("line 2"), "{}", wrong[0]);
        assert!(!wrong[0].to_string().contains("hunter2"), "{}", wrong[0]);

        let (_, wrong) = Settings::read(&[], Some(Path::new("/nowhere.toml")), Vec::new());
        assert_eq!(wrong[0].found, "not there");
    }

    #[test]
    fn the_documented_settings_are_those_that_are_read() {
        let mut reader = Reader {
            values: BTreeMap::new(),
            wrong: Vec::new(),
            known: Vec::new(),
        };
        Settings::read_from(&mut reader);
        let rows = include_str!("../docs/settings.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `"));
        let documented: Vec<_> = rows.map(|row| row.split('`').next().unwrap()).collect();
        let mut known = reader.known;
        known.push("dependencies.<name>.url".to_owned());
        assert_eq!(documented, known);
    }
}
