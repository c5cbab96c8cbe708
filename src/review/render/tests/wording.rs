//! What is said of an item, and of the whole, in every format.

use super::*;
use crate::review::evidence::Kind;

/// Returns a page of each kind, without what makes code of a name or a link of an address.
fn pages(review: &Review) -> [String; 3] {
    let page = review.html().replace("<code>", "").replace("</code>", "");
    let page = page.replace("<span class=\"quiet\">", "").replace("</span>", "");
    let text = review.text(false).split_whitespace().collect::<Vec<_>>().join(" ");
    [text, review.markdown(), page]
}

#[track_caller]
fn assert_told(review: &Review, told: &str) {
    for page in pages(review) {
        assert!(page.contains(told), "{told:?} is not in {page}");
    }
}

fn with(part: Evidence) -> Review {
    let mut review = bare();
    review.items = vec![reviewed(Item::new("drain", Level::Mvp, "A drain"), vec![part])];
    review
}

#[test]
fn what_to_do_next_comes_before_what_is_in_the_way() {
    for (page, headings) in [
        (sample().text(false), ["\nDo next\n", "\nIn the way\n"]),
        (sample().markdown(), ["\n## Do next\n", "\n## In the way\n"]),
        (sample().html(), [">Do next</h2>", ">In the way</h2>"]),
    ] {
        let [next, way] = headings.map(|heading| page.find(heading).unwrap());
        assert!(next < way, "{page}");
    }
}

#[test]
fn the_headline_names_what_stands_before_the_next_level() {
    let two = "circuit-breakers and alerting (2 of 6 items) are in the way of L3 resilient";
    assert_told(&sample(), two);
    let three = sample().toward(Level::Optimized);
    assert_told(&three, &format!("{two}; 3 of 7 items are in the way of L4 optimized"));
    let text = three.text(false);
    assert!(text.contains(&format!("reached L2 stable: {}", &two[..16])), "{text}");
    let text = bare().text(false);
    let one = "\nreached no level: runbooks (1 of 1 items) is in the way of L1 mvp; 0 waived\n";
    assert!(text.contains(one), "{text}");
}

#[test]
fn nothing_is_next_of_what_has_all() {
    let review = with(Evidence::proven("", "there"));
    assert_told(&review, "Nothing: all that L3 resilient needs is there, or waived.");
    let review = with(Evidence::missing("", "gone"));
    assert!(!review.text(false).contains("Next is"));
}

#[test]
fn an_attestation_says_where_to_look_whether_it_has_a_note_or_not() {
    let attested = |note: &str, link| said(Evidence::new(Kind::Attested, "", note), link);
    let by = "(said by ann on 2026-10-01 until 2027-04-01)";
    assert_told(&with(attested("", "api.rs")), &format!("attested: see api.rs {by}"));
    let told = format!("attested: 25 s for each replica, see deploy.md {by}");
    assert_told(&with(attested("25 s for each replica", "deploy.md")), &told);
}

#[test]
fn a_file_that_was_named_is_not_named_again() {
    let missing = |found: &str| with(said(Evidence::missing("", found), "docs/a.md"));
    for found in ["not there: docs/a.md: no such file", "cannot read `/srv/docs/a.md`"] {
        for page in pages(&missing(found)) {
            assert!(!page.contains("see docs/a.md"), "{page}");
        }
    }
    assert_told(&missing("not there: other-docs/a.md"), "see docs/a.md");
}

#[test]
fn a_waiver_without_an_end_is_for_good() {
    let waived = |by: Option<&str>, until: Option<&str>| Evidence {
        by: by.map(str::to_owned),
        ..Evidence::waived("", "no need", until.map(str::to_owned))
    };
    for (by, until, told) in [
        (None, None, "no need (waived for good)"),
        (Some("bea"), None, "no need (waived by bea for good)"),
        (None, Some("2027-01-01"), "no need (waived until 2027-01-01)"),
        (
            Some("bea"),
            Some("2027-01-01"),
            "no need (waived by bea until 2027-01-01)",
        ),
    ] {
        assert_told(&with(waived(by, until)), told);
    }
}
