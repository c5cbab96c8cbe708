use super::standing::{nothing_in_the_way, standing};
use super::told::{KINDS, LEVELS, NEVER, address, advice, areas, known, later, owner, parts};
use super::told::{phrase, spans, there, visible};
use crate::review::day::when;
use crate::review::evidence::{Evidence, Kind};
use crate::review::item::Item;
use crate::review::verdict::{Review, Reviewed};

/// Renders a review as GitHub's Markdown, which is read in a terminal too.
pub(in crate::review) fn markdown(review: &Review) -> String {
    let sections = [
        headline(review),
        section("Do next", next(review), "Nothing is missing."),
        section("In the way", to_mend(review), &nothing_in_the_way(review)),
        section("Waived", waived(review), "Nothing is waived."),
        section("Findings", findings(review), "None."),
        evidence(review),
    ];
    sections.join("\n")
}

fn headline(review: &Review) -> String {
    format!(
        "# {}: {} for {}\n\nReached {}; {} waived; owner: {}; reviewed at {}.\n",
        escaped(&review.service),
        review.verdict().label(),
        review.target,
        escaped(&standing(review)),
        review.waived().count(),
        escaped(owner(review)),
        when(review.at),
    )
}

fn section(title: &str, content: String, nothing: &str) -> String {
    let content = if content.is_empty() {
        format!("{nothing}\n")
    } else {
        content
    };
    format!("## {title}\n\n{content}")
}

fn next(review: &Review) -> String {
    let items = (1..).zip(review.next()).map(|(number, reviewed)| {
        let item = &reviewed.item;
        let later = later(review, reviewed).map_or_else(String::new, |later| format!("; {later}"));
        let [id, title, how] = [&item.id, &item.title, &item.how].map(|text| escaped(text));
        // No text of somebody else's begins a line, where it could be a list or a heading.
        format!("{number}. **{id}**: {title} ({}{later}). {how}\n", item.level)
    });
    items.collect()
}

fn to_mend(review: &Review) -> String {
    let items = review.in_the_way().map(|reviewed| {
        let item = &reviewed.item;
        let never = if item.is_never {
            format!("; {NEVER}")
        } else {
            String::new()
        };
        let mut text = format!("### {} ({}){never}\n\n", title(reviewed), item.level);
        for missing in parts(reviewed, Kind::Missing) {
            text += &format!("- {}\n", part(missing));
        }
        for (label, said) in advice(item).into_iter().filter(|(_, said)| !said.is_empty()) {
            text += &format!("- {label}: {}\n", escaped(said));
        }
        if !item.docs.is_empty() {
            text += &format!("- docs: {}\n", docs(item));
        }
        text
    });
    items.collect::<Vec<_>>().join("\n")
}

fn waived(review: &Review) -> String {
    let items = review.waived().map(|reviewed| {
        let parts = parts(reviewed, Kind::Waived).map(|waived| format!("- {}\n", part(waived)));
        format!(
            "### {} ({})\n\n{}",
            title(reviewed),
            reviewed.item.level,
            parts.collect::<String>()
        )
    });
    items.collect::<Vec<_>>().join("\n")
}

fn findings(review: &Review) -> String {
    let findings = review.findings.iter().map(|finding| {
        let [subject, found, advice] = [&finding.subject, &finding.found, &finding.advice].map(|text| escaped(text));
        format!("### {subject}\n\n- found: {found}\n- do: {advice}\n")
    });
    findings.collect::<Vec<_>>().join("\n")
}

fn evidence(review: &Review) -> String {
    let mut text = "## Evidence\n\n".to_owned();
    for (kind, meaning) in KINDS {
        text += &format!("- {}: {meaning}\n", kind.label());
    }
    text.push('\n');
    for (level, meaning) in LEVELS {
        text += &format!("- {level}: {meaning}\n");
    }
    for (area, items) in areas(review) {
        text += &format!("\n### {}\n\n", area.title());
        text += "| kind | item | level | what is wanted | what was found |\n|---|---|---|---|---|\n";
        text.extend(items.into_iter().map(|reviewed| row(review, reviewed)));
    }
    text
}

fn row(review: &Review, reviewed: &Reviewed) -> String {
    let item = &reviewed.item;
    let later = later(review, reviewed).map_or_else(String::new, |later| format!(" ({later})"));
    let parts: Vec<_> = reviewed.evidence.iter().map(part).collect();
    format!(
        "| {}{later} | {} | {} | {} | {} |\n",
        reviewed.kind.label(),
        escaped(&item.id),
        item.level,
        escaped(&item.title),
        parts.join("<br>"),
    )
}

fn title(reviewed: &Reviewed) -> String {
    format!("{}: {}", escaped(&reviewed.item.id), escaped(&reviewed.item.title))
}

fn part(part: &Evidence) -> String {
    let known = match &*known(part) {
        "" => String::new(),
        known => format!(" ({})", escaped(known)),
    };
    let texts = [&part.subject, &part.found].map(|text| escaped(text));
    let told = phrase(texts, there(part).map(link));
    format!("{}: {told}{known}", part.kind.label())
}

/// Says where it is told how an item is met.
fn docs(item: &Item) -> String {
    match address(&item.docs) {
        // Between brackets `&copy;` would be a sign, which it is not in an address that stands alone.
        Some(address) => format!(
            "[how to meet {}](<{}>)",
            escaped(&item.id),
            address.replace('&', "&amp;")
        ),
        None => escaped(&item.docs),
    }
}

/// Writes an address so that it can be followed, and anything else as text.
fn link(link: &str) -> String {
    match address(link) {
        Some(address) => format!("<{address}>"),
        None => escaped(link),
    }
}

/// Takes the meaning from whatever has one, and leaves names in code as they are.
fn escaped(text: &str) -> String {
    let text = visible(text);
    let mut escaped = String::with_capacity(text.len());
    for (is_code, span) in spans(&text) {
        if is_code {
            escaped += &format!("`{span}`");
            continue;
        }
        let mut before = ' ';
        let mut characters = span.chars().peekable();
        while let Some(character) = characters.next() {
            // Inside of a word it is a part of the name.
            let is_inside = before.is_alphanumeric() && characters.peek().is_some_and(|next| next.is_alphanumeric());
            match character {
                '<' => escaped += "&lt;",
                '>' => escaped += "&gt;",
                '&' => escaped += "&amp;",
                '_' if is_inside => escaped.push('_'),
                '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => escaped.extend(['\\', character]),
                _ => escaped.push(character),
            }
            before = character;
        }
    }
    escaped
}
