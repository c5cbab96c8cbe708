use std::hash::{BuildHasher, RandomState};

use http::{HeaderName, HeaderValue, Request};

use crate::base::key::KeyExtractor;

/// Tells clients apart by a header, such as an API key.
///
/// The value may be a secret, and long: only a hash of 64 bits is kept, with a random secret of this extractor and its
/// clones, so that nobody can choose a value that has another's key. The value counts byte by byte.
///
/// Requests without the header share one key. So do requests with several lines of it: which of them whoever checks the
/// value goes by is not known, and with a line more than that one a client could take a new key as often as it likes.
/// For the same reason the header should be one that something checks: what nobody checks, clients make up.
///
/// # Examples
///
/// ```
/// use http::{HeaderName, Request};
/// use seaworthy::{key::KeyExtractor, web::HeaderKey};
///
/// let client = HeaderKey::new(HeaderName::from_static("x-api-key"));
/// let of = |key: &str| client.extract(&Request::builder().header("x-api-key", key).body(()).unwrap());
/// assert_eq!(of("anchor"), of("anchor"));
/// assert_ne!(of("anchor"), of("buoy"));
/// ```
#[derive(Clone, Debug)]
pub struct HeaderKey {
    name: HeaderName,
    secret: RandomState,
}

/// What there is of the header.
#[derive(Hash)]
enum Lines<'a> {
    None,
    One(&'a [u8]),
    Several,
}

impl HeaderKey {
    /// Makes an extractor for one header.
    pub fn new(name: HeaderName) -> Self {
        Self {
            name,
            secret: RandomState::new(),
        }
    }
}

impl<B> KeyExtractor<Request<B>> for HeaderKey {
    type Key = u64;

    fn extract(&self, request: &Request<B>) -> u64 {
        let mut values = request.headers().get_all(&self.name).iter().map(HeaderValue::as_bytes);
        self.secret.hash_one(match (values.next(), values.next()) {
            (None, _) => Lines::None,
            (Some(value), None) => Lines::One(value),
            (Some(_), Some(_)) => Lines::Several,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

    fn request(values: &[&str]) -> Request<()> {
        let mut request = Request::new(());
        for value in values {
            request.headers_mut().append(API_KEY, value.parse().unwrap());
        }
        request
    }

    #[test]
    fn each_value_has_its_key_and_no_header_has_one_too() {
        let client = HeaderKey::new(API_KEY);
        let of = |values: &[&str]| client.extract(&request(values));
        let keys = [
            of(&[]),
            of(&[""]),
            of(&["a"]),
            of(&["A"]),
            of(&["a, b"]),
            of(&["a", "b"]),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{at}: {keys:?}");
        }
        assert_eq!(client.clone().extract(&request(&["a"])), of(&["a"]));
    }

    #[test]
    fn a_further_line_does_not_bring_a_new_key_each_time() {
        let client = HeaderKey::new(API_KEY);
        let of = |values: &[&str]| client.extract(&request(values));
        assert_eq!(of(&["mine", "1"]), of(&["mine", "2"]));
        assert_eq!(of(&["1", "mine"]), of(&["2", "3", "mine"]));
    }

    #[test]
    fn the_key_of_a_value_cannot_be_foretold() {
        let (one, other) = (HeaderKey::new(API_KEY), HeaderKey::new(API_KEY));
        let request = request(&["secret"]);
        assert_ne!(one.extract(&request), other.extract(&request));
    }
}
