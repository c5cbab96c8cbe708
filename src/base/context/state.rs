//! The lists of what others have said of a trace: `tracestate`.

use std::sync::Arc;

/// The most members of a `tracestate`.
const MOST: usize = 32;

/// As many characters must be passed on; of what is longer, whole members are left out.
const LENGTH: usize = 512;

/// From this length on a member is the first to be left out.
const LONG: usize = 128;

/// Joins the values of all headers to one list; `None` if it is empty, or anything in it is not as it should be.
pub(super) fn of<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<Arc<str>> {
    let mut members = Vec::new();
    for value in values {
        for member in std::str::from_utf8(value).ok()?.split(',') {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            let is_new = members.iter().all(|(known, _)| *known != key);
            if members.len() == MOST || !is_new || !is_key(key) || !is_value(value) {
                return None;
            }
            members.push((key, member));
        }
    }
    while length(&members) > LENGTH {
        let long = members.iter().rposition(|(_, member)| member.len() > LONG);
        members.remove(long.unwrap_or(members.len() - 1));
    }
    let list: Vec<_> = members.into_iter().map(|(_, member)| member).collect();
    (!list.is_empty()).then(|| list.join(",").into())
}

fn length(members: &[(&str, &str)]) -> usize {
    let lengths: usize = members.iter().map(|(_, member)| member.len() + 1).sum();
    lengths.saturating_sub(1)
}

fn is_key(key: &str) -> bool {
    let is_first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_further = |byte: u8| is_first(&byte) || b"_-*/@".contains(&byte);
    key.len() <= 256 && key.as_bytes().first().is_some_and(is_first) && key.bytes().all(is_further)
}

fn is_value(value: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_one(value: &str) -> Option<String> {
        of([value.as_bytes()]).map(|list| list.to_string())
    }

    #[test]
    fn a_list_of_members_is_passed_on_without_what_is_empty() {
        for (sent, expected) in [
            ("rojo=00f067aa0ba902b7", "rojo=00f067aa0ba902b7"),
            ("a=1,b=2", "a=1,b=2"),
            (" a=1 ,\t, ,b=2,", "a=1,b=2"),
            ("tenant@vendor=x y", "tenant@vendor=x y"),
            ("0_-*/@=~!", "0_-*/@=~!"),
        ] {
            assert_eq!(of_one(sent).as_deref(), Some(expected), "{sent}");
        }
        assert_eq!(of([&b"a=1"[..], b"", b"b=2"]).as_deref(), Some("a=1,b=2"));
    }

    #[test]
    fn a_list_that_is_wrong_anywhere_is_not_passed_on() {
        let key = "k".repeat(257);
        let value = "v".repeat(257);
        for sent in [
            "".to_owned(),
            ",,".into(),
            "a".into(),
            "=1".into(),
            "a=".into(),
            "A=1".into(),
            "_a=1".into(),
            "a =1".into(),
            "a=1=2".into(),
            "a=\u{e9}".into(),
            "a=1\tb".into(),
            "a=1,a=2".into(),
            "b=1,a".into(),
            format!("{key}=1"),
            format!("a={value}"),
        ] {
            assert_eq!(of_one(&sent), None, "{sent:?}");
        }
    }

    #[test]
    fn the_33rd_member_is_one_too_many() {
        let members = |count: u32| (0..count).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
        assert_eq!(of_one(&members(32)), Some(members(32)));
        assert_eq!(of_one(&members(33)), None);
    }

    #[test]
    fn of_what_is_too_long_the_long_members_go_first_and_then_the_last() {
        let exact = format!("a={}", "x".repeat(125));
        let whole = [exact.as_str(), &exact.replace('a', "b"), &exact.replace('a', "c")].join(",");
        let fitting = format!("{whole},d={}", "x".repeat(122));
        assert_eq!(fitting.len(), 508);
        assert_eq!(of_one(&format!("{fitting},e=1")), Some(format!("{fitting},e=1")));
        assert_eq!(of_one(&format!("{fitting},e=12")), Some(fitting.clone()));
        let long = format!("z={}", "x".repeat(127));
        assert_eq!(of_one(&format!("{long},{fitting}")), Some(fitting));
    }
}
