//! Prints what was measured, each variant beside the bare server.

mod cells;
mod closed;
mod open;

use super::figures::Figures;

pub(super) fn text(figures: &Figures) -> String {
    let mut text = format!(
        "static handler over loopback, HTTP/1.1, {} connections; {}; {} s\n{}\n\
         medians over the rounds, in brackets their 10..90 %; `of bare`: over the bare server of the same round\n",
        figures.connections,
        figures.origin.machine,
        figures.seconds,
        figures.versions.join(", ")
    );
    closed::print(&mut text, figures);
    open::print(&mut text, figures);
    text
}

#[cfg(test)]
mod tests;
