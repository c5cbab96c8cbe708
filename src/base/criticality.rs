//! How much it matters that a request is answered, when not all can be.
//!
//! The four classes are those of Google's
//! [Site Reliability Engineering](https://sre.google/sre-book/handling-overload/#criticality): capacity is planned for the
//! two critical ones, and the two sheddable ones are refused first. The class travels in the task, and over HTTP in the
//! request's extensions.
//!
//! # Examples
//!
//! ```
//! use seaworthy::criticality::Criticality;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let batch = async { Criticality::current() };
//! assert_eq!(Criticality::Sheddable.scope(batch).await, Criticality::Sheddable);
//! assert_eq!(Criticality::current(), Criticality::Critical);
//! # }
//! ```

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

thread_local!(static CURRENT: Cell<Option<Criticality>> = const { Cell::new(None) });

/// The class of a request; the greater one matters more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Criticality {
    /// May fail often, and for hours: what comes again by itself, such as batch work.
    Sheddable,
    /// May fail for minutes: what is tried again later, such as a job that somebody waits for.
    SheddablePlus,
    /// Somebody notices if it fails. The default.
    #[default]
    Critical,
    /// The last to be refused: what loses money or data if it fails.
    CriticalPlus,
}

impl Criticality {
    /// All classes, the one that matters least first.
    pub const ALL: [Self; 4] = [Self::Sheddable, Self::SheddablePlus, Self::Critical, Self::CriticalPlus];

    /// Returns the class of the task's present work.
    ///
    /// Whatever is spawned is other work; take it along with [`scope`](Self::scope).
    pub fn current() -> Self {
        Self::told().unwrap_or_default()
    }

    /// Returns the class of the task's present work, if anybody has said one.
    pub fn told() -> Option<Self> {
        CURRENT.get()
    }

    /// Returns the class in one word, as it is on the wire and in labels.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sheddable => "sheddable",
            Self::SheddablePlus => "sheddable-plus",
            Self::Critical => "critical",
            Self::CriticalPlus => "critical-plus",
        }
    }

    /// Gives the class to a future, whenever that is polled.
    pub fn scope<F: Future>(self, future: F) -> Scope<F> {
        let criticality = self;
        Scope { future, criticality }
    }

    /// Runs `work` as of this class.
    #[inline]
    pub(crate) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        let _restore = Restore(CURRENT.replace(Some(self)));
        work()
    }
}

impl fmt::Display for Criticality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A text is none of the four labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCriticality;

impl fmt::Display for UnknownCriticality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a criticality is one of `sheddable`, `sheddable-plus`, `critical`, `critical-plus`")
    }
}

impl std::error::Error for UnknownCriticality {}

impl FromStr for Criticality {
    type Err = UnknownCriticality;

    /// Takes a label, in whatever case.
    fn from_str(text: &str) -> Result<Self, UnknownCriticality> {
        let is_named = |class: &Self| class.label().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(is_named).ok_or(UnknownCriticality)
    }
}

/// Puts back the class that was before, after a panic too.
struct Restore(Option<Criticality>);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

pin_project! {
    /// A future of a class; made by [`Criticality::scope`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Scope<F> {
        #[pin]
        future: F,
        criticality: Criticality,
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future;
        this.criticality.run(|| future.poll(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_read_from_its_label_and_nothing_else_is() {
        for class in Criticality::ALL {
            assert_eq!(class.label().parse(), Ok(class));
            assert_eq!(class.label().to_ascii_uppercase().parse(), Ok(class));
        }
        for text in ["", "critical ", "critical_plus", "5"] {
            assert_eq!(text.parse::<Criticality>(), Err(UnknownCriticality), "{text:?}");
        }
    }

    #[test]
    fn the_sheddable_ones_matter_less_and_a_panic_puts_the_class_back() {
        assert!(Criticality::ALL.is_sorted());
        let panics = || Criticality::Sheddable.run(|| panic!("work"));
        assert!(std::panic::catch_unwind(panics).is_err());
        assert_eq!(Criticality::current(), Criticality::Critical);
    }
}
