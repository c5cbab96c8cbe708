//! What all formats tell alike, in the same order and words.

use std::borrow::Cow;

use crate::review::day::when;
use crate::review::evidence::{Evidence, Kind};
use crate::review::item::{Area, Item};
use crate::review::level::Level;
use crate::review::manifest::is_address;
use crate::review::verdict::{Review, Reviewed};

/// What each kind of evidence means, the best first.
pub(super) const KINDS: [(Kind, &str); 5] = [
    (Kind::Proven, "it is read from what is wired"),
    (Kind::Measured, "somebody looked, and it was so"),
    (Kind::Attested, "somebody says so, with evidence, until it expires"),
    (Kind::Waived, "it is not so, and somebody has said why that is accepted"),
    (Kind::Missing, "it is not so, or nobody knows"),
];

/// What each level means, the lowest first.
pub(super) const LEVELS: [(Level, &str); 4] = [
    (Level::Mvp, "it can be run, and says whether it works"),
    (Level::Stable, "it can be operated by whoever did not write it"),
    (Level::Resilient, "it survives what it depends on"),
    (Level::Optimized, "it adapts, and those who run it learn"),
];

/// Said of what no service is ready without, whatever its reason.
pub(super) const NEVER: &str = "it cannot be waived";

/// Returns whoever is called when it is in trouble.
pub(super) fn owner(review: &Review) -> &str {
    match &*review.owner {
        "" => "nobody has said who",
        owner => owner,
    }
}

/// Says why something missing is not in the way, if it is not.
pub(super) fn later(review: &Review, item: &Reviewed) -> Option<String> {
    let is_later = !item.is_met() && item.item.level > review.target;
    is_later.then(|| format!("not in the way of {}", review.target))
}

/// Lists the parts of a kind.
pub(super) fn parts(reviewed: &Reviewed, kind: Kind) -> impl Iterator<Item = &Evidence> {
    reviewed.evidence.iter().filter(move |part| part.kind == kind)
}

/// Joins what it is about, what was found and where there is more: `game day: passed, see game-day.json`.
pub(super) fn phrase([subject, found]: [String; 2], there: Option<String>) -> String {
    let see = there.map(|there| format!("see {there}")).unwrap_or_default();
    let said = joined([found, see], ", ");
    joined([subject, said], ": ")
}

fn joined(texts: [String; 2], between: &str) -> String {
    let texts = texts.into_iter().filter(|text| !text.is_empty());
    texts.collect::<Vec<_>>().join(between)
}

/// Returns where there is more of it, unless what was found names that file.
pub(super) fn there(part: &Evidence) -> Option<&str> {
    let link = part.link.as_deref().filter(|link| !link.is_empty())?;
    let names = |word: &str| {
        let path = word.trim_matches(|character: char| "`'\"():;,".contains(character));
        path.strip_suffix(link)
            .is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    // What was found is no link, so an address is shown once more.
    let is_named = !is_address(link) && part.found.split_whitespace().any(names);
    (!is_named).then_some(link)
}

/// Says who knows it, since when and until when: `measured at …`, `said by X on D until D`, `waived for good`.
pub(super) fn known(part: &Evidence) -> String {
    let is_waived = part.kind == Kind::Waived;
    let mut said = Vec::new();
    said.extend(is_waived.then(|| "waived".to_owned()));
    let by = if is_waived { "by" } else { "said by" };
    said.extend(part.by.as_ref().map(|name| format!("{by} {name}")));
    said.extend(part.on.as_ref().map(|day| format!("on {day}")));
    match &part.until {
        Some(day) => said.push(format!("until {day}")),
        None => said.extend(is_waived.then(|| "for good".to_owned())),
    }
    let measured = part
        .at
        .map(|at| format!("measured at {}", when(at)))
        .unwrap_or_default();
    joined([measured, said.join(" ")], ", ")
}

/// Returns the items of each area, in the order in which the review first names the areas.
pub(super) fn areas(review: &Review) -> Vec<(Area, Vec<&Reviewed>)> {
    let mut areas: Vec<(Area, Vec<&Reviewed>)> = Vec::new();
    for reviewed in &review.items {
        match areas.iter_mut().find(|(area, _)| *area == reviewed.item.area) {
            Some((_, items)) => items.push(reviewed),
            None => areas.push((reviewed.item.area, vec![reviewed])),
        }
    }
    areas
}

/// Returns why it matters and how it is mended, as far as that is known.
pub(super) fn advice(item: &Item) -> [(&'static str, &str); 2] {
    [("why", &item.why), ("do", &item.how)]
}

/// Returns an address that can be followed, with what could end a link written as `%XX`; other schemes are none.
pub(super) fn address(link: &str) -> Option<String> {
    if !is_address(link) {
        return None;
    }
    let mut address = String::with_capacity(link.len());
    for byte in link.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&*+,;=%".contains(&byte) {
            address.push(char::from(byte));
        } else {
            address.push_str(&format!("%{byte:02X}"));
        }
    }
    Some(address)
}

/// Makes a text one line that moves no cursor and turns no direction: white space is a space, the rest shows its number.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let is_plain = |character: char| !character.is_control() && !is_layout(character);
    if text.chars().all(is_plain) {
        return text.into();
    }
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => visible.push(' '),
            _ if is_plain(character) => visible.push(character),
            _ => visible.extend(character.escape_unicode()),
        }
    }
    visible.into()
}

/// Tells whether a character ends a line, turns the direction of what follows, or is not seen at all.
fn is_layout(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Cuts a text into what is plain (`false`) and what stands between backticks (`true`).
///
/// Only what can be nothing but a name in code is taken for one: anything else stays plain, backticks and all.
pub(super) fn spans(text: &str) -> Vec<(bool, &str)> {
    let mut spans = Vec::new();
    let (mut plain, mut from) = (0, 0);
    while let Some(open) = text[from..].find('`').map(|at| from + at) {
        let Some(close) = text[open + 1..].find('`').map(|at| open + 1 + at) else {
            break;
        };
        let is_alone = !text[..open].ends_with('`') && !text[close + 1..].starts_with('`');
        if is_alone && is_code(&text[open + 1..close]) {
            spans.push((false, &text[plain..open]));
            spans.push((true, &text[open + 1..close]));
            (plain, from) = (close + 1, close + 1);
        } else {
            from = open + 1;
        }
    }
    spans.push((false, &text[plain..]));
    spans.retain(|(_, text)| !text.is_empty());
    spans
}

fn is_code(text: &str) -> bool {
    let may = |character: char| character.is_ascii_alphanumeric() || " -_.:/,=?[](){}".contains(character);
    text.chars().all(may) && text.trim() == text && !text.is_empty()
}
