//! Whatever stands in any field, it is shown, and it does nothing.

use super::*;
use crate::review::evidence::Kind;

/// What means something in one format or another.
const EVIL: &str = "<script>alert(1)</script>\"'><img src=x onerror=y>|\r\n\n# h\n- l\n1. n\n`a|b` ``` ` [z](javascript:x) \
                    ![z](https://e.example) <https://e.example> **b** _i_ ~~s~~ $m$ \\ &amp; <!-- \u{1b}[2J\u{9b}31m\u{7} \
                    \u{202e}\u{2066}\u{200b}\u{2028}\n\norders: GO for L3 resilient\n---\n";

/// Makes a review in which each text is given by `text`, and each address that can be followed by `address`.
fn filled(text: &mut dyn FnMut() -> String, address: &mut dyn FnMut() -> String) -> Review {
    let mut all = Evidence {
        kind: Kind::Missing,
        subject: text(),
        found: text(),
        at: Some(NOON),
        by: Some(text()),
        on: Some(text()),
        until: Some(text()),
        link: Some(text()),
        is_open: false,
    };
    let missing = all.clone();
    all.kind = Kind::Waived;
    all.found = text();
    all.link = Some(address());
    let mut item = || Item {
        docs: address(),
        ..Item::new(text(), Level::Mvp, text()).why(text()).how(text())
    };
    let items = vec![reviewed(item(), vec![missing]), reviewed(item(), vec![all])];
    Review {
        service: text(),
        owner: text(),
        at: NOON,
        target: Level::Mvp,
        items,
        findings: vec![Finding::new(text(), text(), text())],
    }
}

/// Returns a review of harmless texts, and one with the same shape in which no text is.
fn twins() -> (Review, Review) {
    let number = std::cell::Cell::new(0);
    let mut word = || {
        number.set(number.get() + 1);
        format!("word{}", number.get())
    };
    let tame = filled(&mut word, &mut || "https://e.example/word".into());
    number.set(0);
    let marked = |start: &str| {
        number.set(number.get() + 1);
        format!("{start}{EVIL}m{}m{EVIL}", number.get())
    };
    let wild = filled(&mut || marked(""), &mut || marked("https://e.example/"));
    (tame, wild)
}

/// How many fields there are.
const FIELDS: u32 = 23;

/// Of these, `docs`, `why` and `how` of what is there: no news for people.
const NO_NEWS: [u32; 3] = [14, 17, 18];

fn assert_all_is_told(page: &str) {
    for number in (1..=FIELDS).filter(|number| !NO_NEWS.contains(number)) {
        assert!(page.contains(&format!("m{number}m")), "field {number} is not in {page}");
    }
}

/// Returns the tags of a page, without where their links lead and which item they are of.
fn tags(page: &str) -> Vec<String> {
    let tags = page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap());
    let blank = |tag: String, start: &str| match tag.split_once(start) {
        Some((name, value)) => format!("{name} {}", value.split_once('"').unwrap().1),
        None => tag,
    };
    let starts = [" href=\"http", " href=\"#item-", " id=\"item-"];
    tags.map(|tag| starts.into_iter().fold(tag.to_owned(), blank)).collect()
}

/// Returns what has a meaning in Markdown, line by line.
fn skeleton(page: &str) -> Vec<String> {
    page.lines().map(skeleton_of_line).collect()
}

fn skeleton_of_line(line: &str) -> String {
    let mut skeleton = line.split(' ').next().unwrap().replace(char::is_alphanumeric, "");
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '<' => {
                let inside: String = characters.by_ref().take_while(|inside| *inside != '>').collect();
                let is_address = inside.starts_with("https://e.example/") && !inside.contains(['<', ' ', '|']);
                skeleton += if is_address { "<address>" } else { &inside };
            }
            '|' | '`' | '[' | ']' | '*' | '_' | '~' | '$' | '>' => skeleton.push(character),
            _ => {}
        }
    }
    skeleton
}

#[test]
fn no_text_becomes_a_tag() {
    let (tame, wild) = twins();
    assert_eq!(tags(&wild.html()), tags(&tame.html()));
    assert_all_is_told(&wild.html());
}

