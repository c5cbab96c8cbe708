//! The page of the checklist says what the checklist says.

use super::rows;

#[test]
fn the_page_of_the_checklist_has_a_section_for_each_item_in_its_order() {
    let page = include_str!("../../docs/checklist.md");
    let sections = page.split("\n### ").skip(1);
    let sections = sections.map(|section| section.split("\n## ").next().unwrap_or_default().trim().to_owned());
    let expected = rows().map(|row| {
        let never = if row.is_never { ", *never* left out" } else { "" };
        let (level, title) = (row.level.number(), row.title);
        format!("`{}`\n\n{title} ({level}{never}). {}\n\n{}", row.id, row.why, row.how)
    });
    assert_eq!(sections.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}
