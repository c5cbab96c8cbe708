//! The pieces of the page: each makes harmless what it is given.

use super::told::{address, known, phrase, spans, there, visible};
use crate::review::evidence::{Evidence, Kind};
use crate::review::item::Item;

/// Lists parts, each with its kind.
pub(super) fn list<'a>(parts: impl Iterator<Item = &'a Evidence>) -> String {
    let parts = parts.map(|part| {
        let known = match &*known(part) {
            "" => String::new(),
            known => format!(" <span class=\"quiet\">({})</span>", plain(known)),
        };
        let texts = [&part.subject, &part.found].map(|text| rich(text));
        let told = phrase(texts, there(part).map(link));
        format!("<li>{}: {told}{known}</li>\n", word(part.kind))
    });
    format!("<ul>\n{}</ul>\n", parts.collect::<String>())
}

/// Writes a kind as a word, in its colour.
pub(super) fn word(kind: Kind) -> String {
    format!("<span class=\"kind {0}\">{0}</span>", kind.label())
}

/// Names an item, and says what is wanted.
pub(super) fn title(item: &Item) -> String {
    format!("<code>{}</code>: {}", plain(&item.id), rich(&item.title))
}

/// Returns the name of an item's place in the page; what no id of an item has in it is `_XX`.
pub(super) fn place(id: &str) -> String {
    let mut place = "item-".to_owned();
    for byte in id.bytes() {
        match byte {
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => place.push(char::from(byte)),
            _ => place += &format!("_{byte:02X}"),
        }
    }
    place
}

/// Says where it is told how an item is met.
pub(super) fn docs(item: &Item) -> String {
    match address(&item.docs) {
        Some(address) => format!(
            "<a href=\"{}\">how to meet <code>{}</code></a>",
            plain(&address),
            plain(&item.id)
        ),
        None => link(&item.docs),
    }
}

/// Writes an address so that it can be followed, and anything else as text.
pub(super) fn link(link: &str) -> String {
    match address(link) {
        Some(address) => format!("<a href=\"{}\">{}</a>", plain(&address), plain(link)),
        None => format!("<code>{}</code>", plain(link)),
    }
}

/// Escapes a text, and shows names in code as such.
pub(super) fn rich(text: &str) -> String {
    let text = visible(text);
    let spans = spans(&text).into_iter().map(|(is_code, span)| match is_code {
        true => format!("<code>{}</code>", plain(span)),
        false => plain(span),
    });
    spans.collect()
}

/// Takes the meaning from whatever has one.
pub(super) fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in visible(text).chars() {
        match character {
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '&' => escaped += "&amp;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            _ => escaped.push(character),
        }
    }
    escaped
}