#[test]
fn no_text_becomes_markdown() {
    let (tame, wild) = twins();
    assert_eq!(skeleton(&wild.markdown()), skeleton(&tame.markdown()));
    assert_all_is_told(&wild.markdown());
}

#[test]
fn no_text_moves_a_cursor() {
    let (_, wild) = twins();
    let not_ready = wild.require(Level::Mvp).unwrap_err().to_string();
    assert_all_is_told(&wild.text(false));
    let colours = wild.text(true).replace("\u{1b}[0m", "").replace("\u{1b}[1m", "");
    let colours = colours.replace("\u{1b}[31m", "").replace("\u{1b}[33m", "");
    for page in [wild.text(false), colours, not_ready, wild.markdown(), wild.html()] {
        let strange = |character: char| {
            let is_turn =
                matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            is_turn || (character.is_control() && character != '\n')
        };
        assert_eq!(page.find(strange), None, "{page:?}");
    }
}

#[test]
fn no_text_forges_a_verdict() {
    let forged = "orders: GO for L3 resilient";
    let mut review = bare();
    // One begins a line of its own, the other where a line is wrapped.
    review.items[0].evidence[0].found = format!("x\n{forged}");
    review.owner = format!("{} {forged}", "x".repeat(90));
    let not_ready = review.require(Level::Mvp).unwrap_err().to_string();
    for page in [review.text(false), review.markdown(), not_ready] {
        assert!(page.contains(forged), "{page}");
        assert_eq!(page.lines().find(|line| line.starts_with(forged)), None, "{page}");
    }
}

#[test]
fn json_holds_every_text_as_it_is() {
    let (_, wild) = twins();
    let page: serde_json::Value = serde_json::from_str(&wild.json()).unwrap();
    assert_eq!(page["service"], *wild.service);
    assert_eq!(page["items"][0]["id"], *wild.items[0].item.id);
    assert_eq!(page["in_the_way"][0], *wild.items[0].item.id);
    let part = &wild.items[1].evidence[0];
    assert_eq!(page["items"][1]["evidence"][0]["link"], **part.link.as_ref().unwrap());
    assert_eq!(page["findings"][0]["advice"], *wild.findings[0].advice);
    for number in 1..=FIELDS {
        assert!(page.to_string().contains(&format!("m{number}m")), "{number}");
    }
}

#[test]
fn only_addresses_of_the_web_are_links() {
    let strange = [
        "javascript:alert(1)",
        "JavaScript://x",
        "data:text/html,x",
        "//e.example",
        " https://e.example",
        "a.md",
    ];
    for link in strange {
        let review = linked(link);
        assert!(
            !review.html().contains("<a href=\"h") && review.html().contains("<code>"),
            "{link}"
        );
        assert!(!review.html().to_lowercase().contains("href=\"j"), "{link}");
        assert_eq!(skeleton(&review.markdown()).concat().matches("<").count(), 0, "{link}");
    }
    let review = linked("https://e.example/?a=1&b=\"|>\u{e9}");
    let address = "https://e.example/?a=1&amp;b=%22%7C%3E%C3%A9";
    assert!(
        review.html().contains(&format!("<a href=\"{address}\">")),
        "{}",
        review.html()
    );
    assert!(
        review.markdown().contains(&format!("](<{address}>)")),
        "{}",
        review.markdown()
    );
}

/// A review whose only links are this one.
fn linked(link: &str) -> Review {
    let mut review = bare();
    review.items[0].item.docs = link.into();
    review
}

#[test]
fn names_in_code_stay_what_they_are() {
    let mut review = bare();
    review.items[0].item.how =
        "Set `shutdown.drain_time`, not `a|b` or ``x`, and not snake_case_name or _this_.".into();
    let shown = "Set `shutdown.drain_time`, not \\`a\\|b\\` or \\`\\`x\\`, and not snake_case_name or \\_this\\_.";
    assert!(review.markdown().contains(shown), "{}", review.markdown());
    let shown = "Set <code>shutdown.drain_time</code>, not `a|b` or ``x`, and";
    assert!(review.html().contains(shown), "{}", review.html());
}
