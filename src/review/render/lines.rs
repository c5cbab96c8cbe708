//! Lines for a terminal: wrapped, aligned, in colour or not.

use super::told::visible;

/// How wide a line is, if its words let it.
const WIDTH: usize = 100;

const BOLD: &str = "1";
pub(super) const RED: &str = "31";
pub(super) const GREEN: &str = "32";
pub(super) const YELLOW: &str = "33";

pub(super) struct Page {
    pub(super) text: String,
    colour: bool,
}

impl Page {
    pub(super) fn new(colour: bool) -> Self {
        let text = String::new();
        Self { text, colour }
    }

    /// Shows a link on a line of its own, whole.
    pub(super) fn link(&mut self, start: &str, link: &str) {
        if !link.is_empty() {
            self.text += &format!("{start}{}\n", visible(link));
        }
    }

    pub(super) fn heading(&mut self, title: &str) {
        let title = self.paint(BOLD, title);
        self.text += &format!("\n{title}\n\n");
    }

    /// Writes words below each other, below the end of `start` and `hang`.
    pub(super) fn wrapped(&mut self, start: &str, hang: &str, text: &str) {
        self.text += start;
        self.fill(start.len(), start.len() + hang.len(), text);
    }

    pub(super) fn fill(&mut self, mut at: usize, indent: usize, text: &str) {
        let mut is_first = true;
        for word in visible(text).split_whitespace() {
            let width = word.chars().count();
            if !is_first && at + 1 + width > WIDTH {
                self.text += &format!("\n{:indent$}", "");
                (at, is_first) = (indent, true);
            }
            if !is_first {
                self.text.push(' ');
                at += 1;
            }
            self.text += word;
            (at, is_first) = (at + width, false);
        }
        self.text.push('\n');
    }

    pub(super) fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
