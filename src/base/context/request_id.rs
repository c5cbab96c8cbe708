use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use uuid::fmt::Hyphenated;

use super::origin::Origin;
use crate::base::clock::Clock;

/// Names one request in logs, errors and responses; found in the task and in the request's extensions.
///
/// At most 128 letters, digits, `-`, `_`, `.`; a new one is a UUID of version 7, which sorts by time.
#[derive(Clone)]
pub struct RequestId(Text);

#[derive(Clone)]
enum Text {
    Uuid([u8; Hyphenated::LENGTH]),
    Told(Arc<str>),
}

/// What was offered as a request id is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidRequestId;

impl RequestId {
    /// Makes a new id. It is unique, but can be guessed: it is no secret.
    pub fn generate() -> Self {
        let millis = u64::try_from(Clock::default().unix_time().as_millis()).unwrap_or(u64::MAX);
        let mut random = [0; 10];
        fastrand::fill(&mut random);
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        let mut text = [0; Hyphenated::LENGTH];
        uuid.hyphenated().encode_lower(&mut text);
        Self(Text::Uuid(text))
    }

    /// Returns the id of the request that the present work is done for, if it is known.
    pub fn current() -> Option<Self> {
        Origin::with(|origin| origin.request_id.clone())
    }

    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Uuid(text) => std::str::from_utf8(text).unwrap_or_default(),
            Text::Told(text) => text,
        }
    }

    /// Returns the same as [`as_str`](Self::as_str), without looking whether it is text.
    #[cfg(feature = "http")]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Uuid(text) => text,
            Text::Told(text) => text.as_bytes(),
        }
    }
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RequestId {}

impl Hash for RequestId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if (1..=128).contains(&text.len()) && text.bytes().all(valid) {
            Ok(Self(Text::Told(text.into())))
        } else {
            Err(InvalidRequestId)
        }
    }
}

impl fmt::Display for InvalidRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request id is 1 to 128 letters, digits, `-`, `_` or `.`")
    }
}

impl std::error::Error for InvalidRequestId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_is_a_version_7_uuid_and_ids_differ() {
        let (one, two) = (RequestId::generate(), RequestId::generate());
        assert_eq!(uuid::Uuid::parse_str(one.as_str()).unwrap().get_version_num(), 7);
        assert_ne!(one, two);
    }

    #[test]
    fn an_id_that_could_break_a_log_line_is_not_taken() {
        for bad in ["", "a b", "a\nb", "é", "\"", &"a".repeat(129)] {
            assert_eq!(bad.parse::<RequestId>(), Err(InvalidRequestId), "{bad:?}");
        }
        assert_eq!("ok-1_2.3".parse::<RequestId>().unwrap().as_str(), "ok-1_2.3");
    }
}
