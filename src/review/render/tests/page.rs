//! The page can be read by everybody: with any device, in the dark, by ear, by keyboard.

use super::*;

/// Returns what stands between a text and the next one, each time.
fn all<'a>(page: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    let rest = page.split(from).skip(1);
    rest.map(|rest| rest.split(to).next().unwrap()).collect()
}

#[test]
fn headings_go_down_one_at_a_time() {
    let pages = [sample(), bare(), sample().toward(Level::Mvp)].map(|review| review.html());
    for page in pages {
        let levels = all(&page, "<h", ">").into_iter();
        let levels: Vec<u32> = levels.filter_map(|tag| tag.get(..1)?.parse().ok()).collect();
        assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1, "{levels:?}");
        assert_eq!(levels[0], 1);
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    }
}

#[test]
fn every_link_within_the_page_leads_somewhere() {
    let page = sample().html();
    let targets = all(&page, "href=\"#", "\"");
    let is_item = |target: &&&str| target.starts_with("item-");
    let items = targets.iter().filter(is_item).count();
    assert_eq!(
        targets.len() - items,
        6,
        "the one that skips the header, and one for each section"
    );
    assert_eq!(items, 3 + 2, "what is next, and each row of what is in the way");
    for target in targets {
        assert_eq!(page.matches(&format!(" id=\"{target}\"")).count(), 1, "{target}");
    }
}

#[test]
fn every_item_has_one_place_whatever_the_target() {
    for level in Level::ALL {
        let page = sample().toward(level).html();
        for reviewed in sample().items {
            let place = format!(" id=\"item-{}\"", reviewed.item.id);
            assert_eq!(page.matches(&place).count(), 1, "{place} for {level}");
        }
    }
}

#[test]
fn the_page_needs_no_script_and_no_other_file() {
    let page = sample().html();
    for needed in [
        "<script", "<link", "<img", "<iframe", " src=", "url(", "@import", " onclick", "style=\"",
    ] {
        assert!(!page.contains(needed), "{needed}");
    }
}

#[test]
fn every_table_says_what_it_is_and_what_its_headings_are_for() {
    let page = sample().html();
    let (areas, items) = (5, sample().items.len());
    assert_eq!(page.matches("<table role=\"table\">\n<caption>").count(), areas);
    assert_eq!(page.matches("<table").count(), areas);
    assert_eq!(page.matches("<th>").count(), 0);
    assert_eq!(page.matches("<th scope=\"row\"").count(), items);
    // Where rows are blocks, some screen readers know by the roles alone that this is a table.
    for (role, count) in [
        ("rowgroup", 2 * areas),
        ("row", areas + items),
        ("rowheader", items),
        ("cell", 3 * items),
        ("columnheader", 4 * areas),
    ] {
        assert_eq!(page.matches(&format!(" role=\"{role}\"")).count(), count, "{role}");
    }
}

#[test]
fn every_colour_is_seen_on_its_ground() {
    let page = sample().html();
    let schemes = all(&page, "--ground: ", "}");
    assert_eq!(schemes.len(), 2, "light and dark");
    for scheme in schemes {
        let colours: Vec<_> = scheme.split('#').skip(1).map(|rest| &rest[..6]).collect();
        let [ground, text, quiet, _line, others @ ..] = &*colours else {
            panic!("{colours:?}")
        };
        for colour in [text, quiet].into_iter().chain(others) {
            let contrast = contrast(ground, colour);
            assert!(contrast >= 4.5, "#{colour} on #{ground}: {contrast}");
        }
    }
}

/// The contrast of two colours, as WCAG 2.2 defines it.
fn contrast(ground: &str, colour: &str) -> f64 {
    let luminance = |colour: &str| {
        let part = |at: usize| f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        let linear = |part: f64| match part {
            dark if dark <= 0.04045 => dark / 12.92,
            light => ((light + 0.055) / 1.055).powf(2.4),
        };
        0.2126 * linear(part(0)) + 0.7152 * linear(part(2)) + 0.0722 * linear(part(4))
    };
    let (one, other) = (luminance(ground), luminance(colour));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}
