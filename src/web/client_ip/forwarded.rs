//! The lists to which every proxy appends whom it was called by, read from the right.
//!
//! Nothing left of the member that is looked for is read: there may stand whatever the client likes, such as a quote
//! that it never closes.

use std::net::IpAddr;

use http::header::{FORWARDED, HeaderMap, HeaderName};

use super::address::address;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Returns the `n`th address from the right of `X-Forwarded-For`.
pub(super) fn x_forwarded_for(headers: &HeaderMap, n: usize) -> Option<IpAddr> {
    nth(headers, &X_FORWARDED_FOR, n, |line| line.rsplit(|byte| *byte == b',')).and_then(address)
}

/// Returns the `n`th address from the right of `Forwarded`.
pub(super) fn forwarded(headers: &HeaderMap, n: usize) -> Option<IpAddr> {
    let element = nth(headers, &FORWARDED, n, |line| FromTheRight::new(line, b','));
    element.and_then(node).and_then(address)
}

/// Finds the `n`th member of a list from the right; several lines are one list, and what is empty is no member.
fn nth<'a, I: Iterator<Item = &'a [u8]>>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    n: usize,
    members: impl Fn(&'a [u8]) -> I,
) -> Option<&'a [u8]> {
    let lines = headers.get_all(name).iter().rev();
    let members = lines.flat_map(|line| members(line.as_bytes())).map(<[u8]>::trim_ascii);
    members.filter(|member| !member.is_empty()).nth(n.checked_sub(1)?)
}

/// Returns what `for` is in an element, without its quotes; `None` if it is missing or there twice.
fn node(element: &[u8]) -> Option<&[u8]> {
    let mut node = None;
    let pairs = FromTheRight::new(element, b';').map(<[u8]>::trim_ascii);
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let is_node = pair[..equals].trim_ascii().eq_ignore_ascii_case(b"for");
        if is_node && node.replace(pair[equals + 1..].trim_ascii()).is_some() {
            return None;
        }
    }
    match node? {
        [b'"', quoted @ .., b'"'] => Some(quoted),
        token => Some(token),
    }
}

/// The parts of a text between separators that are not in quotes, last first.
struct FromTheRight<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> FromTheRight<'a> {
    fn new(text: &'a [u8], separator: u8) -> Self {
        Self {
            rest: Some(text),
            separator,
        }
    }
}

impl<'a> Iterator for FromTheRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest?;
        let mut is_quoted = false;
        for (at, byte) in text.iter().enumerate().rev() {
            if *byte == b'"' && !(is_quoted && is_escaped(&text[..at])) {
                is_quoted = !is_quoted;
            } else if *byte == self.separator && !is_quoted {
                self.rest = Some(&text[..at]);
                return Some(&text[at + 1..]);
            }
        }
        self.rest = None;
        Some(text)
    }
}

/// Says whether what follows `text` within quotes is escaped: a backslash that is escaped itself escapes nothing.
fn is_escaped(text: &[u8]) -> bool {
    let backslashes = text.iter().rev().take_while(|byte| **byte == b'\\');
    backslashes.count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<&str> {
        let parts = FromTheRight::new(text.as_bytes(), b',');
        parts.map(|part| std::str::from_utf8(part).unwrap()).collect()
    }

    #[test]
    fn a_separator_in_quotes_does_not_separate() {
        assert_eq!(parts(r#"a,"b,c",d"#), ["d", r#""b,c""#, "a"]);
        assert_eq!(parts(r#"a,"b\",c",d"#), ["d", r#""b\",c""#, "a"]);
        assert_eq!(parts(r#"a,"b\\",c"#), ["c", r#""b\\""#, "a"]);
        assert_eq!(parts(r#"a,"\"\\",c"#), ["c", r#""\"\\""#, "a"]);
        assert_eq!(parts(",,"), ["", "", ""]);
    }

    #[test]
    fn a_quote_left_open_takes_nothing_from_what_stands_on_its_right() {
        assert_eq!(parts(r#"x,"a,b"#), ["b", r#"x,"a"#]);
    }
}
