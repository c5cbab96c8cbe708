//! A dead letter as a line of JSON.

use std::time::{Duration, UNIX_EPOCH};

use humantime::{format_rfc3339_nanos, parse_rfc3339};
use serde_json::{Value, json};

use super::DeadLetter;
use crate::base::error::BoxError;

/// The last second that has four digits for its year.
const LATEST: Duration = Duration::from_secs(253_402_300_799);

/// Writes a letter as one line, with its end.
pub(super) fn write(letter: &DeadLetter) -> String {
    let DeadLetter {
        at,
        worker,
        reason,
        attempts,
        request_id,
        payload,
    } = letter;
    let value = json!({
        "at": format_rfc3339_nanos(UNIX_EPOCH + (*at).min(LATEST)).to_string(),
        "worker": worker,
        "reason": reason,
        "attempts": attempts,
        "request_id": request_id,
        "payload": payload,
    });
    format!("{value}\n")
}

/// How every letter begins.
const BEGINNING: &[u8] = br#"{"at":""#;

/// Returns whether this may be what a kill, or a loss of power, has left of a letter.
pub(super) fn may_be_torn(line: &[u8]) -> bool {
    let is_cut = !line.ends_with(b"\n") && (line.starts_with(BEGINNING) || BEGINNING.starts_with(line));
    // A length that was written before its content; no letter has this byte.
    is_cut || line.contains(&0)
}

/// Reads a line without its end.
pub(super) fn read(line: &[u8]) -> Result<DeadLetter, BoxError> {
    let value: Value = serde_json::from_slice(line)?;
    let text = |key: &str| {
        let text = value[key].as_str().map(str::to_owned);
        text.ok_or_else(|| format!("there is no text `{key}`"))
    };
    let at = parse_rfc3339(&text("at")?).map_err(|error| format!("`at`: {error}"))?;
    let attempts = value["attempts"]
        .as_u64()
        .and_then(|attempts| u32::try_from(attempts).ok());
    Ok(DeadLetter {
        at: at.duration_since(UNIX_EPOCH)?,
        worker: text("worker")?,
        reason: text("reason")?,
        attempts: attempts.ok_or("there is no number `attempts`")?,
        request_id: value["request_id"].as_str().map(str::to_owned),
        payload: text("payload")?,
    })
}
