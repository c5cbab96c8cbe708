use std::error::Error;
use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// Where a dependency is: what the requests to it begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    /// Without the last slash.
    path: String,
}

/// What a base URL must be.
pub(crate) const ALLOWED: &str =
    "an absolute `http` or `https` URL without user, password and query, such as `http://127.0.0.1:8081`";

impl BaseUrl {
    pub(crate) fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Returns where a request goes: a path is one of the dependency's, and whatever names another host is refused.
    pub(crate) fn resolve(&self, uri: &Uri) -> Result<Uri, ForeignUrl> {
        if let Some(authority) = uri.authority() {
            let is_own = *authority == self.authority && uri.scheme() == Some(&self.scheme);
            return if is_own { Ok(uri.clone()) } else { Err(ForeignUrl) };
        }
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let path = match path.strip_prefix('/') {
            Some(_) if self.path.is_empty() => uri.path_and_query().cloned(),
            Some(_) => format!("{}{path}", self.path).parse().ok(),
            None => None,
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path.ok_or(ForeignUrl)?);
        Uri::from_parts(parts).map_err(|_| ForeignUrl)
    }
}

impl FromStr for BaseUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts = text.parse::<Uri>().map_err(|_| ())?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(());
        };
        let path = parts.path_and_query.as_ref();
        let is_plain = path.is_none_or(|path| path.query().is_none()) && !authority.as_str().contains('@');
        let is_http = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
        let path = path.map_or("", |path| path.path().trim_end_matches('/')).to_owned();
        (is_plain && is_http && !authority.host().is_empty())
            .then_some(Self {
                scheme,
                authority,
                path,
            })
            .ok_or(())
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}/", self.scheme, self.authority, self.path)
    }
}

/// A request to a dependency names another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForeignUrl;

impl fmt::Display for ForeignUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request to a dependency names a path alone, or begins with the dependency's own URL")
    }
}

impl Error for ForeignUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_dependencys_and_another_host_is_refused() {
        let base: BaseUrl = "http://127.0.0.1:8081/v1/".parse().unwrap();
        assert_eq!(base.to_string(), "http://127.0.0.1:8081/v1/");
        for (asked, expected) in [
            ("/charges?x=1", Some("http://127.0.0.1:8081/v1/charges?x=1")),
            ("/", Some("http://127.0.0.1:8081/v1/")),
            ("//evil.example/x", Some("http://127.0.0.1:8081/v1//evil.example/x")),
            ("http://127.0.0.1:8081/other", Some("http://127.0.0.1:8081/other")),
            ("https://127.0.0.1:8081/other", None),
            ("http://127.0.0.1:8082/other", None),
            ("http://evil.example/", None),
            ("*", None),
        ] {
            let resolved = base.resolve(&asked.parse().unwrap()).ok();
            assert_eq!(resolved.map(|uri| uri.to_string()).as_deref(), expected, "{asked}");
        }
    }

    #[test]
    fn what_is_no_base_is_refused() {
        for text in [
            "",
            "payments",
            "/v1",
            "ftp://x/",
            "http://u:p@x/",
            "http://x/?q=1",
            "http://x y/",
        ] {
            assert!(text.parse::<BaseUrl>().is_err(), "{text}");
        }
    }
}
