use super::markup::{docs, list, place, plain, rich, title, word};
use super::standing::{in_the_way, is_in_the_way, nothing_in_the_way, reached};
use super::told::{KINDS, LEVELS, NEVER, advice, areas, later, owner, parts};
use crate::base::finding::Finding;
use crate::review::day::when;
use crate::review::evidence::Kind;
use crate::review::item::Area;
use crate::review::verdict::{Review, Reviewed, Verdict};

/// How it looks, in the page itself, so that it needs nothing else.
const STYLE: &str = include_str!("page.css");

/// Renders a review as one page without script that needs no other file.
pub(in crate::review) fn html(review: &Review) -> String {
    let title = format!(
        "{}: {} for {}",
        plain(&review.service),
        review.verdict().label(),
        review.target
    );
    let sections = [
        ("do-next", "Do next", next(review)),
        ("in-the-way", "In the way", to_mend(review)),
        ("waived", "Waived", waived(review)),
        ("findings", "Findings", findings(&review.findings)),
        ("evidence", "Evidence", evidence(review)),
    ];
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to what to do next</a>\n<header>\n"
    );
    page += &headline(review);
    page += "<nav aria-label=\"Sections\">\n<ul>\n";
    for (id, title, _) in &sections {
        page += &format!("<li><a href=\"#{id}\">{title}</a></li>\n");
    }
    page += "</ul>\n</nav>\n</header>\n<main id=\"main\" tabindex=\"-1\">\n";
    for (id, title, content) in &sections {
        page += &format!(
            "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\" tabindex=\"-1\">{title}</h2>\n{content}</section>\n"
        );
    }
    page + "</main>\n</body>\n</html>\n"
}

fn headline(review: &Review) -> String {
    let verdict = review.verdict();
    let class = if verdict == Verdict::Go { "go" } else { "no-go" };
    let facts = [
        ("Reached", reached(review)),
        ("Missing", plain(&in_the_way(review))),
        ("Waived", review.waived().count().to_string()),
        ("Owner", rich(owner(review))),
        ("Reviewed at", time(when(review.at))),
    ];
    let facts = facts.map(|(name, fact)| format!("<dt>{name}</dt><dd>{fact}</dd>\n"));
    format!(
        "<h1>{}: <strong class=\"{class}\">{}</strong> for {}</h1>\n<dl>\n{}</dl>\n",
        plain(&review.service),
        verdict.label(),
        review.target,
        facts.concat()
    )
}

fn time(time: String) -> String {
    format!("<time datetime=\"{time}\">{time}</time>")
}

fn next(review: &Review) -> String {
    let items = review.next().into_iter().map(|reviewed| {
        let item = &reviewed.item;
        let later = later(review, reviewed).map_or_else(String::new, |later| format!("; {later}"));
        let (place, title, how) = (place(&item.id), title(item), rich(&item.how));
        format!(
            "<li><a href=\"#{place}\">{title}</a> ({}{later})<br>{how}</li>\n",
            item.level
        )
    });
    match &*items.collect::<String>() {
        "" => "<p>Nothing is missing.</p>\n".to_owned(),
        items => format!("<ol>\n{items}</ol>\n"),
    }
}

fn to_mend(review: &Review) -> String {
    if review.verdict() == Verdict::Go {
        return format!("<p>{}</p>\n", nothing_in_the_way(review));
    }
    let mut text = String::new();
    for reviewed in review.in_the_way() {
        let item = &reviewed.item;
        let never = if item.is_never {
            format!("; {NEVER}")
        } else {
            String::new()
        };
        let place = place(&item.id);
        text += &format!("<h3 id=\"{place}\">{} ({}){never}</h3>\n", title(item), item.level);
        text += &list(parts(reviewed, Kind::Missing));
        text += "<dl>\n";
        for (label, said) in advice(item).into_iter().filter(|(_, said)| !said.is_empty()) {
            text += &format!("<dt>{label}</dt><dd>{}</dd>\n", rich(said));
        }
        if !item.docs.is_empty() {
            text += &format!("<dt>docs</dt><dd>{}</dd>\n", docs(item));
        }
        text += "</dl>\n";
    }
    text
}

fn waived(review: &Review) -> String {
    let items = review.waived().map(|reviewed| {
        let parts = list(parts(reviewed, Kind::Waived));
        format!("<h3>{} ({})</h3>\n{parts}", title(&reviewed.item), reviewed.item.level)
    });
    match items.collect::<String>() {
        items if items.is_empty() => "<p>Nothing is waived.</p>\n".to_owned(),
        items => items,
    }
}

fn findings(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "<p>None.</p>\n".to_owned();
    }
    let findings = findings.iter().map(|finding| {
        let [subject, found, advice] = [&finding.subject, &finding.found, &finding.advice].map(|text| rich(text));
        format!("<h3>{subject}</h3>\n<dl>\n<dt>found</dt><dd>{found}</dd>\n<dt>do</dt><dd>{advice}</dd>\n</dl>\n")
    });
    findings.collect()
}

fn evidence(review: &Review) -> String {
    let kinds = KINDS.map(|(kind, meaning)| format!("<dt>{}</dt><dd>{meaning}</dd>\n", word(kind)));
    let levels = LEVELS.map(|(level, meaning)| format!("<dt>{level}</dt><dd>{meaning}</dd>\n"));
    let mut text = format!("<dl>\n{}{}</dl>\n", kinds.concat(), levels.concat());
    for (area, items) in areas(review) {
        text += &table(review, area, &items);
    }
    text
}

/// Shows the items of an area; the roles stay where the style makes blocks of rows and cells.
fn table(review: &Review, area: Area, items: &[&Reviewed]) -> String {
    let heading = |name| format!("<th scope=\"col\" role=\"columnheader\">{name}</th>");
    let headings = ["Item", "Kind", "Level", "What was found"].map(heading).concat();
    let rows: String = items.iter().map(|reviewed| row(review, reviewed)).collect();
    format!(
        "<table role=\"table\">\n<caption><h3>{}</h3></caption>\n<thead role=\"rowgroup\">\n\
         <tr role=\"row\">{headings}</tr>\n</thead>\n<tbody role=\"rowgroup\">\n{rows}</tbody>\n</table>\n",
        area.title()
    )
}

fn row(review: &Review, reviewed: &Reviewed) -> String {
    let item = &reviewed.item;
    let kind = match later(review, reviewed) {
        Some(later) => format!("<span class=\"kind later\">missing</span>, {later}"),
        None => word(reviewed.kind),
    };
    let (place, mut name) = (
        place(&item.id),
        format!("<code class=\"quiet\">{}</code>", plain(&item.id)),
    );
    let mut id = String::new();
    if is_in_the_way(review, reviewed) {
        name = format!("<a href=\"#{place}\">{name}</a>");
    } else {
        id = format!(" id=\"{place}\"");
    }
    let cells = [kind, item.level.to_string(), list(reviewed.evidence.iter())];
    let cells = cells.map(|cell| format!("<td role=\"cell\">{cell}</td>\n"));
    format!(
        "<tr role=\"row\"{id}><th scope=\"row\" role=\"rowheader\">{}<br>{name}</th>\n{}</tr>\n",
        rich(&item.title),
        cells.concat(),
    )
}
