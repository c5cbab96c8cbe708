//! Where settings come from: the program, a file, the environment.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::Path;

use config::{Config, Environment, File, FileFormat, Source, Value, ValueKind};

use crate::base::error::InvalidSetting;

const PREFIX: &str = "SEAWORTHY_";
const SEPARATOR: &str = "__";

pub(super) type Env = Vec<(OsString, OsString)>;

/// Merges all sources into one list of dotted keys.
pub(super) fn collect(
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

/// Says where a value was given.
pub(super) fn origin(key: &str, value: &Value) -> String {
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
