use super::lines::{GREEN, Page, RED, YELLOW};
use super::standing::{nothing_in_the_way, standing};
use super::told::{KINDS, LEVELS, NEVER, advice, areas, known, later, owner, parts, phrase, there, visible};
use crate::base::finding::Finding;
use crate::review::day::when;
use crate::review::evidence::{Evidence, Kind};
use crate::review::verdict::{Review, Reviewed, Verdict};

/// The longest id that others are aligned with.
const LONGEST_ID: usize = 24;

/// Renders a review for a terminal.
pub(in crate::review) fn text(review: &Review, colour: bool) -> String {
    let mut page = Page::new(colour);
    page.headline(review);
    page.next(review);
    page.in_the_way(review);
    page.waived(review);
    page.findings(&review.findings);
    page.evidence(review);
    page.text
}

/// Renders what is in the way, and how it is mended.
pub(in crate::review) fn to_do(review: &Review) -> String {
    let mut page = Page::new(false);
    page.headline(review);
    for reviewed in review.in_the_way() {
        page.text.push('\n');
        page.mending(reviewed, &[("do", &reviewed.item.how)]);
    }
    page.text
}

impl Page {
    fn headline(&mut self, review: &Review) {
        let verdict = review.verdict();
        let colour = if verdict == Verdict::Go { GREEN } else { RED };
        let verdict = self.paint(colour, verdict.label());
        let service = visible(&review.service).into_owned();
        self.text += &format!("{service}: {verdict} for {}\n", review.target);
        let about = [
            format!("reached {}", standing(review)),
            format!("{} waived", review.waived().count()),
        ];
        self.wrapped("", "  ", &about.join("; "));
        let about = format!("owner: {}; reviewed at {}", owner(review), when(review.at));
        self.wrapped("", "  ", &about);
    }

    fn next(&mut self, review: &Review) {
        self.heading("Do next");
        let next = review.next();
        if next.is_empty() {
            self.wrapped("  ", "", "Nothing is missing.");
        }
        for (number, reviewed) in (1..).zip(next) {
            let item = &reviewed.item;
            let later = later(review, reviewed).map(|later| format!("; {later}"));
            let title = format!(
                "{}: {} ({}{})",
                item.id,
                item.title,
                item.level,
                later.unwrap_or_default()
            );
            self.wrapped(&format!("  {number}. "), "", &title);
            self.wrapped("     ", "", &item.how);
        }
    }

    fn in_the_way(&mut self, review: &Review) {
        self.heading("In the way");
        if review.verdict() == Verdict::Go {
            self.wrapped("  ", "", &nothing_in_the_way(review));
        }
        for (at, reviewed) in review.in_the_way().enumerate() {
            if at > 0 {
                self.text.push('\n');
            }
            self.mending(reviewed, &advice(&reviewed.item));
        }
    }

    /// Shows what is missing of an item, and what is to be done.
    fn mending(&mut self, reviewed: &Reviewed, advice: &[(&str, &str)]) {
        let item = &reviewed.item;
        let mut title = format!("{}: {} ({})", item.id, item.title, item.level);
        if item.is_never {
            title = format!("{title}; {NEVER}");
        }
        self.wrapped("  ", "  ", &title);
        for part in parts(reviewed, Kind::Missing) {
            self.part("    ", part, true);
        }
        for (label, text) in advice.iter().filter(|(_, text)| !text.is_empty()) {
            self.wrapped(&format!("    {:9} ", format!("{label}:")), "", text);
        }
        self.link("    docs:     ", &item.docs);
    }

    fn waived(&mut self, review: &Review) {
        self.heading("Waived");
        if review.waived().next().is_none() {
            self.wrapped("  ", "", "Nothing is waived.");
        }
        for reviewed in review.waived() {
            self.wrapped("  ", "  ", &format!("{}: {}", reviewed.item.id, reviewed.item.title));
            for part in parts(reviewed, Kind::Waived) {
                self.part("    ", part, false);
            }
        }
    }

    fn findings(&mut self, findings: &[Finding]) {
        self.heading("Findings");
        if findings.is_empty() {
            self.wrapped("  ", "", "None.");
        }
        for finding in findings {
            let Finding { subject, found, .. } = finding;
            self.wrapped("  ", "  ", &format!("{subject}: {found}"));
            self.wrapped("    do:       ", "", &finding.advice);
        }
    }

    fn evidence(&mut self, review: &Review) {
        self.heading("Evidence");
        for (kind, meaning) in KINDS {
            self.wrapped(&format!("  {:12}  ", kind.label()), "", meaning);
        }
        self.text.push('\n');
        for (level, meaning) in LEVELS {
            self.wrapped(&format!("  {:12}  ", level.to_string()), "", meaning);
        }
        let ids = review.items.iter().map(|reviewed| reviewed.item.id.chars().count());
        let width = ids.max().unwrap_or_default().min(LONGEST_ID);
        for (area, items) in areas(review) {
            self.heading(&format!("Evidence: {}", area.title()));
            for reviewed in items {
                self.row(review, reviewed, width);
            }
        }
    }

    fn row(&mut self, review: &Review, reviewed: &Reviewed, width: usize) {
        let item = &reviewed.item;
        let later = later(review, reviewed);
        let colour = later.as_ref().map_or(colour(reviewed.kind), |_| YELLOW);
        let kind = self.paint(colour, &format!("{:8}", reviewed.kind.label()));
        let title = match later {
            Some(later) => format!("{} ({later})", item.title),
            None => item.title.clone(),
        };
        let start = format!("  {kind}  {:width$}  {}  ", visible(&item.id), item.level.number());
        let indent = "  ".len() + 8 + "  ".len() + width + "  L1  ".len();
        self.text += &start;
        self.fill(indent, indent, &title);
        for part in &reviewed.evidence {
            self.part("            ", part, true);
        }
    }

    /// Shows a part with its kind, or without it where that goes without saying.
    fn part(&mut self, indent: &str, part: &Evidence, is_named: bool) {
        let there = there(part).map(str::to_owned);
        let mut told = phrase([part.subject.clone(), part.found.clone()], there);
        let known = known(part);
        if !known.is_empty() {
            told = format!("{told} ({known})");
        }
        let label = if is_named {
            format!("{:9} ", format!("{}:", part.kind.label()))
        } else {
            String::new()
        };
        self.wrapped(&format!("{indent}{label}"), "", &told);
    }
}

fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Missing => RED,
        Kind::Waived | Kind::Attested => YELLOW,
        Kind::Measured | Kind::Proven => GREEN,
    }
}
