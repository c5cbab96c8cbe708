//! What a request carries along for whoever answers it: W3C Baggage, and the caller's `Idempotency-Key`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::origin::Origin;

/// The most members that are carried, and the most bytes, as the standard has them.
const MEMBERS: usize = 64;
const BYTES: usize = 8192;

/// Names and values that travel with a request, as [W3C Baggage](https://www.w3.org/TR/baggage/) has them.
///
/// At most 64 members and 8,192 bytes; whatever is no member, or one too many, is left out.
///
/// # Examples
///
/// ```
/// use seaworthy::context::Baggage;
///
/// let baggage: Baggage = "tenant=acme, shop=m%C3%BCnchen;ttl=1, oops".parse().unwrap();
/// assert_eq!(baggage.get("shop"), Some("m%C3%BCnchen"));
/// assert_eq!(baggage.to_string(), "tenant=acme,shop=m%C3%BCnchen;ttl=1");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Baggage(Arc<str>);

/// A text has not one member of baggage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidBaggage;

/// The key by which a caller's request can be told from another one, as it came.
///
/// 1 to 255 printable ASCII characters, quotes and all.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(Arc<str>);

/// A text is no idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidIdempotencyKey;

impl Baggage {
    /// Returns the baggage of the request that the present work is done for, if it has any.
    pub fn current() -> Option<Self> {
        Origin::with(|origin| origin.baggage.clone())
    }

    /// Returns the value of the first member of this name, percent-encoded as it came and without its properties.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.members()
            .find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Returns the names and values, percent-encoded as they came.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split(',').filter_map(parts)
    }

    /// Joins the values of all headers; `None` if not one member is left.
    pub(crate) fn of<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut list = String::new();
        let texts = values.into_iter().filter_map(|value| std::str::from_utf8(value).ok());
        let members = texts
            .flat_map(|text| text.split(','))
            .map(|member| member.trim_matches([' ', '\t']));
        for member in members.filter(|member| parts(member).is_some()).take(MEMBERS) {
            let comma = usize::from(!list.is_empty());
            if list.len() + comma + member.len() > BYTES {
                continue;
            }
            list.extend((comma > 0).then_some(','));
            list.push_str(member);
        }
        (!list.is_empty()).then(|| Self(list.into()))
    }
}

impl IdempotencyKey {
    /// Returns the key of the request that the present work is done for, if it has one.
    pub fn current() -> Option<Self> {
        Origin::with(|origin| origin.idempotency_key.clone())
    }

    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns a member's name and value, if it is one.
fn parts(member: &str) -> Option<(&str, &str)> {
    let mut parts = member.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (trim(name), trim(value));
    let is_whole = is_token(name) && value.bytes().all(is_octet) && parts.all(is_property);
    is_whole.then_some((name, value))
}

fn is_property(property: &str) -> bool {
    let (name, value) = property.split_once('=').unwrap_or((property, ""));
    is_token(trim(name)) && trim(value).bytes().all(is_octet)
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

impl FromStr for Baggage {
    type Err = InvalidBaggage;

    /// Reads the members; what is none is left out.
    fn from_str(text: &str) -> Result<Self, InvalidBaggage> {
        Self::of([text.as_bytes()]).ok_or(InvalidBaggage)
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(text: &str) -> Result<Self, InvalidIdempotencyKey> {
        let is_key = (1..=255).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        is_key.then(|| Self(text.into())).ok_or(InvalidIdempotencyKey)
    }
}

impl fmt::Display for Baggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// What callers send may be a secret: neither shows in a debug print.
impl fmt::Debug for Baggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Baggage({} members)", self.members().count())
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey")
    }
}

impl fmt::Display for InvalidBaggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("baggage is a list of `name=value`, separated by commas")
    }
}

impl fmt::Display for InvalidIdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an idempotency key is 1 to 255 printable ASCII characters")
    }
}

impl std::error::Error for InvalidBaggage {}
impl std::error::Error for InvalidIdempotencyKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_passed_on_and_what_is_none_is_not() {
        for (sent, expected) in [
            ("a=1", Some("a=1")),
            ("a=1,b=2;p;q=3 , c = 4", Some("a=1,b=2;p;q=3,c = 4")),
            ("a=", Some("a=")),
            ("a=x=y", Some("a=x=y")),
            ("a=%20", Some("a=%20")),
            (",,a=1,,", Some("a=1")),
            ("a,b=2", Some("b=2")),
            ("a=1 2,b=2", Some("b=2")),
            ("a b=1", None),
            ("a=\"1\"", None),
            ("a=\\", None),
            ("a=1;p=\u{e9}", None),
            ("=1", None),
            ("", None),
        ] {
            let read = sent.parse::<Baggage>().ok().map(|read| read.to_string());
            assert_eq!(read.as_deref(), expected, "{sent:?}");
        }
        let joined = Baggage::of([&b"a=1"[..], b"\xff=2", b"b=2"]).unwrap();
        assert_eq!(joined.members().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
    }

    #[test]
    fn no_more_than_64_members_and_8192_bytes_travel() {
        let many: Vec<_> = (0..70).map(|n| format!("k{n}=1")).collect();
        let read: Baggage = many.join(",").parse().unwrap();
        assert_eq!(read.members().count(), 64);
        let exact = format!("a={}", "x".repeat(8190));
        assert_eq!(exact.parse::<Baggage>().unwrap().to_string().len(), 8192);
        assert_eq!(format!("{exact}x").parse::<Baggage>(), Err(InvalidBaggage));
        let rest: Baggage = format!("{exact}x,b=2").parse().unwrap();
        assert_eq!(rest.to_string(), "b=2");
    }

    #[test]
    fn a_key_is_visible_text_of_bounded_length_and_shows_in_no_debug_print() {
        for (text, expected) in [
            ("\"8e03978e\"", true),
            ("", false),
            ("\"order 7\"", true),
            ("\u{e9}", false),
            ("a\n", false),
        ] {
            assert_eq!(text.parse::<IdempotencyKey>().is_ok(), expected, "{text:?}");
        }
        assert!("k".repeat(255).parse::<IdempotencyKey>().is_ok());
        assert!("k".repeat(256).parse::<IdempotencyKey>().is_err());
        let key: IdempotencyKey = "hush".parse().unwrap();
        let baggage: Baggage = "user=hush".parse().unwrap();
        assert!(!format!("{key:?} {baggage:?}").contains("hush"));
    }
}
