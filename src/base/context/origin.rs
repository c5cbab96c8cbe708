use std::cell::RefCell;
use std::mem;

use super::baggage::{Baggage, IdempotencyKey};
use super::request_id::RequestId;
use super::trace::TraceContext;

thread_local!(static CURRENT: RefCell<Origin> = const { RefCell::new(Origin::NONE) });

/// What the present work is done for: everything that travels with a request, but for its deadline and its class.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) baggage: Option<Baggage>,
    pub(crate) idempotency_key: Option<IdempotencyKey>,
}

impl Origin {
    pub(crate) const NONE: Self = Self {
        request_id: None,
        trace: None,
        baggage: None,
        idempotency_key: None,
    };

    /// Looks at that of the task's present work.
    pub(crate) fn with<T>(look: impl FnOnce(&Self) -> T) -> T {
        let mut look = Some(look);
        let seen = CURRENT.try_with(|current| look.take().map(|look| look(&current.borrow())));
        // A thread that is ending has none any more, and may still log.
        let seen = seen.ok().flatten();
        seen.unwrap_or_else(|| look.take().map(|look| look(&Self::NONE)).expect("it was not called"))
    }

    /// Runs `work` for this one.
    #[inline]
    pub(crate) fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let _swapped = Swapped::new(self, mem::swap);
        work()
    }
}

impl TraceContext {
    /// Runs `work` in this span.
    #[inline]
    pub(crate) fn run<T>(span: &mut Option<Self>, work: impl FnOnce() -> T) -> T {
        let _swapped = Swapped::new(span, |current, own| mem::swap(&mut current.trace, own));
        work()
    }
}

/// Puts back what was before, after a panic too.
struct Swapped<'a, T> {
    own: &'a mut T,
    swap: fn(&mut Origin, &mut T),
}

impl<'a, T> Swapped<'a, T> {
    #[inline]
    fn new(own: &'a mut T, swap: fn(&mut Origin, &mut T)) -> Self {
        let mut swapped = Self { own, swap };
        swapped.swap();
        swapped
    }
}

impl<T> Swapped<'_, T> {
    #[inline]
    fn swap(&mut self) {
        // A thread that is ending has none any more, and may still drop what was begun.
        let _ = CURRENT.try_with(|current| (self.swap)(&mut current.borrow_mut(), self.own));
    }
}

impl<T> Drop for Swapped<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.swap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: &str) -> Origin {
        Origin {
            request_id: id.parse().ok(),
            ..Origin::NONE
        }
    }

    fn current() -> Option<String> {
        RequestId::current().map(|id| id.to_string())
    }

    #[test]
    fn what_was_before_is_back_after_a_panic_too() {
        let mut outer = of("outer");
        outer.run(|| {
            let panics = || of("inner").run(|| panic!("work in {:?}", current()));
            assert!(std::panic::catch_unwind(panics).is_err());
            assert_eq!(current().as_deref(), Some("outer"));
        });
        assert_eq!(current(), None);
        assert_eq!(outer.request_id.unwrap().as_str(), "outer");
    }

    #[test]
    fn a_thread_that_ends_may_still_drop_what_has_an_origin() {
        struct Late(Origin);
        impl Drop for Late {
            fn drop(&mut self) {
                self.0.run(|| drop(current()));
            }
        }
        thread_local!(static LATE: RefCell<Option<Late>> = const { RefCell::new(None) });
        let ended = std::thread::spawn(|| {
            // Dropped after what was first used after it.
            LATE.set(Some(Late(of("late"))));
            assert_eq!(current(), None);
        });
        ended.join().unwrap();
    }
}
