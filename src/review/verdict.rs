use std::cmp::Reverse;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::checklist::lines_answered;
use super::evidence::{Evidence, Kind};
use super::item::Item;
use super::level::Level;
use super::render;
use crate::base::finding::Finding;

/// How many of the next things worth doing are named.
const NEXT: usize = 3;

/// Says whether a service is ready for production, item by item, with evidence.
///
/// Made by [`App::review`](crate::App::review); the same input gives the same review.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Review {
    /// The name of the service.
    pub service: String,
    /// Who is called when it is in trouble; empty if nobody has said so.
    pub owner: String,
    /// When it was made, since 1970.
    pub at: Duration,
    /// The level that the verdict is about.
    pub target: Level,
    /// Every item of the checklist, in its order.
    pub items: Vec<Reviewed>,
    /// What works and should be looked at; an attestation that something disproves is one.
    pub findings: Vec<Finding>,
}

/// One item, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reviewed {
    /// The item.
    pub item: Item,
    /// How it stands as a whole: as its worst part does.
    pub kind: Kind,
    /// Each part; never empty.
    pub evidence: Vec<Evidence>,
}

/// Whether a service may go to production.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Every item that the level needs is there, or waived.
    Go,
    /// Something is missing.
    NoGo,
}

impl Verdict {
    /// Returns it as it is called out: `GO` or `NO-GO`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Go => "GO",
            Self::NoGo => "NO-GO",
        }
    }
}

impl Reviewed {
    /// Tells whether it is there, or waived.
    pub fn is_met(&self) -> bool {
        self.kind != Kind::Missing
    }
}

impl Review {
    /// Returns the same review for another level.
    #[must_use]
    pub fn toward(mut self, target: Level) -> Self {
        self.target = target;
        self
    }

    /// Returns the verdict for the target.
    pub fn verdict(&self) -> Verdict {
        if self.in_the_way().next().is_none() {
            Verdict::Go
        } else {
            Verdict::NoGo
        }
    }

    /// Returns the highest level of which nothing is missing, nor of those before it.
    pub fn reached(&self) -> Option<Level> {
        let missing = self.items.iter().filter(|reviewed| !reviewed.is_met());
        let lowest = missing.map(|reviewed| reviewed.item.level).min();
        let is_reached = |level: &Level| lowest.is_none_or(|lowest| *level < lowest);
        Level::ALL.into_iter().rfind(is_reached)
    }

    /// Lists what the target needs and is missing: what the lowest level needs first, and of that what cannot be waived.
    pub fn in_the_way(&self) -> impl Iterator<Item = &Reviewed> {
        let needed = self.items.iter().filter(|reviewed| reviewed.item.level <= self.target);
        let mut missing: Vec<_> = needed.filter(|reviewed| !reviewed.is_met()).collect();
        missing.sort_by_key(|reviewed| (reviewed.item.level, !reviewed.item.is_never));
        missing.into_iter()
    }

    /// Lists what is waived up to the target: it is not there, and somebody answers for that.
    pub fn waived(&self) -> impl Iterator<Item = &Reviewed> {
        let needed = self.items.iter().filter(|reviewed| reviewed.item.level <= self.target);
        needed.filter(|reviewed| reviewed.kind == Kind::Waived)
    }

    /// Names the three things that are worth doing next, by their effect.
    ///
    /// First what the lowest level still needs, of that what cannot be waived, then what answers to most lines of the
    /// checklist, then in its order; what a higher level than the target needs comes last.
    pub fn next(&self) -> Vec<&Reviewed> {
        let mut missing: Vec<_> = self.items.iter().filter(|reviewed| !reviewed.is_met()).collect();
        missing.sort_by_key(|reviewed| {
            let Item {
                id, level, is_never, ..
            } = &reviewed.item;
            let is_later = *level > self.target;
            (is_later, *level, !is_never, Reverse(lines_answered(id)))
        });
        missing.truncate(NEXT);
        missing
    }

    /// Returns an item by its id.
    pub fn item(&self, id: &str) -> Option<&Reviewed> {
        self.items.iter().find(|reviewed| reviewed.item.id == id)
    }

    /// Returns `Ok` if the verdict for a level is GO; for a test of one's own.
    ///
    /// # Errors
    ///
    /// What is in the way; the error's text is the list of what to do.
    pub fn require(&self, level: Level) -> Result<(), NotReady> {
        let review = self.clone().toward(level);
        match review.verdict() {
            Verdict::Go => Ok(()),
            Verdict::NoGo => Err(NotReady(Box::new(review))),
        }
    }

    /// Renders it for a terminal.
    pub fn text(&self, colour: bool) -> String {
        render::text(self, colour)
    }

    /// Renders it as Markdown.
    pub fn markdown(&self) -> String {
        render::markdown(self)
    }

    /// Renders it as one page of HTML that needs nothing else.
    pub fn html(&self) -> String {
        render::html(self)
    }

    /// Renders it as JSON, by the schema [`JSON_SCHEMA`](super::JSON_SCHEMA).
    pub fn json(&self) -> String {
        render::json(self)
    }
}

/// A service is not ready for a level; its text is what to do.
#[derive(Clone, PartialEq, Eq)]
pub struct NotReady(Box<Review>);

impl NotReady {
    /// Returns the whole review.
    pub fn review(&self) -> &Review {
        &self.0
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render::to_do(&self.0))
    }
}

/// The same: `unwrap` in a test must print the list, too.
impl fmt::Debug for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for NotReady {}
